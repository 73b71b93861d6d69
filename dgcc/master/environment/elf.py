"""What an ELF program or library needs to be loaded: its loader, and its libraries by that loader's own answer.

Nothing of another machine is run.
"""

import os
import re
from typing import TYPE_CHECKING

from dgcc.master.environment.questions import Questions

if TYPE_CHECKING:
    from dgcc.master.environment.elfhead import Elf

_LIBRARY = re.compile(rb"^\s*(?:(?P<name>\S+) => )?(?P<path>/.+?) \(0x[0-9a-f]+\)$", re.M)
_DEFAULT_PLACE = re.compile(rb"/(?:usr/)?lib(?:64|32|x32)?(?:/[\w]+-linux-gnu\w*)?\Z")
_SUBDIRECTORY = re.compile(rb"/glibc-hwcaps/[^/]+(?=/)|/tls(?=/)|/haswell(?=/)")
_CACHE = b"/etc/ld.so.cache"


def read(path: bytes) -> "Elf | None":
    """The head of the file at `path`; None if it is no ELF file, or cannot be read."""
    # Only here: with a compiler that is known from an earlier build nothing is read, and the library is large.
    from dgcc.master.environment import elfhead

    return elfhead.read(path)


class Loading:
    """The files that programs need to be loaded. Programs of another machine are not asked: nothing runs them."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        own = read(os.path.realpath(b"/proc/self/exe"))
        self._machine = own.machine if own is not None else ""
        shell = read(os.path.realpath(b"/bin/sh"))  # our own Python may be linked statically
        self._loader = next((elf.interpreter for elf in (own, shell) if elf is not None and elf.interpreter), b"")

    def is_native(self, elf: "Elf") -> bool:
        """Whether a loader of this machine can load it."""
        own = elf.machine == self._machine
        return own or (bool(elf.interpreter) and (elf.machine, self._machine) == ("EM_386", "EM_X86_64"))

    def files(self, path: bytes, elf: "Elf") -> set[bytes]:
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
