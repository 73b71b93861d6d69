"""Doing a piece of work once when several threads want it: who fetches which blob."""

import threading
from collections.abc import Iterable


class Claims:
    """Digests being fetched now, each by one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[bytes, threading.Event] = {}

    def take(self, digests: Iterable[bytes]) -> tuple[list[bytes], list[threading.Event]]:
        """Claim what nobody fetches: returns that, and what is set when others are done with the rest."""
        mine, others = [], []
        with self._lock:
            for digest in digests:
                event = self._taken.get(digest)
                if event is None:
                    self._taken[digest] = threading.Event()
                    mine.append(digest)
                else:
                    others.append(event)
        return mine, others

    def give_back(self, digests: Iterable[bytes]) -> None:
        """End claims, whether the blobs were got or not."""
        with self._lock:
            for digest in digests:
                self._taken.pop(digest).set()
