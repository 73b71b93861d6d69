"""The names of a recipe's commands as far as they show without reading it whole: for matching them with rules."""

import os
import re

_SEPARATOR = re.compile(rb"(?:\\\n|[ \t])*(?:&&|\|\||[;&|(){}\n`!]|\$\()")
_WORD = re.compile(rb"(?:\\\n|[ \t])*([^\s;&|()<>`]+)")
_ASSIGNMENT = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*=")
_KEYWORDS = frozenset(b"if then else elif do while until case for in time exec env command nice !".split())
_QUOTES = bytes.maketrans(b"", b"")


def command_names(program: bytes, argv: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the names, without directory, of `program` and of the commands in a shell line among `argv`.

    It may name words that are no commands, in quoted text that looks like some; it leaves none out that is
    written plainly.
    """
    names = [os.path.basename(program)]
    for text in argv[1:]:
        if text[:1] == b"-" or not re.search(rb"[\s;&|]", text):
            # A script that is given to a shell, or the compiler behind ccache.
            names.append(os.path.basename(text))
            continue
        place = 0
        while place < len(text):
            word = _WORD.match(text, place)
            while word is not None and (word[1] in _KEYWORDS or _ASSIGNMENT.match(word[1])):
                word = _WORD.match(text, word.end())
            if word is not None:
                names.append(os.path.basename(word[1].translate(_QUOTES, b"'\"\\")))
                place = word.end()
            separator = _SEPARATOR.search(text, place)
            if separator is None:
                break
            place = separator.end()
    return tuple(dict.fromkeys(names))
