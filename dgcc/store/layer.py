"""A project tree as a versioned layer: what lies at each path, and what changed since a version.

Every change of one path adds one to the version. Paths here are relative to the root, as in Entry. A layer
belongs to one thread; only its `blobs` may be read by others.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable

from dgcc.store.blobindex import BlobIndex
from dgcc.store.cache import DigestCache, Remembered
from dgcc.store.descent import parent_of
from dgcc.store.digests import Stamp, digest_files, scan_file, stamp_of
from dgcc.store.entry import Entry, Kind, Page
from dgcc.store.errors import BadVersion
from dgcc.store.extent import largest, too_large
from dgcc.store.hardlinks import Hardlinks
from dgcc.store.mentioned import Mentioned
from dgcc.store.mentions import Mention, may_mention
from dgcc.store.scan import walk
from dgcc.store.selection import Selection
from dgcc.store.versions import PAGE_BYTES, Versions
from dgcc.store.watch import Dirty, Watch

_LEFTOVER_NS = 3600 * 10**9  # unfinished files are finished or gone within seconds
_LINKS_FOLLOWED = 40  # as many as the kernel follows


class Layer:
    """One root's files, with versions.

    root: absolute path of an existing directory. name: unique to one run of one master. cache: digests kept
    between builds. watch: gets a watch for each directory. selection: which files, and which of them with their
    content. clock_ns: the wall clock, nanoseconds since 1970. Nothing is looked at before `scan`.
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
        self.selection = selection or Selection()
        self.mentioned = Mentioned(self.selection)
        self._cache = cache
        self._watch = watch
        self._clock_ns = clock_ns
        self._prefix = self.root.rstrip(b"/") + b"/"
        inside = (self.relative(os.path.normpath(directory)) for directory in self.selection.excluded)
        self._excluded = frozenset(path for path in inside if path is not None)
        self._large = False  # once a tree was large it is to the end: contents are not taken back and forth
        self._named: set[bytes] = set()
        self._unwatched: set[bytes] = set()  # those of the named that lie where no watch is
        self._hardlinks = Hardlinks()
        self._written: dict[bytes, Stamp] = {}
        self._unsaved: set[bytes] = set()
        self._found: dict[bytes, tuple[int, Stamp]] = {}  # files new or changed, with their mode
        self._remembered: dict[bytes, Remembered] = {}  # digests from the cache that may be of use still
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

    def way_closed_since(self, path: bytes) -> int:
        """The version since which something that is no directory lies on the way to `path`; 0 if nothing does."""
        above = parent_of(path)
        closed = 0
        while above:
            record = self._versions.record(above)
            if record is not None and record.entry.kind not in (Kind.DIRECTORY, Kind.GONE):
                closed = record.version
            above = parent_of(above)
        return closed

    def entries(self) -> list[Entry]:
        """All that the layer holds, without tombstones, in no particular order."""
        return list(self._versions.live())

    @property
    def totals(self) -> tuple[int, int]:
        """The number of regular files that the layer holds, and their size in bytes, withheld ones included."""
        return self._versions.files, self._versions.bytes

    def largest(self, count: int = 3) -> list[tuple[bytes, int]]:
        """The directories at the top that hold the most files, directories and links, with how many."""
        return largest((entry.path for entry in self._versions.live()), count)

    def ignored(self, path: bytes) -> bool:
        """Whether a pattern of the selection, or an excluded root, keeps `path` out of the layer for good."""
        if self._is_excluded(path) or self.selection.ignores(path, False):
            return True
        return self.selection.ignores(path, True) and os.path.isdir(self._prefix + path)

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

    def scan(self, max_files: int | None = None) -> None:
        """Look at the whole tree, taking digests from the cache where files are unchanged.

        Raises WatchError if the watch has no room for all directories; TreeTooLarge if there are more than
        `max_files` files, directories and links, the layer is then of no use. May take seconds on a large tree:
        call it on another thread if the loop must not wait, and touch the layer only after it has ended.
        """
        self._remembered = self._cache.load(self.root) if self._cache else {}
        self._list_tree(b"", sweep_before_ns=self._clock_ns() - _LEFTOVER_NS, max_files=max_files)
        self._take_in()
        stale = [path for path, row in self._remembered.items() if not self._is_withheld(path, row.stamp)]
        for path in stale:
            del self._remembered[path]
        self.save(stale)

    def refresh(self, dirty: Dirty) -> bool:
        """Look again where something happened; returns whether anything changed.

        With the events drained after a process ended, the layer then shows all that the process wrote.
        """
        suspects = self.blobs.take_suspects()
        if not (dirty or suspects or self._unwatched):
            return False  # which is so several times for each job
        before = self.version
        for absolute in sorted(dirty.trees.union(dirty.events)):
            path = self.relative(absolute)
            for other in self._hardlinks.others(path) if path is not None else ():
                self._look(other)
            if absolute == self.root:
                if absolute in dirty.trees or not os.path.isdir(self.root):
                    self._list_tree(b"")
            elif path is not None:
                self._look(path, deep=absolute in dirty.trees, events=dirty.events.get(absolute, 0))
        for path in suspects:
            record = self._versions.record(path)
            if record is not None:
                record.ctime_ns = -1
            self._look(path)
        for path in self._unwatched:
            self._look(path)
        self._take_in()
        return self.version != before

    def check(self, paths: Iterable[bytes]) -> bool:
        """Look again at these paths, where their stat is not as known; returns whether anything changed."""
        before = self.version
        for path in paths:
            self._look(path)
        self._take_in()
        return self.version != before

    def include(self, path: bytes) -> bool:
        """A job names this path: it is part of the layer with its content from now on, whatever kind of file it is.

        What a symlink points to within the root is included with it. What is `ignored` stays out. Returns whether
        anything changed.
        """
        if path in self._named and path not in self._unwatched and self._is_as_known(path):
            return False
        before = self.version
        for _ in range(_LINKS_FOLLOWED):
            if self.ignored(path):
                break
            self._named.add(path)
            if self.selection.hides(path):
                self._unwatched.add(path)
            self._look(path)
            entry = self.get(path)
            if entry is None or entry.kind is not Kind.SYMLINK:
                break
            target = self.relative(os.path.normpath(os.path.join(self._prefix, parent_of(path), entry.link)))
            if target is None:
                break
            path = target
        self._take_in()
        return self.version != before

    def expect(self, ends: Iterable[bytes]) -> None:
        """Files of other layers mention what ends so: it is part of this one, as if its own files did."""
        self.mentioned.expect(ends)
        self._take_mentioned()

    def written(self, entry: Entry, stamp: Stamp) -> None:
        """The master wrote this file itself, by one rename: its one event needs no reading of the file.

        `stamp` is the file's after the rename. An event more for the path, or another stamp, and it is read.
        """
        status = self._status(entry.path)
        if (
            entry.kind is Kind.FILE
            and entry.digest
            and status is not None
            and stamp_of(status) == stamp
            and self._in_directories(entry.path)
            and self._takes(entry.path, status)
        ):
            self._written[entry.path] = stamp
            digest = entry.digest if self._offers(entry.path, stamp.size, status.st_mode) else b""
            said = scan_file(self._prefix + entry.path) if digest else ()
            self._put_file(entry.path, status.st_mode, stamp, digest, said, reliable=False)
            self._take_mentioned()

    def save(self, gone: Iterable[bytes] = ()) -> None:
        """Remember digests taken since the last call in the cache, and forget those of `gone` there."""
        known = {}
        for path in self._unsaved:
            record = self._versions.record(path)
            stamp = record.stamp() if record is not None else None
            if record is not None and stamp is not None:
                known[path] = Remembered(stamp, record.entry.digest, self.mentioned.said_by(path))
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
        named = path in self._named or self.mentioned.wants(path)
        return named or self.selection.lists_file(self._prefix + path, status)

    def _offers(self, path: bytes, size: int, mode: int) -> bool:
        """Whether a listed file comes with its content."""
        if path in self._named or self.mentioned.wants(path):
            return True
        record = self._versions.record(path)
        # Content once offered is not taken back because the tree has grown.
        large = self._large and (record is None or not record.entry.digest)
        return self.selection.offers(path, size, mode, large)

    def _is_as_known(self, path: bytes) -> bool:
        """Whether a file that comes with its content lies at `path`, and has not been touched since it was read."""
        record = self._versions.record(path)
        if record is None or record.entry.withheld:
            return False
        status = self._status(path)
        return status is not None and record.has(stamp_of(status))

    def _is_withheld(self, path: bytes, stamp: Stamp) -> bool:
        record = self._versions.record(path)
        return record is not None and record.entry.withheld and record.has(stamp)

    def _is_excluded(self, path: bytes) -> bool:
        return any(path == inside or path.startswith(inside + b"/") for inside in self._excluded)

    def _in_directories(self, path: bytes) -> bool:
        """Whether all that `path` lies in are directories of the layer; takes them in if they are new."""
        parent = parent_of(path)
        if not parent:
            return True
        if not self._in_directories(parent):
            return False
        if self.selection.hides(parent, True):
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
        self._found.pop(path, None)
        expected = self._written.pop(path, None) if events else None
        hidden = self.selection.hides(path) or self._is_excluded(path)
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
            self._note(path, status, link)
        elif self.selection.ignores(path, True):
            self._versions.drop(path)
        else:
            deep = deep or self._versions.kind(path) is not Kind.DIRECTORY
            self._put_directory(path, status)
            if deep and not hidden:
                self._list_tree(path)

    def _list_tree(self, below: bytes, sweep_before_ns: int = 0, max_files: int | None = None) -> None:
        """Bring all below a directory up to date, but for regular files, which `_take_in` takes in."""
        seen: set[bytes] = set()
        enter = self._watch.enter if self._watch is not None else lambda _: None
        for path, status, link in walk(self.root, below, self.selection, enter, sweep_before_ns, self._excluded):
            seen.add(path)
            if max_files is not None and len(seen) > max_files:
                raise too_large(self.root, seen)
            if stat.S_ISDIR(status.st_mode):
                self._put_directory(path, status)
            else:
                self._note(path, status, link)
        for path in self._versions.below(below):
            if path not in seen and not self.selection.hides(path):
                self._versions.drop(path)

    def _note(self, path: bytes, status: os.stat_result, link: bytes) -> None:
        """What lies at `path` is no directory."""
        self._found.pop(path, None)
        if stat.S_ISLNK(status.st_mode):
            self._versions.put(Entry(path, Kind.SYMLINK, 0o777, status.st_mtime_ns, link=link))
            return
        if not stat.S_ISREG(status.st_mode) or not self._takes(path, status):
            if stat.S_ISREG(status.st_mode):
                self.mentioned.leave_out(path)
            self._versions.drop(path)
            return
        stamp = stamp_of(status)
        self._hardlinks.note(path, status)
        record = self._versions.record(path)
        if record is not None and record.has(stamp):
            awaited = record.entry.withheld and self._offers(path, stamp.size, status.st_mode)
            if not awaited:
                return
        self._found[path] = status.st_mode, stamp

    def _take_in(self) -> None:
        """Take in all files found new or changed, with the content of those that is offered, and what they mention."""
        self._take_found()
        self._take_mentioned()

    def _take_mentioned(self) -> None:
        """Take in what files mention and would be left out or withheld, and what these mention in turn."""
        while True:
            known, hidden = self.mentioned.news(lambda: (e.path for e in self._versions.live() if e.withheld))
            if not (known or hidden):
                return
            self._named.update(hidden)
            self._unwatched.update(hidden)
            for path in (*known, *hidden):
                self._look(path)
            self._take_found()

    def _take_found(self) -> None:
        if not self._found:
            return
        self._measure()
        to_read = []
        for path, (mode, stamp) in self._found.items():
            if not self._offers(path, stamp.size, mode):
                self._put_file(path, mode, stamp, b"", reliable=True)
                continue
            known = self._remembered.pop(path, None)
            if known is not None and known.stamp == stamp and (known.mentions is not None or not may_mention(path)):
                self._put_file(path, mode, stamp, known.digest, known.mentions or (), reliable=True)
            else:
                to_read.append(path)
        self._found.clear()
        now = self._clock_ns()
        absolute = [self._prefix + path for path in to_read]
        for path, (_, read) in zip(to_read, digest_files(absolute, now, scan=True), strict=True):
            if read is None:
                self._versions.drop(path)
                continue
            self._put_file(path, read.mode, read.stamp, read.digest, read.mentions, reliable=read.settled)
            self._unsaved.add(path)

    def _measure(self) -> None:
        """Find out whether the tree is a large one: by all its files, or the bytes of those found at once."""
        if self._large:
            return
        fresh = [stamp.size for path, (_, stamp) in self._found.items() if self._versions.kind(path) is not Kind.FILE]
        size = sum(size for size in fresh if size <= self.selection.max_size)
        files = self._versions.files + len(fresh)
        self._large = files > self.selection.whole_files or size > self.selection.whole_bytes

    def _put_directory(self, path: bytes, status: os.stat_result) -> None:
        self._found.pop(path, None)
        self._versions.put(Entry(path, Kind.DIRECTORY, stat.S_IMODE(status.st_mode)))

    def _put_file(self, path: bytes, mode: int, stamp: Stamp, digest: bytes, said: tuple[Mention, ...] = (),
                  *, reliable: bool) -> None:  # fmt: skip
        entry = Entry(path, Kind.FILE, stat.S_IMODE(mode), stamp.mtime_ns, stamp.size, digest)
        self._versions.put(entry, stamp.ctime_ns if reliable else -1, stamp.inode)
        self.mentioned.says(path, said)
