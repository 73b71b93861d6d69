"""Reads one word of a shell line: quotes, escapes, variables, substitutions, wildcards."""

import re
from collections.abc import Callable
from typing import TypeAlias

from dgcc.master.verdict.shelltree import Composite, Part, PartKind, Sequence, Word
from dgcc.master.verdict.stayshome import StaysHome

# Characters that have no meaning to any shell wherever they stand in a word.
ORDINARY = rb"A-Za-z0-9_./=+:,@%^\-\x80-\xff"
NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")

_PLAIN = re.compile(rb"[" + ORDINARY + rb"]+")
# ${name}, or with an operator and a plain operand.
_BRACED = re.compile(
    rb"\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-+]|%%?|\#\#?)(?P<operand>[A-Za-z0-9_./=+:,@*-]*))?\}"
)
# $((...)) without assignments or commands: some number.
_ARITHMETIC = re.compile(rb"\(\((?:[A-Za-z0-9_ \t*/%&|^~?:()-]|\+(?!\+)|[<>!=]=|[<>]|\$[A-Za-z_])*?\)\)")
_ASSIGNMENT = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*=")
_BRACE_LIST = re.compile(rb"\{[^\s{}]*?(?:,|\.\.)")
_IN_DOUBLE = re.compile(rb'[^"\\$`]+')
_IN_HERE = re.compile(rb"[^\\$`]+")
_BACKQUOTED = re.compile(rb"([^`\\]*(?:\\.[^`\\]*)*)`", re.DOTALL)
# A line break that the shell takes out goes through what follows a $.
_CUT_NAME = re.compile(rb"[A-Za-z0-9_]*\\\n(?:\\\n)*[A-Za-z0-9_{(?$#!@*-]")
_SPECIAL = b"?$#!-@*0123456789"
_BREAKS = b" \t\n;&|<>()"


# Reads the commands of $(...) from the position behind its parenthesis on; gives them and where they end.
CommandsAt: TypeAlias = Callable[[int], tuple[Sequence, int]]


