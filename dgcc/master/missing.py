"""Which files a failed remote job lacked, as far as its own messages tell.

Messages come from any program, in any language, with or without colours. So nothing relies on their wording: every
word in them that, looked up as a program would, is there at home and was not on the slave is what was missing.
Wording only decides which lines are asked first. A wrong guess costs one more run of the job, never a wrong file.
"""

import ctypes
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import cache

MOST = 8
"""At most so many paths are named for one failed job."""

_MOST_LOOKUPS = 5_000
_MOST_DIRECTORIES = 64
_LONGEST = 16 << 10  # bytes of the messages' beginning and of their end that are read
_LONGEST_PATH = 4096

# Colours, cursor movements, and the links that compilers put around words on a terminal.
_ESCAPE = re.compile(
    rb"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|[\x00-\x08\x0e-\x1a\r]"
)
_QUOTED = re.compile(
    rb"['`]([^'`\n]+)'|\"([^\"\n]+)\"|\xe2\x80\x98(.+?)\xe2\x80\x99|\xe2\x80\x9c(.+?)\xe2\x80\x9d"
    rb"|\xe2\x80\x9e(.+?)\xe2\x80\x9c|\xc2\xab\s?(.+?)\s?\xc2\xbb|\xc2\xbb(.+?)\xc2\xab"
    rb"|\xe2\x80\xb9(.+?)\xe2\x80\xba|<([^<>\s]+)>"
)
_EDGES = b"'\"`()[]{}<>,;:!*="
_LC_ALL_MASK = 0x1FBF  # glibc's locale.h
_ERRNOS = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.EPERM)
_SIGNALS = re.compile(
    rb"no such file|not found|cannot (?:find|open|read|stat|access|execute|load)|can't (?:find|open|read|locate)"
    rb"|could ?n[o']t (?:find|open|read)|unable to (?:find|open|read)|no rule to make|no module named|does not exist"
    rb"|permission denied|bad interpreter|failed to open|error opening|required file",
    re.IGNORECASE,
)
# What stands before a name in messages that do not quote it; only needed for names with blanks in them.
_BEFORE_NAME = re.compile(
    rb"(?:cannot|can't|couldn't|unable to)\s+(?:find|open|read|stat)\s+(?:(?:linker script )?file\s+)?"
)
_LIBRARY = re.compile(rb"(?:\A|[\s'\"`(\x98])-l(:?)([^\s'\"`:,;()]+)")
_MODULE = re.compile(rb"[Nn]o module named '?([A-Za-z_][\w.]*)")
_ENTERING = re.compile(rb": Entering directory ['`](/.*)'\Z")
_SHARED = re.compile(rb"(?:lib[^/\s]+\.(?:so|a)[.\d]*|[^/\s]+\.so[.\d]*|[^/\s]+\.o)\Z")
_NOT_OURS = (b"/dev/", b"/proc/", b"/sys/", b"/run/")
_MULTIARCH = os.fsencode(os.uname().machine) + b"-linux-gnu"  # as Debian calls it on the machines that we run on
_LIBRARIES = (b"/usr/local/lib", b"/usr/lib/" + _MULTIARCH, b"/lib/" + _MULTIARCH, b"/usr/lib", b"/lib", b"/usr/lib64")
_SEARCH_OPTION = re.compile(
    rb"(?:^|\s)(?:-I|-L|-B|-isystem|-iquote|-idirafter|-iprefix|-isysroot|--sysroot)[\s=]*['\"]?([^\s'\"]+)"
)


def search_directories(argv: Sequence[bytes], inputs: Sequence[bytes], cwd: bytes) -> tuple[bytes, ...]:
    """Return where a recipe's programs look for names: `cwd`, beside its inputs, and what -I, -L and their like say.

    `inputs` are absolute. Shell lines are not parsed: a directory too many does no harm. Absolute paths, each once.
    """
    found = {cwd: None}
    found.update((os.path.dirname(path), None) for path in inputs)
    for match in _SEARCH_OPTION.finditer(b" ".join(argv)):
        found[os.path.normpath(os.path.join(cwd, match[1]))] = None
    return tuple(found)


