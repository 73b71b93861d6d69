"""The tree that a shell line is read into: words with their quoting, commands, and how they are joined."""

from enum import Enum
from typing import NamedTuple, TypeAlias

from msgspec import Struct


class PartKind(Enum):
    """What a part of a word is."""

    TEXT = "text"  # stands for itself
    VARIABLE = "variable"  # $name, or a special parameter such as $?
    COMMAND = "command"  # $(...) or `...`


class Part(NamedTuple):
    """A part of a word; `name` is the text or the variable's name, `body` the commands of a substitution.

    A VARIABLE may have an `operator` such as b":-" with its plain `operand`.
    """

    kind: PartKind
    name: bytes
    quoted: bool
    body: "Sequence | None" = None
    operator: bytes = b""
    operand: bytes = b""


class Composite(NamedTuple):
    """A word that has quotes, expansions or wildcards in it.

    `literal` is its value where nothing is expanded, else None; `bare` is the length of its start before any
    quote or expansion, in bytes; `glob` says that it holds an unquoted wildcard.
    """

    literal: bytes | None
    parts: tuple[Part, ...]
    bare: int
    glob: bool


# A word that is nothing but ordinary characters, by far the most frequent kind, is its own bytes.
Word: TypeAlias = bytes | Composite


class Redirect(NamedTuple):
    """`fd` (None: the operator's own) joined by `op`, such as b">", to `target`; of b"<<" the text is the target."""

    fd: int | None
    op: bytes
    target: Word


class Simple(Struct, frozen=True):
    """NAME=value ... word word ... with redirections anywhere."""

    assignments: tuple[tuple[bytes, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]


class Block(Struct, frozen=True):
    """( ... ) where `subshell`, else { ...; }."""

    body: "Sequence"
    subshell: bool
    redirects: tuple[Redirect, ...]


class If(Struct, frozen=True):
    """Branches of condition and body, the last possibly with the condition None, which is `else`."""

    branches: tuple[tuple["Sequence | None", "Sequence"], ...]
    redirects: tuple[Redirect, ...]


class For(Struct, frozen=True):
    """for `name` in `words`; do `body`; done."""

    name: bytes
    words: tuple[Word, ...]
    body: "Sequence"
    redirects: tuple[Redirect, ...]


class While(Struct, frozen=True):
    """while `condition`; do `body`; done, or until."""

    condition: "Sequence"
    body: "Sequence"
    redirects: tuple[Redirect, ...]


class Case(Struct, frozen=True):
    """case `word` in patterns) body;; ... esac."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], "Sequence"], ...]
    redirects: tuple[Redirect, ...]


Command: TypeAlias = Simple | Block | If | For | While | Case


class Pipeline(NamedTuple):
    """Commands joined by |, with a `!` before them where `negated`."""

    commands: tuple[Command, ...]
    negated: bool = False


class AndOr(NamedTuple):
    """A pipeline and those that follow it, each with its b"&&" or b"||"."""

    first: Pipeline
    rest: tuple[tuple[bytes, Pipeline], ...]


class Sequence(NamedTuple):
    """What runs one after the other."""

    items: tuple[AndOr, ...]
