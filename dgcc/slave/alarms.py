"""Many things that each happen at their own time, on one thread: a thread for each would be too dear by hundreds."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Alarms:
    """Calls what was set, at its time or soon after, one after the other. What is called must not wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._set: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Have `call` called on the alarms' thread in so many seconds. On any thread."""
        alarm = (self._clock() + seconds, next(self._numbers), call)
        with self._changed:
            heapq.heappush(self._set, alarm)
            if self._set[0] is alarm:
                self._changed.notify()

    def end(self) -> None:
        """Call nothing more."""
        with self._changed:
            self._ended = True
            self._set.clear()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ended and (not self._set or self._set[0][0] > self._clock()):
                    self._changed.wait(self._set[0][0] - self._clock() if self._set else None)
                if self._ended:
                    return
                _, _, call = heapq.heappop(self._set)
            try:
                call()
            except Exception:
                log.exception("a mistake of the slave's")
