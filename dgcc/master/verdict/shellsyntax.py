"""A reader of POSIX shell lines: turns a recipe's text into a tree of commands, or says what it cannot read.

The aim is not to run the line but to know all that the line can run. So the reader is strict: whatever it
does not fully understand (background jobs, functions, process substitutions, ...) raises StaysHome with a name for
it. It keeps three things apart that simpler splitters lose: what was quoted, what will be expanded by the shell,
and where one command ends and the next begins.

Time is linear in the length of the text, apart from backquotes within backquotes, whose depth is bounded.
"""

import re
from typing import NamedTuple

from dgcc.master.verdict.shelltree import (
    AndOr,
    Block,
    Case,
    Command,
    Composite,
    For,
    If,
    Pipeline,
    Redirect,
    Sequence,
    Simple,
    While,
    Word,
)
from dgcc.master.verdict.shellwords import NAME, ORDINARY, WordReader, assignment
from dgcc.master.verdict.stayshome import StaysHome, show

# Linux refuses any single argument beyond 128 KiB, so no line that make can start is longer than this.
LONGEST = 128 * 1024
DEEPEST = 12

_BLANKS = re.compile(rb"(?:[ \t]|\\\n)*")
_PLAIN_WORD = re.compile(rb"[" + ORDINARY + rb"]+(?=[ \t\n;&|<>()]|\Z)")
_OPERATOR = re.compile(rb"&&|\|\||;;|<<<|<<-?|>>|<&|>&|<>|>\||&>|\|&|[;&|()<>\n]")
_FD = re.compile(rb"[0-9]+(?=[<>])")
_CLOSERS = frozenset((b"then", b"else", b"elif", b"fi", b"do", b"done", b"}", b"esac"))
_REFUSED = {
    b"function": "a shell function",
    b"select": "a select loop", b"[[": "[[ ]]", b"time": "the shell's time", b"coproc": "a coprocess",
    b"in": "a misplaced 'in'",
}
_REDIRECTS = frozenset((b"<", b">", b">>", b"<&", b">&", b"<>", b">|", b"<<", b"<<-"))
_ENDS = frozenset((b"", b")", b";;"))


class _Op(NamedTuple):
    """An operator, or b"" at the end of the text; `fd` is the number written before a redirection."""

    text: bytes
    fd: int | None = None


_END = _Op(b"")


def parse(text: bytes) -> Sequence:
    """Read a whole shell line or script. Raises StaysHome where it holds anything that is not understood."""
    return _parse(text, 0)


def _parse(text: bytes, depth: int) -> Sequence:
    if len(text) > LONGEST:
        raise StaysHome("the shell line is too long to be read")
    reader = _Reader(text, 0, depth)
    body = reader.sequence()
    reader.expect(b"", "the end of the line")
    return body


def _no_commands(pos: int) -> tuple[Sequence, int]:
    raise StaysHome("the shell line has a here-document with $(...) in it")


