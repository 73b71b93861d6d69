"""Finds the sections in which two ELF files differ."""

from typing import BinaryIO

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from dgcc.master.compare.stretch import Stretch, around, first_offset, size_of

_MAGIC = b"\x7fELF"
_MOST_SECTIONS = 100_000
_MOST_NAMES = 6  # of further sections in one line
_MOST_LONE = 2  # of sections that only one file has; -flto makes a dozen of them, with random names
_HEADER_FIELDS = ("sh_type", "sh_flags", "sh_addr", "sh_link", "sh_info", "sh_addralign", "sh_entsize")


def elf_difference(remote: BinaryIO, home: BinaryIO) -> str:
    """Return the first section in which two files that differ do so; empty if one is no ELF file that can be read."""
    for file in (remote, home):
        file.seek(0)
        if file.read(4) != _MAGIC:
            return ""
    try:
        return _difference(remote, home)
    except Exception:  # the slave's file may be anything, and the reader has no one type for what it finds amiss
        return ""


def _difference(remote: BinaryIO, home: BinaryIO) -> str:
    theirs, ours = ELFFile(remote), ELFFile(home)
    if theirs.num_sections() > _MOST_SECTIONS or ours.num_sections() > _MOST_SECTIONS:
        return ""
    if theirs.header["e_machine"] != ours.header["e_machine"]:
        return f"remote for {theirs.get_machine_arch()}, here for {ours.get_machine_arch()}"
    sections = list(theirs.iter_sections()), list(ours.iter_sections())
    names = [[section.name for section in each] for each in sections]
    if names[0] != names[1]:
        return _other_names(*names)
    texts = ((mine.name, _in_section(remote, other, home, mine)) for other, mine in zip(*sections, strict=True))
    found = [(name, text) for name, text in texts if text]
    if not found:
        whole = (remote, 0, size_of(remote)), (home, 0, size_of(home))
        at = first_offset(*whole) or 0
        return f"differs at byte {at:#x}, outside all sections: {around(*whole, at)}"
    also = _list([name for name, _ in found[1:]])
    return found[0][1] + (f"; also in {also}" if also else "")


def _other_names(remote: list[str], home: list[str]) -> str:
    """Say which sections only one file has; where both have the same, where their order differs."""
    lone = [(where, [name for name in mine if name not in others])
            for where, mine, others in (("remote", remote, set(home)), ("here", home, set(remote)))]  # fmt: skip
    text = "; ".join(f"only {where}: {_list(names, _MOST_LONE)}" for where, names in lone if names)
    if text:
        return f"sections {text}"
    at = next((i for i, (a, b) in enumerate(zip(remote, home, strict=False)) if a != b), min(len(remote), len(home)))
    first = [names[at] if at < len(names) else "the end" for names in (remote, home)]
    return f"section {at} is {first[0]} remote, {first[1]} here"


def _list(names: list[str], most: int = _MOST_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _in_section(remote: BinaryIO, theirs: Section, home: BinaryIO, ours: Section) -> str:
    name = ours.name or "the first section"
    for field in _HEADER_FIELDS:
        if theirs[field] != ours[field]:
            return f"{name} has {field} {_number(theirs[field])} remote, {_number(ours[field])} here"
    ends: tuple[Stretch, Stretch] = _stretch(remote, theirs), _stretch(home, ours)
    at = first_offset(*ends)
    if at is None:
        return ""
    file_at = ours["sh_offset"] + at
    return f"{name} differs at offset {at:#x} (byte {file_at:#x}): {around(*ends, at)}"


def _stretch(file: BinaryIO, section: Section) -> Stretch:
    empty = section["sh_type"] in ("SHT_NOBITS", "SHT_NULL")  # they have a size, and nothing in the file
    return file, section["sh_offset"], 0 if empty else section["sh_size"]


def _number(value: object) -> str:
    return f"{value:#x}" if isinstance(value, int) else str(value)
