"""Fetching the content that a slave lacks: in batches, large ones in pieces, each once however many ask."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dgcc.store.blobs import BlobStore
from dgcc.store.entry import PIECE, Entry, Kind
from dgcc.store.errors import BadDigest, UnknownBlob
from dgcc.store.packing import unpack

BATCH = 512
"""Blobs asked for in one request."""


class BlobSource(Protocol):
    """Who has content: a TreeSource's servant by its stub, or `wire.RemoteSource` around that."""

    def blobs(self, wanted: Sequence[bytes]) -> Sequence[Any]:
        """As DGCC::Source::blobs; each answer has digest, compressed and data."""

    def piece(self, digest: bytes, offset: int, count: int) -> Any:
        """As DGCC::Source::piece; the answer has compressed and data."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought: bytes of content as they crossed the wire, and digests that nobody has now."""

    received: int
    lost: frozenset[bytes]


def pull(source: BlobSource, entries: Iterable[Entry], blobs: BlobStore) -> int:
    """Bring the content of all files among `entries` into the store; returns the bytes received.

    Raises UnknownBlob when a file changed meanwhile (what else could be had is in the store then), BadDigest
    for content that is not what it was asked as, and what the source raises.
    """
    pulled = pull_what_there_is(source, entries, blobs)
    if pulled.lost:
        raise UnknownBlob(min(pulled.lost))
    return pulled.received


def pull_what_there_is(source: BlobSource, entries: Iterable[Entry], blobs: BlobStore) -> Pulled:
    """As `pull`, but content that nobody has any more is reported, not raised.

    The deadline of a wait is that of the source's own calls: whoever waits for another thread's fetch waits
    for no longer than those take.
    """
    sizes = {entry.digest: entry.size for entry in entries if entry.kind is Kind.FILE and entry.digest}
    received = 0
    lost: set[bytes] = set()
    with blobs.hold(sizes):  # lest the first be put out to make room for the last
        while missing := [digest for digest in sizes if digest not in blobs and digest not in lost]:
            mine, others = blobs.claims.take(missing)
            try:
                received += _fetch(source, {d: sizes[d] for d in mine if d not in blobs}, blobs, lost)
            finally:
                blobs.claims.give_back(mine)
            for event in others:
                event.wait()
    return Pulled(received, frozenset(lost))


def _fetch(source: BlobSource, sizes: dict[bytes, int], blobs: BlobStore, lost: set[bytes]) -> int:
    received = 0
    small = [digest for digest, size in sizes.items() if size <= PIECE]
    while small:
        try:
            answer = source.blobs(small[:BATCH])
        except UnknownBlob as error:
            if error.digest not in small:
                raise BadDigest(f"the source lacks {error.digest.hex()}, which nobody asked for") from error
            small.remove(error.digest)
            lost.add(error.digest)
            continue
        if not answer:
            raise BadDigest("the source answered a request for content with nothing")
        for wanted, blob in zip(small, answer, strict=False):
            if blob.digest != wanted:
                raise BadDigest(f"asked for {wanted.hex()}, got {blob.digest.hex()}")
            received += len(blob.data)
            blobs.put(wanted, unpack(blob.data, sizes[wanted]) if blob.compressed else blob.data)
        small = small[len(answer) :]
    for digest, size in sizes.items():
        if size > PIECE:
            try:
                received += _fetch_large(source, digest, size, blobs)
            except UnknownBlob:
                lost.add(digest)
    return received


def _fetch_large(source: BlobSource, digest: bytes, size: int, blobs: BlobStore) -> int:
    received = 0
    blobs.expect_room(size)
    with blobs.writer(digest) as writer:
        while (rest := size - writer.size) > 0:
            count = min(PIECE, rest)
            piece = source.piece(digest, writer.size, count)
            received += len(piece.data)
            data = unpack(piece.data, count) if piece.compressed else piece.data
            if len(data) != count:  # only the end may be short, and no piece longer
                raise BadDigest(f"{digest.hex()} was to have {size} bytes; at {writer.size} came {len(data)}")
            writer.write(data)
    return received
