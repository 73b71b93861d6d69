"""Says where two contents begin to differ, in the terms of what they are: section, archive member, line, or byte."""

from typing import BinaryIO

from dgcc.master.compare.archive import archive_difference
from dgcc.master.compare.elf import elf_difference
from dgcc.master.compare.stretch import around, first_offset, size_of, text_difference


def first_difference(remote: BinaryIO, home: BinaryIO) -> str:
    """Return where the content of `remote` and `home`, seekable files, begins to differ; empty if they are equal.

    Raises OSError.
    """
    sizes = size_of(remote), size_of(home)
    at = first_offset((remote, 0, sizes[0]), (home, 0, sizes[1]))
    if at is None:
        return ""
    for explain in (elf_difference, archive_difference, text_difference):
        where = explain(remote, home)
        if where:
            return where
    return f"differs at byte {at:#x}: {around((remote, 0, sizes[0]), (home, 0, sizes[1]), at)}"
