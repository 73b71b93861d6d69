"""Seeing that a complete environment is still as it was laid out: each entry by its inode, or at once by all of them.

A header that somebody has removed or changed would change objects without a word. A file's time can be set back after
a change, that of its inode cannot. What goes bad without the file system knowing shows in neither.
"""

import hashlib
import logging
import marshal
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from dgcc.store.digests import TICK_NS, holds
from dgcc.store.entry import Entry, Kind
from dgcc.store.looks import look, look_again, newest

# Beside the tree, once it is complete: its entries as a manifest, and the bytes of content in it.
COMPLETE = "complete"
SIZE = "size"
_SEEN = "seen"
_MAGIC = b"dgcc-seen-1\n"
_DIGEST = hashlib.sha256().digest_size

log = logging.getLogger(__name__)


def as_laid_out(place: Path, tree: bytes, entries: Sequence[Entry]) -> bool:
    """Whether all entries are as they should be; a file whose inode was changed since then is read."""
    changed = False
    try:
        since = (place / SIZE).stat().st_ctime_ns
        for entry in entries:
            path = os.path.join(tree, entry.path)
            status = os.lstat(path)
            if not _looks_right(status, entry, path):
                return False
            if entry.kind is Kind.FILE and status.st_ctime_ns > since:
                changed = True
                if not holds(path, entry.digest):
                    return False
        if changed:
            os.utime(place / SIZE)  # found right, and not to be read again
    except OSError:
        return False
    return True


def remember(place: Path, tree: bytes, entries: Sequence[Entry]) -> None:
    """Keep how the inodes are, for `unchanged`. Call it before `as_laid_out`, and `confirm` if that is so.

    What was changed just now is not kept: it might change again and look the same.
    """
    paths = [tree, *(os.path.join(tree, entry.path) for entry in entries)]
    now = time.time_ns()
    records = look(paths)
    (place / _SEEN).unlink(missing_ok=True)
    if newest(records) >= now - TICK_NS:
        return
    body = marshal.dumps((_manifest(place), len(paths), b"\0".join((*paths, b"")), records))
    temp = place / f"{_SEEN}.new"
    temp.write_bytes(_MAGIC + hashlib.sha256(body).digest() + body)


def confirm(place: Path) -> None:
    """What `remember` has kept was found right."""
    try:
        os.replace(place / f"{_SEEN}.new", place / _SEEN)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.info("%s cannot be kept: %s", place / _SEEN, error)


def unchanged(place: Path, tree: bytes) -> bool:
    """Whether every inode is as it was when all was last found right, and the manifest is the same."""
    try:
        text = (place / _SEEN).read_bytes()
        body = memoryview(text)[len(_MAGIC) + _DIGEST :]
        if not text.startswith(_MAGIC + hashlib.sha256(body).digest()):
            return False
        told, count, paths, records = marshal.loads(body)
        # The store may have been moved.
        return bool(
            told == _manifest(place) and paths.startswith(tree + b"\0") and look_again(paths, count) == records
        )
    except (OSError, ValueError, TypeError, EOFError):
        return False


def _manifest(place: Path) -> bytes:
    return hashlib.sha256((place / COMPLETE).read_bytes()).digest()


def _looks_right(status: os.stat_result, entry: Entry, path: bytes) -> bool:
    """Whether what lies at an entry's path may be it; content lost in a power cut shows in size or time."""
    if entry.kind is Kind.FILE:
        return (
            stat.S_ISREG(status.st_mode)
            and status.st_size == entry.size
            and status.st_mtime_ns == entry.mtime_ns
            and stat.S_IMODE(status.st_mode) == entry.mode & 0o1777
        )
    if entry.kind is Kind.SYMLINK:
        return stat.S_ISLNK(status.st_mode) and os.readlink(path) == entry.link
    return stat.S_ISDIR(status.st_mode)
