"""A program with all that it takes to run it: libraries of a binary, interpreter and commands of a script."""

import os
import re
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from dgcc.master.environment.elf import Loading, read
from dgcc.master.environment.interpreters import libraries_in, modules
from dgcc.master.environment.parts import Collection
from dgcc.master.environment.questions import Questions, is_program
from dgcc.store.selection import is_elf

_SCRIPT_BYTES = 64 << 10
_PATHS = re.compile(rb"(?<![\w.$}/-])/[\w.+/-]+")
_RUN_BY_NAME = re.compile(rb"^\s*exec\s+(?:-a\s+\S+\s+)?([\w.+-]+)", re.M)
_SHELLS = frozenset((b"sh", b"bash", b"dash", b"ksh", b"busybox", b"zsh"))
_DEPTH = 8  # scripts that run scripts


class Programs:
    """Adds programs to a collection. Several threads may do so."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._loading = Loading(questions)
        self._libraries: dict[bytes, set[bytes]] = {}  # real path of a program -> files that load it
        self._lock = threading.Lock()

    def add_all(self, paths: Iterable[bytes], to: Collection) -> None:
        """`add` for many; asks for their libraries side by side."""
        paths = list(paths)
        unknown = {os.path.realpath(path) for path in paths} - self._libraries.keys()
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "ask-loader") as pool:
            list(pool.map(self._files, sorted(unknown)))
        for path in paths:
            self.add(path, to)

    def add(self, path: bytes, to: Collection, depth: int = _DEPTH) -> None:
        """Add the program or shared library at the absolute `path`, which exists.

        Of a shell script, the programs are added that it names by their path or runs with exec.
        """
        if path in to.programs or depth == 0:
            return
        to.programs.add(path)
        to.files.add(path)
        real = os.path.realpath(path)
        to.files |= self._files(real)
        for program in self._of_script(real):
            self.add(program, to, depth - 1)
        places, files = modules(path, self._questions)
        to.files |= files
        to.trees |= places
        for place in places:
            for library in libraries_in(place, is_elf):
                to.files |= self._files(library)

    def add_plugins(self, linker: bytes, to: Collection, *, llvm: bool) -> None:
        """What ar, nm, ranlib and ld load for objects with code of a compiler's own; llvm: clang's as well."""
        place = os.path.join(os.path.dirname(linker), b"../lib/bfd-plugins")
        if os.path.isdir(place):
            names = [name for name in sorted(os.listdir(place)) if llvm or not name.startswith(b"LLVM")]
            self.add_all([place + b"/" + name for name in names if os.path.isfile(place + b"/" + name)], to)

    def _files(self, real: bytes) -> set[bytes]:
        with self._lock:
            known = self._libraries.get(real)
        if known is None:
            elf = read(real)
            known = self._loading.files(real, elf) if elf is not None else set()
            with self._lock:
                self._libraries[real] = known
        return known

    def _of_script(self, real: bytes) -> list[bytes]:
        """The programs that a script needs to begin with; none if this is no script."""
        try:
            with open(real, "rb") as file:
                if file.read(2) != b"#!":
                    return []
                text = file.read(_SCRIPT_BYTES)
        except OSError:
            return []
        first, _, rest = text.partition(b"\n")
        words = first.split()
        found = [words[0]] if words and is_program(words[0]) else []
        if len(words) > 1 and os.path.basename(words[0]) == b"env":
            names = [word for word in words[1:] if not word.startswith(b"-") and b"=" not in word]
            found += [where for where in map(self._questions.which, names[:1]) if where]
        if found and os.path.basename(os.path.realpath(found[-1])) in _SHELLS:
            code = b"\n".join(line for line in rest.split(b"\n") if not line.lstrip().startswith(b"#"))
            found += [path for path in dict.fromkeys(_PATHS.findall(code)) if is_program(path)]
            found += [where for where in map(self._questions.which, _RUN_BY_NAME.findall(code)) if where]
        return found
