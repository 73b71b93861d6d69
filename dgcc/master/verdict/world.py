"""What a verdict may ask of the machine: where a command name leads, and what lies at a path."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import NamedTuple

from dgcc.master.verdict.native import Edits, native


class Found(NamedTuple):
    """What lies at a path: its absolute path without symbolic links, and whether it is a directory."""

    real: bytes
    directory: bool


class Kind(Enum):
    """What a path itself is; a link is not followed."""

    OTHER = "a file, or whatever else"
    DIRECTORY = "a directory"
    LINK = "a symbolic link"


class World(NamedTuple):
    """The questions, as functions, so that the verdict itself touches nothing.

    `lookup(name, cwd, env)` gives the absolute path that a command name without a slash leads to, or None;
    `probe(path)` what lies at an absolute path, or None; `kind(path)` is the quicker question what the path
    itself is, or None where nothing is; `read(path, most)` the first `most` bytes of a regular file, or None;
    `below(directory, fits)` the paths of files below a directory, relative to it, whose relative path the
    pattern matches in full, up to a bound; `native(driver, options)` what the compiler `driver` makes of those
    of its options that ask for this machine's processor, or None where that cannot be told. None of them raises.
    """

    lookup: Callable[[bytes, bytes, Mapping[bytes, bytes]], bytes | None]
    probe: Callable[[bytes], Found | None]
    kind: Callable[[bytes], Kind | None]
    read: Callable[[bytes, int], bytes | None]
    below: Callable[[bytes, re.Pattern[bytes]], tuple[bytes, ...]]
    native: Callable[[bytes, tuple[bytes, ...]], Edits | None]


def lookup(name: bytes, cwd: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
    """Find `name` in the PATH of `env`, as execvp does; an empty entry means `cwd`."""
    for entry in env.get(b"PATH", b"/bin:/usr/bin").split(b":"):
        path = os.path.join(cwd, entry, name)
        try:
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
        except (OSError, ValueError):
            continue
    return None


def probe(path: bytes) -> Found | None:
    """Ask the kernel what lies at `path`; the file itself is not opened (O_PATH), so nothing blocks."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return Found(os.readlink(b"/proc/self/fd/%d" % fd), stat.S_ISDIR(os.fstat(fd).st_mode))
    except OSError:
        return None
    finally:
        os.close(fd)


def kind(path: bytes) -> Kind | None:
    """Tell what the absolute `path` itself is, or None where nothing is."""
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return None
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.OTHER


def read(path: bytes, most: int) -> bytes | None:
    """Return the first `most` bytes of the regular file at `path`, or None; never blocks on a pipe or device."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return os.read(fd, most) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(fd)


def below(directory: bytes, fits: re.Pattern[bytes]) -> tuple[bytes, ...]:
    """Return the files below `directory` that `fits`, relative to it; links to directories are not entered."""
    found: list[bytes] = []
    left = _MOST_ENTRIES
    for at, directories, files in os.walk(directory):
        inside = b"" if at == directory else at[len(directory) + 1 :] + b"/"
        directories[:] = [name for name in directories if name != b".git"]
        found += [inside + name for name in files if fits.fullmatch(inside + name)]
        left -= len(files) + len(directories)
        if left < 0 or len(found) > _MOST_FOUND:
            break
    return tuple(sorted(found))


# Bounds of `below`, which is asked on the master's loop.
_MOST_ENTRIES = 100_000
_MOST_FOUND = 5_000

THIS_MACHINE = World(lookup, probe, kind, read, below, native)


def of_one_moment(world: World = THIS_MACHINE) -> World:
    """The world as it is when it is first asked, each question once: for recipes that had all been released by then."""
    found: dict[tuple[bytes, bytes, bytes | None], bytes | None] = {}

    def lookup_once(name: bytes, cwd: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
        key = (name, cwd, env.get(b"PATH"))
        if key not in found:
            found[key] = world.lookup(name, cwd, env)
        return found[key]

    return world._replace(lookup=lookup_once, probe=cache(world.probe), kind=cache(world.kind), read=cache(world.read))
