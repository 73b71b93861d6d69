"""Fetching the content that a slave lacks: in batches, large ones in pieces, each once however many ask."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from dgcc.store.ahead import ahead
from dgcc.store.blobs import BlobStore
from dgcc.store.entry import PIECE, Entry, Kind
from dgcc.store.errors import BadDigest, UnknownBlob
from dgcc.store.packing import unpack

BATCH = 512
"""Blobs asked for in one request, at most."""


class BlobSource(Protocol):
    """Who has content: a TreeSource's servant by its stub, or `wire.RemoteSource` around that."""

    def blobs(self, wanted: Sequence[bytes]) -> Sequence[Any]:
        """As DGCC::Source::blobs; each answer has digest, compressed and data."""

    def piece(self, digest: bytes, offset: int, count: int) -> Any:
        """As DGCC::Source::piece; the answer has compressed and data."""


class Pulled(Struct, frozen=True):
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


def _fetch(source: BlobSource, sizes: Mapping[bytes, int], blobs: BlobStore, lost: set[bytes]) -> int:
    received = 0
    batches = list(_batches(sizes))
    large = [(digest, size) for digest, size in sizes.items() if size > PIECE]
    calls: Iterable[Callable[[], _Answer]] = itertools.chain(
        (partial(_ask, source, batch, sizes) for batch in batches),
        (partial(_ask_piece, source, *each, at, lost) for each in large for at in range(0, each[1], PIECE)),
    )
    with closing(ahead(calls)) as answers:
        for answer in itertools.islice(answers, len(batches)):
            received += answer.received
            lost |= answer.lost
            for digest, data in answer.content:
                blobs.put(digest, data)
        for digest, size in large:
            received += _take_large(itertools.islice(answers, -(-size // PIECE)), digest, size, blobs, lost)
    return received


class _Answer(Struct, frozen=True):
    """What came of a request."""

    received: int
    content: Sequence[tuple[bytes, bytes]]  # digest, data
    lost: frozenset[bytes] = frozenset()


def _batches(sizes: Mapping[bytes, int]) -> Iterator[list[bytes]]:
    """What travels whole, in requests that are likely to be answered at once."""
    batch: list[bytes] = []
    room = PIECE
    for digest, size in sizes.items():
        if size > PIECE:
            continue
        if batch and (len(batch) == BATCH or size > room):
            yield batch
            batch, room = [], PIECE
        batch.append(digest)
        room -= size
    if batch:
        yield batch


def _ask(source: BlobSource, wanted: Sequence[bytes], sizes: Mapping[bytes, int]) -> _Answer:
    rest = list(wanted)
    received = 0
    content: list[tuple[bytes, bytes]] = []
    lost: set[bytes] = set()
    while rest:
        try:
            answer = source.blobs(rest)
        except UnknownBlob as error:
            if error.digest not in rest:
                raise BadDigest(f"the source lacks {error.digest.hex()}, which nobody asked for") from error
            rest.remove(error.digest)
            lost.add(error.digest)
            continue
        if not answer:
            raise BadDigest("the source answered a request for content with nothing")
        for digest, blob in zip(rest, answer, strict=False):
            if blob.digest != digest:
                raise BadDigest(f"asked for {digest.hex()}, got {blob.digest.hex()}")
            received += len(blob.data)
            content.append((digest, unpack(blob.data, sizes[digest]) if blob.compressed else blob.data))
        rest = rest[len(answer) :]
    return _Answer(received, content, frozenset(lost))


def _ask_piece(source: BlobSource, digest: bytes, size: int, offset: int, lost: set[bytes]) -> _Answer:
    if digest in lost:
        return _Answer(0, [], frozenset((digest,)))
    count = min(PIECE, size - offset)
    try:
        piece = source.piece(digest, offset, count)
    except UnknownBlob:
        return _Answer(0, [], frozenset((digest,)))
    data = unpack(piece.data, count) if piece.compressed else piece.data
    if len(data) != count:  # only the end may be short, and no piece longer
        raise BadDigest(f"{digest.hex()} was to have {size} bytes; at {offset} came {len(data)}")
    return _Answer(len(piece.data), [(digest, data)])


def _take_large(pieces: Iterator[_Answer], digest: bytes, size: int, blobs: BlobStore, lost: set[bytes]) -> int:
    received = 0
    blobs.expect_room(size)
    try:
        with blobs.writer(digest) as writer:
            for piece in pieces:
                if piece.lost:
                    raise UnknownBlob(digest)
                received += piece.received
                writer.write(piece.content[0][1])
    except UnknownBlob:
        lost.add(digest)
        for _ in pieces:
            pass
    return received
