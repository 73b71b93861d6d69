"""Reaching a path below a root one component at a time, so that no symlink is ever followed on the way."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from dgcc.store.errors import BadPath, shown

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


_NAME_MAX, _PATH_MAX = 255, 4096  # linux/limits.h; the latter counts the NUL at the end


def components(path: bytes) -> list[bytes]:
    """Split a relative path; raises BadPath for an absolute one, and for '.', '..', empty parts, NUL and what is
    longer than the system takes."""
    parts = path.split(b"/")
    if b"\0" in path or any(part in (b"", b".", b"..") for part in parts):
        raise BadPath(f"{shown(path[:100])!r} is no path below a root: absolute, or with '.', '..', '//' or NUL")
    if len(path) >= _PATH_MAX or any(len(part) > _NAME_MAX for part in parts):
        raise BadPath(f"'{shown(path[:100])}...' is longer than a path may be: {len(path)} bytes")
    return parts


def parent_of(path: bytes) -> bytes:
    """The directory that a relative path lies in; b"" for the root."""
    return path.rpartition(b"/")[0]


@contextmanager
def parent_fd(root_fd: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """Open the directory that `path` lies in, below `root_fd`; gives (descriptor, last component).

    Raises BadPath where a component is not a directory (a symlink to one included), FileNotFoundError where
    it is missing.
    """
    current, name = open_parent(root_fd, path)
    try:
        yield current, name
    finally:
        if current != root_fd:
            os.close(current)


def open_parent(root_fd: int, path: bytes) -> tuple[int, bytes]:
    """As `parent_fd`, for the caller to close: the descriptor is `root_fd` itself for what lies directly below it."""
    *parents, name = components(path)
    current = root_fd
    try:
        for part in parents:
            try:
                following = os.open(part, OPEN_DIRECTORY, dir_fd=current)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise BadPath(f"{shown(path)}: '{shown(part)}' on the way is not a directory") from error
                raise
            if current != root_fd:
                os.close(current)
            current = following
    except BaseException:
        if current != root_fd:
            os.close(current)
        raise
    return current, name


@contextmanager
def writable(directory_fd: int) -> Iterator[None]:
    """Let the owner of a read-only directory change what is in it, for as long as the block runs."""
    if os.geteuid() == 0:
        yield
        return
    mode = stat.S_IMODE(os.fstat(directory_fd).st_mode)
    if mode & 0o300 == 0o300:
        yield
        return
    os.fchmod(directory_fd, mode | 0o300)
    try:
        yield
    finally:
        os.fchmod(directory_fd, mode)


def kind_at(directory_fd: int, name: bytes) -> int:
    """The file type bits (stat.S_IFMT) of what lies at `name`, not followed; 0 if nothing does."""
    try:
        return stat.S_IFMT(os.lstat(name, dir_fd=directory_fd).st_mode)
    except FileNotFoundError:
        return 0


def remove(directory_fd: int, name: bytes, *, insist: bool = False) -> None:
    """Remove whatever lies at `name`, a directory with all that is in it; nothing there is no error.

    insist: also where a directory of ours is read-only. Raises OSError.
    """
    kind = kind_at(directory_fd, name)
    if kind == 0:
        return
    with writable(directory_fd) if insist else nullcontext():
        if kind != stat.S_IFDIR:
            os.unlink(name, dir_fd=directory_fd)
            return
        inner = os.open(name, OPEN_DIRECTORY, dir_fd=directory_fd)
        try:
            for child in os.listdir(inner):
                remove(inner, os.fsencode(child), insist=insist)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=directory_fd)
