"""What a verdict may ask of the machine: where a command name leads, and what lies at a path."""

import os
import stat
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Found(NamedTuple):
    """What lies at a path: its absolute path with every symbolic link followed, and whether it is a directory."""

    real: bytes
    directory: bool


class World(NamedTuple):
    """The two questions, as functions, so that the verdict itself touches nothing.

    `lookup(name, cwd, env)` gives the absolute path that a command name without a slash leads to, or None;
    `probe(path)` what lies at an absolute path, or None. Neither raises.
    """

    lookup: Callable[[bytes, bytes, Mapping[bytes, bytes]], bytes | None]
    probe: Callable[[bytes], Found | None]


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
    """Ask the kernel what lies at `path`; the file itself is not opened (O_PATH), so nothing blocks or changes."""
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


THIS_MACHINE = World(lookup, probe)
