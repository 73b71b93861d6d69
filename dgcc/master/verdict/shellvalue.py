"""What a shell's words will be once the shell has expanded them, as far as that can be told beforehand."""

import os
import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from dgcc.master.verdict.shellsyntax import LONGEST
from dgcc.master.verdict.shelltree import Composite, Part, PartKind, Sequence, Simple, Word
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.tools import Argument

_WILD = re.compile(rb"[*?\[]")
_SPACE = re.compile(rb"[ \t\n]+")
_PLAIN_PATH = re.compile(rb"/?(?:[^/\-][^/]*/)*[^/\-][^/]*")
_NAMED = re.compile(rb"[A-Za-z_]")
# Their values are numbers, which no shell splits or globs further.
_NUMBERS = frozenset((b"?", b"#", b"$", b"!"))
# Automake's own way of naming the dependency file of an object in a subdirectory.
_DEPBASE = re.compile(rb"s\|\[\^/\]\*\$\|(?P<dir>[A-Za-z0-9_.]+)/&\|;s\|\\(?P<suffix>\.l?o)\$\|\|")


class Scope(Struct):
    """What expansions may ask for; `variables` are those set in the line, None where the value is unknown."""

    variables: dict[bytes, bytes | None]
    env: Mapping[bytes, bytes]
    cwd: Callable[[], bytes]
    is_file: Callable[[bytes], bool]
    check: Callable[[Sequence], None]  # raises StaysHome unless a substitution is harmless

    def value(self, word: Word) -> bytes | None:
        """Expand without splitting, as in an assignment; None where the value is not known."""
        if isinstance(word, bytes):
            return word
        if word.literal is not None:
            return word.literal
        pieces: list[bytes] = []
        known = True
        for part in word.parts:
            piece = self._part(part)
            if piece is None:
                known = False
            else:
                pieces.append(piece)
        return _bounded(b"".join(pieces)) if known else None

    def fields(self, word: Word) -> list[Argument]:
        """Expand to the arguments that a command would get; one that is not known is None."""
        if isinstance(word, bytes):
            return [word]
        if word.literal is not None:
            return [word.literal]
        if word.glob:
            raise StaysHome(f"the shell line has a wildcard ({_shown(word)})")
        done: list[Argument] = []
        current: bytearray | None = None
        known = True
        lone = any(part.name == b"$" and part.kind is PartKind.TEXT for part in word.parts)
        for part in word.parts:
            piece = self._part(part)
            if piece is None:
                if not part.quoted and part.name not in _NUMBERS:
                    raise StaysHome(f"the line has an argument that only the shell can tell ({_shown(word)})")
                known, current = False, current or bytearray()
            elif part.quoted or part.kind is PartKind.TEXT:
                # An empty quoted text makes a word, an empty unquoted one is only a place in the source.
                if piece or part.quoted:
                    current = (current or bytearray()) + piece
            else:
                if _WILD.search(piece):
                    raise StaysHome(f"the shell line has a wildcard (in {_shown(word)})")
                if lone:
                    raise StaysHome(f"the shell line has a lone $, which shells read differently ({_shown(word)})")
                pieces = _SPACE.split(piece)
                for place, text in enumerate(pieces):
                    if place and current is not None:
                        done.append(bytes(current) if known else None)
                        current, known = None, True
                    if text:
                        current = (current or bytearray()) + text
        if current is not None:
            done.append(_bounded(bytes(current)) if known else None)
        return done

    def _part(self, part: Part) -> bytes | None:
        if part.kind is PartKind.TEXT:
            return part.name
        if part.kind is PartKind.VARIABLE and part.operator:
            return self._operated(part)
        if part.kind is PartKind.VARIABLE:
            if part.name in self.variables:
                return self.variables[part.name]
            if not _NAMED.match(part.name) or part.name in _SHELLS_OWN:
                return None
            return self.env.get(part.name, b"")
        assert part.body is not None
        self.check(part.body)
        return self._output(part.body)

    def _operated(self, part: Part) -> bytes | None:
        """Tell what ${name:-text} and its like give."""
        operator = part.operator
        value = self._part(part._replace(operator=b""))
        there = part.name in self.variables or part.name in self.env or part.name in _SHELLS_OWN
        if value is None and there:
            return None
        if operator in (b"-", b":-"):
            return value if value or (there and operator == b"-") else part.operand
        if operator in (b"+", b":+"):
            return part.operand if value or (there and operator == b"+") else b""
        assert value is not None
        if b"*" in part.operand.replace(b"*/", b"", 1) or part.operand.count(b"*") > 1:
            return None
        text = part.operand
        if text[:2] == b"*/" and operator in (b"#", b"##"):
            head, slash, tail = value.partition(b"/") if operator == b"#" else value.rpartition(b"/")
            return tail if slash else value
        if b"*" in text:
            return None
        return value.removesuffix(text) if operator[:1] == b"%" else value.removeprefix(text)

    def _output(self, body: Sequence) -> bytes | None:
        """Tell what a few frequent command substitutions give."""
        commands = [[self.fields(word) for word in command.words] for command in _plain_commands(body)]
        flat = [[field for fields in command for field in fields] for command in commands]
        if len(body.items) != 1 or any(field is None for command in flat for field in command):
            return None
        argvs: list[list[bytes]] = [[field for field in command if field is not None] for command in flat]
        item = body.items[0]
        operators = [op for op, _ in item.rest]
        match argvs:
            case [[b"pwd"]]:
                return self.cwd()
            case [[b"echo", text]] if _echoes(text):
                return text.rstrip(b"\n")
            case [[b"basename", path]] if path and path[:1] != b"-":
                return os.path.basename(path.rstrip(b"/")) or b"/"
            case [[b"dirname", path]] if _PLAIN_PATH.fullmatch(path):
                return os.path.dirname(path) or b"."
            case [[b"test", b"-f", path], [b"echo", text]] if _echoes(text) and operators == [b"||"]:
                return b"" if self.is_file(path) else text
            case [[b"echo", text], [b"sed", script]] if _echoes(text) and len(item.first.commands) == 2:
                found = _DEPBASE.fullmatch(script)
                if found is None:
                    return None
                directory, base = os.path.split(text)
                named = os.path.join(directory, found["dir"], base)
                return named.removesuffix(found["suffix"])
        return None


