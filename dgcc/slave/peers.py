"""Other slaves as sources of content: trusted with nothing, given up at the first sign of trouble."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from dgcc.corba import set_call_timeout
from dgcc.naming.deadlines import deadlines, milliseconds
from dgcc.store.errors import StoreError, UnknownBlob
from dgcc.store.pull import BlobSource
from dgcc.store.wire import RemoteSource

_PATIENCE_S = 3.0
_LEAST_RATE = 1_000_000  # bytes a second; the master's own network is hardly slower
_MOST_LACKING = 16


class PeerTrouble(StoreError):
    """A peer is of no use: too slow, or without what it was thought to have."""


def reach(stub: Any) -> BlobSource:
    """A peer's DGCC::Source by its stub, whose calls wait for a few seconds at most."""
    set_call_timeout(stub, milliseconds(deadlines().peer))
    return RemoteSource(stub)


class Metered:
    """A source, with a count of the bytes that came from it."""

    def __init__(self, source: BlobSource) -> None:
        self.received = 0
        self._source = source
        self._lock = threading.Lock()  # several threads ask at once

    def blobs(self, wanted: Sequence[bytes]) -> Sequence[Any]:
        """As BlobSource.blobs."""
        answer = self._source.blobs(wanted)
        self._count(sum(len(blob.data) for blob in answer))
        return answer

    def piece(self, digest: bytes, offset: int, count: int) -> Any:
        """As BlobSource.piece."""
        answer = self._source.piece(digest, offset, count)
        self._count(len(answer.data))
        return answer

    def _count(self, received: int) -> None:
        with self._lock:
            self.received += received


class Peer(Metered):
    """Another slave's store. What it gives is verified by who puts it into a BlobStore."""

    def __init__(self, source: BlobSource, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(source)
        self._clock = clock
        self._waiting = 0  # calls under way
        self._since = 0.0  # as long as there are some
        self._spent = 0.0  # seconds in which there were some
        self._lacking = 0

    def blobs(self, wanted: Sequence[bytes]) -> Sequence[Any]:
        """As BlobSource.blobs. Raises PeerTrouble besides."""
        return self._watched(super().blobs, wanted)

    def piece(self, digest: bytes, offset: int, count: int) -> Any:
        """As BlobSource.piece. Raises PeerTrouble besides."""
        return self._watched(super().piece, digest, offset, count)

    def _watched(self, call: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            if not self._waiting:
                self._since = self._clock()
            self._waiting += 1
        try:
            answer = call(*arguments)
        except UnknownBlob as error:
            with self._lock:
                self._lacking += 1
            if self._lacking > _MOST_LACKING:
                raise PeerTrouble("it does not have the environment any more") from error
            raise
        finally:
            with self._lock:
                now = self._clock()
                self._waiting -= 1
                self._spent += now - self._since
                self._since = now
        if self._spent > _PATIENCE_S + self.received / _LEAST_RATE:
            raise PeerTrouble(f"it is slow: {self.received} bytes in {self._spent:.1f} s")
        return answer
