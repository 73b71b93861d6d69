"""What commands took in earlier builds, and how fast the hosts are: rows of `Memory`, by project, target and command.

Durations are kept as they were measured, each with its host, and are brought to speed 1 when they are read. So they
stay right when the hosts' speeds become better known.
"""

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from dgcc.master.memory import KEEP_S, Memory
from dgcc.master.siblings import Group
from dgcc.master.speeds import Measured, Pair, measure

MOST_ROWS = 50_000
"""The newest so many commands of each project are kept."""

_SAMPLES = 5  # of each command
_RECENT = 3  # of them say what to expect: one outlier among them does not count, and two builds make a change known
_VARIANTS = 4  # of a target's commands: debug and release builds in turn keep both
_SHORTEST_S = 0.02  # what is shorter says nothing about a host's speed
_SAMPLE = struct.Struct("<IffI")  # host, wall_s, cpu_s, memory in KiB
_MOST_KIB = 2**32 - 1
_MOST_S = 1e7


class Run(Struct, frozen=True):
    """One command that ended well.

    directory, target: as in `Past`. command, kind: as in `Likeness`. size: of its sources, bytes; 0: not known. host: a
    name. wall_s, cpu_s: seconds as measured there; cpu_s 0: hardly any, or not known. memory: bytes of its largest
    process; 0: likewise. A command that only waited for others, such as a sub-make, has wall_s 0. travelled: a slave
    has run it.
    """

    directory: bytes
    target: bytes
    command: bytes
    kind: str
    size: int
    host: str
    wall_s: float
    cpu_s: float = 0.0
    memory: int = 0
    travelled: bool = False


class Speed(Struct, frozen=True):
    """Of a host: by CPU time, by wall time; 1 for the reference."""

    cpu: float = 1.0
    wall: float = 1.0


class Usual(Struct, frozen=True):
    """What a command usually takes on a host of speed 1: seconds, bytes."""

    wall_s: float
    cpu_s: float
    memory: int


class Known(Struct):
    """One command as earlier builds left it; `samples` are read when it is asked for. travelled: a slave has run it."""

    command: bytes
    kind: str
    size: int
    samples: bytes
    travelled: int


class Learned(Struct):
    """All that is known of a project's commands, by directory and target, their siblings, and all hosts' speeds."""

    known: dict[tuple[bytes, bytes], list[Known]] = field(default_factory=dict)
    groups: list[tuple[bytes, str, Group]] = field(default_factory=list)
    speeds: dict[str, Speed] = field(default_factory=dict)
    by_number: dict[int, Speed] = field(default_factory=dict)


def usual(samples: Sequence[tuple[float, float, int]]) -> Usual:
    """Of (wall_s, cpu_s, memory), oldest first, at speed 1: the medians of the newest three, and the most memory."""
    walls, cpus, memories = zip(*samples[-_RECENT:], strict=True)
    return Usual(_median(walls), _median(cpus), max(memories))


def _median(values: Sequence[float]) -> float:
    """As in `statistics`, which takes 4 ms to load."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def normal(samples: bytes, speeds: Mapping[int, Speed]) -> list[tuple[float, float, int]]:
    """Read a row's samples, brought to speed 1."""
    found = []
    for host, wall_s, cpu_s, kib in _SAMPLE.iter_unpack(samples):
        speed = speeds.get(host, _REFERENCE)
        found.append((wall_s * speed.wall, cpu_s * speed.cpu, kib << 10))
    return found


_REFERENCE = Speed()


class Durations:
    """The durations of one project; `root` is the first of the build's roots."""

    def __init__(self, root: bytes, memory: Memory | None = None) -> None:
        self._root = root
        self._memory = memory or Memory()

    def load(self) -> Learned:
        """Read all. Takes some 50 ms for 20,000 commands: not for the loop."""
        learned = Learned()
        for number, name, cpu, wall in self._memory.read_all(_hosts) or ():
            learned.by_number[number] = learned.speeds[name] = Speed(cpu.speed, wall.speed)
        rows, groups = self._memory.read(self._root, _rows) or ((), ())
        for directory, target, *row in rows:
            learned.known.setdefault((directory, target), []).append(Known(*row))
        learned.groups = list(groups)
        return learned

    def save(self, runs: Iterable[Run]) -> None:
        """Add what a build has found; nothing is raised."""
        by_key: dict[tuple[bytes, bytes, bytes], list[Run]] = {}
        for run in runs:
            by_key.setdefault((run.directory, run.target, run.command), []).append(run)
        if not by_key:
            return

        def change(db: sqlite3.Connection, project: int) -> None:
            now = self._memory.clock()
            hosts = _Hosts(db, int(now))
            old = {key: _old(db, project, key) for key in by_key}
            hosts.measure(by_key, old)
            rows = []
            for (directory, target, command), found in by_key.items():
                samples = b"".join(hosts.sample(run) for run in found)
                _, earlier, travelled = old[directory, target, command]
                samples = (earlier + samples)[-_SAMPLES * _SAMPLE.size:]
                travelled |= any(run.travelled for run in found)
                expected, last = usual(normal(samples, hosts.speeds)), found[-1]
                rows.append((project, directory, target, command, last.kind, last.size, expected.wall_s,
                             expected.memory, samples, now, travelled))  # fmt: skip
            db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            _forget(db, project, by_key)

        self._memory.write(self._root, change)


def _hosts(db: sqlite3.Connection) -> list[tuple[int, str, Measured, Measured]]:
    found = db.execute("SELECT id, name, cpu, cpu_weight, wall, wall_weight FROM host").fetchall()
    return [(number, name, Measured(float(cpu), float(cw)), Measured(float(wall), float(ww)))
            for number, name, cpu, cw, wall, ww in found]  # fmt: skip


