"""The head of an ELF file: for which machine it is, and what it asks for to be loaded."""

import os

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment
from msgspec import Struct

_MAGIC = b"\x7fELF"


class Elf(Struct, frozen=True):
    """The head of an ELF file. machine: its EM_* name. interpreter: empty for static programs and for libraries.

    needed: names of the libraries that it asks for.
    """

    machine: str
    interpreter: bytes
    needed: tuple[bytes, ...]


def read(path: bytes) -> Elf | None:
    """The head of the file at `path`; None if it is no ELF file, or cannot be read."""
    try:
        with open(path, "rb") as file:
            if file.read(4) != _MAGIC:
                return None
            elf = ELFFile(file)
            interpreter, needed = b"", list[bytes]()
            for segment in elf.iter_segments():
                if isinstance(segment, InterpSegment):
                    interpreter = os.fsencode(segment.get_interp_name())
                elif isinstance(segment, DynamicSegment):
                    tags = segment.iter_tags("DT_NEEDED")
                    needed = [os.fsencode(tag.needed) for tag in tags]  # type: ignore[attr-defined]  # set by name
            return Elf(elf["e_machine"], interpreter, tuple(needed))
    except (OSError, ELFError, ConstructError, ValueError, LookupError, ArithmeticError, AttributeError, TypeError,
            AssertionError, MemoryError):  # fmt: skip
        return None  # cut off, or made by nobody's linker
