"""Judges what libtool is asked for: a compile, or by a rule a link."""

import os
import re
from collections.abc import Sequence

from dgcc.master.verdict.compilerchoice import left_out
from dgcc.master.verdict.compilers import PREFIXES, language
from dgcc.master.verdict.compiling import compile_command
from dgcc.master.verdict.gathered import Gathered
from dgcc.master.verdict.places import absolute, normal
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.tools import Argument

_COMPILE_ONLY = frozenset((b"-prefer-pic", b"-prefer-non-pic", b"-static", b"-shared", b"-no-suppress"))
_DISPLAY = frozenset(
    (b"--silent", b"--quiet", b"--verbose", b"--no-silent", b"--no-quiet", b"--no-verbose", b"--no-warn",
     b"--preserve-dup-deps", b"--no-warning")
)  # fmt: skip
_LINK_PLAIN = frozenset(
    b"""
    -all-static -avoid-version -export-dynamic -module -no-fast-install -no-install -no-undefined -static -shared
    -static-libtool-libs -thread-safe -no-suppress -prefer-pic -prefer-non-pic -bindir
    """.split()
)
_LINK_TEXT = frozenset(
    b"-rpath -release -version-info -version-number -shrext -weak -os2dllname -R -export-symbols-regex".split()
)
_LINK_FILES = frozenset((b"-export-symbols", b"-dlopen", b"-dlpreopen", b"-objectlist", b"-precious-files-regex"))
_LARGEST_LA = 64 << 10
_DEPENDENCIES = re.compile(rb"(?m)^dependency_libs='([^']*)'")


def libtool(script: bytes, arguments: Sequence[Argument], cwd: bytes, own: bool, found: Gathered) -> None:
    """Judge one use of the libtool `script`, the project's `own` or the system's. Raises StaysHome."""
    found.name("libtool")
    mode = b""
    place = 0
    while place < len(arguments):
        word = arguments[place]
        if word is None or word[:1] != b"-":
            break
        if word == b"--tag":
            place += 1
        elif word == b"--mode":
            place += 1
            mode = (arguments[place] if place < len(arguments) else None) or b""
        elif word.startswith(b"--mode="):
            mode = word[7:]
        elif not (word.startswith(b"--tag=") or word in _DISPLAY):
            raise StaysHome(f"libtool {show(word)} is not understood")
        place += 1
    if mode != b"compile" and not (mode == b"link" and found.generous):
        raise StaysHome(f"libtool does not compile (mode {show(mode, 20) or 'unknown'})")
    rest = list(arguments[place:])
    while rest and rest[0] is not None and os.path.basename(rest[0]) in PREFIXES:
        front = found.places.lookup(rest[0], cwd, found.env) if b"/" not in rest[0] else normal(absolute(rest[0], cwd))
        if front is None or not found.exists(front, cwd):
            raise StaysHome(f"{show(rest[0])} is not found")
        left_out(os.path.basename(rest.pop(0) or b""), found)
        found.programs[front] = None
    if not rest or rest[0] is None:
        raise StaysHome("libtool has no command")
    if language(os.path.basename(rest[0])) is None:
        raise StaysHome(f"libtool runs {show(rest[0], 40)}, which is no compiler that travels")
    if own:
        found.uses(script, cwd, "the program")
    whole = (script, *arguments)
    if mode == b"link":
        _link(rest, cwd, found, whole)
    else:
        _compile(rest, cwd, found, whole)


def _compile(words: list[Argument], cwd: bytes, found: Gathered, whole: Sequence[Argument]) -> None:
    options: list[Argument] = [words[0]]
    rest = iter(words[1:])
    for word in rest:
        if word is not None and word.startswith(b"-Wc,"):
            options += word[4:].split(b",")
        elif word == b"-Xcompiler":
            options.append(next(rest, None))
        elif word not in _COMPILE_ONLY:
            options.append(word)
    for output in compile_command(options, cwd, False, found, whole):
        # libtool removes the old objects of both kinds first, so the slave must have them.
        directory, name = os.path.split(output)
        stem = os.path.splitext(name)[0] + b".o"
        for old in (output, os.path.join(directory, stem), os.path.join(directory, b".libs", stem)):
            found.uses(old, cwd, "the object")


def _link(words: list[Argument], cwd: bytes, found: Gathered, whole: Sequence[Argument]) -> None:
    options: list[Argument] = [words[0]]
    rest = iter(words[1:])
    for word in rest:
        if word is None:
            raise StaysHome("libtool has an argument that only the shell can tell")
        if word in _LINK_PLAIN:
            continue
        if word in _LINK_TEXT:
            next(rest, None)
        elif word in _LINK_FILES:
            path = next(rest, None)
            if path is not None and path not in (b"self", b"force"):
                found.uses(path, cwd, show(word))
        elif word[-3:] in (b".lo", b".la") and word[:1] != b"-":
            parts(word, cwd, found)
            if word[-3:] == b".la" and found.exists(word, cwd) or options[-1] == b"-o":
                options.append(word)
        else:
            options.append(word)
    compile_command(options, cwd, False, found, whole)


def parts(path: bytes, cwd: bytes, found: Gathered, depth: int = 0) -> None:
    """Make a libtool object or library, and the files that it stands for, inputs; libraries that it needs, too."""
    found.uses(path, cwd, "the object" if path[-3:] == b".lo" else "the library")
    directory, name = os.path.split(path)
    stem = name[:-3]
    hidden = os.path.join(directory, b".libs")
    if path[-3:] == b".lo":
        for at in (directory, hidden):
            found.uses(os.path.join(at, stem + b".o"), cwd, "the object")
        return
    fits = re.compile(re.escape(stem) + rb"(?:\.(?:so[0-9.]*|a|lai|la)|-[0-9.]+\.so|T?\.la|\.exp|\.ver)?")
    for file in found.places.world.below(normal(absolute(hidden, cwd)), fits):
        found.uses(os.path.join(hidden, file), cwd, "the library")
    text = found.places.world.read(normal(absolute(path, cwd)), _LARGEST_LA)
    needed = _DEPENDENCIES.search(text or b"")
    if needed is not None and depth < 10:
        for word in needed[1].split():
            if word[-3:] == b".la":
                parts(word, cwd, found, depth + 1)
            elif word[:2] == b"-L":
                found.searches(word[2:], cwd, "-L")
