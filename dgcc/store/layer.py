"""A project tree as a versioned layer: what lies at each path, and what changed since a version.

Every change of one path adds one to the version. Paths here are relative to the root, as in Entry. A layer
belongs to one thread; only its `blobs` may be read by others.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable

from dgcc.store.blobindex import BlobIndex
from dgcc.store.cache import DigestCache
from dgcc.store.descent import parent_of
from dgcc.store.digests import Stamp, digest_files, stamp_of
from dgcc.store.entry import Entry, Kind, Page
from dgcc.store.errors import BadVersion
from dgcc.store.scan import walk
from dgcc.store.selection import Selection
from dgcc.store.versions import PAGE_BYTES, Versions
from dgcc.store.watch import Dirty, Watch

_LEFTOVER_NS = 3600 * 10**9  # unfinished files are finished or gone within seconds
_LINKS_FOLLOWED = 40  # as many as the kernel follows
_Cached = dict[bytes, tuple[Stamp, bytes]]


class Layer:
    """One root's files, with versions.

    root: absolute path of an existing directory. name: unique to one run of one master. cache: digests kept
    between builds. watch: gets a watch for each directory. clock_ns: the wall clock, nanoseconds since 1970.
    Nothing is looked at before `scan`.
    """

    def __init__(
        self,
        root: bytes,
        name: str,
        *,
        cache: DigestCache | None = None,
        watch: Watch | None = None,
        selection: Selection | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.root = os.path.abspath(root)
        self.name = name
        self.blobs = BlobIndex(self.root)
        self._versions = Versions(self.blobs)
        self._selection = selection or Selection()
        self._cache = cache
        self._watch = watch
        self._clock_ns = clock_ns
        self._prefix = self.root.rstrip(b"/") + b"/"
        self._named: set[bytes] = set()
        self._unwatched: set[bytes] = set()  # those of the named that lie where no watch is
        self._linked: dict[bytes, int] = {}  # paths of files with several names -> inode number
        self._links: dict[int, set[bytes]] = {}  # and back
        self._written: dict[bytes, Stamp] = {}
        self._unsaved: set[bytes] = set()
        self._to_read: dict[bytes, None] = {}
        if watch is not None:
            watch.add_root(self.root)

    # ---- What the layer holds ------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The number of changes so far."""
        return self._versions.latest

    def get(self, path: bytes) -> Entry | None:
        """What lies at `path` now; None if the layer has nothing there."""
        record = self._versions.record(path)
        return None if record is None or record.entry.kind is Kind.GONE else record.entry

    def entries(self) -> list[Entry]:
        """All that the layer holds, without tombstones, in no particular order."""
        return list(self._versions.live())

    def relative(self, absolute: bytes) -> bytes | None:
        """The path below the root that an absolute, normalised path has; None if it lies elsewhere."""
        below = absolute.startswith(self._prefix) and len(absolute) > len(self._prefix)
        return absolute[len(self._prefix) :] if below else None

    def changes(self, since: int, limit_bytes: int = PAGE_BYTES) -> Page:
        """The newest entry of each path changed after version `since`, in order of version.

        A page holds at least one entry if there is one, and no more than about `limit_bytes` of them on the
        wire. Raises BadVersion for a version that this layer never had.
        """
        if not 0 <= since <= self.version:
            raise BadVersion(f"layer {self.name} has no version {since}; its newest is {self.version}")
        return self._versions.changes(since, limit_bytes)

    # ---- Looking at the tree -------------------------------------------------------------------------------

    def scan(self) -> None:
        """Look at the whole tree, taking digests from the cache where files are unchanged.

        Raises WatchError if the watch has no room for all directories. May take seconds on a large tree: call
        it on another thread if the loop must not wait, and touch the layer only after it has ended.
        """
        cached = self._cache.load(self.root) if self._cache else {}
        self._list_tree(b"", cached, sweep_before_ns=self._clock_ns() - _LEFTOVER_NS)
        self._read_files()
        self.save(cached)  # what is left of it is not so any more

    def refresh(self, dirty: Dirty) -> bool:
        """Look again where something happened; returns whether anything changed.

        With the events drained after a process ended, the layer then shows all that the process wrote.
        """
        before = self.version
        for absolute in sorted(dirty.trees.union(dirty.events)):
            path = self.relative(absolute)
            if path is not None and path in self._linked:
                # An event names one path of a file; what was written shows at its others, too.
                for other in self._links[self._linked[path]] - {path}:
                    self._look(other)
            if absolute == self.root:
                if absolute in dirty.trees or not os.path.isdir(self.root):
                    self._list_tree(b"")
            elif path is not None:
                self._look(path, deep=absolute in dirty.trees, events=dirty.events.get(absolute, 0))
        for path in self.blobs.take_suspects():
            record = self._versions.record(path)
            if record is not None:
                record.ctime_ns = -1
            self._look(path)
        for path in self._unwatched:
            self._look(path)
        self._read_files()
        return self.version != before

    def check(self, paths: Iterable[bytes]) -> bool:
        """Look again at these paths, where their stat is not as known; returns whether anything changed."""
        before = self.version
        for path in paths:
            self._look(path)
        self._read_files()
        return self.version != before

    def include(self, path: bytes) -> bool:
        """A job names this path: it is part of the layer from now on, whatever kind of file it is.

        What a symlink points to within the root is included with it. Returns whether anything changed.
        """
        before = self.version
        for _ in range(_LINKS_FOLLOWED):
            self._named.add(path)
            if self._selection.hides(path):
                self._unwatched.add(path)
            self._look(path)
            entry = self.get(path)
            if entry is None or entry.kind is not Kind.SYMLINK:
                break
            target = self.relative(os.path.normpath(os.path.join(self._prefix, parent_of(path), entry.link)))
            if target is None:
                break
            path = target
        self._read_files()
        return self.version != before

    def written(self, entry: Entry, stamp: Stamp) -> None:
        """The master wrote this file itself, by one rename: its one event needs no reading of the file.

        `stamp` is the file's after the rename. An event more for the path, or another stamp, and it is read.
        """
        status = self._status(entry.path)
        if (
            entry.kind is Kind.FILE
            and status is not None
            and stamp_of(status) == stamp
            and self._in_directories(entry.path)
            and self._takes(entry.path, status)
        ):
            self._written[entry.path] = stamp
            self._put_file(entry.path, status.st_mode, stamp, entry.digest, reliable=False)

    def save(self, gone: Iterable[bytes] = ()) -> None:
        """Remember digests taken since the last call in the cache, and forget those of `gone` there."""
        known = {}
        for path in self._unsaved:
            record = self._versions.record(path)
            stamp = record.stamp() if record is not None else None
            if record is not None and stamp is not None:
                known[path] = stamp, record.entry.digest
        self._unsaved.clear()
        gone = list(gone)
        if self._cache is not None and (known or gone):
            self._cache.save(self.root, known, gone)

    # ---- One path at a time --------------------------------------------------------------------------------

    def _status(self, path: bytes) -> os.stat_result | None:
        try:
            return os.lstat(self._prefix + path)
        except OSError:
            return None

    def _takes(self, path: bytes, status: os.stat_result) -> bool:
        return path in self._named or self._selection.takes_file(self._prefix + path, status)

    def _in_directories(self, path: bytes) -> bool:
        """Whether all that `path` lies in are directories of the layer; takes them in if they are new."""
        parent = parent_of(path)
        if not parent:
            return True
        if not self._in_directories(parent):
            return False
        if self._selection.hides(parent):
            status = self._status(parent)
            if status is not None and stat.S_ISDIR(status.st_mode):
                self._put_directory(parent, status)  # for the sake of a named path, so it is not listed
            else:
                self._versions.drop(parent)
        elif self._versions.kind(parent) is not Kind.DIRECTORY:
            self._look(parent)
        return self._versions.kind(parent) is Kind.DIRECTORY

    def _look(self, path: bytes, *, deep: bool = False, events: int = 0) -> None:
        """Bring one path up to date, with all below it if it is a directory that is new or `deep`."""
        expected = self._written.pop(path, None) if events else None
        hidden = self._selection.hides(path)
        if hidden and path not in self._named:
            return
        status = self._status(path) if self._in_directories(path) else None
        if status is None:
            self._versions.drop(path)
        elif not stat.S_ISDIR(status.st_mode):
            if events == 1 and expected == stamp_of(status):
                return  # our own rename, and nothing since
            try:
                link = os.readlink(self._prefix + path) if stat.S_ISLNK(status.st_mode) else b""
            except OSError:
                self._versions.drop(path)
                return
            self._note(path, status, link, {})
        else:
            deep = deep or self._versions.kind(path) is not Kind.DIRECTORY
            self._put_directory(path, status)
            if deep and not hidden:
                self._list_tree(path)

    def _list_tree(self, below: bytes, cached: _Cached | None = None, sweep_before_ns: int = 0) -> None:
        """Bring all below a directory up to date, but for the content of files, which `_read_files` reads.

        Rows of `cached` that are right are used, and taken out.
        """
        cached = {} if cached is None else cached
        seen = set()
        enter = self._watch.enter if self._watch is not None else _no_watch
        for path, status, link in walk(self.root, below, self._selection, enter, sweep_before_ns):
            seen.add(path)
            if stat.S_ISDIR(status.st_mode):
                self._put_directory(path, status)
            else:
                self._note(path, status, link, cached)
        for path in self._versions.below(below):
            if path not in seen and not self._selection.hides(path):
                self._versions.drop(path)

    def _note(self, path: bytes, status: os.stat_result, link: bytes, cached: _Cached) -> None:
        """What lies at `path` is no directory."""
        if stat.S_ISLNK(status.st_mode):
            self._versions.put(Entry(path, Kind.SYMLINK, 0o777, status.st_mtime_ns, link=link))
            return
        if not stat.S_ISREG(status.st_mode) or not self._takes(path, status):
            self._versions.drop(path)
            return
        stamp = stamp_of(status)
        self._note_links(path, status)
        record = self._versions.record(path)
        if record is not None and record.has(stamp):
            return
        remembered = cached.get(path)
        if remembered is not None and remembered[0] == stamp:
            del cached[path]
            self._put_file(path, status.st_mode, stamp, remembered[1], reliable=True)
        else:
            self._to_read[path] = None

    def _note_links(self, path: bytes, status: os.stat_result) -> None:
        """Remember which paths are one file."""
        before = self._linked.pop(path, None)
        if before is not None:
            self._links[before].discard(path)
        if status.st_nlink > 1:
            self._linked[path] = status.st_ino
            self._links.setdefault(status.st_ino, set()).add(path)

    def _read_files(self) -> None:
        """Take the digests of all files found new or changed."""
        if not self._to_read:
            return
        now = self._clock_ns()
        absolute = [self._prefix + path for path in self._to_read]
        for path, (_, digested) in zip(self._to_read, digest_files(absolute, now), strict=True):
            if digested is None:
                self._versions.drop(path)
                continue
            self._put_file(path, digested.mode, digested.stamp, digested.digest, reliable=digested.settled)
            self._unsaved.add(path)
        self._to_read.clear()

    def _put_directory(self, path: bytes, status: os.stat_result) -> None:
        self._versions.put(Entry(path, Kind.DIRECTORY, stat.S_IMODE(status.st_mode)))

    def _put_file(self, path: bytes, mode: int, stamp: Stamp, digest: bytes, *, reliable: bool) -> None:
        entry = Entry(path, Kind.FILE, stat.S_IMODE(mode), stamp.mtime_ns, stamp.size, digest)
        self._versions.put(entry, stamp.ctime_ns if reliable else -1, stamp.inode)


def _no_watch(_: bytes) -> None:
    pass
