"""What a part of a shell line may set, what the patterns of a case match, and which loops end."""

import re

from dgcc.master.verdict.shelltree import (
    Block,
    Case,
    Command,
    For,
    If,
    PartKind,
    Sequence,
    Simple,
    While,
    Word,
)

_SETTERS = frozenset((b"read", b"export", b"unset"))


def assigned(body: Sequence) -> set[bytes]:
    """Return the names of all variables that the commands of `body` may set."""
    names: set[bytes] = set()
    for item in body.items:
        for pipeline in (item.first, *(pipeline for _, pipeline in item.rest)):
            for command in pipeline.commands:
                names |= _assigned(command)
    return names


def reads_on(condition: Sequence) -> bool:
    """Tell whether a loop's condition is a `read`, which comes to an end with what there is to read."""
    last = condition.items[-1] if condition.items else None
    if last is None or last.rest or last.first.negated or len(last.first.commands) != 1:
        return False
    command = last.first.commands[0]
    return isinstance(command, Simple) and command.words[:1] == (b"read",)


def _assigned(command: Command) -> set[bytes]:
    match command:
        case Simple():
            names = {name for name, _ in command.assignments}
            if command.words[:1] and command.words[0] in _SETTERS:
                names |= {word.partition(b"=")[0] for word in command.words[1:] if isinstance(word, bytes)}
                names |= {
                    word.parts[0].name.partition(b"=")[0]
                    for word in command.words[1:] if not isinstance(word, bytes) and word.parts
                }  # fmt: skip
            return names
        case Block():
            return assigned(command.body)
        case If():
            parts = [part for branch in command.branches for part in branch if part is not None]
            return set().union(*(assigned(part) for part in parts))
        case For():
            return {command.name} | assigned(command.body)
        case While():
            return assigned(command.condition) | assigned(command.body)
        case Case():
            return set().union(*(assigned(part) for _, part in command.branches))


def _pattern_of(word: Word) -> bytes | None:
    """Return the pattern of a case as a regular expression; None where the shell computes it, or for brackets."""
    if isinstance(word, bytes):
        return re.escape(word)
    if any(part.kind is not PartKind.TEXT for part in word.parts):
        return None
    found = b""
    for part in word.parts:
        if part.quoted:
            found += re.escape(part.name)
        elif b"[" in part.name:
            return None
        else:
            found += re.escape(part.name).replace(rb"\*", b".*").replace(rb"\?", b".")
    return found


def matches(value: bytes | None, patterns: tuple[Word, ...]) -> bool | None:
    """Tell whether a value matches one of a case's patterns; None where that is not known."""
    known = True
    for word in patterns:
        shape = _pattern_of(word)
        if shape is not None and value is not None and re.fullmatch(shape, value, re.DOTALL):
            return True if known else None
        if shape == b".*":
            return True if known else None
        known = known and shape is not None and value is not None
    return False if known else None
