"""What a part of a shell line may set, what the patterns of a case match, and which loops end."""

import re
from collections.abc import Iterator

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
    return set().union(*(_assigned(command) for command in _commands(body)))


def started(body: Sequence) -> set[bytes | None]:
    """Return the names of all commands in `body`, None where one is not written out plainly."""
    names: set[bytes | None] = set()
    for command in _commands(body):
        if isinstance(command, Simple):
            names |= {word if isinstance(word, bytes) else None for word in command.words[:1]}
        for part in _parts(command):
            names |= started(part)
    return names


def _commands(body: Sequence) -> Iterator[Command]:
    for item in body.items:
        for pipeline in (item.first, *(pipeline for _, pipeline in item.rest)):
            yield from pipeline.commands


def _parts(command: Command) -> list[Sequence]:
    """Return the sequences of commands that a command is made of."""
    match command:
        case Simple():
            return []
        case Block() | For():
            return [command.body]
        case If():
            return [part for branch in command.branches for part in branch if part is not None]
        case While():
            return [command.condition, command.body]
        case Case():
            return [part for _, part in command.branches]


def reads_on(condition: Sequence) -> bool:
    """Tell whether a loop's condition is a `read`, which comes to an end with what there is to read."""
    last = condition.items[-1] if condition.items else None
    if last is None or last.rest or last.first.negated or len(last.first.commands) != 1:
        return False
    command = last.first.commands[0]
    return isinstance(command, Simple) and command.words[:1] == (b"read",)


def _assigned(command: Command) -> set[bytes]:
    names: set[bytes] = set()
    if isinstance(command, Simple):
        names = {name for name, _ in command.assignments}
        if command.words[:1] and command.words[0] in _SETTERS:
            texts = [word if isinstance(word, bytes) else word.parts[0].name if word.parts else b""
                     for word in command.words[1:]]  # fmt: skip
            names |= {text.partition(b"=")[0] for text in texts}
    elif isinstance(command, For):
        names = {command.name}
    return names.union(*(assigned(part) for part in _parts(command)))


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
