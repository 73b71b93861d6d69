"""Seeing changes of a tree as they happen: inotify on every directory.

The kernel queues an event before the call that caused it returns, so whoever drains the queue after a process has
ended sees all that the process did. A watch says only *where* something happened; what is there now is for the
layer to look up. A file that is being written counts once it is closed; only sources count with each MODIFY as
well, as their writer may leave them open behind it. (A log that grows in the tree would be sent anew for each job.)
"""

import errno
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress

from msgspec import Struct, field

from dgcc.store import inotify
from dgcc.store.errors import WatchError
from dgcc.store.selection import SOURCE_NAME, TEMP_PREFIX

_MODIFY = inotify.MODIFY
_CREATE, _MOVED_TO = inotify.CREATE, inotify.MOVED_TO
_MOVED_FROM, _ISDIR = inotify.MOVED_FROM, inotify.ISDIR
_IGNORED, _OVERFLOW = inotify.IGNORED, inotify.Q_OVERFLOW
_MANY = 100_000  # directories; counting more would take longer than anybody waits for an error
_HEADER = struct.Struct("iIII")
# The machine's limit for each user, and that of the user namespace we are in.
_LIMITS = ("/proc/sys/fs/inotify/max_user_watches", "/proc/sys/user/max_inotify_watches")


class Dirty(Struct, frozen=True):
    """Where something happened: absolute path -> number of events, and directories to be listed anew."""

    events: Mapping[bytes, int] = field(default_factory=dict)
    trees: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.events or self.trees)


_CLEAN = Dirty()


class Watch:
    """Watches on the directories of any number of roots. Used by one thread.

    Raises WatchError when the user's bound on inotify instances is reached.
    """

    def __init__(self) -> None:
        try:
            self._inotify = inotify.INotify()
        except OSError as error:
            raise WatchError(
                f"cannot watch the tree: {error.strerror}; if the user's inotify instances are all in use, "
                "raise the sysctl fs.inotify.max_user_instances"
            ) from error
        os.set_blocking(self._inotify.fileno(), False)
        self._path_of: dict[int, bytes] = {}
        self._watch_of: dict[bytes, int] = {}
        self._roots: set[bytes] = set()

    def add_root(self, root: bytes) -> None:
        """Take `root`, an absolute directory, as one to be listed anew when events were lost."""
        self._roots.add(root)

    def enter(self, directory: bytes) -> None:
        """Watch one directory; call this before listing it.

        Raises WatchError at the limit of watches, OSError if there is no such directory or it cannot be read.
        """
        try:
            descriptor = self._inotify.add_watch(directory, inotify.CHANGES)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise self._limit_reached() from error
            raise
        # The kernel gives the old descriptor again for a directory that was moved here.
        before = self._path_of.get(descriptor)
        if before is not None and before != directory:
            self._watch_of.pop(before, None)
        self._path_of[descriptor] = directory
        self._watch_of[directory] = descriptor

    def _limit_reached(self) -> WatchError:
        needed = len(self._roots)
        for root in self._roots:
            for _, names, _ in os.walk(root):
                needed += len(names)
                if needed > _MANY:
                    break
        limits = []
        for name in _LIMITS:
            with suppress(OSError, ValueError), open(name) as file:
                limits.append(int(file.read()))
        limit = min(limits, default=0)
        more = "more than " if needed > _MANY else ""
        return WatchError(
            f"cannot watch the tree: it needs {more}{needed} inotify watches, one for each directory, and the "
            f"user's limit of {limit} is used up; raise it, e.g. "
            f"sysctl fs.inotify.max_user_watches={max(2 * needed, 65536)}, name a smaller root with --root, or list "
            "under `ignore` in dgcc.toml what builds do not need"
        )

    def drain(self) -> Dirty:
        """All that happened since the last call; does not block."""
        data = self._some()
        return self._dirty(data) if data else _CLEAN

    def _dirty(self, data: bytes) -> Dirty:
        events: dict[bytes, int] = {}
        trees: set[bytes] = set()
        for descriptor, mask, name in self._read(data):
            if mask & _OVERFLOW:
                self._forget(b"")
                trees |= self._roots
                continue
            directory = self._path_of.get(descriptor)
            if directory is None:
                continue
            if mask & _IGNORED:
                del self._path_of[descriptor]
                if self._watch_of.get(directory) == descriptor:
                    del self._watch_of[directory]
                continue
            if name.startswith(TEMP_PREFIX) or (mask == _MODIFY and not SOURCE_NAME.search(name)):
                continue
            path = directory + b"/" + name if name else directory
            events[path] = events.get(path, 0) + 1
            if mask & _ISDIR:
                if mask & _MOVED_FROM:
                    # Its watches go on under the old name; they are set anew where it is found again.
                    self._forget(path)
                elif mask & (_CREATE | _MOVED_TO):
                    trees.add(path)
        return Dirty(events, frozenset(trees))

    def _some(self) -> bytes:
        """Events as they come from the kernel; none if there are none."""
        try:
            return os.read(self._inotify.fileno(), 1 << 16)
        except BlockingIOError:
            return b""

    def _read(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The events in `data` and those that wait behind them."""
        while data:
            at = 0
            while at < len(data):
                descriptor, mask, _, length = _HEADER.unpack_from(data, at)
                at += _HEADER.size
                yield descriptor, mask, data[at : at + length].rstrip(b"\0")
                at += length
            data = self._some()

    def _forget(self, path: bytes) -> None:
        """Drop the watches on `path` and all below it; on everything if it is empty."""
        prefix = path + b"/"
        for watched in [p for p in self._watch_of if not path or p == path or p.startswith(prefix)]:
            descriptor = self._watch_of.pop(watched)
            self._path_of.pop(descriptor, None)
            try:
                self._inotify.rm_watch(descriptor)
            except OSError as error:
                if error.errno != errno.EINVAL:  # the directory is gone, and its watch with it
                    raise

    def fileno(self) -> int:
        """The descriptor that becomes readable when something happened, for loop.add_reader."""
        return self._inotify.fileno()

    def __len__(self) -> int:
        return len(self._path_of)

    def close(self) -> None:
        """End all watches. No call is allowed after this one."""
        self._inotify.close()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
