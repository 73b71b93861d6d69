"""Digests remembered between builds, with what sources mention, in one SQLite file per user.

A cache may cost time when it is wrong about what it has, never a build: whatever SQLite complains about, the
caller goes on without. A row is believed only if path, size, mtime, ctime and inode are all as they were.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from dgcc.store.digests import Stamp
from dgcc.store.mentions import Mention, packed, unpacked

T = TypeVar("T")

log = logging.getLogger(__name__)

_DAY_S = 24 * 3600
KEEP_S = 60 * _DAY_S
"""Trees that were not built for so long (seconds) are forgotten."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digest (path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER,
                                   inode INTEGER, digest BLOB, mentions BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS root (path BLOB PRIMARY KEY, used INTEGER) WITHOUT ROWID;
"""
_VERSION = 2
_DIGEST_SIZE = 32


@lru_cache(maxsize=64)
def _warn(text: str) -> None:
    """Each once: a build has a cache for each compiler and directory, all in one file."""
    log.warning("%s", text)


class Remembered(NamedTuple):
    """A file's digest under a stamp. mentions: as `mentions` found them; None if the file was not scanned."""

    stamp: Stamp
    digest: bytes
    mentions: tuple[Mention, ...] | None = None


def default_path() -> Path:
    """Where the user's cache lies: $XDG_CACHE_HOME/dgcc/digests.sqlite, or below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "dgcc" / "digests.sqlite"


class DigestCache:
    """Remembered digests of files, by absolute path. Several processes may use one file at a time.

    path: the file, made when needed; default: `default_path()`. clock: seconds since 1970.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path = path or default_path()
        self._clock = clock

    def load(self, root: bytes) -> dict[bytes, Remembered]:
        """All that is remembered below the absolute directory `root`, by relative path."""
        low, high = _range(root)
        skip = len(low)

        def read(db: sqlite3.Connection) -> dict[bytes, Remembered]:
            rows = db.execute(
                "SELECT path, size, mtime, ctime, inode, digest, mentions FROM digest WHERE path >= ? AND path < ?",
                (low, high),
            )
            known = {
                row[0][skip:]: Remembered(Stamp._make(row[1:5]), row[5], _unpacked(row[6]))
                for row in rows
                if _sound(row)
            }
            now = int(self._clock())
            with db:
                db.execute("UPDATE root SET used = ? WHERE path = ? AND used < ?", (now, root, now - _DAY_S))
            return known

        return self._use(read) or {}

    def save(self, root: bytes, known: Mapping[bytes, Remembered], gone: Iterable[bytes] = ()) -> None:
        """Remember digests below `root`, by relative path; forget those of `gone`."""
        low, _ = _range(root)
        now = int(self._clock())

        def write(db: sqlite3.Connection) -> None:
            with db:
                db.executemany("DELETE FROM digest WHERE path = ?", ((low + path,) for path in gone))
                db.executemany(
                    "INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (low + path, *row.stamp, row.digest, None if row.mentions is None else packed(row.mentions))
                        for path, row in known.items()
                    ),
                )
                db.execute("INSERT OR REPLACE INTO root VALUES (?, ?)", (root, now))
                for (old,) in db.execute("SELECT path FROM root WHERE used < ?", (now - KEEP_S,)).fetchall():
                    db.execute("DELETE FROM digest WHERE path >= ? AND path < ?", _range(old))
                    db.execute("DELETE FROM root WHERE path = ?", (old,))

        self._use(write)

    def _use(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `action` on the opened database; None, and a sentence in the log, if that cannot be."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self._path, timeout=5)
            try:
                self._prepare(db)
                return action(db)
            finally:
                db.close()
        except sqlite3.OperationalError as error:
            # Locked, read-only, disk full: the file itself may be fine.
            _warn(f"digest cache {self._path} is not used: {error}")
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: of a text that is none any more
            _warn(f"digest cache {self._path} is damaged and was dropped: {error}")
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            _warn(f"digest cache {self._path} is not used: {error}")
        return None

    def _prepare(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == _VERSION:
            return
        if version > _VERSION:
            raise sqlite3.DatabaseError(f"format {version}, expected {_VERSION}")
        if version:  # an older one, which lacks what we must know
            db.executescript("DROP TABLE IF EXISTS digest; DROP TABLE IF EXISTS root;")
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version = {_VERSION}")


def _sound(row: tuple[object, ...]) -> bool:
    """Whether the values have their types: SQLite does not see to it, and the file may have been damaged."""
    path, *stamp, digest, mentions = row
    return (
        isinstance(path, bytes)
        and all(isinstance(number, int) for number in stamp)
        and isinstance(digest, bytes)
        and len(digest) == _DIGEST_SIZE
        and isinstance(mentions, bytes | None)
    )


def _unpacked(kept: bytes | None) -> tuple[Mention, ...] | None:
    try:
        return unpacked(kept) if kept else None if kept is None else ()
    except ValueError:
        return None  # not ours: to be scanned again


def _range(root: bytes) -> tuple[bytes, bytes]:
    """The bounds between which all paths below `root` sort; the first is the prefix itself."""
    prefix = root.rstrip(b"/")
    return prefix + b"/", prefix + b"0"  # '0' follows '/' in ASCII
