"""What commands are expected to take: from earlier builds, from their like, and from what this build has seen."""

import re
import socket
from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from dgcc.master.durations import Durations, Known, Learned, Run, Speed, normal, usual
from dgcc.master.history import HOME
from dgcc.master.memory import Memory
from dgcc.master.siblings import Siblings

_OWN_SLAVE = re.compile(r"local-[0-9]+\Z")
_REFERENCE = Speed()


class Basis(Enum):
    """What an expectation rests on."""

    TARGET = "the target's own history"
    SIBLINGS = "commands of the same kind in its directory"
    KIND = "commands of the same kind"
    NOTHING = "nothing but its size"


class Expected(Struct, frozen=True):
    """What a command should take on a host of speed 1: seconds, bytes (0: not known)."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory: int = 0
    basis: Basis = Basis.NOTHING

    @property
    def known(self) -> bool:
        """Whether this very target has been made before."""
        return self.basis is Basis.TARGET


def host_of(ran: str) -> str:
    """The name under which a host's speed is kept, from that of a slave, or HOME.

    Our own slave of a farm of one has another name each time, but is this machine, as HOME is.
    """
    return socket.gethostname() if ran == HOME or _OWN_SLAVE.match(ran) else ran


class Expectations:
    """Of one project, for one build. Reading it in another thread while it learns is safe."""

    def __init__(self, learned: Learned | None = None) -> None:
        self._learned = learned or Learned()
        self._siblings = Siblings(self._learned.groups)
        self._now: dict[tuple[bytes, bytes, bytes], list[tuple[float, float, int]]] = {}  # in this build, at speed 1
        # What was asked for, and how many runs of this build are in it.
        self._found: dict[tuple[bytes, bytes, bytes], tuple[int, Expected]] = {}

    @classmethod
    def load(cls, root: bytes, memory: Memory | None = None) -> "Expectations":
        """From what earlier builds have left. Not for the loop: it reads a file."""
        return cls(Durations(root, memory).load())

    @property
    def hosts(self) -> Mapping[str, Speed]:
        """The speeds of all hosts that have been measured, by `host_of`."""
        return self._learned.speeds

    def speed(self, ran: str) -> Speed:
        """A host's speed, by a slave's name or HOME; 1 for one that is not known."""
        return self._learned.speeds.get(host_of(ran), _REFERENCE)

    def travelled(self, directory: bytes, target: bytes, command: bytes) -> bool:
        """Whether a slave has run this very command for this target, in an earlier build."""
        rows = self._learned.known.get((directory, target), ())
        return any(row.travelled for row in rows if row.command == command)

    def of(
        self, directory: bytes, target: bytes, kind: str = "", input_size: int = 0, command: bytes = b""
    ) -> Expected:
        """What a command of a target should take. kind, command: as in `Likeness`. input_size: bytes, 0: not known.

        Where the target is known by other commands only, one of the same kind counts, else their mean, so that all
        commands of its recipe together come to what they took.
        """
        recent = self._now.get((directory, target, command), [])
        rows = self._learned.known.get((directory, target), ())
        row = next((each for each in rows if each.command == command), None)
        if recent or row is not None:
            found = self._found.get((directory, target, command))
            if found is None or found[0] != len(recent):
                found = self._found[directory, target, command] = len(recent), self._usual(row, recent)
            return found[1]
        if rows:
            alike = [each for each in rows if each.kind == kind] or rows
            each = [self._usual(one, []) for one in alike]
            count = len(each)
            return Expected(sum(e.wall_s for e in each) / count, sum(e.cpu_s for e in each) / count,
                            max(e.memory for e in each), Basis.TARGET)  # fmt: skip
        guess = self._siblings.guess(directory, kind, input_size)
        if guess is None:
            wall_s = _by_size(kind, input_size)
            return Expected(wall_s, wall_s)
        basis = Basis.SIBLINGS if guess.near else Basis.KIND
        return Expected(guess.wall_s, guess.wall_s, guess.memory, basis)

    def _usual(self, row: Known | None, recent: list[tuple[float, float, int]]) -> Expected:
        samples = normal(row.samples, self._learned.by_number) if row is not None else []
        found = usual([*samples, *recent])
        return Expected(found.wall_s, found.cpu_s, found.memory, Basis.TARGET)

    def ended(self, run: Run) -> None:
        """A command of this build has ended well: its like are better known now."""
        speed = self._learned.speeds.get(run.host, _REFERENCE)
        wall_s = run.wall_s * speed.wall
        self._now.setdefault((run.directory, run.target, run.command), []).append(
            (wall_s, run.cpu_s * speed.cpu, run.memory)
        )
        if run.wall_s:
            self._siblings.add(run.directory, run.kind, run.size, wall_s, run.memory)


def _by_size(kind: str, size: int) -> float:
    """Seconds, where nothing of the kind has been seen: rough figures of gcc -O2 on a machine of 2020."""
    if " -c" not in kind:
        return 0.02
    return 0.05 + 1.5e-5 * size if kind.endswith((".c", ".s", ".S")) else 0.5 + 3e-5 * size
