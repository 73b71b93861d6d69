"""What a shell's words will be once the shell has expanded them, as far as that can be told beforehand."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dgcc.master.shellsyntax import LONGEST
from dgcc.master.shelltree import Composite, Part, PartKind, Sequence, Simple, Word
from dgcc.master.stayshome import StaysHome, show
from dgcc.master.tools import Argument

_WILD = re.compile(rb"[*?\[]")
_SPACE = re.compile(rb"[ \t\n]+")
# Their values are numbers, which no shell splits or globs further.
_NUMBERS = frozenset((b"?", b"#", b"$", b"!"))
# Automake's own way of naming the dependency file of an object in a subdirectory.
_DEPBASE = re.compile(rb"s\|\[\^/\]\*\$\|(?P<dir>[A-Za-z0-9_.]+)/&\|;s\|\\(?P<suffix>\.l?o)\$\|\|")


@dataclass(slots=True)
class Scope:
    """What expansions may ask for: variables set in the line (None: unknown), the environment, the directory."""

    variables: dict[bytes, bytes | None]
    env: Mapping[bytes, bytes]
    cwd: Callable[[], bytes]
    is_file: Callable[[bytes], bool]
    check: Callable[[Sequence], None]  # walks a substitution's commands; raises StaysHome unless all are harmless

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
        for part in word.parts:
            piece = self._part(part)
            if piece is None:
                if not part.quoted and part.name not in _NUMBERS:
                    raise StaysHome(f"the shell line has an argument that only the shell can tell ({_shown(word)})")
                known, current = False, current or bytearray()
            elif part.quoted or part.kind is PartKind.TEXT:
                # An empty unquoted text is no more than a place in the source; an empty quoted one makes a word.
                if piece or part.quoted:
                    current = (current or bytearray()) + piece
            else:
                if _WILD.search(piece):
                    raise StaysHome(f"the shell line has a wildcard (in {_shown(word)})")
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
        if part.kind is PartKind.VARIABLE:
            if part.name in self.variables:
                return self.variables[part.name]
            if not (part.name[:1].isalpha() or part.name[:1] == b"_") or part.name in (b"PWD", b"OLDPWD", b"_", b"IFS"):
                return None
            if part.name in _SHELLS_OWN and part.name not in self.env:
                return None
            return self.env.get(part.name, b"")
        assert part.body is not None
        self.check(part.body)
        return self._output(part.body)

    def _output(self, body: Sequence) -> bytes | None:
        """Tell what a few frequent command substitutions give."""
        commands = [[self.fields(word) for word in command.words] for command in _plain_commands(body)]
        flat = [[field for fields in command for field in fields] for command in commands]
        if len(body.items) != 1 or any(field is None for command in flat for field in command):
            return None
        argvs: list[list[bytes]] = [[field for field in command if field is not None] for command in flat]
        item = body.items[0]
        match argvs:
            case [[b"pwd"]]:
                return self.cwd()
            case [[b"echo", text]] if _echoes(text):
                return text.rstrip(b"\n")
            case [[b"basename", path]] if path and path[:1] != b"-":
                return os.path.basename(path.rstrip(b"/")) or b"/"
            case [[b"dirname", path]] if path and path[:1] != b"-" and path[-1:] != b"/" and b"//" not in path:
                return os.path.dirname(path) or b"."
            case [[b"test", b"-f", path], [b"echo", text]] if _echoes(text) and [op for op, _ in item.rest] == [b"||"]:
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
_SHELLS_OWN = frozenset((b"BASH", b"BASHPID", b"EUID", b"GROUPS", b"HOSTNAME", b"HOSTTYPE", b"LINENO", b"MACHTYPE", b"OPTARG",
                         b"OPTIND", b"OSTYPE", b"PIPESTATUS", b"PPID", b"PS4", b"RANDOM", b"SECONDS", b"SHELLOPTS", b"SHLVL",
                         b"UID", b"SRANDOM", b"EPOCHSECONDS", b"EPOCHREALTIME", b"BASHOPTS", b"BASH_VERSION", b"COLUMNS",
                         b"LINES", b"FUNCNAME", b"BASH_SOURCE", b"BASH_LINENO", b"DIRSTACK", b"TERM", b"SHELL", b"PS1",
                         b"PS2", b"PATH", b"BASH_VERSINFO", b"BASH_COMMAND", b"BASH_SUBSHELL", b"REPLY", b"COMP_WORDBREAKS"))


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
