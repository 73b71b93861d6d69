"""The slave's copies of masters' layers on disk: one directory for each, kept between builds, used by one session."""

import hashlib
import shutil
import threading
from pathlib import Path

from dgcc.store.blobs import BlobStore
from dgcc.store.mirror import Mirror

# How many unused mirrors are kept; the longest unused go first.
KEPT = 8


class MirrorPool:
    """Hands out mirrors by the master's host and the layer's root."""

    def __init__(self, directory: Path, blobs: BlobStore, owner: tuple[int, int] | None) -> None:
        """`owner`: the (uid, gid) that jobs run as, where that is not the slave's own."""
        self.blobs = blobs
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
        """Take a mirror back and delete the longest unused ones beyond `KEPT`."""
        with self._lock:
            mirror.close()
            self._used = {name: used for name, used in self._used.items() if used is not mirror}
            idle = [p for p in self._directory.iterdir() if p.name not in self._used]
            idle.sort(key=lambda p: p.stat().st_mtime, reverse=True)
            for old in idle[KEPT:]:
                shutil.rmtree(old, ignore_errors=True)
