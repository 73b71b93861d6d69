"""Remembers which files jobs were found to lack, so that later builds send them from the start."""

import os
import sqlite3

from dgcc.master.memory import Memory

MOST_PATHS = 32
"""At most so many paths are remembered for one target."""

MOST_ROWS = 10_000
"""At most so many paths are remembered for one project."""


class Lacked:
    """The files that jobs of one project needed beyond what their recipes show. Read at once; `save` at the end.

    A job is known by its directory and its target, or its label where the target is not known. `root` is the first
    of the build's roots. What does not exist any more is forgotten.
    """

    def __init__(self, root: bytes, memory: Memory | None = None) -> None:
        self._root = root
        self._memory = memory or Memory()
        self._paths: dict[tuple[bytes, bytes], dict[bytes, None]] = {}
        self._new: dict[tuple[bytes, bytes, bytes], float] = {}
        self._gone: list[tuple[bytes, bytes, bytes]] = []
        for directory, target, path in self._memory.read(root, _all) or ():
            if os.path.lexists(path):
                self._paths.setdefault((directory, target), {})[path] = None
            else:
                self._gone.append((directory, target, path))

    def of(self, directory: bytes, target: bytes) -> tuple[bytes, ...]:
        """Return the absolute paths that this job lacked before."""
        return tuple(self._paths.get((directory, target), ()))

    def add(self, directory: bytes, target: bytes, paths: tuple[bytes, ...]) -> None:
        """This job lacked these absolute paths."""
        known = self._paths.setdefault((directory, target), {})
        for path in paths:
            if path not in known and len(known) < MOST_PATHS:
                known[path] = None
                self._new[directory, target, path] = self._memory.clock()

    def save(self) -> None:
        """Write what is new for later builds, forget what is gone; nothing is raised."""
        if not (self._new or self._gone):
            return
        new, gone = self._new, self._gone
        self._new, self._gone = {}, []

        def change(db: sqlite3.Connection, project: int) -> None:
            db.executemany("DELETE FROM lacked WHERE project = ? AND directory = ? AND target = ? AND path = ?",
                           ((project, *row) for row in gone))  # fmt: skip
            db.executemany("INSERT OR REPLACE INTO lacked VALUES (?, ?, ?, ?, ?)",
                           ((project, *row, at) for row, at in new.items()))  # fmt: skip
            last = db.execute("SELECT at FROM lacked WHERE project = ? ORDER BY at DESC LIMIT 1 OFFSET ?",
                              (project, MOST_ROWS)).fetchone()  # fmt: skip
            if last is not None:
                db.execute("DELETE FROM lacked WHERE project = ? AND at <= ?", (project, last[0]))

        self._memory.write(self._root, change)


def _all(db: sqlite3.Connection, project: int) -> list[tuple[bytes, bytes, bytes]]:
    query = "SELECT directory, target, path FROM lacked WHERE project = ? ORDER BY at, path"
    return db.execute(query, (project,)).fetchall()
