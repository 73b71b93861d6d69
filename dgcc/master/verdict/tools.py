"""The plain Unix tools that may stand beside a compile, and which of their arguments are files.

A tool is here only if all that it reads and writes can be told from its arguments. An argument that the shell
computes is None; it is harmless where it is text, and keeps the line at home where it would name a file.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct, field

from dgcc.master.verdict.stayshome import StaysHome, show

Argument: TypeAlias = bytes | None


class Tool(Struct, frozen=True):
    """How a tool's arguments are to be read."""

    flags: bytes = b""  # letters without an argument
    valued: bytes = b""  # letters with an argument that is no file
    filed: bytes = b""  # letters with an argument that is a file
    longs: frozenset[bytes] = frozenset()  # long options, none of which names a file
    script: bytes = b""  # letters that give the script; without them the first operand is it
    script_first: bool = False
    reads_input: bool = False  # without a file operand it reads standard input
    attached: bytes = b""  # letters whose argument, if any, is in the same word


class Use(Struct):
    """What one use of a tool does: `files` it names, whether it `reads_input`, and its `scripts`."""

    files: list[bytes] = field(default_factory=list)
    reads_input: bool = False
    scripts: list[bytes] = field(default_factory=list)


def _longs(*names: bytes) -> frozenset[bytes]:
    return frozenset(b"--" + name for name in names)


_GREP = Tool(
    b"ivcwxlLnhHqsoEFGPaz", b"mABC", b"f", _longs(b"quiet", b"silent", b"count"), b"e",
    script_first=True, reads_input=True,
)
_AWK = Tool(valued=b"Fv", script_first=True, reads_input=True)
TOOLS = {
    b"cat": Tool(b"nbsEvTAetu", reads_input=True),
    b"cmp": Tool(b"slb", longs=_longs(b"silent", b"quiet")),
    b"sed": Tool(
        b"nrEsuz", b"l", b"f", _longs(b"quiet", b"silent", b"posix"), b"e",
        script_first=True, reads_input=True, attached=b"i",
    ),
    b"grep": _GREP,
    b"egrep": _GREP,
    b"fgrep": _GREP,
    b"tr": Tool(b"cCdst", script_first=True, reads_input=True),
    b"cut": Tool(b"sz", b"dfbc", reads_input=True),
    b"sort": Tool(b"unrbdfgiMcszVm", b"kt", b"o", reads_input=True),
    b"uniq": Tool(b"cdui", b"fsw", reads_input=True),
    b"head": Tool(b"qz0123456789", b"nc", reads_input=True),
    b"tail": Tool(b"qz0123456789", b"nc", reads_input=True),
    b"wc": Tool(b"lcwmL", reads_input=True),
    b"rm": Tool(b"fiv", longs=_longs(b"force")),
    b"mv": Tool(b"fvnuT"),
    b"cp": Tool(b"fvpnuLP"),
    b"ln": Tool(b"sfnvr"),
    b"touch": Tool(b"acm", b"dt", b"r"),
    b"mkdir": Tool(b"pv", b"m", longs=_longs(b"parents")),
    b"chmod": Tool(b"fv", script_first=True),
    b"tee": Tool(b"ai", reads_input=True),
    b"rmdir": Tool(b"pv", longs=_longs(b"ignore-fail-on-non-empty")),
    b"diff": Tool(b"qubwBiaNs", b"U", longs=_longs(b"brief")),
    b"comm": Tool(b"123"),
    b"paste": Tool(b"s", b"d", reads_input=True),
    b"fold": Tool(b"bs", b"w", reads_input=True),
    b"nl": Tool(b"p", b"bdfhilnsvw", reads_input=True),
    b"tac": Tool(b"br", b"s", reads_input=True),
    b"rev": Tool(reads_input=True),
    b"od": Tool(b"bcdosxv", b"AtNjw", reads_input=True),
    b"md5sum": Tool(b"bt", reads_input=True),
    b"sha1sum": Tool(b"bt", reads_input=True),
    b"sha256sum": Tool(b"bt", reads_input=True),
    b"cksum": Tool(reads_input=True),
    b"awk": _AWK,
    b"gawk": _AWK,
    b"mawk": _AWK,
}
# These work on their arguments as text and open nothing.
TEXT_ONLY = frozenset(
    b"""
    echo printf : true false expr basename dirname pwd exit sleep seq
    """.split()
)

