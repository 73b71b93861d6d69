"""How a shell is started: its options, and whether its commands are an argument."""

from collections.abc import Sequence

from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.tools import Argument


def shell_arguments(arguments: Sequence[Argument]) -> tuple[bool, bool, bytes, list[Argument]]:
    """Return whether a script is given with -c, whether -e is, the script or the name of its file, and the rest.

    `arguments` are those behind the shell's name. Raises StaysHome where they are not understood.
    """
    script = errexit = False
    place = 0
    while place < len(arguments):
        word = arguments[place]
        if word is None or word[:1] not in (b"-", b"+") or len(word) < 2:
            break
        place += 1
        if word == b"--":
            break
        for letter in word[1:].decode("latin-1"):
            if letter == "c":
                script = True
            elif letter == "e":
                errexit = word[:1] == b"-"
            elif letter in "oO":
                place += 1
            elif letter not in "uxvfCEpTbh":
                raise StaysHome(f"the shell's option {show(word, 30)} is not understood")
    first = arguments[place] if place < len(arguments) else None
    if first is None:
        raise StaysHome("a shell reads its commands from standard input, or computes them")
    return script, errexit, first, list(arguments[place + 1:])