class WordReader:
    """Reads one word that is not plain, from its first byte on."""

    def __init__(
        self, text: bytes, pos: int, commands_at: CommandsAt, script: Callable[[bytes], Sequence]
    ) -> None:
        self.text = text
        self.pos = pos
        self.commands_at = commands_at
        self.script = script
        self.parts: list[Part] = []
        self.run = bytearray()
        self.bare: int | None = None
        self.glob = False

    def read(self) -> Word:
        """Read on to the word's end, where `pos` stands then. Raises StaysHome."""
        text, bracket = self.text, False
        while self.pos < len(text):
            plain = _PLAIN.match(text, self.pos)
            if plain:
                self.run += plain[0]
                self.pos = plain.end()
                continue
            byte = text[self.pos:self.pos + 1]
            if byte in _BREAKS:
                break
            if byte in b"'\"\\$`":
                self.special(byte)
                continue
            if byte == b"~" and (not self.run and not self.parts or self.run[-1:] in (b"=", b":")):
                raise StaysHome("the shell line has a ~ for a home directory")
            if byte == b"{" and _BRACE_LIST.match(text, self.pos):
                raise StaysHome("the shell line has {a,b}, which shells read differently")
            bracket = bracket or byte == b"["
            self.glob = self.glob or byte in b"*?" or (byte == b"]" and bracket)
            self.run += byte
            self.pos += 1
        length = len(self.run)
        if self.bare is None and not self.glob:
            return bytes(self.run)
        self.close(False)
        literal: bytes | None = None
        if not self.glob and all(part.kind is PartKind.TEXT for part in self.parts):
            literal = b"".join(part.name for part in self.parts)
        bare = length if self.bare is None else self.bare
        return Composite(literal, tuple(self.parts), bare, self.glob)

    def close(self, quoted: bool) -> None:
        if self.run:
            self.parts.append(Part(PartKind.TEXT, bytes(self.run), quoted))
            self.run = bytearray()

    def special(self, byte: bytes) -> None:
        text = self.text
        if self.bare is None:
            self.bare = len(self.run)
        if byte == b"'":
            end = text.find(b"'", self.pos + 1)
            if end < 0:
                raise StaysHome("the shell line has a quote without its end")
            self.quote(text[self.pos + 1:end])
            self.pos = end + 1
        elif byte == b'"':
            self.double()
        elif byte == b"\\":
            if text[self.pos + 1:self.pos + 2] == b"\n":
                self.pos += 2
                return
            self.quote(text[self.pos + 1:self.pos + 2] or b"\\")
            self.pos += 2
        else:
            self.expansion(quoted=False)

    def quote(self, value: bytes) -> None:
        self.close(False)
        self.parts.append(Part(PartKind.TEXT, value, True))

    def double(self) -> None:
        text = self.text
        self.close(False)
        self.parts.append(Part(PartKind.TEXT, b"", True))  # "" is a word too
        self.pos += 1
        while True:
            run = _IN_DOUBLE.match(text, self.pos)
            if run:
                self.run += run[0]
                self.pos = run.end()
            byte = text[self.pos:self.pos + 1]
            if byte == b'"':
                self.pos += 1
                self.close(True)
                return
            if byte == b"":
                raise StaysHome("the shell line has a quote without its end")
            if byte == b"\\":
                following = text[self.pos + 1:self.pos + 2]
                if following in (b"$", b"`", b'"', b"\\"):
                    self.run += following
                elif following != b"\n":
                    self.run += byte + following
                self.pos += 2
            else:
                self.close(True)
                self.expansion(quoted=True)

    def here(self) -> Word:
        """Read the whole text as that of a here-document whose delimiter is not quoted."""
        text = self.text
        while self.pos < len(text):
            plain = _IN_HERE.match(text, self.pos)
            if plain:
                self.run += plain[0]
                self.pos = plain.end()
            elif text[self.pos] == 0x5C:
                following = text[self.pos + 1:self.pos + 2]
                self.run += following if following in (b"$", b"`", b"\\") else b"\\" + following
                self.pos += 2
            else:
                self.close(True)
                self.expansion(quoted=True)
        self.close(True)
        return Composite(None, tuple(self.parts), 0, False)

    def expansion(self, quoted: bool) -> None:
        text, start = self.text, self.pos
        self.close(quoted)
        if text[start] == 0x60:
            found = _BACKQUOTED.match(text, start + 1)
            if found is None:
                raise StaysHome("the shell line has a quote without its end")
            escaped = rb'\\([$`\\"])' if quoted else rb"\\([$`\\])"
            body = self.script(re.sub(escaped, rb"\1", found[1]))
            self.parts.append(Part(PartKind.COMMAND, b"", quoted, body))
            self.pos = found.end()
            return
        if _CUT_NAME.match(text, start + 1):
            raise StaysHome("the shell line breaks in the middle of an expansion")
        following = text[start + 1:start + 2]
        if following == b"[":
            raise StaysHome("the shell line has $[...], which shells read differently")
        if following == b"(":
            if text[start + 2:start + 3] == b"(":
                number = _ARITHMETIC.match(text, start + 1)
                if number is None or b"--" in number[0]:
                    raise StaysHome("the shell line has arithmetic that is not understood")
                self.variable(b"#", quoted, number.end())  # a number like that of arguments: not known, never split
                return
            body, self.pos = self.commands_at(start + 2)
            self.parts.append(Part(PartKind.COMMAND, b"", quoted, body))
            return
        if following == b"{":
            braced = _BRACED.match(text, start + 1)
            if braced is None:
                raise StaysHome("the shell line has a ${...} with an operator that is not understood")
            operator, operand = braced["operator"] or b"", braced["operand"] or b""
            self.parts.append(Part(PartKind.VARIABLE, braced["name"], quoted, None, operator, operand))
            self.pos = braced.end()
        elif (name := NAME.match(text, start + 1)) is not None:
            self.variable(name[0], quoted, name.end())
        elif following and following in _SPECIAL:
            self.variable(following, quoted, start + 2)
        elif following in (b"'", b'"') and not quoted:
            raise StaysHome("the shell line has $'...', which shells read differently")
        else:
            self.parts.append(Part(PartKind.TEXT, b"$", quoted))
            self.pos = start + 1

    def variable(self, name: bytes, quoted: bool, end: int) -> None:
        self.parts.append(Part(PartKind.VARIABLE, name, quoted))
        self.pos = end


def assignment(word: Word) -> tuple[bytes, Word] | None:
    """Split NAME=value, where NAME= is written without quotes."""
    if isinstance(word, bytes):
        found = _ASSIGNMENT.match(word)
        return None if found is None else (word[:found.end() - 1], word[found.end():])
    if not word.parts or word.parts[0].kind is not PartKind.TEXT:
        return None
    first = word.parts[0]
    found = _ASSIGNMENT.match(first.name)
    if found is None or found.end() > word.bare:
        return None
    cut = found.end()
    parts = (first._replace(name=first.name[cut:]), *word.parts[1:])
    literal = None if word.literal is None else word.literal[cut:]
    # Wildcards are not expanded in an assignment.
    if word.glob and all(part.kind is PartKind.TEXT for part in parts):
        literal = b"".join(part.name for part in parts)
    return first.name[:cut - 1], Composite(literal, parts, word.bare - cut, False)
