"""What the linker needs of a compiler's libraries: the files behind names, and those that they lead to."""

import os
import re
from collections.abc import Callable

from dgcc.master.environment.elf import read
from dgcc.master.environment.parts import Collection
from dgcc.master.environment.programs import Programs

_SCRIPT_BYTES = 64 << 10  # a linker script is text, and short
_COMMENT = re.compile(rb"/\*.*?\*/", re.S)
_INPUTS = re.compile(rb"\b(?:GROUP|INPUT)\s*\(((?:[^()]|\([^()]*\))*)\)")
_WORD = re.compile(rb"[^\s(),]+")
_DEPTH = 6


class Linkables:
    """Follows libraries. find: the compiler's answer to -print-file-name; None if it knows no such file."""

    def __init__(self, find: Callable[[bytes], bytes | None], programs: Programs, sysroot: bytes = b"") -> None:
        self._find = find
        self._programs = programs
        self._sysroot = sysroot.rstrip(b"/")
        self._seen: set[bytes] = set()

    def add_library(self, name: bytes, to: Collection) -> bool:
        """What `-lNAME` may choose, the shared library and the archive; returns whether there is any.

        A name that begins with a colon is that of a file, as for ld.
        """
        names = (name[1:],) if name.startswith(b":") else (b"lib" + name + b".so", b"lib" + name + b".a")
        found = [self.add_named(file, to) for file in names]  # both, as only ld knows which it takes
        return any(found)

    def add_named(self, name: bytes, to: Collection, depth: int = _DEPTH) -> bool:
        """The file that the compiler has under this name, if it has one."""
        path = self._find(name)
        if path is not None:
            self.add(path, to, depth)
        return path is not None

    def add(self, path: bytes, to: Collection, depth: int = _DEPTH) -> None:
        """A file that is linked, and what it asks for: as a linker script, or as a shared library."""
        if path in self._seen or depth == 0:
            return
        self._seen.add(path)
        to.files.add(path)
        elf = read(path)
        if elf is None:
            self._follow_script(path, to, depth)
        elif elf.needed:
            # The linker looks into the libraries that a library needs, for the symbols that it lacks.
            self._programs.add(path, to)
            for name in elf.needed:
                self.add_named(name, to, depth - 1)

    def _follow_script(self, path: bytes, to: Collection, depth: int) -> None:
        try:
            with open(path, "rb") as file:
                text = file.read(_SCRIPT_BYTES)
        except OSError:
            return
        if b"\0" in text or text.startswith(b"!<"):
            return
        for inputs in _INPUTS.findall(_COMMENT.sub(b" ", text)):
            for word in _WORD.findall(inputs):
                if word.startswith(b"-l"):
                    self.add_library(word[2:], to)
                elif word.startswith(b"/"):
                    for place in dict.fromkeys((self._sysroot + word, word)):
                        if os.path.isfile(place):
                            self.add(place, to, depth - 1)
                elif word != b"AS_NEEDED":
                    self.add_named(word, to, depth - 1)
