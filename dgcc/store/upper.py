"""What a job did to a tree: reads the upper directory of its overlay, and removes it afterwards."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from dgcc.store.entry import Kind

_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")


class Change(Struct, frozen=True):
    """One path that the job made, changed or removed.

    path: relative to the overlay's mount point; `b"."` is the mount point itself.
    kind: what lies there now. mode: permission bits, 07777, as the job left them. mtime_ns: since 1970 UTC.
    size: bytes of a FILE. link: target of a SYMLINK. GONE has none of these.
    """

    path: bytes
    kind: Kind
    mode: int = 0
    mtime_ns: int = 0
    size: int = 0
    link: bytes = b""


class Ignored(Struct, frozen=True):
    """A path that the job made and that cannot be brought home, with the reason as a short phrase."""

    path: bytes
    reason: str


def changes(upper: Path, lower: Sequence[Path], ignored: list[Ignored] | None = None) -> list[Change]:
    """Compare an upper directory with the lower directories (topmost first) after its overlay is unmounted.

    What cannot be brought home, such as a socket, is added to `ignored`. The changes are in an order in which
    they can be applied one after the other: a directory comes before what is in it, and what was replaced by
    something of another kind is first GONE. GONE means the path and all beneath it. A file that was opened
    for writing is reported even if its content is the same. A directory is reported when it is new or its
    mode changed. Hard links are reported as separate files. Files that their owner may not read are made
    readable on the way; `mode` is the job's. Raises OSError.
    """
    reader = _Reader([] if ignored is None else ignored)
    top = os.fsencode(upper)
    lowers = [os.fsencode(path) for path in lower]
    mode = os.lstat(top).st_mode
    if lowers and stat.S_IMODE(os.stat(lowers[0]).st_mode) != stat.S_IMODE(mode):
        reader.changed.append(Change(b".", Kind.DIRECTORY, stat.S_IMODE(mode), os.lstat(top).st_mtime_ns))
    reader.tree(top, lowers)
    return reader.changed


class _Reader:
    def __init__(self, ignored: list[Ignored]) -> None:
        self.changed: list[Change] = []
        self.ignored = ignored

    def tree(self, top: bytes, lowers: list[bytes]) -> None:
        """Read the tree, without recursion: a job may nest directories deeper than Python's stack."""
        waiting = [(b"", lowers, False)]
        while waiting:
            relative, below, opaque = waiting.pop()
            here = os.path.join(top, relative) if relative else top
            try:
                _allow(here, os.lstat(here), 0o500)
                opaque = opaque or _is_opaque(here)
                if opaque:
                    self._hidden(here, relative, below)
                deeper = [(path, beneath, opaque) for path, beneath in self._entries(here, relative, below)]
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                self.ignored.append(Ignored(relative, "the path is too long"))
                continue
            waiting.extend(reversed(deeper))

    def _hidden(self, here: bytes, relative: bytes, below: list[bytes]) -> None:
        """Report what the lower directories hold where nothing of them shines through any more."""
        names = {name for path in below for name in os.listdir(path)} - set(os.listdir(here))
        for name in sorted(names):
            if _lower(below, name)[0] is not None:
                self.changed.append(Change(_join(relative, name), Kind.GONE))

    def _entries(
        self, here: bytes, relative: bytes, below: list[bytes]
    ) -> Iterator[tuple[bytes, list[bytes]]]:
        """Report the entries of one directory; yields its directories and the lower ones beneath each."""
        for name in sorted(os.listdir(here)):
            path = _join(relative, name)
            full = os.path.join(here, name)
            now = os.lstat(full)
            before, beneath = _lower(below, name)
            if stat.S_ISCHR(now.st_mode) and now.st_rdev == 0:
                if before is not None:
                    self.changed.append(Change(path, Kind.GONE))
            elif stat.S_ISDIR(now.st_mode):
                if before is not None and not stat.S_ISDIR(before.st_mode):
                    self.changed.append(Change(path, Kind.GONE))
                if before is None or before.st_mode != now.st_mode:
                    mode = stat.S_IMODE(now.st_mode)
                    self.changed.append(Change(path, Kind.DIRECTORY, mode, now.st_mtime_ns))
                yield path, beneath
            else:
                self._leaf(path, full, now, before)

    def _leaf(self, path: bytes, full: bytes, now: os.stat_result, before: os.stat_result | None) -> None:
        kind = _kinds.get(stat.S_IFMT(now.st_mode), "an unknown kind of file")
        if before is not None and stat.S_IFMT(before.st_mode) != stat.S_IFMT(now.st_mode):
            self.changed.append(Change(path, Kind.GONE))
        mode = stat.S_IMODE(now.st_mode)
        if isinstance(kind, str):
            self.ignored.append(Ignored(path, kind))
        elif kind is Kind.SYMLINK:
            self.changed.append(Change(path, kind, mode, now.st_mtime_ns, link=os.readlink(full)))
        else:
            _allow(full, now, 0o400)
            self.changed.append(Change(path, kind, mode, now.st_mtime_ns, now.st_size))


_kinds: dict[int, Kind | str] = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _join(relative: bytes, name: bytes) -> bytes:
    return relative + b"/" + name if relative else name


def _allow(path: bytes, status: os.stat_result, bits: int) -> None:
    """Give the owner permission `bits`, which a job may have taken away; root has them anyway."""
    if status.st_mode & bits != bits and os.geteuid() == status.st_uid:
        os.chmod(path, stat.S_IMODE(status.st_mode) | bits)


def _is_opaque(directory: bytes) -> bool:
    for name in _OPAQUE:
        with contextlib.suppress(OSError):
            if os.getxattr(directory, name, follow_symlinks=False) == b"y":
                return True
    return False


def _lower(directories: list[bytes], name: bytes) -> tuple[os.stat_result | None, list[bytes]]:
    """What the lower `directories` show at `name`, and if a directory, all that it is merged from."""
    shown: os.stat_result | None = None
    merged: list[bytes] = []
    for directory in directories:
        path = os.path.join(directory, name)
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(found.st_mode):
            whiteout = stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
            if shown is None and not whiteout:
                shown = found
            break
        if shown is None:
            shown = found
        merged.append(path)
        if _is_opaque(path):
            break
    return shown, merged


def remove_scratch(scratch: Path) -> None:
    """Remove a scratch directory with all that jail and job left in it, whatever modes and however deep.

    A missing directory is fine. Raises OSError if something cannot be removed, as when another user owns it.
    """
    top = os.fsencode(scratch)
    if not os.path.lexists(top):
        return
    # Each directory found is first moved up, so that no path grows longer than the kernel takes.
    moved_up = 0
    waiting = [top]
    emptied: list[bytes] = []
    while waiting:
        directory = waiting.pop()
        os.chmod(directory, 0o700)
        with os.scandir(directory) as entries:
            listed = list(entries)
        for entry in listed:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)  # moving a directory rewrites its `..`
            moved = entry.path
            if directory != top:
                moved = os.path.join(top, b".removed-%d" % moved_up)
                moved_up += 1
                os.rename(entry.path, moved)
            waiting.append(moved)
        emptied.append(directory)
    for directory in reversed(emptied):
        os.rmdir(directory)