class _Reader:
    def __init__(self, text: bytes, pos: int, depth: int, inner: bool = False) -> None:
        if depth > DEEPEST:
            raise StaysHome("the shell line is nested too deeply")
        self.text = text
        self.pos = pos
        self.depth = depth
        self.inner = inner  # within $(...), where others hold positions in the text
        self.token: Word | _Op = _END
        self.advance()

    # ---- Grammar ----

    def sequence(self) -> Sequence:
        items: list[AndOr] = []
        while True:
            while self.at(b";") and items or self.at(b"\n"):
                self.advance()
            token = self.token
            if isinstance(token, _Op):
                if token.text in _ENDS:
                    return Sequence(tuple(items))
            elif token in _CLOSERS:
                return Sequence(tuple(items))
            items.append(self.and_or())
            if not (self.at(b";") or self.at(b"\n")):
                token = self.token
                if token == _Op(b"&"):
                    raise StaysHome("the shell line starts something in the background")
                if isinstance(token, _Op) and token.text in _ENDS:
                    return Sequence(tuple(items))
                raise StaysHome(f"the shell line is not understood at '{self.here()}'")

    def and_or(self) -> AndOr:
        first = self.pipeline()
        rest: list[tuple[bytes, Pipeline]] = []
        while isinstance(self.token, _Op) and self.token.text in (b"&&", b"||"):
            op = self.token.text
            self.skip_newlines()
            rest.append((op, self.pipeline()))
        return AndOr(first, tuple(rest))

    def pipeline(self) -> Pipeline:
        negated = False
        while self.token == b"!":
            negated = True
            self.advance()
        commands = [self.command()]
        while self.at(b"|"):
            self.skip_newlines()
            commands.append(self.command())
        return Pipeline(tuple(commands), negated)

    def command(self) -> Command:
        if self.at(b"("):
            return Block(*self.nested(b")"), subshell=True, redirects=self.redirects())
        word = self.token
        if word == b"{":
            return Block(*self.nested(b"}"), subshell=False, redirects=self.redirects())
        if word == b"if":
            return self.if_clause()
        if word == b"for":
            return self.for_clause()
        if word in (b"while", b"until"):
            return self.while_clause()
        if word == b"case":
            return self.case_clause()
        if isinstance(word, bytes) and word in _REFUSED:
            raise StaysHome(f"the shell line has {_REFUSED[word]}")
        return self.simple()

    def nested(self, closer: bytes) -> tuple[Sequence]:
        self.deeper()
        self.advance()
        body = self.sequence()
        self.expect(closer, closer.decode())
        self.depth -= 1
        return (body,)

    def if_clause(self) -> If:
        self.deeper()
        branches: list[tuple[Sequence | None, Sequence]] = []
        closer: Word | _Op = b"if"
        while closer in (b"if", b"elif"):
            self.advance()
            condition = self.sequence()
            self.expect(b"then", "then")
            branches.append((condition, self.sequence()))
            closer = self.token
        if closer == b"else":
            self.advance()
            branches.append((None, self.sequence()))
        self.expect(b"fi", "fi")
        self.depth -= 1
        return If(tuple(branches), self.redirects())

    def for_clause(self) -> For:
        self.deeper()
        self.advance()
        name = self.token
        if not isinstance(name, bytes) or not NAME.fullmatch(name):
            raise StaysHome("the shell line has a for loop without a plain variable")
        self.skip_newlines()
        self.expect(b"in", "in")
        words: list[Word] = []
        while not isinstance(self.token, _Op):
            words.append(self.token)
            self.advance()
        if not (self.at(b";") or self.at(b"\n")):
            raise StaysHome("the shell line has a for loop that is not understood")
        self.skip_newlines()
        self.expect(b"do", "do")
        body = self.sequence()
        self.expect(b"done", "done")
        self.depth -= 1
        return For(name, tuple(words), body, self.redirects())

    def while_clause(self) -> While:
        self.deeper()
        self.advance()
        condition = self.sequence()
        self.expect(b"do", "do")
        body = self.sequence()
        self.expect(b"done", "done")
        self.depth -= 1
        return While(condition, body, self.redirects())

    def case_clause(self) -> Case:
        self.deeper()
        self.advance()
        word = self.token
        if isinstance(word, _Op):
            raise StaysHome("the shell line has a case without a word")
        self.skip_newlines()
        self.expect(b"in", "in")
        branches: list[tuple[tuple[Word, ...], Sequence]] = []
        while True:
            while self.at(b"\n"):
                self.advance()
            if self.token == b"esac":
                break
            if self.at(b"("):
                self.advance()
            patterns: list[Word] = []
            while True:
                if isinstance(self.token, _Op):
                    raise StaysHome(f"the shell line has a case that is not understood at '{self.here()}'")
                patterns.append(self.token)
                self.advance()
                if not self.at(b"|"):
                    break
                self.advance()
            self.expect(b")", ")")
            branches.append((tuple(patterns), self.sequence()))
            if not self.at(b";;"):
                break
            self.advance()
        self.expect(b"esac", "esac")
        self.depth -= 1
        return Case(word, tuple(branches), self.redirects())

    def simple(self) -> Simple:
        assignments: list[tuple[bytes, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            token = self.token
            if isinstance(token, _Op):
                if token.text in _REDIRECTS:
                    redirects.append(self.redirect())
                    continue
                break
            if not words and (pair := assignment(token)) is not None:
                assignments.append(pair)
            else:
                words.append(token)
            self.advance()
        if self.at(b"(") and words:
            raise StaysHome("the shell line defines a function")
        if not (assignments or words or redirects):
            raise StaysHome(f"the shell line is not understood at '{self.here()}'")
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    def redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while isinstance(self.token, _Op) and self.token.text in _REDIRECTS:
            found.append(self.redirect())
        return tuple(found)

    def redirect(self) -> Redirect:
        op = self.token
        assert isinstance(op, _Op)
        self.advance()
        if isinstance(self.token, _Op):
            raise StaysHome(f"the shell line has '{op.text.decode()}' without a file")
        target = self.token
        if op.text in (b"<<", b"<<-"):
            return Redirect(op.fd, b"<<", self.here_document(target, op.text == b"<<-"))
        self.advance()
        return Redirect(op.fd, op.text, target)

    def here_document(self, delimiter: Word, tabs: bool) -> Word:
        """Read the text of a here-document, which begins behind the line, and take it out of what is still read."""
        quoted = not isinstance(delimiter, bytes)
        word = delimiter if isinstance(delimiter, bytes) else delimiter.literal
        if word is None:
            raise StaysHome("the shell line has a here-document whose end the shell computes")
        start = self.text.find(b"\n", self.pos)
        # A quote or a substitution that goes on beyond the line would have to be read first.
        if start < 0 or self.inner or re.search(rb"['\"`(\\#]", self.text[self.pos:start]):
            raise StaysHome("the shell line has a here-document that is not understood")
        place = start + 1
        lines: list[bytes] = []
        while place < len(self.text):
            end = self.text.find(b"\n", place)
            end = len(self.text) if end < 0 else end
            line = self.text[place:end]
            line = line.lstrip(b"\t") if tabs else line
            place = end + 1
            if line == word:
                break
            lines.append(line + b"\n")
        else:
            raise StaysHome("the shell line has a here-document without its end")
        self.text = self.text[:start + 1] + self.text[place:]
        self.advance()
        text = b"".join(lines)
        if quoted:
            return Composite(text, (), 0, False)
        if b"\\\n" in text:  # such a line goes on, and its end might be that of the text
            raise StaysHome("the shell line has a here-document with a backslash at a line's end")
        depth = self.depth + 1
        return WordReader(text, 0, _no_commands, lambda script: _parse(script, depth)).here()

    # ---- Tokens ----

    def at(self, op: bytes) -> bool:
        return isinstance(self.token, _Op) and self.token.text == op

    def here(self) -> str:
        token = self.token
        if isinstance(token, _Op):
            return {b"": "its end", b"\n": "the end of a line"}.get(token.text, show(token.text, 20))
        return show(token if isinstance(token, bytes) else token.literal or b"$", 20)

    def expect(self, what: bytes, name: str) -> None:
        if not (self.token == what or self.at(what)):
            raise StaysHome(f"the shell line has '{self.here()}' where {name} should be")
        if what:
            self.advance()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise StaysHome("the shell line is nested too deeply")

    def skip_newlines(self) -> None:
        self.advance()
        while self.at(b"\n"):
            self.advance()

    def advance(self) -> None:
        text = self.text
        blanks = _BLANKS.match(text, self.pos)
        pos = blanks.end() if blanks else self.pos
        plain = _PLAIN_WORD.match(text, pos)
        if plain and not (text[plain.end():plain.end() + 1] in (b"<", b">") and plain[0].isdigit()):
            self.pos = plain.end()
            self.token = plain[0]
            return
        if pos < len(text) and text[pos] == 0x23:  # a comment, up to but not with the newline
            newline = text.find(b"\n", pos)
            pos = len(text) if newline < 0 else newline
        if pos >= len(text):
            self.pos = pos
            self.token = _END
            return
        number = _FD.match(text, pos)
        operator = _OPERATOR.match(text, number.end() if number else pos)
        if operator is None:
            self.pos = pos
            self.token = self.word()
            return
        op = operator[0]
        self.pos = operator.end()
        if op == b"<<<":
            raise StaysHome("the shell line has '<<<', which shells read differently")
        if op in (b"<", b">") and text[self.pos:self.pos + 1] == b"(":
            raise StaysHome("the shell line has a process substitution")
        if op in (b"|&", b"&>"):
            raise StaysHome(f"the shell line has '{op.decode()}', which shells read differently")
        self.token = _Op(op, int(number[0][:9]) if number else None)

    # ---- Words ----

    def word(self) -> Word:
        depth = self.depth + 1
        reader = WordReader(self.text, self.pos, self.commands_at, lambda script: _parse(script, depth))
        word = reader.read()
        self.pos = reader.pos
        return word

    def commands_at(self, pos: int) -> tuple[Sequence, int]:
        inner = _Reader(self.text, pos, self.depth + 1, inner=True)
        body = inner.sequence()
        if not inner.at(b")"):
            raise StaysHome("the shell line has a $( without its end")
        return body, inner.pos