def shebang(path: bytes) -> bytes | None:
    """Return the interpreter that the first line of the script `path` names; None for whatever else it is."""
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        return None
    words = first[2:].split() if first[:2] == b"#!" else []
    return words[0] if words else None


def withheld(trouble: str) -> bytes | None:
    """Return the path in the trouble of a job that met a withheld file, None if that was not its trouble."""
    name, _, path = trouble.partition(": ")
    return os.fsencode(path) if name == "withheld" and path.startswith("/") else None


def lacking(
    messages: bytes,
    cwd: bytes,
    directories: Sequence[bytes],
    path: Sequence[bytes],
    exists: Callable[[bytes], bool],
    visible: Callable[[bytes], bool],
    interpreter: Callable[[bytes], bytes | None] = shebang,
) -> tuple[bytes, ...]:
    """Return the paths that the job whose output was `messages` lacked: absolute, normal, at most MOST, best first.

    `cwd` is where it ran; `directories` where its programs look for names (see `search_directories`), `path` where
    commands are found. `exists` says whether a path is there at home, `visible` whether the job could read it.
    A directory is named only if no file is, and never one above `cwd`. Away from `directories`, `path` and the system's
    libraries a path counts only where a line says that something was missing, and not if it is private: hidden in the
    user's home, or not for all to read. Any bytes are accepted, nothing is raised.
    """
    if len(messages) > 2 * _LONGEST:
        messages = messages[:_LONGEST] + b"\n" + messages[-_LONGEST:]
    lines = [line for line in _ESCAPE.sub(b"", messages).split(b"\n") if line.strip()]
    search = _Search(cwd, directories, path, exists, visible, interpreter)
    for line in lines:
        search.learn(line)
    signals = [line for line in lines if _tells(line)]
    search.take(signals, commands=True)
    if not search.found:
        search.quiet = True
        search.take([line for line in lines if not _tells(line)], commands=False)
    files = [found for found in search.found if not os.path.isdir(found)]
    return tuple((files or list(search.found))[:MOST])


def _tells(line: bytes) -> bool:
    """Whether a line is about a missing file: in English, or with errno's text in the user's language."""
    return bool(_SIGNALS.search(line)) or any(text in line for text in _errno_texts())


@cache
def _errno_texts() -> tuple[bytes, ...]:
    """What the C library calls the errors of a missing file, in the locale of this process's environment.

    os.strerror would take this process's own locale, which Python leaves at C for messages.
    """
    libc = ctypes.CDLL(None)
    libc.newlocale.restype = libc.strerror_l.restype = ctypes.c_void_p
    libc.newlocale.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    libc.strerror_l.argtypes = (ctypes.c_int, ctypes.c_void_p)
    locale = libc.newlocale(_LC_ALL_MASK, b"", None)
    if not locale:  # it is not installed, so that nobody speaks that language here
        return ()
    return tuple(ctypes.string_at(libc.strerror_l(number, locale)) for number in _ERRNOS)