_FILE_TESTS = frozenset((b"-e", b"-f", b"-d", b"-s", b"-L", b"-h", b"-r", b"-x"))
_FILE_COMPARISONS = frozenset((b"-nt", b"-ot", b"-ef"))
_OTHER_TESTS = frozenset((b"-n", b"-z", b"-a", b"-o", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge"))
_TEST = re.compile(rb"-[A-Za-z]")
_AWK_FILES = re.compile(rb"getline|system|srand|rand|systime|ENVIRON|@include|@load|print[^;}\n]*[>|]|\|&?")
_AWK_ASSIGNS = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*=")
# sed's r, R, w and W take a file, and its e, as a command or as a flag of s, runs a command.
_SED_FILES = re.compile(
    rb"[rRwW]\s*(?:/|\.\.)|(?:^|[;{}\n\s0-9$/])e(?:\s|\Z)"
    rb"|[^A-Za-z0-9\\][gpiImM0-9]*e[gpiImM0-9]*\s*(?:\Z|[;}\n])"
)


def use_of(name: bytes, arguments: Sequence[Argument]) -> Use:
    """Read the arguments of the tool `name`, a key of TOOLS. Raises StaysHome if they are not understood."""
    tool = TOOLS[name]
    use = Use()
    operands: list[Argument] = []
    options = True
    waiting: tuple[str, bytes] | None = None
    shown = name.decode()
    for word in arguments:
        if waiting is not None:
            _argument(use, waiting, word, shown)
            waiting = None
        elif word is None or not options or word[:1] != b"-" or word == b"-":
            operands.append(word)
        elif word == b"--":
            options = False
        elif word[:2] == b"--":
            if word not in tool.longs:
                raise StaysHome(f"{shown} {show(word)} is not understood")
        else:
            waiting = _letters(tool, use, word, shown)
    if waiting is not None:
        raise StaysHome(f"{shown} has an option without its argument")
    if tool.script_first and not use.scripts and operands:
        script = operands.pop(0)
        if script is not None:
            use.scripts.append(script)
        elif name == b"sed":
            raise StaysHome("sed has a script that the shell computes")
    if name == b"sed":
        for script in use.scripts:
            if _SED_FILES.search(script):
                raise StaysHome(f"sed has a script that may use files or commands ({show(script, 40)})")
    elif name in (b"awk", b"gawk", b"mawk"):
        if not use.scripts:
            raise StaysHome("awk has a script that the shell computes")
        if _AWK_FILES.search(use.scripts[0]):
            raise StaysHome(f"awk has a script that may use files or commands ({show(use.scripts[0], 40)})")
        operands = [operand for operand in operands if operand is None or not _AWK_ASSIGNS.match(operand)]
    elif name == b"tr":
        operands.clear()
    use.reads_input = use.reads_input or (tool.reads_input and not operands)
    for operand in operands:
        if operand is None:
            raise StaysHome(f"{shown} has a file whose name the shell computes")
        if operand == b"-":
            use.reads_input = True
        else:
            use.files.append(operand)
    return use


def _letters(tool: Tool, use: Use, word: bytes, shown: str) -> tuple[str, bytes] | None:
    """Read a word of option letters; return the kind and letter of one whose argument is the next word."""
    for place in range(1, len(word)):
        letter = word[place:place + 1]
        if letter in tool.flags:
            continue
        kind = "value" if letter in tool.valued else "file" if letter in tool.filed else "script"
        if kind == "script" and letter not in tool.script:
            if letter in tool.attached:
                if b"/" in word[place:] or b"*" in word[place:]:
                    break
                return None
            break
        if place + 1 == len(word):
            return kind, letter
        _argument(use, (kind, letter), word[place + 1:], shown)
        return None
    else:
        return None
    raise StaysHome(f"{shown} {show(word)} is not understood")


def _argument(use: Use, waiting: tuple[str, bytes], word: Argument, shown: str) -> None:
    kind, letter = waiting
    if kind == "value":
        return
    if word is None:
        raise StaysHome(f"{shown} -{letter.decode()} has an argument that the shell computes")
    if kind == "file":
        if word == b"-":
            use.reads_input = True
        else:
            use.files.append(word)
        if shown == "sed":
            raise StaysHome("sed reads its script from a file")
    else:
        use.scripts.append(word)


def tested_files(arguments: Sequence[Argument]) -> list[bytes]:
    """Return the files that a `test` looks at. Raises StaysHome where it asks for something else."""
    files: list[bytes] = []

    def take(place: int) -> None:
        if not 0 <= place < len(arguments):
            return  # a usage error, or a string that only looks like an operator
        name = arguments[place]
        if name is None:
            raise StaysHome("test looks at a file whose name the shell computes")
        files.append(name)

    for place, word in enumerate(arguments):
        if word in _FILE_TESTS:
            take(place + 1)
        elif word in _FILE_COMPARISONS:
            take(place - 1)
            take(place + 1)
        elif word is not None and _TEST.fullmatch(word) and word not in _OTHER_TESTS:
            raise StaysHome(f"test {show(word)} is not understood")
    return files


