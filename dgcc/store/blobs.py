"""A slave's store: content kept in files named by its digest, bounded in size, the longest unused out first.

A blob lies at `XX/YYYY...`, the digest in hex. Files appear by rename, so each is whole after a crash, and
what a crash left in `incoming` is removed when the store is opened. How long ago a blob was used is its
file's mtime.
"""

import errno
import fcntl
import hashlib
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dgcc.store.claims import Claims
from dgcc.store.digests import holds
from dgcc.store.errors import BadDigest, StoreBusy, UnknownBlob

__all__ = ["BlobStore", "BlobWriter", "StoreBusy", "lock_directory"]

_TOUCH_S = 600  # how exact the record of a blob's last use is
_DIGEST_SIZE = 32


def lock_directory(directory: Path) -> int:
    """Make a directory this process's own; returns the descriptor that holds it. Raises StoreBusy."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        text = f"{directory} is in use by another process; give this one a directory of its own"
        raise StoreBusy(text) from error
    return lock


class BlobStore:
    """Content by digest, in one directory of one process; any thread may call.

    limit_bytes: how much is kept. The bound gives way only to what is held. clock: seconds since 1970.
    Raises StoreBusy if another process has the directory, OSError if it cannot be used.
    """

    def __init__(self, directory: Path, limit_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self.claims = Claims()
        self._directory = directory
        self._limit = limit_bytes
        self._clock = clock
        self._mutex = threading.Lock()
        self._held: Counter[bytes] = Counter()
        self._sizes: OrderedDict[bytes, tuple[int, float]] = OrderedDict()  # digest -> size, last touch
        self._fresh: set[bytes] = set()  # written, and so verified, by this process
        self._total = 0
        self._serial = 0
        self._lock_fd = lock_directory(directory)
        self._incoming = directory / "incoming"
        self._incoming.mkdir(exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        self._load()
        self._make_room()

    def _load(self) -> None:
        found = []
        for bucket in self._directory.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(bucket) as listing:
                for item in listing:
                    try:
                        digest = bytes.fromhex(bucket.name + item.name)
                    except ValueError:
                        continue
                    if len(digest) == _DIGEST_SIZE:
                        status = item.stat()
                        found.append((status.st_mtime, digest, status.st_size))
        for used, digest, size in sorted(found):
            self._sizes[digest] = size, used
            self._total += size

    # ---- Reading -------------------------------------------------------------------------------------------

    @property
    def total_bytes(self) -> int:
        """How much content is kept now."""
        return self._total

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def is_fresh(self, digest: bytes) -> bool:
        """Whether this process has written the content itself: the disk has hardly spoilt it since."""
        return digest in self._fresh

    def path(self, digest: bytes) -> Path:
        """Where the content of this digest lies, if it does."""
        return Path(self._file(digest))

    def _file(self, digest: bytes) -> str:
        # Plain strings: a Path for each of many thousand small files takes as long as writing them.
        text = digest.hex()
        return f"{self._directory}/{text[:2]}/{text[2:]}"

    def open(self, digest: bytes) -> int:
        """A descriptor to read the content from; marks it as used. Raises UnknownBlob."""
        with self._mutex:
            known = self._sizes.get(digest)
            if known is None:
                raise UnknownBlob(digest)
            self._sizes.move_to_end(digest)
            now = self._clock()
            stale = now - known[1] > _TOUCH_S
            if stale:
                self._sizes[digest] = known[0], now
        path = self._file(digest)
        try:
            if stale:
                os.utime(path, (now, now))
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self.discard(digest)
            raise UnknownBlob(digest) from None

    def take(self, digest: bytes, directory_fd: int, name: bytes) -> None:
        """Move the content out of the store, to `name` in a directory of the same file system.

        It has been verified when it came, not again, unless that was in an earlier process. Raises UnknownBlob,
        OSError.
        """
        if digest not in self._fresh and not holds(os.fsencode(self._file(digest)), digest):
            self.discard(digest)
        with self._mutex:
            if digest not in self._sizes:
                raise UnknownBlob(digest)
            try:
                os.rename(self._file(digest), name, dst_dir_fd=directory_fd)
            except FileNotFoundError:
                self._remove(digest)
                raise UnknownBlob(digest) from None
            self._remove(digest)

    def read(self, digest: bytes) -> bytes:
        """The content, verified. Content that went bad on disk is dropped. Raises UnknownBlob."""
        with os.fdopen(self.open(digest), "rb") as file:
            data = file.read()
        if hashlib.sha256(data).digest() != digest:
            self.discard(digest)
            raise UnknownBlob(digest)
        return data

    # ---- Writing -------------------------------------------------------------------------------------------

    def expect_room(self, size: int) -> None:
        """Raise OSError (ENOSPC) if content of so many bytes will not fit onto the disk anyway."""
        place = os.statvfs(self._directory)
        if size > place.f_bavail * place.f_frsize:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(self._directory))

    def put(self, digest: bytes, data: bytes) -> None:
        """Keep content. Raises BadDigest if it is not what the digest names."""
        with self.writer(digest) as writer:
            writer.write(data)

    @contextmanager
    def writer(self, digest: bytes) -> Iterator["BlobWriter"]:
        """Keep content that comes in pieces: it is there after the block. Raises BadDigest at its end."""
        with self._mutex:
            self._serial += 1
            temp = f"{self._incoming}/{self._serial}"
        writer = BlobWriter(temp)
        try:
            with writer:
                yield writer
            if writer.digest() != digest:
                raise BadDigest(
                    f"content of {writer.size} bytes came as {digest.hex()}, but has the digest {writer.digest().hex()}"
                )
            place = self._file(digest)
            with self._mutex:  # lest it be put out between its coming and its being counted
                try:
                    os.rename(temp, place)
                except FileNotFoundError:
                    os.mkdir(os.path.dirname(place))
                    os.rename(temp, place)
                if digest not in self._sizes:
                    self._total += writer.size
                self._sizes[digest] = writer.size, self._clock()
                self._fresh.add(digest)
                self._sizes.move_to_end(digest)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temp)
            raise
        self._make_room()

    def discard(self, digest: bytes) -> None:
        """Forget content, if it is there."""
        with self._mutex:
            self._remove(digest)

    def _remove(self, digest: bytes) -> None:
        self._fresh.discard(digest)
        known = self._sizes.pop(digest, None)
        if known is not None:
            self._total -= known[0]
            with suppress(FileNotFoundError):
                os.unlink(self._file(digest))

    @contextmanager
    def hold(self, digests: Iterable[bytes]) -> Iterator[None]:
        """Keep these from being put out, whether they are here already or come, while the block runs."""
        mine = set(digests)
        with self._mutex:
            self._held.update(mine)
        try:
            yield
        finally:
            with self._mutex:
                self._held.subtract(mine)
                for digest in mine:
                    if self._held[digest] <= 0:
                        del self._held[digest]
            self._make_room()

    def _make_room(self) -> None:
        with self._mutex:
            if self._total <= self._limit:
                return
            for digest in list(self._sizes):
                if digest not in self._held:
                    self._remove(digest)
                    if self._total <= self._limit:
                        return

    def close(self) -> None:
        """Give the directory up. No call is allowed after this one."""
        os.close(self._lock_fd)


class BlobWriter:
    """One piece of content on its way into the store."""

    def __init__(self, temp: str) -> None:
        self.size = 0
        self._state = hashlib.sha256()
        self._fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Append. Raises OSError, e.g. when the disk is full."""
        self._state.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self.size += len(data)

    def digest(self) -> bytes:
        """The digest of all that was written."""
        return self._state.digest()

    def __enter__(self) -> "BlobWriter":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
