"""From names to what lies there: each path walked as the kernel does, every symlink and directory on the way kept.

The result holds whatever a process on the slave can meet when it goes by any of those names.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from dgcc.master.environment.parts import Parts
from dgcc.master.environment.trouble import EnvironmentTrouble
from dgcc.master.environment.watching import Watching
from dgcc.store.digests import Stamp, stamp_of
from dgcc.store.entry import Kind
from dgcc.store.errors import shown

MAX_FILES = 250_000
"""An environment with more is a mistake, such as a header directory that leads to all of somebody's home."""

_LINKS_FOLLOWED = 40  # as many as the kernel follows
_KERNELS = (b"/proc", b"/sys", b"/dev", b"/run")
# A link among headers that leads to one of these was not made for headers.
_BROAD = frozenset(
    b"""
    / /usr /usr/lib /usr/lib64 /usr/share /usr/bin /usr/local /usr/src /lib /bin /etc /var /var/lib /opt /home /root
    /tmp /var/tmp /srv /mnt /media
    """.split()
)


class Found(NamedTuple):
    """What lies at a path. stamp: of a file. link: of a symlink. changed_ns: when its inode changed last."""

    kind: Kind
    mode: int
    mtime_ns: int
    changed_ns: int
    stamp: Stamp | None
    link: bytes


class Closure:
    """Everything that some parts consist of, by absolute canonical path. Looked at once, when made.

    found: what lies where. complete: directories with all below. replaced: files in whose place another stands.
    newest_ns: when the newest of the single files and links was put there (wall clock). named, whole: the paths and
    directories that it had watched.
    Raises EnvironmentTrouble if it is unreasonably much.
    """

    def __init__(self, parts: Parts, watching: Watching) -> None:
        self.found: dict[bytes, Found] = {}
        self.complete: set[bytes] = set()
        self.replaced: set[bytes] = set()
        self.absent: set[bytes] = set()
        self.named: set[bytes] = set()
        self.whole: set[bytes] = set()
        self._listed: set[bytes] = set()  # directories of which only the names count
        self._watching = watching
        for path in parts.absent:
            self._reach(path)
        # The way to nothing is watched, but part of nothing: whose PATH leads where does not matter to a slave.
        self._around, self.found = self.found, {}
        for path in sorted(parts.files):
            end = self._reach(path)
            if end is not None and self.found[end].kind is Kind.DIRECTORY:
                self._watch_all(end)
                self._listed.add(end)
        for path in parts.replaced:
            end = self._reach(path)
            if end is not None and self.found[end].kind is Kind.FILE:
                self.replaced.add(end)
        self.newest_ns = max((what.changed_ns for what in self.found.values() if what.stamp or what.link), default=0)
        tops = {self._reach(path) for path in parts.trees}
        for top in sorted(top for top in tops if top is not None):
            self._tree(top)

    def unchanged(self) -> bool:
        """Whether all is still there as it was found, by its inode; takes some microseconds for each path."""
        for path, before in self.all_found():
            now = _look(path)
            if now is None or now[:2] != before[:2] or now.link != before.link or now.stamp != before.stamp:
                return False
            # Names that come or go in a directory change its time.
            if before.kind is Kind.DIRECTORY and now.mtime_ns != before.mtime_ns and self.counts(path):
                return False
        return not any(os.path.lexists(path) for path in self.absent)

    def all_found(self) -> Iterator[tuple[bytes, Found]]:
        """What lies where, with the ways to nothing."""
        return chain(self.found.items(), self._around.items())

    def counts(self, path: bytes) -> bool:
        """Whether it matters which names a directory has."""
        return path in self._listed or any(within(path, top) for top in self.complete)

    def _watch_all(self, directory: bytes) -> None:
        self.whole.add(directory)
        self._watching.watch_all(directory)

    # ---- Walking -------------------------------------------------------------------------------------------

    def _reach(self, path: bytes) -> bytes | None:
        """Take in all on the way to what `path` leads to; its canonical path, or None if there is nothing."""
        todo = path.split(b"/")[::-1]
        at, links = b"", 0
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                at = os.path.dirname(at).rstrip(b"/")
                continue
            here = at + b"/" + name
            if here in _KERNELS:
                return None
            what = self.found.get(here) or self._take(here)
            if what is None:
                return None
            if what.kind is Kind.SYMLINK:
                links += 1
                if links > _LINKS_FOLLOWED:
                    return None
                if what.link.startswith(b"/"):
                    at = b""
                todo += what.link.split(b"/")[::-1]
            elif what.kind is Kind.DIRECTORY:
                at = here
            else:
                return None if any(part not in (b"", b".") for part in todo) else here
        return at or None

    def _take(self, path: bytes) -> Found | None:
        self.named.add(path)
        self._watching.watch_name(path)
        what = _look(path)
        if what is None:
            if not os.path.lexists(path):
                self.absent.add(path)
        else:
            self.found[path] = what
        return what

    def _tree(self, top: bytes) -> None:
        """Take in all below a canonical directory, and what symlinks in it lead to."""
        if self.found[top].kind is not Kind.DIRECTORY or any(within(top, known) for known in self.complete):
            return
        links: list[bytes] = []
        pending = [top]
        while pending:
            directory = pending.pop()
            self._watch_all(directory)
            for path, what in _listing(directory):
                self.found[path] = what
                if what.kind is Kind.DIRECTORY:
                    pending.append(path)
                elif what.kind is Kind.SYMLINK:
                    links.append(path)
            if len(self.found) > MAX_FILES:
                raise EnvironmentTrouble(
                    f"'{shown(top)}', where the compiler looks for headers, leads to more than {MAX_FILES} files"
                )
        self.complete.add(top)
        for link in links:
            target = self._reach(link)
            if target is not None and self.found[target].kind is Kind.DIRECTORY and not _is_around(target, top):
                self._tree(target)


def within(path: bytes, directory: bytes) -> bool:
    """Whether an absolute path is `directory` or lies in it."""
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def _is_around(target: bytes, top: bytes) -> bool:
    """Whether following a link from `top` to the directory `target` would read the system itself."""
    return target in _BROAD or within(top, target)


def _look(path: bytes) -> Found | None:
    try:
        status = os.lstat(path)
        link = os.readlink(path) if stat.S_ISLNK(status.st_mode) else b""
    except OSError:
        return None
    return _found(status, link)


def _listing(directory: bytes) -> Iterable[tuple[bytes, Found]]:
    try:
        listing = os.scandir(directory)
    except OSError:
        return  # closed to us, and so to the compiler
    with listing:
        for item in listing:
            try:
                link = os.readlink(item.path) if item.is_symlink() else b""
                what = _found(item.stat(follow_symlinks=False), link)
            except OSError:
                continue
            if what is not None:
                yield item.path, what


def _found(status: os.stat_result, link: bytes) -> Found | None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return Found(Kind.DIRECTORY, mode & 0o777, status.st_mtime_ns, status.st_ctime_ns, None, b"")
    if stat.S_ISLNK(mode):
        return Found(Kind.SYMLINK, 0o777, status.st_mtime_ns, status.st_ctime_ns, None, link)
    if stat.S_ISREG(mode):
        # Nothing in a jail becomes another user.
        return Found(Kind.FILE, mode & 0o777, status.st_mtime_ns, status.st_ctime_ns, stamp_of(status), b"")
    return None
