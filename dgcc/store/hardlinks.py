"""Which paths of a layer are one file: an event names one of them, and what was written shows at all."""

import os


class Hardlinks:
    """Paths by inode, as far as files have several names."""

    def __init__(self) -> None:
        self._inodes: dict[bytes, int] = {}
        self._paths: dict[int, set[bytes]] = {}

    def note(self, path: bytes, status: os.stat_result) -> None:
        """A regular file lies at `path`, with this status."""
        before = self._inodes.pop(path, None)
        if before is not None:
            self._paths[before].discard(path)
        if status.st_nlink > 1:
            self._inodes[path] = status.st_ino
            self._paths.setdefault(status.st_ino, set()).add(path)

    def others(self, path: bytes) -> set[bytes]:
        """The other paths of the file at `path`."""
        inode = self._inodes.get(path)
        return set() if inode is None else self._paths[inode] - {path}
