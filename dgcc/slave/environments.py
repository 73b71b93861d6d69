"""The environments on this slave: each fetched once, shared by all masters' jobs, the longest unused out first."""

import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from dgcc.slave import soundness
from dgcc.slave.fetch import Fetch, listing
from dgcc.slave.peers import reach
from dgcc.slave.session import ProtocolTrouble
from dgcc.slave.soundness import COMPLETE, SIZE
from dgcc.store import manifest
from dgcc.store.blobindex import BlobIndex
from dgcc.store.descent import OPEN_DIRECTORY, remove
from dgcc.store.digests import holds
from dgcc.store.entry import Entry, Kind
from dgcc.store.environment import environment_key
from dgcc.store.errors import StoreError
from dgcc.store.pull import BlobSource
from dgcc.store.sync import LayerSource

_KEY_SIZE = 32
# Between two looks at whether a complete environment is still as it was laid out, which takes some 30 ms.
_TRUSTED_S = 60.0

log = logging.getLogger(__name__)


class System(Struct, frozen=True):
    """The environments of one job on disk, topmost first, and the bytes that were pulled for it."""

    trees: tuple[Path, ...]
    received: int


class _Place:
    """One environment: the lock is held by who brings it here; the rest is guarded by the pool's lock."""

    def __init__(self, key: bytes, directory: Path) -> None:
        self.key = key
        self.directory = directory
        self.lock = threading.Lock()
        self.users = 0
        self.size = 0  # bytes of content, as far as known
        self.sound = False  # it is complete and was looked at
        self.trusted_until = 0.0  # on the pool's clock: then it is looked at again
        self.spoilt = ""  # why no further job may use it
        self.attempts = 0
        self.failure: tuple[Any, Exception] | None = None  # the last attempt's source, and what became of it

        self._entries: list[Entry] | None = None

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def entries(self) -> list[Entry]:
        """Of a complete one; they are read when somebody wants them, which a job does not. Nothing if they are lost."""
        if self._entries is None:
            known = manifest.read(self.directory / COMPLETE) or {}
            self._entries = sorted(known.values(), key=lambda entry: entry.path)
        return self._entries

    def know(self, entries: list[Entry]) -> None:
        self._entries = entries
        self.size = sum(entry.size for entry in entries)

    def forget(self) -> None:
        self._entries = None
        self.sound = False


class _Contents(BlobIndex):
    """Which content is where; of an environment, once anybody asks after it was offered."""

    def __init__(self, root: bytes) -> None:
        super().__init__(root)
        self._guard = threading.RLock()
        self._offered: deque[_Place] = deque()

    def offer(self, place: _Place) -> None:
        with self._guard:
            self._offered.append(place)

    def withdraw(self, place: _Place) -> None:
        with self._guard:
            if place in self._offered:
                self._offered.remove(place)
            elif place.sound:
                for path, digest in _contents(place):
                    self.discard(digest, path)

    def paths(self, digest: bytes) -> tuple[bytes, ...]:
        if self._offered:
            with self._guard:
                while self._offered:
                    place = self._offered.popleft()
                    for path, content in _contents(place):
                        self.add(content, path)
        return super().paths(digest)


