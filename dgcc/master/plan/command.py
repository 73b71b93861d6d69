"""The command that asks GNU make what it would do.

Make itself is asked, by a dry run (`-n`) that also prints why each target is due (`--trace`), in which
directory (`-w`), and its database of prerequisites (`-p`). Such a run is not without effect: make really
runs lines marked with `+` or naming $(MAKE), and remakes the makefiles that are included. So whoever runs
the command does it where nothing is written for real, and with LC_ALL=C, as the messages are read.
"""

import os
from collections.abc import Iterator, Sequence

DRY_RUNS = "dgcc-dry-"
"""How the names of directories begin in which such a run is made."""

_MAKES = frozenset(("make", "gmake", "gnumake"))
# With these the user wants no build, or output that a dry run would spoil.
_NO_BUILD_LETTERS = "nqtvhp"
_NO_BUILD = (
    "--just-print", "--dry-run", "--recon", "--question", "--touch", "--version", "--help",
    "--print-data-base",
)  # fmt: skip
# These would mix, hide or flood the output that is to be read.
_DROPPED_LETTERS = "sdO"
_DROPPED = ("--jobs", "--silent", "--quiet", "--debug", "--output-sync", "--no-print-directory", "--trace")
_VALUED_LETTERS = "CfIoWE"
_VALUED = frozenset(
    (
        "--directory", "--file", "--makefile", "--include-dir", "--old-file", "--assume-old", "--what-if",
        "--new-file", "--assume-new", "--eval",
    )
)  # fmt: skip


def plan_command(driver: Sequence[str], arguments: Sequence[str]) -> list[str] | None:
    """Return the command that asks `driver` with the user's `arguments` for its plan, None if there is none.

    `driver` is the command that the build runs, such as ["make"]. None is returned for other drivers than
    GNU make and where the arguments ask for no build (-n, -q, --version, ...).
    """
    if not driver or os.path.basename(driver[0]) not in _MAKES:
        return None
    kept = _without_display([*driver[1:], *arguments])
    return None if kept is None else [driver[0], "-n", "-p", "-k", "-w", "--trace", "-j1", *kept]


def _without_display(arguments: Sequence[str]) -> list[str] | None:
    """Drop what would disturb the dry run's output; None if the user asked for no build."""
    kept: list[str] = []
    words = iter(arguments)
    number_may_follow = False
    for word in words:
        if number_may_follow and word.isdigit():
            number_may_follow = False
            continue
        number_may_follow = False
        if word == "--":
            return [*kept, word, *words]
        if word.startswith("--"):
            # getopt takes any abbreviation; those that could mean several options are errors in make, too.
            name, given, _ = word.partition("=")
            if any(option.startswith(name) for option in _NO_BUILD):
                return None
            if any(option.startswith(name) for option in _DROPPED):
                number_may_follow = "--jobs".startswith(name) and not given
                continue
            kept.append(word)
            if name in _VALUED and not given:
                kept.extend(_following(words))
        elif word.startswith("-") and len(word) > 1:
            letters, argument_follows, number_may_follow = _letters(word[1:])
            if letters is None:
                return None
            if letters:
                kept.append("-" + letters)
            if argument_follows:
                kept.extend(_following(words))
        else:
            kept.append(word)
    return kept


def _following(words: Iterator[str]) -> list[str]:
    word = next(words, None)
    return [] if word is None else [word]


def _letters(letters: str) -> tuple[str | None, bool, bool]:
    """Go through bundled option letters.

    Returns those that are kept (None: the user wants no build), whether the last one's argument is the next
    word, and whether a number may follow that belongs to a dropped -j.
    """
    kept = ""
    for place, letter in enumerate(letters):
        rest = letters[place + 1:]
        if letter in _NO_BUILD_LETTERS:
            return None, False, False
        if letter in _VALUED_LETTERS:
            return kept + letter + rest, not rest, False
        if letter == "O":
            return kept, False, False
        if letter == "j":
            digits = len(rest) - len(rest.lstrip("0123456789"))
            if not rest:
                return kept, False, True
            if digits:
                more, follows, number = _letters(rest[digits:])
                return (None if more is None else kept + more), follows, number
        elif letter not in _DROPPED_LETTERS:
            kept += letter
    return kept, False, False
