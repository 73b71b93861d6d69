"""Naming content: SHA-256 of files, and the stamp by which a file is known to be unchanged.

What a source mentions is taken in the same reading, where that is wanted.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from msgspec import Struct

from dgcc.store.mentions import SCANNED_BYTES, Mention, may_mention, mentions

TICK_NS = 20_000_000
"""File times come from a clock that advances in ticks (4 or 10 ms on Linux): two writes in one look alike."""

_CHUNK = 1 << 20
_BATCH = 64
_POOL_FROM = 4 * _BATCH


class Stamp(NamedTuple):
    """What a file's inode says about its content: equal stamps mean equal content, if `settled`."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Digested(Struct, frozen=True):
    """A file's digest with the inode's state when it was taken; `settled` as in the function of that name.

    mentions: of a source, if it was asked for.
    """

    digest: bytes
    stamp: Stamp
    mode: int
    settled: bool
    mentions: tuple[Mention, ...] = ()


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp that a stat result holds."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def settled(stamp: Stamp, read_at_ns: int) -> bool:
    """Whether a file read at `read_at_ns` (wall clock) cannot have been written later under this stamp."""
    return stamp.ctime_ns < read_at_ns - TICK_NS


def digest_file(path: bytes, now_ns: int, *, scan: bool = False) -> Digested | None:
    """Digest of a regular file; None if there is none at `path` or it may not be read.

    scan: with what it mentions, if it is a source.

    A file that changes while it is read is read again; if it does not come to rest, its last state is given
    as not settled. `now_ns`: the wall clock before the call.
    """
    scan = scan and may_mention(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        for _ in range(3):
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                return None
            digest, length, found = _digest_fd(fd, before.st_size, scan)
            after = os.fstat(fd)
            stamp = stamp_of(after)
            calm = stamp_of(before) == stamp and length == stamp.size
            if calm:
                break
            os.lseek(fd, 0, os.SEEK_SET)
        return Digested(digest, stamp, stat.S_IMODE(after.st_mode), calm and settled(stamp, now_ns), found)
    except OSError:
        return None
    finally:
        os.close(fd)


def holds(path: bytes, digest: bytes) -> bool:
    """Whether the regular file at `path` has the content of this digest; reads it."""
    found = digest_file(path, 0)
    return found is not None and found.digest == digest


def _digest_fd(fd: int, size: int, scan: bool) -> tuple[bytes, int, tuple[Mention, ...]]:
    if size < (SCANNED_BYTES if scan else _CHUNK):
        # One byte more than the file should have: a short answer is its end, without another read.
        data = os.read(fd, size + 1)
        if len(data) <= size:
            return hashlib.sha256(data).digest(), len(data), mentions(data) if scan else ()
        os.lseek(fd, 0, os.SEEK_SET)
    state, length = hashlib.sha256(), 0
    while data := os.read(fd, _CHUNK):
        state.update(data)
        length += len(data)
    return state.digest(), length, ()


def digest_files(
    paths: Sequence[bytes], now_ns: int, *, scan: bool = False
) -> Iterator[tuple[bytes, Digested | None]]:
    """As `digest_file` for many, in the order of `paths`, by several threads if there are many."""
    if len(paths) < _POOL_FROM:
        for path in paths:
            yield path, digest_file(path, now_ns, scan=scan)
        return
    batches = [paths[i : i + _BATCH] for i in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "digest") as pool:
        work = pool.map(lambda batch: [digest_file(path, now_ns, scan=scan) for path in batch], batches)
        for batch, results in zip(batches, work, strict=True):
            yield from zip(batch, results, strict=True)


def scan_file(path: bytes) -> tuple[Mention, ...]:
    """What the source at `path` mentions; nothing if it is no source, or cannot be read."""
    if not may_mention(path):
        return ()
    found = digest_file(path, 0, scan=True)
    return found.mentions if found is not None else ()
