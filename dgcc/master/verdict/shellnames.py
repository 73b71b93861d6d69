"""What a part of a shell line may set, and what the patterns of a case match."""

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


def pattern_of(word: Word) -> bytes | None:
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
