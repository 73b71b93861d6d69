"""What a verdict may ask of the machine: where a command name leads, and what lies at a path."""

import os
import stat
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple


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
    itself is, or None where nothing is. None of them raises.
    """

    lookup: Callable[[bytes, bytes, Mapping[bytes, bytes]], bytes | None]
    probe: Callable[[bytes], Found | None]
    kind: Callable[[bytes], Kind | None]


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


THIS_MACHINE = World(lookup, probe, kind)
