"""What a job did to its layers, as outputs for the master: small content inside the result, the rest kept for it."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from dgcc.corba import DGCC
from dgcc.store.descent import OPEN_DIRECTORY, parent_fd
from dgcc.store.entry import WITHHELD_MARK, Entry, Kind
from dgcc.store.errors import BadPath, StoreError
from dgcc.store.jaillimits import Limits, size
from dgcc.store.packing import pack
from dgcc.store.upper import Change, changes
from dgcc.store.wire import entry_to_wire

# Content up to this size in all travels inside the result; larger files are fetched in pieces.
INLINE_BYTES = 1 << 20
_CHUNK = 1 << 20


class WithheldUsed(StoreError):
    """A job changed or copied a file whose content this slave does not have."""

    def __init__(self, path: bytes) -> None:
        """`path`: absolute, as the job sees it. The message is the form in which the master looks for it."""
        super().__init__(f"withheld: {os.fsdecode(path)}")


class TooMuch(StoreError):
    """A job left more than a slave brings home. The message is a sentence that names the limit."""


class Written(Struct, frozen=True):
    """A writable layer after a job: where the job saw it, its mirror, what the job changed in it."""

    root: bytes
    tree: Path
    upper: Path
    withheld: Callable[[bytes], bool]  # whether a placeholder lies at a path of the mirror


def collect(layers: Sequence[Written], files: list[Any], limits: Limits | None = None) -> dict[int, Path]:
    """Append what a job changed to `files` (DGCC.Output). Returns what is too large for it, by index.

    Raises WithheldUsed where content is that of a placeholder, TooMuch, OSError.
    """
    kept: dict[int, Path] = {}
    room = INLINE_BYTES
    found = [(layer, changes(layer.upper, [layer.tree])) for layer in layers]
    _check(found, limits)
    for layer, changed in found:
        for change in changed:
            if change.path == b".":
                continue  # the root directory's own mode is not the job's to change
            digest, data, touched = b"", b"", False
            if change.kind is Kind.FILE:
                path = layer.upper / os.fsdecode(change.path)
                digest, marked, content = _read(path, room)
                if marked:
                    raise WithheldUsed(os.path.join(layer.root, _origin(layer, change, changed)))
                touched = _same(path, layer.tree, change.path)
                if touched:
                    pass
                elif content is None:
                    kept[len(files)] = path
                else:
                    data = content
                    room -= len(data)
            entry = Entry(change.path, change.kind, change.mode, change.mtime_ns, change.size, digest, change.link)
            files.append(DGCC.Output(layer.root, entry_to_wire(entry), touched, *_packed(data)))
    return kept


def _packed(data: bytes) -> tuple[bytes, bool]:
    compressed, packed = pack(data)
    return packed, compressed


def _check(found: Sequence[tuple[Written, Sequence[Change]]], limits: Limits | None) -> None:
    """Before anything is read: a sparse file takes no room here, but its whole size would have to travel."""
    if limits is None:
        return
    total = sum(change.size for _, changed in found for change in changed)
    if total > limits.output:
        raise TooMuch(f"the job wrote more than {size(limits.output)}")
    if sum(len(changed) for _, changed in found) > limits.files:
        raise TooMuch(f"the job made more than {limits.files} files")


def _open(path: str | bytes, directory: int | None = None) -> BinaryIO:
    """Open a regular file, and nothing else that a job, or a project, may have put in its place."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no regular file", path)
    return os.fdopen(fd, "rb")


def _read(path: Path, room: int) -> tuple[bytes, bool, bytes | None]:
    """Digest of a file, whether a placeholder's mark is in it, and its content if that is at most `room` bytes."""
    state = hashlib.sha256()
    content = b""
    marked = False
    with _open(os.fspath(path)) as file:
        small = os.fstat(file.fileno()).st_size <= room
        end = b""
        while data := file.read(_CHUNK):
            state.update(data)
            # The mark may lie across two pieces.
            marked = marked or WITHHELD_MARK in data or WITHHELD_MARK in end + data[: len(WITHHELD_MARK)]
            end = data[-len(WITHHELD_MARK) :]
            if small:
                content += data
    return state.digest(), marked, content if small else None


def _origin(layer: Written, change: Change, changed: Sequence[Change]) -> bytes:
    """The withheld file that a placeholder's content at `change` comes from, as far as one can tell."""
    if layer.withheld(change.path):
        return change.path
    # It was renamed, and is gone, or was made readable and copied.
    return next((other.path for other in changed if layer.withheld(other.path)), change.path)


def _same(path: Path, tree: Path, name: bytes) -> bool:
    """Whether a file that a job opened for writing, or touched, has the content that the layer has at `name`.

    The layer may have a link where the job made a directory: what it leads to is none of the job's business.
    """
    try:
        root = os.open(tree, OPEN_DIRECTORY)
        try:
            with parent_fd(root, name) as (directory, last), _open(last, directory) as lower:
                return _equal(path, lower)
        finally:
            os.close(root)
    except (BadPath, OSError):
        return False


def _equal(path: Path, lower: BinaryIO) -> bool:
    if os.fstat(lower.fileno()).st_size != path.lstat().st_size:
        return False
    with _open(os.fspath(path)) as upper:
        while data := upper.read(_CHUNK):
            if data != lower.read(len(data)):
                return False
    return not lower.read(1)
