"""What makes two recipe commands the same, or alike: read from their text, without a verdict.

A planned command is known as make prints it, a released one as make executes it. Both must give the same, so quotes
and spacing do not count: make executes a simple command without a shell, and takes them away.
"""

import os
from collections.abc import Sequence
from hashlib import blake2b

from msgspec import Struct

from dgcc.master.verdict.recipe import SHELLS

_QUOTES = b"\"'\\"
_SOURCES = frozenset(
    b".c .cc .cpp .cxx .c++ .C .m .mm .s .S .f .F .f90 .F90 .i .ii .cu .d .go .rs .hs .ml .y .l .proto".split()
)
_MOST_SOURCES = 4


class Likeness(Struct, frozen=True):
    """command: a digest of the command, 8 bytes. kind: what it has in common with its like, such as "cc -c .c".

    sources: the names of source files in it, as they stand there.
    """

    command: bytes
    kind: str
    sources: tuple[bytes, ...] = ()


def text_of(argv: Sequence[bytes]) -> bytes:
    """The command's text, as make would print it, from the words that make executes."""
    shell = len(argv) > 2 and os.path.basename(argv[0]) in SHELLS and argv[1][:1] == b"-" and argv[1][-1:] == b"c"
    return argv[2] if shell else b" ".join(argv)


def likeness(text: bytes) -> Likeness:
    """Tell what the command with this text is like."""
    words = text.translate(None, _QUOTES).split()
    digest = blake2b(b" ".join(words), digest_size=8).digest()
    first = 0
    if words[:1] == [b"cd"] and len(words) > 3:  # cd there && command, as CMake has it
        first = 3
    while first < len(words) - 1 and b"=" in words[first]:  # variables before the command
        first += 1
    sources = []
    for word in words:
        if os.path.splitext(word)[1] in _SOURCES:
            sources.append(word.rpartition(b"`")[2])  # automake: `test -f a.c || echo dir/`a.c
    name = os.path.basename(words[first]) if words else b""
    parts = [name[:40], *([b"-c"] if b"-c" in words else []), *([os.path.splitext(sources[-1])[1]] if sources else [])]
    return Likeness(digest, b" ".join(parts).decode(errors="backslashreplace"), tuple(sources[-_MOST_SOURCES:]))


def input_size(found: Likeness, directory: bytes) -> int:
    """The size of the sources that are there, in bytes; 0 where none is."""
    total = 0
    for name in dict.fromkeys(found.sources):
        try:
            total += os.stat(os.path.join(directory, name)).st_size
        except (OSError, ValueError):
            continue
    return total
