"""The slave's copies of masters' layers on disk: one directory for each, kept between builds, used by one session."""

import hashlib
import logging
import shutil
import threading
from pathlib import Path

from dgcc.store.blobs import BlobStore
from dgcc.store.mirror import Mirror

_SIZE = "size"  # a file beside an unused mirror's manifest: bytes of content

log = logging.getLogger(__name__)


class MirrorPool:
    """Hands out mirrors by the master's host and the layer's root."""

    def __init__(self, directory: Path, blobs: BlobStore, owner: tuple[int, int] | None, limit: int) -> None:
        """`owner`: the (uid, gid) that jobs run as, where that is not the slave's own.

        `limit`: how many bytes of content the mirrors that are not in use may hold.
        """
        self.blobs = blobs
        self._limit = limit
        self._directory = directory
        self._owner = owner
        self._lock = threading.Lock()
        self._used: dict[str, Mirror] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def acquire(self, host: str, root: bytes) -> Mirror:
        """Return the mirror of `root` on `host`, or a further one if that is in use."""
        key = hashlib.sha256(host.encode() + b"\0" + root).hexdigest()[:20]
        with self._lock:
            number = 0
            while (name := f"{key}-{number}") in self._used:
                number += 1
            mirror = Mirror(self._directory / name, self.blobs, owner=self._owner)
            self._used[name] = mirror
            return mirror

    def release(self, mirror: Mirror) -> None:
        """Take a mirror back, and make room: the longest unused go first. Trouble with the disk is logged."""
        with self._lock:
            name = next((name for name, used in self._used.items() if used is mirror), None)
            if name is None:
                return
            del self._used[name]
            try:
                size = sum(entry.size for entry in mirror.entries().values())
                mirror.close()
                (self._directory / name / _SIZE).write_text(str(size))
                self._make_room()
            except OSError as error:
                log.warning("the copy in %s is of no further use: %s", self._directory / name, error)

    def _make_room(self) -> None:
        idle = [place for place in self._directory.iterdir() if place.name not in self._used]
        idle.sort(key=lambda place: place.stat().st_mtime, reverse=True)
        room = self._limit
        for place in idle:
            try:
                room -= int((place / _SIZE).read_text())
            except (OSError, ValueError):
                shutil.rmtree(place, ignore_errors=True)  # not given back in order, so nobody can use it
            if room < 0:
                shutil.rmtree(place, ignore_errors=True)
