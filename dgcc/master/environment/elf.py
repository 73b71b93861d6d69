"""What an ELF program or library needs to be loaded: its loader, and its libraries by that loader's own answer.

The format is that of elf(5).
"""

import os
import re
import struct
from dataclasses import dataclass

from dgcc.master.environment.questions import Questions

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB = 1, 5
_LIBRARY = re.compile(rb"^\s*(?:(?P<name>\S+) => )?(?P<path>/.+?) \(0x[0-9a-f]+\)$", re.M)
_DEFAULT_PLACE = re.compile(rb"/(?:usr/)?lib(?:64|32|x32)?(?:/[\w]+-linux-gnu\w*)?\Z")
_SUBDIRECTORY = re.compile(rb"/glibc-hwcaps/[^/]+(?=/)|/tls(?=/)|/haswell(?=/)")
_CACHE = b"/etc/ld.so.cache"


@dataclass(frozen=True, slots=True)
class Elf:
    """The head of an ELF file. machine: EM_* number. interpreter: empty for static programs and for libraries.

    needed: names of the libraries that it asks for.
    """

    machine: int
    wide: bool
    interpreter: bytes
    needed: tuple[bytes, ...]


def read(path: bytes) -> Elf | None:
    """The head of the file at `path`; None if it is no ELF file, or cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if len(head) < 52 or head[:4] != b"\x7fELF":
                return None
            wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
            word = "Q" if wide else "I"
            (machine,) = struct.unpack_from(order + "H", head, 18)
            (table,) = struct.unpack_from(order + word, head, 32 if wide else 28)
            size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
            segments = []
            for number in range(count):
                file.seek(table + number * size)
                row = file.read(size)
                (kind,) = struct.unpack_from(order + "I", row)
                offset, address = struct.unpack_from(order + 2 * word, row, 8 if wide else 4)
                (length,) = struct.unpack_from(order + word, row, 32 if wide else 16)
                segments.append((kind, offset, address, length))

            def content(wanted: int) -> bytes:
                for kind, offset, _, length in segments:
                    if kind == wanted:
                        file.seek(offset)
                        return file.read(length)
                return b""

            interpreter = content(_PT_INTERP).rstrip(b"\0")
            pairs = list(struct.iter_unpack(order + 2 * word.lower(), _whole(content(_PT_DYNAMIC), 16 if wide else 8)))
            strings = next((value for tag, value in pairs if tag == _DT_STRTAB), 0)
            names = []
            for tag, value in pairs:
                if tag == 0:
                    break
                if tag == _DT_NEEDED:
                    for kind, offset, address, length in segments:
                        if kind == _PT_LOAD and address <= strings < address + length:
                            file.seek(offset + strings - address + value)
                            names.append(file.read(256).partition(b"\0")[0])
                            break
            return Elf(machine, wide, interpreter, tuple(names))
    except (OSError, struct.error, OverflowError):
        return None


def _whole(data: bytes, unit: int) -> bytes:
    return data[: len(data) // unit * unit]


class Loading:
    """The files that programs need to be loaded. Programs of another machine are not asked: nothing runs them."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        own = read(os.path.realpath(b"/proc/self/exe"))
        self._machine = own.machine if own is not None else -1
        shell = read(os.path.realpath(b"/bin/sh"))  # our own Python may be linked statically
        self._loader = next((elf.interpreter for elf in (own, shell) if elf is not None and elf.interpreter), b"")

    def is_native(self, elf: Elf) -> bool:
        """Whether this machine's loader can load it."""
        return elf.machine == self._machine

    def files(self, path: bytes, elf: Elf) -> set[bytes]:
        """Loader, libraries, and the loader's cache where it is needed; `path` itself is not among them.

        A library that is missing here is missing there: the program fails in the same way.
        """
        loader = elf.interpreter or self._loader
        if not self.is_native(elf):
            return {loader} if elf.interpreter and os.path.isfile(loader) else set()
        if not loader or (not elf.interpreter and not elf.needed):
            return set()
        libraries = self._ask(loader, path)
        found = set(libraries)
        if elf.interpreter:
            found.add(loader)
        for library in libraries:
            # A slave with a lesser CPU loads the plain one.
            plain = _SUBDIRECTORY.sub(b"", library)
            if plain != library and os.path.isfile(plain):
                found.add(plain)
        elsewhere = any(not _DEFAULT_PLACE.search(os.path.dirname(library)) for library in found)
        if elsewhere and os.path.isfile(_CACHE) and self._ask(loader, path, b"--inhibit-cache") != libraries:
            found.add(_CACHE)
        return found

    def _ask(self, loader: bytes, path: bytes, *options: bytes) -> set[bytes]:
        answer = self._questions.run(loader, *options, b"--list", path)
        return {match["path"] for match in _LIBRARY.finditer(answer.out)}
