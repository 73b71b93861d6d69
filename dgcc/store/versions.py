"""The newest entry of every path with the version that brought it: a layer without the tree behind it.

Tombstones are kept, and one is made for every path below a directory that goes: a reader who knows an old
version would otherwise keep what was in it when the directory comes back.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator

from msgspec import Struct

from dgcc.store.blobindex import BlobIndex
from dgcc.store.descent import parent_of
from dgcc.store.digests import Stamp
from dgcc.store.entry import Entry, Kind, Page

PAGE_BYTES = 1 << 20
_ENTRY_OVERHEAD = 80  # bytes of an entry on the wire beside path and link
_COMPACT_FROM = 1024


class Record(Struct):
    """The newest entry of a path, the version that brought it, and a file's stamp when that was made."""

    entry: Entry
    version: int
    ctime_ns: int = -1  # with `inode`, size and mtime: the stamp; -1: the entry cannot be relied on any more
    inode: int = 0

    def has(self, stamp: Stamp) -> bool:
        """Whether the entry is known to be that of a file with this stamp."""
        entry = self.entry
        return (
            entry.kind is Kind.FILE
            and self.ctime_ns == stamp.ctime_ns
            and self.inode == stamp.inode
            and entry.mtime_ns == stamp.mtime_ns
            and entry.size == stamp.size
        )

    def stamp(self) -> Stamp | None:
        """The stamp under which the digest may be remembered; None if there is none."""
        if not self.entry.digest or self.ctime_ns == -1:
            return None
        return Stamp(self.entry.size, self.entry.mtime_ns, self.ctime_ns, self.inode)


class Versions:
    """Paths with their newest entries, by version; keeps `blobs` in step."""

    def __init__(self, blobs: BlobIndex) -> None:
        self.latest = 0
        self.files = 0  # of kind FILE that are there now
        self.bytes = 0  # of those, whether withheld or not
        self._blobs = blobs
        self._records: dict[bytes, Record] = {}
        self._children: dict[bytes, set[bytes]] = {}  # of paths that are not GONE
        # In order of version; a place is void once its path changed again.
        self._log_versions = array("Q")
        self._log_paths: list[bytes] = []

    def record(self, path: bytes) -> Record | None:
        """What is known of `path`, tombstones included."""
        return self._records.get(path)

    def kind(self, path: bytes) -> Kind:
        """What lies at `path`; GONE also where nothing ever was. The root, b"", is a directory."""
        if not path:
            return Kind.DIRECTORY
        record = self._records.get(path)
        return Kind.GONE if record is None else record.entry.kind

    def live(self) -> Iterator[Entry]:
        """All entries but tombstones, in no particular order."""
        return (r.entry for r in self._records.values() if r.entry.kind is not Kind.GONE)

    def put(self, entry: Entry, ctime_ns: int = -1, inode: int = 0) -> None:
        """Make `entry` the newest of its path; the same one again only renews the stamp."""
        record = self._records.get(entry.path)
        old = record.entry if record is not None else None
        if record is not None and old == entry:
            record.ctime_ns, record.inode = ctime_ns, inode
            return
        if old is not None and old.kind is Kind.DIRECTORY and entry.kind is not Kind.DIRECTORY:
            self._drop_below(entry.path)
        self.latest += 1
        if record is None or old is None:
            self._records[entry.path] = Record(entry, self.latest, ctime_ns, inode)
        else:
            record.entry, record.version, record.ctime_ns, record.inode = entry, self.latest, ctime_ns, inode
        self._index(old, entry)
        self._log_versions.append(self.latest)
        self._log_paths.append(entry.path)
        if len(self._log_paths) > 2 * len(self._records) + _COMPACT_FROM:
            self._compact()

    def _index(self, old: Entry | None, new: Entry) -> None:
        if old is not None and old.digest:
            self._blobs.discard(old.digest, old.path)
        if new.digest:
            self._blobs.add(new.digest, new.path)
        if old is not None and old.kind is Kind.FILE:
            self.files -= 1
            self.bytes -= old.size
        if new.kind is Kind.FILE:
            self.files += 1
            self.bytes += new.size
        was, is_ = old is not None and old.kind is not Kind.GONE, new.kind is not Kind.GONE
        if is_ and not was:
            self._children.setdefault(parent_of(new.path), set()).add(new.path)
        elif was and not is_:
            self._children.get(parent_of(new.path), set()).discard(new.path)

    def drop(self, path: bytes) -> None:
        """Nothing lies at `path` any more, nor below it."""
        if self.kind(path) is not Kind.GONE:
            self.put(Entry(path, Kind.GONE))

    def _drop_below(self, path: bytes) -> None:
        for child in sorted(self._children.pop(path, ())):
            self.drop(child)

    def below(self, path: bytes) -> list[bytes]:
        """All paths below a directory, at any depth, that are not GONE."""
        found: list[bytes] = []
        pending = [path]
        while pending:
            children = self._children.get(pending.pop(), ())
            found.extend(children)
            pending.extend(children)
        return found

    def changes(self, since: int, limit_bytes: int) -> Page:
        """As Layer.changes, for a `since` that is known to be no later than `latest`."""
        page: list[Entry] = []
        upto, room = since, limit_bytes
        for at in range(bisect_right(self._log_versions, since), len(self._log_versions)):
            version, path = self._log_versions[at], self._log_paths[at]
            record = self._records[path]
            if record.version != version:
                continue  # changed again, and listed there
            room -= _ENTRY_OVERHEAD + len(path) + len(record.entry.link)
            if room < 0 and page:
                return Page(upto, self.latest, tuple(page))
            page.append(record.entry)
            upto = version
        return Page(self.latest, self.latest, tuple(page))

    def _compact(self) -> None:
        live = [
            (version, path)
            for version, path in zip(self._log_versions, self._log_paths, strict=True)
            if self._records[path].version == version
        ]
        self._log_versions = array("Q", (version for version, _ in live))
        self._log_paths = [path for _, path in live]
