"""What a source asks about by name without failing if it is not there: __has_include, .incbin and their like.

A plain #include of a file that is missing is an error, which is noticed. These are answered silently, so what they name
must be on a slave if it is at home.
"""

import re
from enum import Enum
from typing import NamedTuple

SCANNED_BYTES = 32 << 20
"""Larger files are no sources, and not looked into."""


class How(Enum):
    """In which directories the name is looked for."""

    ASKED = b"?"  # beside the file, and along -I
    TAKEN = b"."  # in the working directory of the assembler, and along -I
    INCLUDED = b"#"  # by a plain #include that may leave the project; only beside the file, or it is missed loudly


class Mention(NamedTuple):
    """One operand, as written but for its quotes; empty: not written out, but made by macros."""

    how: How
    operand: bytes


_SOURCE_ENDINGS = frozenset(
    b"""
    h H hh hp hpp hxx h++ inc inl inline ipp ixx tcc tpp txx def tbl cuh c cc cp cpp cxx c++ C CPP cppm m mm s S sx asm
    i ii cu in x ld lds
    """.split()
)
_SPLICE = re.compile(rb"\\[ \t]*\r?\n")
_ASKS = re.compile(rb'__has_(?:include(?:_next)?|embed)\b\s*(?:\(?\s*(?:"([^"\n]+)"|<([^>\n]+)>)|\()')
_EMBEDS = re.compile(rb'#[ \t]*embed[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|\w)')
_JOINT = re.compile(rb'(?<!\\)"\s*"')  # between the parts of a string in C
_TAKES = re.compile(rb'(?:\.include|\.?incbin)\b[ \t]*\\?"([^"\\\n]*)(?:(\\?"))?', re.IGNORECASE)
_TAKES_BY_MACRO = re.compile(rb'incbin\w*\s*\([^()"\n]*"([^"\\\n]+)"', re.IGNORECASE)
_INCLUDES = re.compile(rb'#[ \t]*(?:include(?:_next)?|import)[ \t]*["<]([^">\n]*?\.\./[^">\n]*)')


def may_mention(path: bytes) -> bool:
    """Whether a file of this name is looked into: a source by its ending, or a name without a dot."""
    name = path.rpartition(b"/")[2]
    stem, _, ending = name.rpartition(b".")
    return ending in _SOURCE_ENDINGS if stem else b"." not in name


def mentions(data: bytes) -> tuple[Mention, ...]:
    """What a source's text asks about, each once.

    Operands that macros make up cannot be known; that there are such is told by an empty one, which nothing acts
    upon: what they name may be missing on a slave.
    """
    # Nearly every file has none of these, and is not looked at a second time. Few letters are found the quickest.
    asks, embeds, leaves = b"has_i" in data, b"embed" in data, b"../" in data
    takes = b"incb" in data or b".inc" in data or b"INCB" in data or b".INC" in data
    if not (asks or embeds or takes or leaves):
        return ()
    if b"\\\n" in data or b"\\\r\n" in data:
        data = _SPLICE.sub(b"", data)
    found: dict[Mention, None] = {}
    if asks or embeds:
        for match in (*_ASKS.finditer(data), *_EMBEDS.finditer(data)):
            found[Mention(How.ASKED, match[1] or match[2] or b"")] = None
    if takes:
        for match in _TAKES.finditer(_JOINT.sub(b"", data)):
            found[Mention(How.TAKEN, match[1] if match[2] else b"")] = None
        for match in _TAKES_BY_MACRO.finditer(data):
            found[Mention(How.TAKEN, match[1])] = None
    if leaves:
        for match in _INCLUDES.finditer(data):
            found[Mention(How.INCLUDED, match[1])] = None
    return tuple(mention for mention in found if b"\0" not in mention.operand)


def packed(found: tuple[Mention, ...]) -> bytes:
    """For keeping; `unpacked` gives it back."""
    return b"".join(mention.how.value + mention.operand + b"\0" for mention in found)


def unpacked(kept: bytes) -> tuple[Mention, ...]:
    """What `packed` has packed. Raises ValueError for anything else."""
    return tuple(Mention(How(each[:1]), each[1:]) for each in kept.split(b"\0")[:-1])
