"""Where a comparison takes place: the developer's machine and the builder, and what their programs see."""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

#: DGCC's own programs, and the checkout that they are from.
BIN = Path(sys.executable).parent
TOP = Path(__file__).resolve().parents[2]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host(Struct, frozen=True):
    """One machine: its address, and what stands before a command that is to run on it."""

    address: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    interface: str = "lo"

    def on(self, command: Sequence[str]) -> list[str]:
        """The command as it runs there."""
        return [*self.prefix, *command]


class Site(Struct, frozen=True):
    """A developer's machine and a builder. directory: for all that one farm writes, logs too."""

    directory: Path
    developer: Host = field(default_factory=Host)
    builder: Host = field(default_factory=Host)

    def log(self, name: str) -> Path:
        """The file that takes what a program says."""
        return self.directory / f"{name}.log"

    def environment(self, **more: str) -> dict[str, str]:
        """What a program sees: nothing of the user's settings, and no make around it."""
        home, temporary = self.directory / "home", self.directory / "tmp"
        for path in (home, temporary):
            path.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o1777)
        return {"PATH": _PATH, "HOME": str(home), "TMPDIR": str(temporary), "LANG": "C.UTF-8", **more}


def first_in_path(directory: str, environment: Mapping[str, str]) -> str:
    """The PATH of `environment` with one more directory before it."""
    return os.pathsep.join((directory, environment["PATH"]))


def free_port() -> int:
    """A TCP port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