# Shells set these without being asked, to what cannot be known here.
_SHELLS_OWN = frozenset(
    b"""
    BASH BASHPID EUID GROUPS HOSTNAME HOSTTYPE LINENO MACHTYPE OPTARG OPTIND OSTYPE PIPESTATUS PPID
    PS4 RANDOM SECONDS SHELLOPTS SHLVL UID SRANDOM EPOCHSECONDS EPOCHREALTIME BASHOPTS BASH_VERSION
    COLUMNS LINES FUNCNAME BASH_SOURCE BASH_LINENO DIRSTACK TERM SHELL PS1 PS2 PATH BASH_VERSINFO
    BASH_COMMAND PWD OLDPWD _ IFS BASH_SUBSHELL REPLY COMP_WORDBREAKS
    """.split()
)


def _echoes(text: bytes) -> bool:
    """Tell whether every shell's echo prints `text` as it is."""
    return text[:1] != b"-" and b"\\" not in text


def _plain_commands(body: Sequence) -> list[Simple]:
    found: list[Simple] = []
    for item in body.items:
        for pipeline in (item.first, *(pipeline for _, pipeline in item.rest)):
            for command in pipeline.commands:
                if not isinstance(command, Simple) or command.redirects or command.assignments:
                    return []
                found.append(command)
    return found


def _bounded(value: bytes) -> bytes:
    if len(value) > LONGEST:
        raise StaysHome("the shell line grows too long")
    return value


def _shown(word: Composite) -> str:
    texts = {PartKind.TEXT: b"%b", PartKind.VARIABLE: b"$%b", PartKind.COMMAND: b"$(...)%b"}
    return show(b"".join(texts[part.kind] % part.name for part in word.parts), 40)
