"""One environment: its entries in order, its key, and what can be said of paths in it."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property

from dgcc.master.environment.closure import Closure, within
from dgcc.master.environment.contents import Contents
from dgcc.store.entry import Entry, Kind, Page
from dgcc.store.environment import environment_key
from dgcc.store.errors import BadVersion
from dgcc.store.versions import PAGE_BYTES

_ENTRY_OVERHEAD = 80  # bytes of an entry on the wire beside path and link
_LINKS_FOLLOWED = 40
_EMPTY = hashlib.sha256(b"").digest()


class Environment:
    """Entries by path below "/", parents first; `complete` are directories, absolute, of which all is in it."""

    def __init__(self, key: bytes, complete: frozenset[bytes], told: Callable[[], Sequence[Entry]]) -> None:
        """`told` gives the entries, which must have this key, once somebody wants them."""
        self.key = key
        self.complete = complete
        self._told = told

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return tuple(sorted(self._told(), key=lambda entry: entry.path))

    @cached_property
    def _at(self) -> dict[bytes, Entry]:
        return {entry.path: entry for entry in self.entries}

    def get(self, path: bytes) -> Entry | None:
        """What lies at a path below "/"."""
        return self._at.get(path)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    def changes(self, since: int, limit_bytes: int = PAGE_BYTES) -> Page:
        """Entries from number `since` on, as Layer.changes gives them; the version is how many there are.

        Raises BadVersion for a number beyond that.
        """
        latest = len(self.entries)
        if not 0 <= since <= latest:
            raise BadVersion(f"environment {self.key.hex()[:12]} has {latest} entries, and none after {since}")
        upto, room = since, limit_bytes
        while upto < latest:
            entry = self.entries[upto]
            room -= _ENTRY_OVERHEAD + len(entry.path) + len(entry.link)
            if room < 0 and upto > since:
                break
            upto += 1
        return Page(upto, latest, self.entries[since:upto])


def build(closure: Closure, contents: Contents) -> Environment:
    """The environment that a closure makes: with the digests of its files. May read all of them.

    A file that may not be read here is in it as an empty one that may not be read: a job is to fail at it, too.
    """
    files = {
        path: what.stamp
        for path, what in closure.found.items()
        if what.stamp is not None and path not in closure.replaced
    }
    digests = contents.digests(files, closure.complete)
    entries = []
    for path, what in closure.found.items():
        if what.kind is Kind.DIRECTORY:
            entries.append(Entry(path[1:], Kind.DIRECTORY, what.mode))
        elif what.kind is Kind.SYMLINK:
            entries.append(Entry(path[1:], Kind.SYMLINK, what.mode, what.mtime_ns, link=what.link))
        elif path in closure.replaced:
            size, digest = contents.shim()
            entries.append(Entry(path[1:], Kind.FILE, 0o755, what.mtime_ns, size, digest))
        elif path in digests:
            stamp, digest = digests[path]
            entries.append(Entry(path[1:], Kind.FILE, what.mode, stamp.mtime_ns, stamp.size, digest))
        elif what.stamp is not None:
            entries.append(Entry(path[1:], Kind.FILE, 0, what.stamp.mtime_ns, 0, _EMPTY))
    return Environment(environment_key(entries), frozenset(closure.complete), lambda: entries)


def covered(environments: Sequence[Environment], path: bytes) -> bool:
    """Whether a job that has these environments, topmost first, finds at an absolute path what lies there here.

    A directory counts only if all below it is there.
    """

    def look(place: bytes) -> Entry | None:
        return next((entry for e in environments if (entry := e.get(place[1:])) is not None), None)

    todo, at, links = path.split(b"/")[::-1], b"", 0
    while todo:
        name = todo.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            at = at.rpartition(b"/")[0]
            continue
        here = at + b"/" + name
        entry = look(here)
        if entry is None:
            return False
        if entry.kind is Kind.SYMLINK:
            links += 1
            if links > _LINKS_FOLLOWED:
                return False
            at = b"" if entry.link.startswith(b"/") else at
            todo += entry.link.split(b"/")[::-1]
        elif entry.kind is Kind.FILE:
            return not any(part not in (b"", b".") for part in todo)
        else:
            at = here
    return any(within(at, top) for environment in environments for top in environment.complete)


def describe(environment: Environment) -> str:
    """A line for the log."""
    return f"{environment.key.hex()[:12]}: {len(environment.entries)} entries, {environment.size >> 20} MiB"
