"""Noticing that something which an environment consists of may have changed: inotify, or looking now and then.

Two kinds of place count: in a directory of headers everything, as the presence of a file decides which one is
included; elsewhere only given names, so that the next program installed in /usr/bin is not taken for an upgrade.
"""

import errno
import logging
import os
import struct
import threading
from collections.abc import Iterable
from contextlib import suppress

from dgcc.store import inotify

log = logging.getLogger(__name__)

_IGNORED, _OVERFLOW = inotify.IGNORED, inotify.Q_OVERFLOW
_OWN = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNT
_HEADER = struct.Struct("iIII")


class Watching:
    """Counts changes in the places that it was told. Any thread; a place is told before it is looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inotify: inotify.INotify | None = None
        self._directory: dict[int, bytes] = {}  # descriptor -> absolute path
        self._names: dict[bytes, set[bytes] | None] = {}  # directory -> names that count; None: all do
        self._changes = 0
        self._blind = ""
        try:
            self._inotify = inotify.INotify()
            os.set_blocking(self._inotify.fileno(), False)
        except OSError as error:
            self._give_up(error)

    @property
    def blind(self) -> bool:
        """Whether changes are not noticed here, so that the caller has to look itself."""
        return bool(self._blind)

    def watch_name(self, path: bytes) -> None:
        """What lies at the absolute `path` counts, if only that nothing does."""
        directory, _, name = path.rpartition(b"/")
        self._enter(directory or b"/", (name,))

    def watch_names(self, directory: bytes, names: Iterable[bytes]) -> None:
        """What lies in this directory by these names counts."""
        self._enter(directory, names)

    def watch_all(self, directory: bytes) -> None:
        """All that lies directly in this directory counts."""
        self._enter(directory, None)

    def _enter(self, directory: bytes, names: Iterable[bytes] | None) -> None:
        with self._lock:
            if names is None:
                self._names[directory] = None
            else:
                counting = self._names.setdefault(directory, set())
                if counting is not None:
                    counting.update(names)
            if self._inotify is None:
                return
            try:
                # Also where there is a watch by this name: another directory may have been moved here since.
                descriptor = self._inotify.add_watch(directory, inotify.CHANGES)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM):
                    self._give_up(error)
                return  # it is gone or closed to us: nothing can be looked up in it, either
            self._directory[descriptor] = directory

    def changes(self) -> int:
        """How often something happened where it counts, until now. Does not block."""
        with self._lock:
            if self._inotify is not None:
                self._drain(self._inotify.fileno())
            return self._changes

    def count(self) -> None:
        """The caller found a change itself."""
        with self._lock:
            self._changes += 1

    def _drain(self, fd: int) -> None:
        while True:
            try:
                data = os.read(fd, 1 << 16)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                descriptor, mask, _, length = _HEADER.unpack_from(data, at)
                at += _HEADER.size
                name = data[at : at + length].rstrip(b"\0")
                at += length
                if self._counts(descriptor, mask, name):
                    self._changes += 1

    def _counts(self, descriptor: int, mask: int, name: bytes) -> bool:
        if mask & _OVERFLOW:
            return True
        directory = self._directory.get(descriptor)
        if directory is None:
            return False
        if mask & _IGNORED:
            del self._directory[descriptor]
            return True
        names = self._names.get(directory)
        return names is None or name in names or bool(mask & _OWN)

    def _give_up(self, error: OSError) -> None:
        self._blind = error.strerror or str(error)
        self._directory.clear()
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        log.warning(
            "upgrades of compilers are noticed by looking every few seconds, as they cannot be watched: %s; "
            "raise the sysctl fs.inotify.max_user_watches or max_user_instances",
            self._blind,
        )

    def close(self) -> None:
        """End all watches."""
        with self._lock, suppress(OSError):
            if self._inotify is not None:
                self._inotify.close()
                self._inotify = None
