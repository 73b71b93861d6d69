"""Digests of the system's files: taken once, remembered between builds, given to those who ask for the content."""

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping

from dgcc.master.environment.closure import within
from dgcc.master.environment.prefixes import SHIM
from dgcc.store.blobindex import BlobIndex
from dgcc.store.cache import DigestCache, Remembered
from dgcc.store.digests import Stamp, digest_file, digest_files

Row = tuple[Stamp, bytes]
"""A file's stamp, and the digest of its content."""


class Contents:
    """What is in which file. One thread at a time but for `learn`; the indexes may be read by any.

    cache: digests kept between builds. clock_ns: the wall clock, nanoseconds since 1970.
    """

    def __init__(self, cache: DigestCache, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.index = BlobIndex(b"/")
        self.shims = BlobIndex(os.fsencode(SHIM.parent))
        self._cache = cache
        self._clock_ns = clock_ns
        self._lock = threading.Lock()  # guards _known and the index together
        self._known: dict[bytes, Row] = {}  # path below "/" -> what was found there last
        self._loaded: set[bytes] = set()
        self._remembered: dict[bytes, Row] = {}
        self._shim: tuple[int, bytes] | None = None

    def shim(self) -> tuple[int, bytes]:
        """Size in bytes and digest of the script that stands in for ccache and its like. Raises OSError."""
        if self._shim is None:
            digested = digest_file(os.fsencode(SHIM), self._clock_ns())
            if digested is None:
                raise FileNotFoundError(2, "a file of DGCC itself is missing", str(SHIM))
            self.shims.add(digested.digest, os.fsencode(SHIM.name))
            self._shim = digested.stamp.size, digested.digest
        return self._shim

    def doubt(self, path: bytes) -> None:
        """The content of this path, below "/", is not what was said: read it again."""
        self._remembered.pop(path, None)
        self._put(path, None)

    def learn(self, path: bytes, stamp: Stamp, digest: bytes) -> None:
        """What was found at a path below "/" by an earlier build; it does not win over what is known. Any thread."""
        with self._lock:
            if path not in self._known:
                self._known[path] = stamp, digest
                self.index.add(digest, path)

    def digests(self, wanted: Mapping[bytes, Stamp], directories: Collection[bytes]) -> dict[bytes, Row]:
        """Stamp and digest of files by absolute path; a file that cannot be read is not in the answer.

        `wanted` has the stamps that were seen just now. `directories`: whole trees among them.
        """
        found: dict[bytes, Row] = {}
        missing = []
        for path, stamp in wanted.items():
            known = self._known.get(path[1:])
            if known is not None and known[0] == stamp:
                found[path] = known
            else:
                missing.append(path)
        if not missing:
            return found
        places = _outermost({*directories, *(os.path.dirname(path) for path in missing)})
        self._load(places)
        unknown = []
        for path in missing:
            remembered = self._remembered.pop(path[1:], None)
            if remembered is not None and remembered[0] == wanted[path]:
                found[path] = remembered
                self._put(path[1:], remembered)
            else:
                unknown.append(path)
        fresh: dict[bytes, dict[bytes, Row]] = {}
        for path, digested in digest_files(unknown, self._clock_ns()):
            if digested is None:
                self._put(path[1:], None)
                continue
            row = found[path] = digested.stamp, digested.digest
            self._put(path[1:], row)
            if digested.settled:
                place = next(place for place in places if within(path, place))
                fresh.setdefault(place, {})[path[len(place.rstrip(b"/")) + 1 :]] = row
        for place, rows in fresh.items():
            self._cache.save(place, {path: Remembered(*row) for path, row in rows.items()})
        return found

    def _put(self, path: bytes, row: Row | None) -> None:
        with self._lock:
            before = self._known.pop(path, None)
            if row is not None:
                self._known[path] = row
            if before is not None and (row is None or row[1] != before[1]):
                self.index.discard(before[1], path)
            if row is not None and (before is None or row[1] != before[1]):
                self.index.add(row[1], path)

    def _load(self, places: list[bytes]) -> None:
        for place in places:
            if any(within(place, known) for known in self._loaded):
                continue
            self._loaded.add(place)
            prefix = place[1:] + b"/" if place != b"/" else b""
            for path, row in self._cache.load(place).items():
                self._remembered.setdefault(prefix + path, row[:2])


def _outermost(directories: Collection[bytes]) -> list[bytes]:
    """Those of some directories that lie in no other of them."""
    found: list[bytes] = []
    for directory in sorted(directories):
        if not (found and within(directory, found[-1])):
            found.append(directory)
    return found
