"""Brings one environment to this slave: what it consists of from the master, the content from wherever it is near."""

import contextlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from dgcc.corba import CORBA
from dgcc.slave.peers import Metered, Peer
from dgcc.slave.session import ProtocolTrouble
from dgcc.store.blobindex import BlobIndex
from dgcc.store.blobs import BlobStore
from dgcc.store.descent import OPEN_DIRECTORY, components, parent_fd, parent_of, remove
from dgcc.store.entry import Entry, Kind
from dgcc.store.environment import environment_key, layer_name
from dgcc.store.errors import BadDigest, BadPath, StoreError, shown
from dgcc.store.mirror import Mirror
from dgcc.store.pull import BlobSource, pull, pull_what_there_is
from dgcc.store.sync import LayerSource

_MOST_ENTRIES = 1_000_000
_BATCH_BYTES = 32 << 20
_BATCH_FILES = 2000
_CHUNK = 1 << 20
# Directories of this host in which nothing is looked for: private, short-lived, or no files at all.
_NEVER = (b"dev", b"home", b"proc", b"root", b"run", b"sys", b"tmp", b"var/tmp")
_DIGEST_SIZE = 32
_ROUNDS = 3

log = logging.getLogger(__name__)


class Brought(Struct):
    """Where content came from, in bytes of content; `received` is what crossed the network for it."""

    here: int = 0
    peers: int = 0
    master: int = 0
    received: int = 0


def listing(source: LayerSource, key: bytes) -> list[Entry]:
    """The entries of an environment as the master tells them, in order of path.

    Raises ProtocolTrouble if they make no sense or do not have this key, and what the source raises.
    """
    layer = layer_name(key)
    entries: list[Entry] = []
    version = 0
    while True:
        page = source.changes(layer, version)
        # Its version is the number of its entries, so each step of it must have come with one.
        told = page.upto == version + len(page.entries)
        if not told or not page.upto <= page.latest <= _MOST_ENTRIES or page.upto == version != page.latest:
            raise ProtocolTrouble(f"{layer}: asked for entries from {version} on, got {page.upto} of {page.latest}")
        entries += page.entries
        version = page.upto
        if version == page.latest:
            break
    entries.sort(key=lambda entry: entry.path)
    _check(layer, entries)
    if environment_key(entries) != key:
        raise ProtocolTrouble(f"{layer}: what the master tells of it has another key")
    return entries


def _check(layer: str, entries: Iterable[Entry]) -> None:
    """Raise ProtocolTrouble unless these lie in one tree, each path once, whole files only."""
    directories = {b""}
    last = None
    for entry in entries:
        try:
            components(entry.path)
        except BadPath as error:
            raise ProtocolTrouble(f"{layer}: {error}") from error
        whole = entry.kind is Kind.DIRECTORY or entry.kind is Kind.SYMLINK or len(entry.digest) == _DIGEST_SIZE
        if entry.kind is Kind.GONE or not whole or entry.path == last or parent_of(entry.path) not in directories:
            raise ProtocolTrouble(f"{layer}: what the master tells of {shown(entry.path)} makes no sense")
        if entry.kind is Kind.DIRECTORY:
            directories.add(entry.path)
        last = entry.path


