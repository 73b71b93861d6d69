"""The kernel's inotify, by the C library that Python itself is linked with. Source: inotify(7), linux/inotify.h."""

import ctypes
import os

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
UNMOUNT, Q_OVERFLOW, IGNORED = 0x2000, 0x4000, 0x8000
ONLYDIR, DONT_FOLLOW, ISDIR = 0x1000000, 0x2000000, 0x40000000

CHANGES = (
    MODIFY | CLOSE_WRITE | CREATE | DELETE | MOVED_FROM | MOVED_TO | ATTRIB | DELETE_SELF | MOVE_SELF
    | ONLYDIR | DONT_FOLLOW
)  # fmt: skip
"""Whatever happens in a directory, and to it."""

_libc = ctypes.CDLL(None, use_errno=True)


class INotify:
    """One queue of events, which is read by os.read of `fileno()`; that does not block."""

    def __init__(self) -> None:
        """Raises OSError, as at the user's limit of such queues."""
        self._fd = _checked(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    def fileno(self) -> int:
        """Its descriptor; -1 once it is closed."""
        return self._fd

    def add_watch(self, path: bytes, mask: int) -> int:
        """Watch what lies at `path`, in place of an earlier watch on it. Returns the watch's number. Raises OSError."""
        return _checked(_libc.inotify_add_watch(self._fd, path, mask))

    def rm_watch(self, watch: int) -> None:
        """End a watch. Raises OSError if there is none of that number."""
        _checked(_libc.inotify_rm_watch(self._fd, watch))

    def close(self) -> None:
        """End all watches. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
