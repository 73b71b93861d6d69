"""Doing a piece of work once when several threads want it: who fetches which blob."""

import threading
from collections.abc import Iterable


class Claims:
    """Digests being fetched now, each by one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[bytes, threading.Event] = {}

    def take(self, digests: Iterable[bytes]) -> tuple[list[bytes], list[threading.Event]]:
        """Claim what nobody fetches: returns that, and what is set when others are done with the rest.

        All of `mine` is to be given back together.
        """
        mine: list[bytes] = []
        others: set[threading.Event] = set()
        done = threading.Event()  # one for all: making one for each blob takes as long as writing a small blob
        with self._lock:
            for digest in digests:
                event = self._taken.get(digest)
                if event is None:
                    self._taken[digest] = done
                    mine.append(digest)
                else:
                    others.add(event)
        return mine, list(others)

    def give_back(self, digests: Iterable[bytes]) -> None:
        """End claims, whether the blobs were got or not."""
        with self._lock:
            ended = {self._taken.pop(digest) for digest in digests}
        for event in ended:
            event.set()
