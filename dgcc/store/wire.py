"""The store's values as the structs of idl/dgcc.idl, and back: all that the store knows of CORBA."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dgcc.corba import DGCC
from dgcc.store.entry import Blob, Entry, Kind, Page
from dgcc.store.errors import BadEntry, UnknownBlob, UnknownLayer, shown

_TO_WIRE = {kind: getattr(DGCC, kind.name) for kind in Kind}
_FROM_WIRE = {item: kind for kind, item in _TO_WIRE.items()}

_DIGEST_SIZE = 32
_LARGEST = (1 << 63) - 1  # what the system calls for sizes take
_LINK_MAX = 4095


def entry_to_wire(entry: Entry) -> Any:
    """An Entry as DGCC.Entry."""
    return DGCC.Entry(
        entry.path, _TO_WIRE[entry.kind], entry.mode, entry.mtime_ns, entry.size, entry.digest, entry.link
    )


def entry_from_wire(entry: Any) -> Entry:
    """A DGCC.Entry as Entry. Raises BadEntry for one that no file system can hold; its path is not looked at."""
    kind = _FROM_WIRE[entry.kind]
    if entry.mode > 0o7777:
        raise _bad(entry, f"a mode of {entry.mode:o}")
    if entry.size > _LARGEST:
        raise _bad(entry, f"a size of {entry.size} bytes")
    if len(entry.digest) not in ((0, _DIGEST_SIZE) if kind is Kind.FILE else (0,)):
        raise _bad(entry, f"a digest of {len(entry.digest)} bytes")
    if (kind is Kind.SYMLINK) != bool(entry.link) or len(entry.link) > _LINK_MAX or b"\0" in entry.link:
        raise _bad(entry, f"a link of {len(entry.link)} bytes")
    return Entry(entry.path, kind, entry.mode, entry.mtime_ns, entry.size, entry.digest, entry.link)


def _bad(entry: Any, what: str) -> BadEntry:
    return BadEntry(f"'{shown(entry.path[:100])}' was announced as a {entry.kind} with {what}: nothing is like that")


def entries_from_wire(entries: Iterable[Any]) -> list[Entry]:
    """DGCC.Entry structs as Entry values."""
    return [entry_from_wire(entry) for entry in entries]


def page_to_wire(page: Page) -> Any:
    """A Page as DGCC.Page."""
    return DGCC.Page(page.upto, page.latest, [entry_to_wire(entry) for entry in page.entries])


def page_from_wire(page: Any) -> Page:
    """A DGCC.Page as Page."""
    return Page(page.upto, page.latest, tuple(entries_from_wire(page.entries)))


def blobs_to_wire(blobs: Iterable[Blob]) -> list[Any]:
    """Blobs as DGCC.Blob structs."""
    return [DGCC.Blob(blob.digest, blob.compressed, blob.data) for blob in blobs]


def blob_from_wire(blob: Any) -> Blob:
    """A DGCC.Blob as Blob."""
    return Blob(blob.digest, blob.compressed, blob.data)


@contextmanager
def errors_to_wire() -> Iterator[None]:
    """Raise the store's errors within the block as the exceptions that DGCC::Source declares."""
    try:
        yield
    except UnknownBlob as error:
        raise DGCC.UnknownBlob(error.digest) from error
    except UnknownLayer as error:
        raise DGCC.UnknownLayer(str(error)) from error


class RemoteSource:
    """A DGCC::Source by its stub, in the store's own values and errors."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def changes(self, layer: str, since: int) -> Page:
        """As in the IDL. Raises UnknownLayer."""
        try:
            return page_from_wire(self._stub.changes(layer, since))
        except DGCC.UnknownLayer as error:
            raise UnknownLayer(f"the master has no layer {layer}") from error

    def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
        """As in the IDL. Raises UnknownBlob."""
        try:
            return [blob_from_wire(blob) for blob in self._stub.blobs(list(wanted))]
        except DGCC.UnknownBlob as error:
            raise UnknownBlob(error.digest) from error

    def piece(self, digest: bytes, offset: int, count: int) -> Blob:
        """As in the IDL. Raises UnknownBlob."""
        try:
            return blob_from_wire(self._stub.piece(digest, offset, count))
        except DGCC.UnknownBlob as error:
            raise UnknownBlob(error.digest) from error
