"""What a compiler is, by content: one digest over its programs, their libraries, its specs and its headers.

Two hosts whose digests are equal give the same object for the same input. Times, owners and places of
symlinks do not count; paths do, as they show in dependency files and debug information.
"""

import hashlib
import os
import re
import shutil
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dgcc.store.cache import DigestCache
from dgcc.store.digests import digest_files, stamp_of
from dgcc.store.errors import CompilerError, shown
from dgcc.store.scan import walk
from dgcc.store.selection import Selection

_NAME = re.compile(rb"(?:[\w.+]+-)*(?:gcc|g\+\+|cc|c\+\+|c89|c99|clang|clang\+\+)(?:-[\w.]+)?\Z")
_PROGRAMS = ("cc1", "cc1plus", "collect2", "as", "ld", "lto1")
_LANGUAGES = ("c", "c++")
_SEARCH = re.compile(rb"^#include \S+ search starts here:$(.*?)^End of search list\.$", re.M | re.S)
_LIBRARY = re.compile(rb"(?:=> )?(/\S+) \(0x[0-9a-f]+\)")
_TIMEOUT_S = 60
_PT_INTERP = 3
_EVERYTHING = Selection(skipped=frozenset())
# Variables that lead a compiler to other programs or headers than its own.
_MISLEADING = frozenset(
    {
        "CPATH",
        "C_INCLUDE_PATH",
        "CPLUS_INCLUDE_PATH",
        "OBJC_INCLUDE_PATH",
        "GCC_EXEC_PREFIX",
        "COMPILER_PATH",
        "LIBRARY_PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "DEPENDENCIES_OUTPUT",
        "SUNPRO_DEPENDENCIES",
        "GCC_COMPARE_DEBUG",
        "GCC_SPECS",
    }
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a compiler says it consists of: absolute paths, and text of its own that matters."""

    driver: bytes
    programs: tuple[bytes, ...]
    libraries: tuple[bytes, ...]
    include_dirs: tuple[bytes, ...]
    specs: bytes


_lock = threading.Lock()  # one at a time: the first fills the cache for the others


def identity(compiler: bytes, cache: DigestCache | None = None, *, for_peer: bool = False) -> bytes:
    """The SHA-256 digest, 32 bytes, of the compiler at an absolute path.

    Compilers are asked by running them. for_peer: another machine named the path, so only what root installed
    is run: else it could name a program that it has put here itself, in a mirror.

    Found anew each time, as packages may be upgraded while a slave runs; digests of files come from the cache
    (default: the user's). Any thread. Raises CompilerError if this is no compiler, or cannot be asked.
    """
    if for_peer and not _is_the_systems(compiler):
        raise CompilerError(f"'{shown(compiler)}' is not among the programs that root installed here")
    with _lock:
        return _identity(parts(compiler), cache or DigestCache())


def describe(compiler: bytes) -> str:
    """The compiler's version and target machine in one line. Raises CompilerError."""
    _driver(compiler)
    version = _ask(compiler, "--version").partition(b"\n")[0]
    machine = _ask(compiler, "-dumpmachine").strip()
    return f"{shown(version)} for {shown(machine)}"


def parts(compiler: bytes) -> Parts:
    """Ask a compiler what it consists of. Raises CompilerError."""
    driver = _driver(compiler)
    programs = []
    for name in _PROGRAMS:
        answer = _ask(compiler, f"-print-prog-name={name}").strip()
        found = answer if b"/" in answer else os.fsencode(shutil.which(os.fsdecode(answer)) or "")
        if found and os.path.isfile(found):
            programs.append(os.path.realpath(found))
    binaries = list(dict.fromkeys([driver, *programs]))
    libraries = sorted({library for binary in binaries for library in _libraries(binary)})
    include_dirs: dict[bytes, None] = {}
    for language in _LANGUAGES:
        for listing in _SEARCH.findall(_search_list(compiler, language)):
            lines = (line.strip() for line in listing.splitlines())
            include_dirs.update((line, None) for line in lines if line.startswith(b"/"))
    if not include_dirs:
        raise CompilerError(f"'{shown(compiler)}' does not say where its headers are; is it a C compiler?")
    return Parts(driver, tuple(programs), tuple(libraries), tuple(include_dirs), _specs(compiler))


def _driver(compiler: bytes) -> bytes:
    """The file behind a compiler's path; it is going to be executed, so it has to look like a compiler."""
    if not compiler.startswith(b"/") or not _NAME.match(os.path.basename(compiler)):
        raise CompilerError(f"'{shown(compiler)}' is not the absolute path of a known compiler")
    driver = os.path.realpath(compiler)
    if not os.path.isfile(driver):
        raise CompilerError(f"there is no compiler '{shown(compiler)}' here")
    return driver


def _is_the_systems(path: bytes) -> bool:
    """Whether root alone decides what runs there: all on the way to it, behind links too, is root's."""
    for start in (os.path.realpath(os.path.dirname(path)), os.path.realpath(path)):
        place = start
        while True:
            try:
                status = os.stat(place)
            except OSError:
                return False
            if status.st_uid != 0 or status.st_mode & stat.S_IWOTH:
                return False
            if place == b"/":
                break
            place = os.path.dirname(place)
    return True


def _run(argv: list[str | bytes], **more: str) -> subprocess.CompletedProcess[bytes]:
    env = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    env.update(LC_ALL="C", **more)
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=env,
            cwd="/",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"'{shown(os.fsencode(argv[0]))}' cannot be run: {error}") from error


def _ask(compiler: bytes, *options: str) -> bytes:
    done = _run([compiler, *options])
    if done.returncode != 0:
        raise CompilerError(f"'{shown(compiler)} {' '.join(options)}' failed: {shown(done.stderr.strip())}")
    return done.stdout


def _search_list(compiler: bytes, language: str) -> bytes:
    # A gcc without the C++ half fails for C++: then it has no such headers either.
    done = _run([compiler, "-E", "-v", "-x", language, "/dev/null", "-o", "/dev/null"])
    return done.stderr if done.returncode == 0 else b""


def _specs(compiler: bytes) -> bytes:
    """gcc's built-in specs, and a specs file that overrides them; clang has neither."""
    done = _run([compiler, "-dumpspecs"])
    named = _ask(compiler, "-print-file-name=specs").strip()
    override = b""
    if named.startswith(b"/"):
        try:
            with open(named, "rb") as file:
                override = file.read()
        except OSError:
            override = b""
    return (done.stdout if done.returncode == 0 else b"") + override


def _libraries(binary: bytes) -> Iterator[bytes]:
    """The shared libraries that the loader loads for a program; none for a static one or a script."""
    loader = _loader(binary)
    if loader:
        done = _run([loader, "--list", binary])
        for path in _LIBRARY.findall(done.stdout):
            yield os.path.realpath(path)


def _loader(binary: bytes) -> bytes:
    """The dynamic loader that an ELF program names (its PT_INTERP, see elf(5)); empty if there is none."""
    with open(binary, "rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:4] != b"\x7fELF":
            return b""
        wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
        table = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        for number in range(count):
            file.seek(table + number * size)
            row = file.read(size)
            if struct.unpack_from(order + "I", row)[0] == _PT_INTERP:
                offset = struct.unpack_from(order + ("Q" if wide else "I"), row, 8 if wide else 4)[0]
                length = struct.unpack_from(order + ("Q" if wide else "I"), row, 32 if wide else 16)[0]
                file.seek(offset)
                return file.read(length).rstrip(b"\0")
    return b""


def _identity(found: Parts, cache: DigestCache) -> bytes:
    """Digest of the content of all parts."""
    state = hashlib.sha256(b"dgcc-compiler-1\0")

    def add(*fields: bytes) -> None:
        for field in fields:
            state.update(b"%d:" % len(field) + field)

    add(b"specs", found.specs, *found.include_dirs)
    binaries = sorted({found.driver, *found.programs, *found.libraries})
    by_directory: dict[bytes, list[bytes]] = {}
    for path in binaries:
        by_directory.setdefault(os.path.dirname(path), []).append(os.path.basename(path))
    for directory, names in sorted(by_directory.items()):
        for name, digest in _digests(directory, names, cache):
            add(b"file", directory + b"/" + name, digest)
    for tree, (files, links) in sorted(_trees(found.include_dirs).items()):
        for path, link in sorted(links.items()):
            add(b"link", tree + b"/" + path, link)
        for path, digest in _digests(tree, files, cache):
            add(b"file", tree + b"/" + path, digest)
    return state.digest()


def _trees(include_dirs: Iterable[bytes]) -> dict[bytes, tuple[list[bytes], dict[bytes, bytes]]]:
    """The contents of the include directories, each read once, and of those that symlinks there lead to."""
    trees: dict[bytes, tuple[list[bytes], dict[bytes, bytes]]] = {}
    pending = sorted({os.path.realpath(directory) for directory in include_dirs})
    while pending:
        tree = pending.pop(0)
        if any(_within(tree, known) for known in trees) or not os.path.isdir(tree):
            continue
        for inner in [known for known in trees if _within(known, tree)]:
            del trees[inner]
        trees[tree] = _contents(tree)
        for path in trees[tree][1]:
            target = os.path.realpath(os.path.join(tree, path))
            # A link that leads to something around the headers would make us read the whole system.
            if os.path.isdir(target) and not _within(tree, target):
                pending.append(target)
    return trees


def _within(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def _contents(tree: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The files of a tree, those behind symlinks included, and the symlinks with what they say."""
    files: list[bytes] = []
    links: dict[bytes, bytes] = {}
    for path, status, link in walk(tree, b"", _EVERYTHING, lambda _: None):
        if stat.S_ISLNK(status.st_mode):
            links[path] = link
            if os.path.isfile(os.path.join(tree, path)):
                files.append(path)
        elif stat.S_ISREG(status.st_mode):
            files.append(path)
    return sorted(files), links


def _digests(tree: bytes, paths: Iterable[bytes], cache: DigestCache) -> Iterator[tuple[bytes, bytes]]:
    """Digests of files below a tree in the order of `paths`; a file that cannot be read has an empty one."""
    now = time.time_ns()
    cached = cache.load(tree)
    found: dict[bytes, bytes] = {}
    unknown: dict[bytes, bytes] = {}  # path below the tree -> real path
    for path in paths:
        absolute = os.path.join(tree, path)
        try:
            stamp = stamp_of(os.stat(absolute))
        except OSError:
            found[path] = b""
            continue
        remembered = cached.get(path)
        if remembered is not None and remembered[0] == stamp:
            found[path] = remembered[1]
        else:
            found[path] = b""
            unknown[path] = os.path.realpath(absolute)
    fresh = {}
    for path, (_, digested) in zip(unknown, digest_files(list(unknown.values()), now), strict=True):
        if digested is not None:
            found[path] = digested.digest
            if digested.settled:
                fresh[path] = digested.stamp, digested.digest
    if fresh:
        cache.save(tree, fresh)
    yield from found.items()