class EnvironmentPool:
    """Environments by key in one directory of one process; any thread may call.

    `index` tells which content lies where below the directory, of all environments that are complete.
    """

    def __init__(
        self,
        directory: Path,
        owner: tuple[int, int] | None,
        limit: int,
        *,
        host: bytes = b"/",
        reach: Callable[[Any], BlobSource] = reach,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`owner`: as in SlaveOptions. `limit`: bytes of content kept, but for what is in use.

        `host`: the root of this host's own system, whose files serve as a source. `reach`: makes a source of a
        peer as jobs name it. `clock`: seconds. Raises OSError.
        """
        self._clock = clock
        self._directory = directory
        self._owner = owner
        self._limit = limit
        self._host = host
        self._reach = reach
        self._lock = threading.Lock()
        self._places: OrderedDict[bytes, _Place] = OrderedDict()  # the longest unused first
        self._serial = 0
        directory.mkdir(parents=True, exist_ok=True)
        self.index = self._contents = _Contents(os.fsencode(directory))
        self._find_complete()

    def _find_complete(self) -> None:
        found = []
        for directory in self._directory.iterdir():
            try:
                key = bytes.fromhex(directory.name)
                used = (directory / COMPLETE).stat().st_mtime
                size = int((directory / SIZE).read_text())
            except (OSError, ValueError):
                self._delete(directory)  # what a crash left
                continue
            found.append((used, key, size))
        for _, key, size in sorted(found):
            place = self._places[key] = _Place(key, self._directory / key.hex())
            place.size = size

    def complete(self) -> list[bytes]:
        """The keys of the environments that are here and have been looked at: what `index` has the content of."""
        with self._lock:
            return [key for key, place in self._places.items() if place.sound and not place.spoilt]

    @contextmanager
    def use(self, needs: Sequence[Any], source: LayerSource) -> Iterator[System]:
        """Have the environments of a job (DGCC.EnvironmentNeed) here while the block runs.

        What is missing is fetched, `source` being the master's. Raises ProtocolTrouble, StoreError, OSError and
        what the source raises.
        """
        taken: list[_Place] = []
        try:
            received = 0
            for need in needs:
                place = self._take(bytes(need.key))
                taken.append(place)
                received += self._complete(place, source, need.peers)
            yield System(tuple(place.tree for place in taken), received)
        finally:
            for place in taken:
                self._give_back(place)

    def _take(self, key: bytes) -> _Place:
        if len(key) != _KEY_SIZE:
            raise ProtocolTrouble("an environment has a key that is none")
        with self._lock:
            self._look_at_suspects()
            place = self._places.get(key)
            if place is None:
                place = self._places[key] = _Place(key, self._directory / key.hex())
            place.users += 1
            return place

    def _give_back(self, place: _Place) -> None:
        with self._lock:
            place.users -= 1
            if place.users:
                return
            self._places.move_to_end(place.key)
            put_out = []
            if place.spoilt:
                put_out.append(self._put_out(place))
            else:
                with suppress(FileNotFoundError):  # not complete
                    os.utime(place.directory / COMPLETE)
            total = sum(other.size for other in self._places.values())
            for other in list(self._places.values()):
                if total <= self._limit:
                    break
                if not other.users:
                    total -= other.size
                    put_out.append(self._put_out(other))
        for directory in put_out:
            self._delete(directory)

    def _put_out(self, place: _Place) -> Path:
        """Forget an environment; returns the directory that is left to be deleted."""
        del self._places[place.key]
        self._contents.withdraw(place)
        self._serial += 1
        gone = self._directory / f"gone-{self._serial}"
        with suppress(FileNotFoundError):
            place.directory.rename(gone)
        return gone

    def _delete(self, directory: Path) -> None:
        try:
            fd = os.open(self._directory, OPEN_DIRECTORY)
            try:
                remove(fd, os.fsencode(directory.name), insist=True)
            finally:
                os.close(fd)
        except OSError as error:
            log.warning("cannot remove %s: %s", directory, error)

    def _look_at_suspects(self) -> None:
        """Who read for a peer may have found other content than there was: such an environment is used no more."""
        for path in self.index.take_suspects():
            name, _, rest = path.partition(b"/tree/")
            place = self._places.get(bytes.fromhex(name.decode()))
            if place is None or place.spoilt:
                continue
            wanted = next((entry.digest for entry in place.entries if entry.path == rest), None)
            if wanted is not None and not holds(os.path.join(self.index.root, path), wanted):
                place.spoilt = f"the environment in {place.directory} was changed on this slave's disk"
                log.error("%s; it is fetched again", place.spoilt)
                if not place.users:
                    self._delete(self._put_out(place))

    # ---- Bringing one here ---------------------------------------------------------------------------------

    def _complete(self, place: _Place, source: LayerSource, peers: Sequence[Any]) -> int:
        """See that an environment is here and sound. Returns the bytes pulled for it by this call."""
        attempts = place.attempts
        with place.lock:
            if place.spoilt:
                raise StoreError(place.spoilt)
            if place.sound and not self._changed(place):
                return 0
            if place.failure and place.attempts != attempts and place.failure[0] is source:
                raise place.failure[1]  # of the attempt that this one waited for
            received = 0
            if not self._look(place):
                try:
                    received = self._fetch(place, source, peers)
                except Exception as error:
                    place.attempts += 1
                    place.failure = (source, error)
                    if isinstance(error, OSError):  # the disk: what is half done only takes room there
                        place.spoilt = f"no environment can be kept in {place.directory}: {error.strerror}"
                    raise
            with self._lock:
                place.sound = True
                place.trusted_until = self._clock() + _TRUSTED_S
                place.failure = None
                self._contents.offer(place)
            return received

    def _changed(self, place: _Place) -> bool:
        """Whether a complete environment, looked at now and then, has changed on the disk and is to be brought anew.

        A header that somebody has removed would change objects without a word. Raises StoreError if it has changed
        and other jobs use it.
        """
        if self._clock() < place.trusted_until:
            return False
        if self._all_right(place):
            place.trusted_until = self._clock() + _TRUSTED_S
            return False
        with self._lock:
            if place.users > 1:
                place.spoilt = f"the environment in {place.directory} was changed on this slave's disk"
                log.error("%s; it is fetched again", place.spoilt)
                raise StoreError(place.spoilt)
            self._contents.withdraw(place)
            place.forget()
        return True

    def _all_right(self, place: _Place) -> bool:
        """Whether a complete environment is as it was laid out."""
        tree = os.fsencode(place.tree)
        if soundness.unchanged(place.directory, tree):
            return True
        try:
            soundness.remember(place.directory, tree, place.entries)
        except OSError as error:
            log.info("what %s is like cannot be kept: %s", place.directory, error)
        if not soundness.as_laid_out(place.directory, tree, place.entries):
            return False
        soundness.confirm(place.directory)
        return True

    def _look(self, place: _Place) -> bool:
        """Whether what an earlier process completed is here, and is as it was laid out."""
        if not (place.directory / COMPLETE).exists():
            return False
        if soundness.unchanged(place.directory, os.fsencode(place.tree)):
            return True
        if environment_key(place.entries) == place.key and self._all_right(place):
            return True
        place.forget()
        log.error("the environment in %s is damaged; it is fetched again", place.directory)
        self._delete(place.directory)
        return False

    def _fetch(self, place: _Place, source: LayerSource, peers: Sequence[Any]) -> int:
        start = time.monotonic()
        entries = listing(source, place.key)
        place.size = sum(entry.size for entry in entries)
        fetch = Fetch(place.directory, self._owner, self.index, self._host)
        fetch.run(entries, source, [self._reach(peer) for peer in peers if peer is not None])
        (place.directory / SIZE).write_text(str(place.size))
        manifest.write(place.directory / COMPLETE, {entry.path: entry for entry in entries})
        brought = fetch.brought
        log.info(
            "environment %s: %d files, %d MB: %d MB here, %d MB from peers, %d MB from the master, %.1f s",
            place.key.hex()[:6], sum(entry.kind is Kind.FILE for entry in entries),
            sum({entry.digest: entry.size for entry in entries}.values()) // 1_000_000,
            brought.here // 1_000_000, brought.peers // 1_000_000, brought.master // 1_000_000,
            time.monotonic() - start,
        )  # fmt: skip
        place.know(entries)
        return brought.received


def _contents(place: _Place) -> Iterator[tuple[bytes, bytes]]:
    """Where a complete environment has which content: paths below the pool's directory, and digests."""
    top = os.fsencode(place.directory.name) + b"/tree/"
    return ((top + entry.path, entry.digest) for entry in place.entries if entry.kind is Kind.FILE)