class Fetch:
    """One attempt to bring an environment into `directory`; a later one takes up what an earlier one brought."""

    def __init__(
        self,
        directory: Path,
        owner: tuple[int, int] | None,
        near: BlobIndex,
        host: bytes = b"/",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`near`: content of other environments on this slave. `host`: the root of this host's own system."""
        self.brought = Brought()
        self._directory = directory
        self._owner = owner
        self._near = near
        self._host = host
        self._clock = clock
        self._peers: list[Peer] = []
        self._laid: dict[bytes, bytes] = {}  # where content lies that this attempt has laid out

    def run(self, entries: Sequence[Entry], source: BlobSource, peers: Sequence[BlobSource]) -> None:
        """Lay the environment out below `directory`, at `tree`.

        Raises StoreError, OSError and what `source` raises; `brought` tells what came until then.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self._peers = [Peer(peer, self._clock) for peer in peers]
        master = Metered(source)
        everyone: list[Metered] = [*self._peers, master]
        with contextlib.ExitStack() as stack:
            # A store for this alone, out of which content is moved: it never lies on the disk twice.
            blobs = BlobStore(self._directory / "blobs", _BATCH_BYTES)
            stack.callback(blobs.close)
            mirror = Mirror(self._directory, blobs, owner=self._owner, moves=True)
            stack.callback(mirror.close)
            there = mirror.entries()
            mirror.begin_full()
            try:
                for batch in _batches(entries):
                    self._take_in(batch, there, mirror, master)
            finally:
                self.brought.received = sum(metered.received for metered in everyone)
            mirror.end_full()
        fd = os.open(self._directory, OPEN_DIRECTORY)
        try:
            for name in (b"blobs", b"incoming", b"manifest.json", b"lock"):
                remove(fd, name, insist=True)
        finally:
            os.close(fd)

    def _take_in(self, batch: list[Entry], there: dict[bytes, Entry], mirror: Mirror, master: Metered) -> None:
        """Fetch and lay out these entries, but for the content of what an earlier attempt has left `there`."""
        wanted = [entry for entry in batch if there.get(entry.path) != entry]
        for _ in range(_ROUNDS):
            files = {entry.digest: entry for entry in wanted if entry.kind is Kind.FILE}
            with mirror.blobs.hold(files):
                for entry in files.values():
                    if entry.digest not in mirror.blobs and self._find_here(entry, mirror.blobs):
                        self.brought.here += entry.size
                self._ask_peers(files, mirror.blobs)
                missing = [entry for entry in files.values() if entry.digest not in mirror.blobs]
                pull(master, missing, mirror.blobs)
                self.brought.master += sum(entry.size for entry in missing)
                wanted = mirror.apply(batch)
            self._laid.update((entry.digest, entry.path) for entry in batch if entry.kind is Kind.FILE)
            batch = wanted
            if not wanted:
                return
        raise StoreError(f"{shown(wanted[0].path)} goes bad on the disk of this slave while it is laid out")

    def _find_here(self, entry: Entry, blobs: BlobStore) -> bool:
        """Take content from this or another environment, or from this host's own file at that very path."""
        laid = self._laid.get(entry.digest)
        if laid is not None and _copied(os.fsencode(self._directory / "tree"), laid, entry, blobs, 0):
            return True
        if any(_copied(self._near.root, path, entry, blobs, 0) for path in self._near.paths(entry.digest)):
            return True
        if any(entry.path == top or entry.path.startswith(top + b"/") for top in _NEVER):
            return False
        return _copied(self._host, entry.path, entry, blobs, stat.S_IROTH)

    def _ask_peers(self, files: dict[bytes, Entry], blobs: BlobStore) -> None:
        for peer in list(self._peers):
            missing = [entry for entry in files.values() if entry.digest not in blobs]
            if not missing:
                return
            try:
                pull_what_there_is(peer, missing, blobs)
            except (CORBA.Exception, StoreError) as error:
                log.info("a peer is left alone: %s", error)
                self._peers.remove(peer)
            self.brought.peers += sum(entry.size for entry in missing if entry.digest in blobs)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += entry.size
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _copied(root: bytes, path: bytes, entry: Entry, blobs: BlobStore, mode: int) -> bool:
    """Copy the file at `path` below `root`, if it has these mode bits and the entry's content, into the store."""
    try:
        root_fd = os.open(root, OPEN_DIRECTORY)
        try:
            with parent_fd(root_fd, path) as (directory, name):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                file = os.open(name, flags, dir_fd=directory)
        finally:
            os.close(root_fd)
    except (OSError, BadPath):
        return False
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & mode != mode or status.st_size != entry.size:
            return False
        with blobs.writer(entry.digest) as writer:
            while data := os.read(file, _CHUNK):
                writer.write(data)
    except BadDigest:
        return False
    finally:
        os.close(file)
    return True
