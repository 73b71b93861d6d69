"""The values that layers are made of: what lies at a path, a page of changes, a blob, an output of a job."""

import enum
import hashlib
from typing import NamedTuple

from msgspec import Struct

PIECE = 1 << 20
"""The largest content that travels whole, in bytes; the same number as DGCC::PIECE."""

# Computed, so that it stands in no source or compiled file: where it is found, content of a placeholder is.
WITHHELD_MARK = hashlib.sha256(b"DGCC has not been asked for this file's content").digest()
"""What a placeholder begins with, 32 bytes; a shorter file is never withheld."""


class Kind(enum.Enum):
    """What lies at a path; the names are those of DGCC::EntryKind."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    GONE = "gone"


class Entry(Struct, frozen=True):
    """What lies at one path of a layer.

    path: relative to the layer's root, without a leading slash.
    mode: permission bits, 07777. mtime_ns: nanoseconds since 1970 UTC; 0 for directories, whose times follow
    from what is done in them. size: bytes of a FILE. digest: SHA-256 of a FILE, 32 bytes; empty if it is withheld:
    the file is there, but its content has not been asked for. link: of a SYMLINK.
    """

    path: bytes
    kind: Kind
    mode: int = 0
    mtime_ns: int = 0
    size: int = 0
    digest: bytes = b""
    link: bytes = b""

    @property
    def withheld(self) -> bool:
        """Whether this is a file whose content the layer does not offer so far."""
        return self.kind is Kind.FILE and not self.digest


class Page(Struct, frozen=True):
    """A stretch of a layer's changes: a reader of all `entries` has reached version `upto` of `latest`."""

    upto: int
    latest: int
    entries: tuple[Entry, ...]


class Blob(NamedTuple):
    """Content as it travels: `data` is one zstd frame if `compressed`, else the content itself."""

    digest: bytes
    compressed: bool
    data: bytes


class Output(Struct, frozen=True):
    """What a job made of one path below a root: content in `data`, or in the file named by `spool`.

    An entry whose mtime_ns is 0 was written while the job ran; any other time was set on purpose.
    """

    entry: Entry
    data: bytes = b""
    spool: bytes = b""
