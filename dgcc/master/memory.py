"""The SQLite file in which builds leave word for later ones: `history.py`, `durations.py`, `lacked.py` say what about.

Advice only: whatever SQLite complains about, the build goes on without, and a damaged file is dropped. Several builds
may use the file at a time; each writes once, at its end, in one transaction.
"""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from dgcc.store.cache import default_path

T = TypeVar("T")

log = logging.getLogger(__name__)

KEEP_S = 90 * 24 * 3600
"""Projects that were not built for so long (seconds) are forgotten."""

_VERSION = 3
_BUSY_S = 5.0
# What each version added to the one before.
_STEPS = (
    """
CREATE TABLE project (id INTEGER PRIMARY KEY, root BLOB UNIQUE, used INTEGER);
CREATE TABLE job (project INTEGER, directory BLOB, target BLOB, place INTEGER, label TEXT, remote INTEGER, reason TEXT,
                  ran TEXT, fallback TEXT, exit_code INTEGER, wall_s REAL, cpu_s REAL, ended REAL, environments BLOB,
                  PRIMARY KEY (project, directory, target, place)) WITHOUT ROWID;
CREATE TABLE lacked (project INTEGER, directory BLOB, target BLOB, path BLOB, at REAL,
                     PRIMARY KEY (project, directory, target, path)) WITHOUT ROWID;
""",
    """
CREATE TABLE run (project INTEGER, directory BLOB, target BLOB, command BLOB, kind TEXT, size INTEGER, wall_s REAL,
                  memory INTEGER, samples BLOB, ended REAL,
                  PRIMARY KEY (project, directory, target, command)) WITHOUT ROWID;
CREATE TABLE host (id INTEGER PRIMARY KEY, name TEXT UNIQUE, cpu REAL, cpu_weight REAL, wall REAL, wall_weight REAL,
                   used INTEGER);
""",
    "ALTER TABLE run ADD COLUMN travelled INTEGER NOT NULL DEFAULT 0;",
)


@lru_cache(maxsize=64)
def _warn(text: str) -> None:
    """Each once: a build uses the file several times."""
    log.warning("%s", text)


class Memory:
    """What is remembered of all builds of this user.

    path: the file, made when needed; default: builds.sqlite beside the cache of digests. clock: seconds since 1970.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path = path or default_path().with_name("builds.sqlite")
        self.clock = clock

    @classmethod
    def of_simulations(cls) -> "Memory":
        """What is remembered of builds in which slaves only simulated; no other build learns from it."""
        return cls(default_path().with_name("simulated.sqlite"))

    def read(self, root: bytes, query: Callable[[sqlite3.Connection, int], T]) -> T | None:
        """Ask something about the project at `root`, given its id; None if nothing is known or can be read."""

        def ask(db: sqlite3.Connection) -> T | None:
            row = db.execute("SELECT id FROM project WHERE root = ?", (root,)).fetchone()
            return None if row is None else query(db, row[0])

        return self._use(ask) if self._path.exists() else None

    def read_all(self, query: Callable[[sqlite3.Connection], T]) -> T | None:
        """Ask something about all projects together; None if nothing is known or can be read."""
        return self._use(query) if self._path.exists() else None

    def write(self, root: bytes, change: Callable[[sqlite3.Connection, int], None]) -> None:
        """Change what is known about the project at `root`, given its id, in one transaction."""

        def act(db: sqlite3.Connection) -> None:
            now = int(self.clock())
            with db:
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO project (root, used) VALUES (?, ?) ON CONFLICT DO UPDATE SET used = ?",
                           (root, now, now))  # fmt: skip
                (project,) = db.execute("SELECT id FROM project WHERE root = ?", (root,)).fetchone()
                change(db, project)
                for (old,) in db.execute("SELECT id FROM project WHERE used < ?", (now - KEEP_S,)).fetchall():
                    for table in ("job", "lacked", "run"):
                        db.execute(f"DELETE FROM {table} WHERE project = ?", (old,))
                    db.execute("DELETE FROM project WHERE id = ?", (old,))

        self._use(act)

    def _use(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Autocommit, so that only `write` begins transactions.
            db = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            try:
                _prepare(db)
                return action(db)
            finally:
                db.close()
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            # That class itself means damage, as do values that were never written, such as text that is not UTF-8, or
            # none where there must be one. Its subclasses do not: locked, read-only, disk full.
            damaged = type(error) is sqlite3.DatabaseError or isinstance(error, (ValueError, TypeError))
            fate = "is damaged and was dropped" if damaged else "is not used"
            _warn(f"the memory of earlier builds, {self._path}, {fate}: {error}")
            for suffix in ("", "-wal", "-shm") if damaged else ():
                with contextlib.suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        return None


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA synchronous = NORMAL")
    if _version(db) == _VERSION:
        return
    db.execute("PRAGMA journal_mode = WAL")
    with db:
        db.execute("BEGIN IMMEDIATE")
        version = _version(db)  # again: another build may have made the tables meanwhile
        if version == _VERSION:
            return
        if version > _VERSION:
            raise sqlite3.DatabaseError(f"format {version}, expected {_VERSION}")
        for statement in ";".join(_STEPS[version:]).split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
