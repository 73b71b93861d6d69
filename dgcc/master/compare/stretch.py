"""Compares stretches of files in pieces, and shows the bytes at which they part."""

import os
from typing import BinaryIO, TypeAlias

Stretch: TypeAlias = tuple[BinaryIO, int, int]
"""A file, and where in it the stretch begins and how long it is, in bytes."""

_PIECE = 1 << 20
_SHOWN = 24  # bytes of text
_SHOWN_HEX = 8
_BEFORE = 64  # bytes before a difference in which the beginning of a text is looked for
_MOST_TEXT = 16 << 20  # bytes; a larger text is compared as bytes
_PRINTABLE = frozenset(range(32, 127)) | set(range(128, 256))


def size_of(file: BinaryIO) -> int:
    """Return the size of a seekable file."""
    return file.seek(0, os.SEEK_END)


def first_offset(remote: Stretch, home: Stretch) -> int | None:
    """Return how far into both stretches the first differing byte is, None if they are equal.

    Where one is the beginning of the other, that is the shorter one's length.
    """
    least = min(remote[2], home[2])
    at = 0
    while at < least:
        count = min(_PIECE, least - at)
        ours, theirs = read(remote, at, count), read(home, at, count)
        if ours != theirs:
            return at + next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
                             min(len(ours), len(theirs)))  # fmt: skip
        at += count
    return None if remote[2] == home[2] else least


def read(stretch: Stretch, at: int, count: int) -> bytes:
    """Return up to `count` bytes of a stretch from `at` on."""
    file, start, length = stretch
    file.seek(start + at)
    return file.read(max(0, min(count, length - at)))


def around(remote: Stretch, home: Stretch, at: int) -> str:
    """Show what both have at a difference, as text where it is text on both sides."""
    if at >= remote[2] or at >= home[2]:
        short = "remote" if remote[2] < home[2] else "here"
        return f"it ends there {short} ({remote[2]} bytes remote, {home[2]} here)"
    start = max(0, at - _BEFORE)
    before = read(remote, start, at - start)
    begin = len(before)
    while begin and before[begin - 1] in _PRINTABLE and len(before) - begin < _SHOWN // 2:
        begin -= 1
    texts = []
    for stretch in (remote, home):
        text = before[begin:] + read(stretch, at, _SHOWN).partition(b"\0")[0].partition(b"\n")[0]
        if not set(text) <= _PRINTABLE:
            return " ".join((f"remote {read(remote, at, _SHOWN_HEX).hex(' ')},",
                             f"here {read(home, at, _SHOWN_HEX).hex(' ')}"))  # fmt: skip
        texts.append(text)
    return f"remote {shown(texts[0])}, here {shown(texts[1])}"


def shown(text: bytes) -> str:
    """Return text in quotes, with escapes for what cannot be printed."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode()
                        for c in text.decode(errors="backslashreplace"))  # fmt: skip
    return f"'{printable}'"


def text_difference(remote: BinaryIO, home: BinaryIO) -> str:
    """Return the first differing line of two texts that differ; empty if one is no text, or too large."""
    texts = []
    for file in (remote, home):
        if size_of(file) > _MOST_TEXT:
            return ""
        text = read((file, 0, _MOST_TEXT), 0, _MOST_TEXT)
        if b"\0" in text:
            return ""
        try:
            text.decode()
        except UnicodeDecodeError:
            return ""
        texts.append(text.split(b"\n"))
    for number, (ours, theirs) in enumerate(zip(*texts, strict=False), 1):
        if ours != theirs:
            begin = len(os.path.commonprefix((ours, theirs)))
            begin = 0 if max(len(ours), len(theirs)) <= 3 * _SHOWN else max(0, begin - _SHOWN)
            mark = "..." if begin else ""
            end = begin + 3 * _SHOWN
            remote_text, home_text = shown(ours[begin:end]), shown(theirs[begin:end])
            return f"differs at line {number}: remote {mark}{remote_text}, here {mark}{home_text}"
    longer = "remote" if len(texts[0]) > len(texts[1]) else "here"
    shorter = min(len(texts[0]), len(texts[1]))
    return f"differs after line {shorter}: there is more {longer}"
