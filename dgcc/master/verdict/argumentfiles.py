"""Options that stand in a file, named as @file: read as gcc and clang read them."""

import re
from collections.abc import Callable, Iterable, Iterator

from dgcc.master.verdict.stayshome import StaysHome, show

_LARGEST = 4 << 20  # bytes of one file
_MOST_WORDS = 100_000
_DEEPEST = 10
_PIECE = re.compile(
    rb"""'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)|(?P<plain>[^\s'"\\]+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def split_arguments(text: bytes) -> list[bytes]:
    """Split into words by gcc's rules: at white space; quotes of both kinds group, and a backslash takes the next
    byte as it is, within quotes too. Raises StaysHome for a quote without its end.
    """
    words: list[bytes] = []
    place = 0
    current: list[bytes] | None = None
    while place < len(text):
        if text[place:place + 1].isspace():
            if current is not None:
                words.append(b"".join(current))
                current = None
            place += 1
            continue
        found = _PIECE.match(text, place)
        if found is None:
            raise StaysHome("a file of options has a quote without its end")
        piece = found[found.lastgroup or "plain"]
        if found.lastgroup in ("single", "double"):
            piece = _ESCAPE.sub(rb"\1", piece)
        current = [] if current is None else current
        current.append(piece)
        place = found.end()
    if current is not None:
        words.append(b"".join(current))
    return words


def expand(words: Iterable[bytes], read: Callable[[bytes], bytes | None], depth: int = 0) -> Iterator[bytes]:
    """Yield `words` with those of files in the place of each @file; `read` gives a file's content, by its name.

    Raises StaysHome where a file cannot be read, or there is too much.
    """
    count = 0
    for word in words:
        count += 1
        if count > _MOST_WORDS:
            raise StaysHome("it has too many arguments in files")
        if word[:1] != b"@" or len(word) == 1:
            yield word
            continue
        content = read(word[1:])
        if content is None:
            raise StaysHome(f"the file of options {show(word)} cannot be read")
        if depth == _DEEPEST or len(content) > _LARGEST:
            raise StaysHome(f"the file of options {show(word)} is too large, or names itself")
        yield from expand(split_arguments(content), read, depth + 1)
