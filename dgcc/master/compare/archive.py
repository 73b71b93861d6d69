"""Finds the member in which two ar archives differ. The format: ar(5), with GNU's long names."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from dgcc.master.compare.elf import elf_difference
from dgcc.master.compare.stretch import around, first_offset, read, shown, size_of

_MAGIC = b"!<arch>\n"
_HEADER = 60
_END = b"`\n"
_FIELDS = (("time", 16, 28), ("owner", 28, 34), ("group", 34, 40), ("mode", 40, 48))
_TABLES = {b"/": "the symbol table", b"/SYM64/": "the symbol table", b"//": "the table of long names"}
_MOST = 64 << 20  # bytes; a larger member is compared as bytes only


class _Member(Struct, frozen=True):
    """One member: its name, its header as it stands there, and where in the file its content is."""

    name: str
    header: bytes
    start: int
    size: int


def archive_difference(remote: BinaryIO, home: BinaryIO) -> str:
    """Return the first member in which two files that differ do so; empty if one is no archive that can be read."""
    for file in (remote, home):
        file.seek(0)
        if file.read(len(_MAGIC)) != _MAGIC:
            return ""
    first_table = ""
    theirs, ours = _members(remote), _members(home)
    while True:
        try:
            their, our = next(theirs, None), next(ours, None)
        except ValueError:
            return first_table
        if their is None or our is None:
            if their is our:
                return first_table
            longer, member = ("remote", their) if our is None else ("here", our)
            return f"there is one more member {longer}: {member.name if member else ''}"
        if their.name != our.name:
            return f"the member {their.name} remote is {our.name} here"
        where = _in_member(remote, their, home, our)
        if where and our.name in _TABLES.values():
            first_table = first_table or where  # it follows from other members, so they say more
        elif where:
            return where


def _in_member(remote: BinaryIO, their: _Member, home: BinaryIO, our: _Member) -> str:
    ends = (remote, their.start, their.size), (home, our.start, our.size)
    at = first_offset(*ends)
    if at is not None:
        where = ""
        if max(their.size, our.size) <= _MOST:
            where = elf_difference(*(io.BytesIO(read(end, 0, end[2])) for end in ends))
        return f"member {our.name}: {where or f'differs at byte {at:#x}: {around(*ends, at)}'}"
    for field, start, end in _FIELDS:
        values = their.header[start:end].strip(), our.header[start:end].strip()
        if values[0] != values[1]:
            return f"member {our.name}: {field} {shown(values[0])} remote, {shown(values[1])} here"
    return ""


def _members(file: BinaryIO) -> Iterator[_Member]:
    """Go through an archive. Raises ValueError where it is none."""
    names = b""
    at, size = len(_MAGIC), size_of(file)
    while at < size:
        file.seek(at)
        header = file.read(_HEADER)
        if len(header) != _HEADER or header[58:] != _END:
            raise ValueError("no header")
        length = int(header[48:58])
        start = at + _HEADER
        if not 0 <= length <= size - start:
            raise ValueError("a member longer than the archive")
        name = header[:16].rstrip()
        if name == b"//":
            names = file.read(min(length, _MOST))
        yield _Member(_name(name, names), header, start, length)
        at = start + length + length % 2


def _name(name: bytes, names: bytes) -> str:
    if name in _TABLES:
        return _TABLES[name]
    if name[:1] == b"/":
        name = names[int(name[1:]):].partition(b"\n")[0]
    return name.removesuffix(b"/").decode(errors="backslashreplace")
