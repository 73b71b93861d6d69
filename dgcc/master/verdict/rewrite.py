"""Makes the argv to run on a slave where a recipe asks for this machine's processor.

The words are replaced where they stand, in argv or in the text of a shell line, and the result is followed again: only
if it runs the same commands, with the expansion in the compilers' and nothing else changed, does it travel.
"""

import re
import shlex
from collections.abc import Callable
from itertools import product

from dgcc.master.verdict.gathered import Gathered, Ran
from dgcc.master.verdict.native import apply
from dgcc.master.verdict.stayshome import StaysHome
from dgcc.master.verdict.tools import Argument

_AROUND = rb"[\s;&|()'\"`]"
_MOST_PLACES = 6


def rewritten(
    program: bytes, argv: tuple[bytes, ...], found: Gathered, follow: Callable[[tuple[bytes, ...]], Gathered]
) -> tuple[bytes, ...] | None:
    """Return the argv that replaces `argv`, or None where nothing needs to be replaced.

    `follow` reads another recipe as `found` was read from this one. Raises StaysHome where no replacement is sure.
    """
    edits = {word: new for ran in found.ran for word, new in ran.edits}
    if not edits:
        return None
    if all(dict(ran.edits).get(word, new) == new for ran in found.ran if ran.edits for word, new in edits.items()):
        wanted = [_edited(ran) for ran in found.ran]
        for candidate in _candidates(argv, edits):
            try:
                made = [ran.words for ran in follow((program, *candidate[1:])).ran]
            except StaysHome:
                continue
            if made == wanted:
                return candidate
    raise StaysHome("it asks for this machine's processor in a way that cannot be replaced surely")


def _edited(ran: Ran) -> tuple[Argument, ...]:
    if not ran.edits:
        return ran.words
    return apply(tuple(word for word in ran.words if word is not None), ran.edits)


def _candidates(argv: tuple[bytes, ...], edits: dict[bytes, tuple[bytes, ...]]) -> list[tuple[bytes, ...]]:
    """Return ways to replace: all places of all words, then each choice of places while there are few."""
    either = b"|".join(re.escape(word) for word in sorted(edits, key=len, reverse=True))
    standing = re.compile(rb"(?:(?<=" + _AROUND + rb")|\A)(?:" + either + rb")(?=" + _AROUND + rb"|\Z)")
    places = [
        (number, found.start(), found[0])
        for number, text in enumerate(argv) if number
        for found in standing.finditer(text)
    ]  # fmt: skip
    choices = [(True,) * len(places)]
    if 1 < len(places) <= _MOST_PLACES:
        choices = sorted(product((True, False), repeat=len(places)), key=lambda choice: -sum(choice))
    return [_replaced(argv, edits, [p for p, chosen in zip(places, choice, strict=True) if chosen])
            for choice in choices]  # fmt: skip


def _replaced(
    argv: tuple[bytes, ...], edits: dict[bytes, tuple[bytes, ...]], places: list[tuple[int, int, bytes]]
) -> tuple[bytes, ...]:
    done: list[bytes] = []
    for number, text in enumerate(argv):
        here = [(start, word) for at, start, word in places if at == number]
        if here and here[0][1] == text:
            done += edits[text]
            continue
        for start, word in reversed(here):
            quoted = b" ".join(shlex.quote(new.decode("latin-1")).encode("latin-1") for new in edits[word])
            text = text[:start] + quoted + text[start + len(word):]
        done.append(text)
    return tuple(done)
