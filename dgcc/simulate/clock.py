"""Simulated time: what happens when, each thing in the order of its time, then of its being planned."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any


class Clock:
    """Seconds from the start of the build."""

    def __init__(self) -> None:
        self.now = 0.0
        self._plans: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = itertools.count()

    def at(self, when: float, what: Callable[..., None], *arguments: Any) -> None:
        """Have `what(*arguments)` called at `when`, or now if that is over."""
        heapq.heappush(self._plans, (max(when, self.now), next(self._count), what, arguments))

    def run(self, ended: Callable[[], bool]) -> bool:
        """Let time pass until `ended()`, or until nothing is planned any more: then return False."""
        while not ended():
            if not self._plans:
                return False
            self.now, _, what, arguments = heapq.heappop(self._plans)
            what(*arguments)
        return True