class _Search:
    """The paths found so far, and where to look for more."""

    def __init__(self, cwd: bytes, directories: Sequence[bytes], path: Sequence[bytes],
                 exists: Callable[[bytes], bool], visible: Callable[[bytes], bool],
                 interpreter: Callable[[bytes], bytes | None]) -> None:  # fmt: skip
        self.found: dict[bytes, None] = {}
        self._cwd = cwd
        self._directories = dict.fromkeys((cwd, *directories))
        self._path = path
        self._exists = exists
        self._visible = visible
        self._interpreter = interpreter
        self._asked: dict[bytes, bool] = {}
        self._expected = tuple(top.rstrip(b"/") + b"/" for top in (cwd, *directories, *path, *_LIBRARIES) if top)
        self._home = os.path.expanduser(b"~")
        self.quiet = False  # the lines say nothing of missing files

    def learn(self, line: bytes) -> None:
        """Take note of directories in a message: a header is looked for beside the one that includes it."""
        if (entering := _ENTERING.search(line)) is not None:
            self._add_directory(entering[1])
            return
        for word in _words(line):
            if b"/" in word:
                whole = os.path.normpath(os.path.join(self._cwd, word))
                self._add_directory(whole if os.path.isdir(whole) else os.path.dirname(whole))

    def _add_directory(self, path: bytes) -> None:
        if path != b"/" and len(self._directories) < _MOST_DIRECTORIES and os.path.isdir(path):
            self._directories[path] = None

    def take(self, lines: Sequence[bytes], *, commands: bool) -> None:
        """Look up all that these lines name; what they quote may be `commands`, too.

        In other messages a quoted word is rather an identifier in the source.
        """
        for line in lines:
            for name in _quoted(line):
                self._name(name, commands)
            for name in _segments(line):
                self._name(name, True)
            for word in _words(line):
                if b"/" in word or b"." in word:
                    self._file(word)
            for colon, library in _LIBRARY.findall(line):
                self._library([library] if colon else [b"lib%b.so" % library, b"lib%b.a" % library])
            if (module := _MODULE.search(line)) is not None:
                self._module(module[1].split(b"."))

    def _name(self, name: bytes, commands: bool) -> None:
        """A name that stands alone may be a file's or, without a slash, a command's."""
        self._file(name)
        if commands and b"/" not in name:
            for directory in self._path:
                if self._check(os.path.join(self._cwd, directory, name)):
                    return

    def _file(self, word: bytes) -> None:
        if not 0 < len(word) <= _LONGEST_PATH:
            return
        if word[:1] == b"@":
            self._file(word[1:])
        if word[:1] == b"/":
            self._check(word)
            return
        for directory in self._directories:
            self._check(os.path.join(directory, word))
        if _SHARED.match(word):
            self._library([word])

    def _library(self, names: Sequence[bytes]) -> None:
        for directory in (*self._directories, *_LIBRARIES):
            for name in names:
                self._check(os.path.join(directory, name))

    def _module(self, parts: Sequence[bytes]) -> None:
        """Python names the first part that is not there; a package is its __init__.py."""
        name = b"/".join(parts)
        for directory in self._directories:
            self._check(os.path.join(directory, name + b".py"))
            self._check(os.path.join(directory, name, b"__init__.py"))

    def _check(self, path: bytes) -> bool:
        """Keep a path if it was lacking; say whether it is there at home at all."""
        path = os.path.normpath(path)
        if path not in self._asked:
            if len(self._asked) >= _MOST_LOOKUPS:
                return False
            self._asked[path] = self._look(path)
        return self._asked[path]

    def _look(self, path: bytes) -> bool:
        above = path.count(b"/") < 2 or (self._cwd + b"/").startswith(path + b"/")
        if above or b"\0" in path or path.startswith(_NOT_OURS) or not self._exists(path):
            return False
        if not self._visible(path):
            if not path.startswith(self._expected) and (self.quiet or self._private(path)):
                return False
            self.found[path] = None
        elif (program := self._interpreter(path)) is not None and program[:1] == b"/":
            self._check(program)  # "not found" is also what a script without its interpreter gets
        return True

    def _private(self, path: bytes) -> bool:
        """Whether a path that a message names is nothing to be sent elsewhere for that reason alone."""
        if path.startswith(self._home + b"/."):
            return True
        try:
            return not os.stat(path).st_mode & stat.S_IROTH
        except OSError:
            return False


def _quoted(line: bytes) -> Iterator[bytes]:
    for match in _QUOTED.finditer(line):
        yield next(group for group in match.groups() if group is not None)


def _segments(line: bytes) -> Iterator[bytes]:
    """What stands alone between colons, so that it may be a name of any form."""
    for segment in re.split(rb":(?:\s|\Z)", line):
        segment = segment.strip()
        yield segment
        if (before := _BEFORE_NAME.match(segment)) is not None:
            yield segment[before.end():]


def _words(line: bytes) -> Iterator[bytes]:
    """The words of a line and, where they are put together with ':' or '=', their parts."""
    for word in line.split():
        word = word.strip(_EDGES)
        yield word
        if word[-1:] == b".":
            yield word[:-1]
        if b":" in word or b"=" in word:
            for part in re.split(rb"[:=,]", word):
                yield part.strip(_EDGES)