def _rows(db: sqlite3.Connection, project: int) -> tuple[list[Any], list[tuple[bytes, str, Group]]]:
    rows = db.execute("SELECT directory, target, command, kind, size, samples, travelled FROM run WHERE project = ?",
                      (project,))  # fmt: skip
    found = rows.fetchall()
    for row in found:
        _check(row[5])
    groups = db.execute(
        "SELECT directory, kind, count(*), sum(size), sum(wall_s), sum(1.0 * size * size), sum(size * wall_s),"
        " min(wall_s), max(wall_s), sum(memory) FROM run WHERE project = ? AND wall_s > 0 GROUP BY directory, kind",
        (project,),
    )
    return found, [(directory, kind, Group(int(count), *map(float, sums))) for directory, kind, count, *sums in groups]


def _check(samples: object) -> None:
    if not isinstance(samples, bytes) or not samples or len(samples) % _SAMPLE.size:
        raise ValueError("samples of a length that was never written")


def _old(db: sqlite3.Connection, project: int, key: tuple[bytes, bytes, bytes]) -> tuple[int, bytes, bool]:
    """The size and samples of a command as they were, and whether it had travelled."""
    row = db.execute("SELECT size, samples, travelled FROM run WHERE project = ? AND directory = ? AND target = ?"
                     " AND command = ?", (project, *key)).fetchone()  # fmt: skip
    if row is None:
        return 0, b"", False
    _check(row[1])
    return int(row[0]), row[1], bool(row[2])


def _forget(db: sqlite3.Connection, project: int, keys: Iterable[tuple[bytes, bytes, bytes]]) -> None:
    """Drop commands that their targets do not have any more, and the oldest where there are too many."""
    commands: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)
    for directory, target, _ in keys:
        commands[directory, target] += 1
    of_target = "SELECT command FROM run WHERE project = ? AND directory = ? AND target = ? ORDER BY ended DESC"
    for key, count in commands.items():
        for (command,) in db.execute(of_target, (project, *key)).fetchall()[count * _VARIANTS:]:
            db.execute("DELETE FROM run WHERE project = ? AND directory = ? AND target = ? AND command = ?",
                       (project, *key, command))  # fmt: skip
    (count,) = db.execute("SELECT count(*) FROM run WHERE project = ?", (project,)).fetchone()
    if count > MOST_ROWS:
        last = db.execute("SELECT ended FROM run WHERE project = ? ORDER BY ended DESC LIMIT 1 OFFSET ?",
                          (project, MOST_ROWS)).fetchone()[0]  # fmt: skip
        db.execute("DELETE FROM run WHERE project = ? AND ended <= ?", (project, last))


class _Hosts:
    """The hosts in the file, while one build adds to them."""

    def __init__(self, db: sqlite3.Connection, now: int) -> None:
        self._db = db
        self._now = now
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self.speeds: dict[int, Speed] = {}
        db.execute("DELETE FROM host WHERE used < ?", (now - KEEP_S,))
        self._cpu: dict[str, Measured] = {}
        self._wall: dict[str, Measured] = {}
        for number, name, cpu, wall in _hosts(db):
            self._take(number, name)
            self._cpu[name], self._wall[name] = cpu, wall

    def _take(self, number: int, name: str) -> None:
        self._numbers[name] = number
        self._names[number] = name

    def measure(
        self, runs: Mapping[tuple[bytes, bytes, bytes], Sequence[Run]],
        old: Mapping[tuple[bytes, bytes, bytes], tuple[int, bytes, bool]],
    ) -> None:  # fmt: skip
        """Find the speeds anew, from commands of which an earlier run, or one of this build, was on another host."""
        cpu, wall = [], []
        for key, found in runs.items():
            size, samples, _ = old[key]
            earlier = [(self._names.get(host, ""), w, c) for host, w, c, _ in _SAMPLE.iter_unpack(samples)]
            earlier = [each for each in earlier if each[0] and size == found[-1].size]
            for run in found:
                for host, wall_s, cpu_s in earlier:
                    if min(wall_s, run.wall_s) >= _SHORTEST_S:
                        wall.append(Pair(run.host, host, run.wall_s, wall_s))
                    if min(cpu_s, run.cpu_s) >= _SHORTEST_S:
                        cpu.append(Pair(run.host, host, run.cpu_s, cpu_s))
                earlier.append((run.host, run.wall_s, run.cpu_s))
        hosts = dict.fromkeys(run.host for found in runs.values() for run in found)
        for name in hosts:
            self._cpu.setdefault(name, Measured())
            self._wall.setdefault(name, Measured())
        self._cpu, self._wall = measure(self._cpu, cpu), measure(self._wall, wall)
        for name in self._cpu:
            values = (name, self._cpu[name].log, self._cpu[name].weight, self._wall[name].log, self._wall[name].weight)
            self._db.execute(
                "INSERT INTO host (name, cpu, cpu_weight, wall, wall_weight, used) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET cpu = ?2, cpu_weight = ?3, wall = ?4, wall_weight = ?5",
                (*values, self._now),
            )
        self._db.executemany("UPDATE host SET used = ? WHERE name = ?", ((self._now, name) for name in hosts))
        for number, name, by_cpu, by_wall in _hosts(self._db):
            self._take(number, name)
            self.speeds[number] = Speed(by_cpu.speed, by_wall.speed)

    def sample(self, run: Run) -> bytes:
        """A run as it is kept."""
        return _SAMPLE.pack(self._numbers[run.host], min(run.wall_s, _MOST_S), min(run.cpu_s, _MOST_S),
                            min(run.memory >> 10, _MOST_KIB))  # fmt: skip
