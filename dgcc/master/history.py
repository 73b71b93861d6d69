"""What happened to each target when it was last built: for `dgcc explain`, and for whoever wants to know durations."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from dgcc.master.joblist import Job, State
from dgcc.master.memory import Memory

MOST_ROWS = 50_000
"""The newest so many commands of each project are kept."""

HOME = "home"
"""Where a command ran that no slave has run."""

_KEY = 32  # bytes of an environment's key


class Past(Struct, frozen=True):
    """One recipe command of a build that has ended.

    directory, target: as make names them; of a driver that tells no target, the label as bytes. label: short, as
    the verdict has it. remote, reason: the verdict. ran: a slave's name, or HOME. fallback: why it ran at home
    although it was meant for the farm, else empty. exit_code: 128 + number for a signal; None: not known.
    wall_s, cpu_s: of the command itself, seconds; 0 where not known. ended: seconds since 1970. environments: keys.
    """

    directory: bytes
    target: bytes
    label: str
    remote: bool
    reason: str
    ran: str
    fallback: str = ""
    exit_code: int | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    ended: float = 0.0
    environments: tuple[bytes, ...] = ()


def past_of(job: Job, now: float) -> Past:
    """What is to be kept of a job that has ended. `now`: seconds since 1970."""
    ran = job.ran if job.remote else HOME
    code = 128 - job.exit_code if job.exit_code < 0 else job.exit_code
    return Past(
        job.directory, job.target or job.command.encode(), job.command, job.verdict, job.reason, ran, job.fallback,
        code if job.state in (State.DONE, State.FAILED) else None, job.wall_s, job.cpu_s, now, job.environments,
    )  # fmt: skip


class History:
    """The last build of each target of one project; `root` is the first of the build's roots."""

    def __init__(self, root: bytes, memory: Memory | None = None) -> None:
        self._root = root
        self._memory = memory or Memory()

    def record(self, rows: Sequence[Past]) -> None:
        """Keep what a build did, in the order in which it ended; each target's earlier rows are forgotten."""
        if not rows:
            return
        places: dict[tuple[bytes, bytes], int] = {}
        numbered = []
        for row in rows:
            key = (row.directory, row.target)
            places[key] = places.get(key, -1) + 1
            numbered.append((places[key], row))

        def change(db: sqlite3.Connection, project: int) -> None:
            db.executemany("DELETE FROM job WHERE project = ? AND directory = ? AND target = ?",
                           ((project, *key) for key in places))  # fmt: skip
            db.executemany(
                "INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((project, r.directory, r.target, place, _text(r.label), r.remote, _text(r.reason), _text(r.ran),
                  _text(r.fallback), r.exit_code, r.wall_s, r.cpu_s, r.ended, b"".join(r.environments))
                 for place, r in numbered),
            )  # fmt: skip
            (count,) = db.execute("SELECT count(*) FROM job WHERE project = ?", (project,)).fetchone()
            if count > MOST_ROWS:
                oldest = db.execute("SELECT ended FROM job WHERE project = ? ORDER BY ended DESC LIMIT 1 OFFSET ?",
                                    (project, MOST_ROWS)).fetchone()[0]  # fmt: skip
                db.execute("DELETE FROM job WHERE project = ? AND ended <= ?", (project, oldest))

        self._memory.write(self._root, change)

    def of(self, target: bytes, directory: bytes | None = None) -> list[Past]:
        """Return the commands of a target's last build, in the order of their ends; of one directory if it is given."""

        def query(db: sqlite3.Connection, project: int) -> list[Past]:
            found = db.execute(
                "SELECT directory, target, label, remote, reason, ran, fallback, exit_code, wall_s, cpu_s, ended,"
                " environments FROM job WHERE project = ? AND target = ? AND (? IS NULL OR directory = ?)"
                " ORDER BY directory, place",
                (project, target, directory, directory),
            )
            return [_past(*row) for row in found]

        return self._memory.read(self._root, query) or []


def _past(*row: Any) -> Past:
    directory, target, label, remote, reason, ran, fallback, exit_code, wall_s, cpu_s, ended, keys = row
    environments = tuple(keys[at:at + _KEY] for at in range(0, len(keys), _KEY))
    return Past(directory, target, label, bool(remote), reason, ran, fallback, exit_code, wall_s, cpu_s, ended,
                environments)  # fmt: skip


def _text(text: str) -> str:
    """Text that can be stored: reasons may name paths that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
