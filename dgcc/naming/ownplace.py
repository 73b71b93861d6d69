"""A directory that one process has for itself while it lives; what a killed one has left, the next one removes."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_YOUNG_S = 2.0  # younger ones may belong to a process that has not locked its own yet


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


class OwnPlace:
    """A fresh directory that only this user can enter, locked by this process. A context manager that removes it."""

    def __init__(self, prefix: str, base: str | None = None, remove: Callable[[Path], None] = _remove) -> None:
        """`prefix`: of its name in `base` (by default where temporary files go), and of no other files there.

        `remove` is given such a directory to remove it. Raises OSError.
        """
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._remove = remove
        _remove_dead(self.path.parent, prefix, remove)

    def close(self) -> None:
        """Remove it, with all that is in it. Safe to call twice. Raises what `remove` raises."""
        if self._lock >= 0:
            self._remove(self.path)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()


def _remove_dead(base: Path, prefix: str, remove: Callable[[Path], None]) -> None:
    for place in base.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            status = place.lstat()
            ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
            if not ours or time.time() - status.st_mtime < _YOUNG_S:
                continue
            lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its process lives
                remove(place)
            finally:
                os.close(lock)
