"""The master's side of content: blobs straight from the trees that have them, compressed where it helps.

Called from the ORB's threads, several at a time. What is shared is the layers' BlobIndex, made for that, and
the hot blobs, behind a lock that is never held while a file is read or compressed. A file may have changed
since its digest was taken, so content is verified before it is sent, and a wrong path is told to its layer.
"""

import hashlib
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from dgcc.store.blobindex import BlobIndex
from dgcc.store.descent import OPEN_DIRECTORY, parent_fd
from dgcc.store.digests import Stamp, digest_file, stamp_of
from dgcc.store.entry import PIECE, Blob
from dgcc.store.errors import BadPath, UnknownBlob
from dgcc.store.packing import pack

ANSWER_BYTES = PIECE + PIECE // 2
HOT_BYTES = 64 << 20

_EMPTY = hashlib.sha256(b"").digest()
_Key = tuple[bytes, int, int]  # digest, offset, count


class TreeSource:
    """Serves the content of layers, given by their `blobs`. hot_bytes: bound on what is kept packed."""

    def __init__(self, indexes: Sequence[BlobIndex], hot_bytes: int = HOT_BYTES) -> None:
        self._indexes = tuple(indexes)
        self._hot: OrderedDict[_Key, Blob] = OrderedDict()
        self._hot_room = hot_bytes
        self._verified: dict[bytes, Stamp] = {}  # of large files, which are read in pieces
        self._lock = threading.Lock()

    def add(self, index: BlobIndex) -> None:
        """Serve a further layer's content from here on."""
        self._indexes = (*self._indexes, index)

    def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
        """Whole blobs in the order asked, as many as fit in ANSWER_BYTES but at least one.

        Raises UnknownBlob for the first one if no file has this content now, or if it is larger than PIECE;
        a later one that cannot be had ends the answer before it.
        """
        answer: list[Blob] = []
        room = ANSWER_BYTES
        for digest in wanted:
            try:
                blob = self._blob(digest)
            except UnknownBlob:
                if answer:
                    break
                raise
            room -= len(blob.data) + 64
            if room < 0 and answer:
                break
            answer.append(blob)
        return answer

    def packed_piece(self, digest: bytes, offset: int, count: int) -> Blob:
        """As `piece`, compressed where that helps, and kept for the next who asks."""
        # A farm's slaves ask for the same large programs at the same time, through one network interface.
        key = digest, offset, count
        blob = self._kept(key)
        return blob or self._keep(key, Blob(digest, *pack(self.piece(digest, offset, count))))

    def piece(self, digest: bytes, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset` on; empty at the end. Raises UnknownBlob as `blobs` does."""
        for index, path in self._places(digest):
            try:
                with _opened(index.root, path) as (file, status):
                    if self._is_still(digest, stamp_of(status), index, path):
                        return os.pread(file, count, offset) if offset < status.st_size else b""
            except (OSError, BadPath):
                pass
            index.suspect(path)
        if digest == _EMPTY:
            return b""
        raise UnknownBlob(digest)

    def _is_still(self, digest: bytes, stamp: Stamp, index: BlobIndex, path: bytes) -> bool:
        """Whether a file with this stamp has this content; reads it the first time."""
        if self._verified.get(digest) == stamp:
            return True
        found = digest_file(index.root.rstrip(b"/") + b"/" + path, 0)
        if found is None or found.digest != digest or found.stamp != stamp:
            return False
        with self._lock:
            self._verified[digest] = stamp
        return True

    def _places(self, digest: bytes) -> Iterator[tuple[BlobIndex, bytes]]:
        for index in self._indexes:
            for path in index.paths(digest):
                yield index, path

    def _blob(self, digest: bytes) -> Blob:
        key = digest, 0, PIECE
        return self._kept(key) or self._keep(key, Blob(digest, *pack(self._read(digest))))

    def _kept(self, key: _Key) -> Blob | None:
        with self._lock:
            blob = self._hot.get(key)
            if blob is not None:
                self._hot.move_to_end(key)
            return blob

    def _keep(self, key: _Key, blob: Blob) -> Blob:
        with self._lock:
            if key not in self._hot:
                self._hot[key] = blob
                self._hot_room -= _cost(blob)
            while self._hot_room < 0 and self._hot:
                _, old = self._hot.popitem(last=False)
                self._hot_room += _cost(old)
        return blob

    def _read(self, digest: bytes) -> bytes:
        if digest == _EMPTY:
            return b""
        for index, path in self._places(digest):
            try:
                with _opened(index.root, path) as (file, status):
                    if status.st_size <= PIECE:
                        # One byte more than it should have shows a file that grows.
                        data = os.pread(file, status.st_size + 1, 0)
                        if hashlib.sha256(data).digest() == digest:
                            return data
            except (OSError, BadPath):
                pass
            index.suspect(path)
        raise UnknownBlob(digest)


def _cost(blob: Blob) -> int:
    """Bytes of memory that keeping a blob takes, roughly."""
    return len(blob.data) + 300


class _opened:
    """A regular file below `root`, opened without following a symlink: gives (descriptor, its status)."""

    def __init__(self, root: bytes, path: bytes) -> None:
        self._root, self._path, self._file = root, path, -1

    def __enter__(self) -> tuple[int, os.stat_result]:
        root_fd = os.open(self._root, OPEN_DIRECTORY)
        try:
            with parent_fd(root_fd, self._path) as (directory, name):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                self._file = os.open(name, flags, dir_fd=directory)
        finally:
            os.close(root_fd)
        status = os.fstat(self._file)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._file)
            raise OSError("not a regular file")
        return self._file, status

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
