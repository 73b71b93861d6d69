"""Asks a compiler what it makes of -march=native and its like, and finds words that say the same on any machine.

The object must be the same to the byte, with the options that -g and -flto record in it. So a proposal counts only
if the compiler proper is started with the same arguments in the same order by it, which `-###` shows.

gcc has the expansion in front of all other -m options. The parameters of caches stand among it, where no option of
the driver puts them; so a -wrapper puts them there, which itself is not recorded. For clang, -Xclang does.
"""

import os
import re
import shlex
import subprocess

from dgcc.master.verdict.stayshome import StaysHome

Edits = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""Words of a command line and what to put in the place of each."""

WORDS = frozenset((b"-march=native", b"-mtune=native", b"-mcpu=native"))

_TIMEOUT_S = 10
# Runs the compiler's programs, and adds the parameters before or behind one of the other words.
_WRAPPER = b'p=$0; for a; do shift; case $a in %b) set -- "$@" %b;; *) set -- "$@" "$a";; esac; done; exec "$p" "$@"'
# In other places of the two command lines, and of no effect on what is recorded or made.
_UNORDERED = {b"-quiet": 1, b"-dumpbase": 2, b"-dumpbase-ext": 2}
_SPECIAL = re.compile(rb"[ ,'\"$`\\;&|()<>*?\[\]]")
_SHELL = b"/bin/sh"

_known: dict[tuple[object, ...], Edits | None] = {}


def native(driver: bytes, options: tuple[bytes, ...]) -> Edits | None:
    """Return what to change in a command line of `driver`, whose options for the machine are `options`, in order.

    None where it cannot be told, or no words give the same. Starts the compiler a few times, once for each
    content of the driver and each `options`; never raises.
    """
    try:
        status = os.stat(driver)
        key = (driver, options, status.st_mtime_ns, status.st_size, status.st_ino)
        if key not in _known:
            _known[key] = _ask(driver, options)
        return _known[key]
    except (OSError, ValueError, subprocess.SubprocessError, StaysHome):
        return None


def apply(words: tuple[bytes, ...], edits: Edits) -> tuple[bytes, ...]:
    """Return `words` with the edits made."""
    changes = dict(edits)
    return tuple(new for word in words for new in changes.get(word, (word,)))


def is_wrapper(value: bytes) -> bool:
    """Tell whether the argument of -wrapper is one that `native` gave."""
    return value.startswith(_SHELL + b",-c,") and _OURS.fullmatch(value[len(_SHELL) + 4 :]) is not None


def _ask(driver: bytes, options: tuple[bytes, ...]) -> Edits | None:
    wanted = _proper(driver, options)
    if wanted is None:
        return None
    proposal = _for_clang(wanted) if b"-cc1" in wanted else _for_gcc(wanted)
    if not proposal:
        return None
    first = next(word for word in options if word[:2] == b"-m")
    edits: dict[bytes, tuple[bytes, ...]] = {word: () for word in options if word in WORDS}
    if b"-cc1" in wanted:
        first = next(word for word in options if word in WORDS)
    edits[first] = proposal if first in WORDS else (*proposal, first)
    done = tuple(edits.items())
    made = _proper(driver, apply(options, done))
    if made is None:
        return None
    if b"-cc1" in wanted:
        same = _features(made) == _features(wanted) and _without_features(made) == _without_features(wanted)
    else:
        same = _ordered(made, proposal) == _ordered(wanted)
    return done if same else None


def _for_gcc(wanted: list[bytes]) -> tuple[bytes, ...]:
    start = wanted.index(b"/dev/null") + 1
    expansion = wanted[start:wanted.index(b"-quiet", start)]
    if any(_SPECIAL.search(word) for word in expansion):
        return ()
    flags: list[bytes] = []
    parameters: list[bytes] = []
    neighbour, first = b"", False
    words = iter(expansion)
    for word in words:
        if word == b"--param":
            parameters += [word, next(words)]
            neighbour = neighbour or (flags[-1] if flags else b"")
        else:
            if parameters and not first:
                neighbour, first = word, True
            flags.append(word)
    if not parameters:
        return tuple(flags)
    if not neighbour:
        return ()
    order = (*parameters, b'"$a"') if first else (b'"$a"', *parameters)
    return (*flags, b"-wrapper", _SHELL + b",-c," + _WRAPPER % (neighbour, b" ".join(order)))


def _ordered(arguments: list[bytes], proposal: tuple[bytes, ...] = ()) -> list[bytes]:
    """Return what counts of the arguments that the compiler proper gets, by way of the proposal's wrapper if any."""
    found = _WRAPPED.search(proposal[-1]) if b"-wrapper" in proposal else None
    done: list[bytes] = []
    skip = 0
    for word in arguments:
        skip = skip or _UNORDERED.get(word, 0)
        if skip:
            skip -= 1
        elif found is not None and word == found[1]:
            done += [word if part == b'"$a"' else part for part in found[2].split(b" ")]
        else:
            done.append(word)
    return done


_OURS = re.compile(re.escape(_WRAPPER).replace(rb"%b", rb"[-A-Za-z0-9_.=+ \"$]+"))
_WRAPPED = re.compile(rb'case \$a in (\S+)\) set -- "\$@" ([^;]*);;')


def _for_clang(wanted: list[bytes]) -> tuple[bytes, ...]:
    words = [b"-march=" + wanted[wanted.index(b"-target-cpu") + 1]]
    for feature in _features(wanted):
        words += [b"-Xclang", b"-target-feature", b"-Xclang", feature]
    return tuple(words)


def _features(arguments: list[bytes]) -> list[bytes]:
    return [arguments[place + 1] for place, word in enumerate(arguments) if word == b"-target-feature"]


def _without_features(arguments: list[bytes]) -> list[bytes]:
    return [
        word for place, word in enumerate(arguments)
        if word != b"-target-feature" and (not place or arguments[place - 1] != b"-target-feature")
    ]  # fmt: skip


def _proper(driver: bytes, options: tuple[bytes, ...]) -> list[bytes] | None:
    """Return the arguments with which `driver` would start the compiler proper on an empty C file."""
    command = (driver, b"-###", *options, b"-S", b"-o", b"-", b"-x", b"c", b"/dev/null")
    run = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, cwd="/", timeout=_TIMEOUT_S, check=True,
        env={**os.environb, b"LC_ALL": b"C"},
    )  # fmt: skip
    for line in run.stderr.splitlines():
        if b"cc1" not in line or line[:1] not in (b" ", b"/", b'"'):
            continue
        words = [os.fsencode(word) for word in shlex.split(os.fsdecode(line))]
        if b"cc1" not in os.path.basename(words[0]) and b"-cc1" not in words:
            # A wrapper in front: what it runs comes behind.
            place = next((at for at, word in enumerate(words) if os.path.basename(word)[:3] == b"cc1"), None)
            if place is None:
                continue
            words = words[place:]
        return words
    return None
