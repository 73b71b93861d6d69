"""Whether the owner of a slave's host is using it, by what the kernel counts of un-niced work.

Jobs run niced, so of the CPU time that /proc/stat knows, `nice` is theirs and `user` is the owner's: his programs, and
what his own builds do at home. The slave's own part of it is taken off. (`system` does not tell whose it is.) Source of
the format: proc(5), /proc/stat.
"""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

_SMOOTH_S = 3.0  # a share counts by so many seconds: a shell prompt is no use of the host
_LEAVES = 0.6  # of the bound: below that the owner has stopped using it
_FIELDS = 8  # of the line `cpu`, before guests' time, which is in user's and nice's already


class Owner:
    """Looked at every now and then, by one thread."""

    def __init__(self, bound: float | None, clock: Callable[[], float] = time.monotonic,
                 read: Callable[[], tuple[float, float, float]] | None = None) -> None:  # fmt: skip
        """`bound`: the share of all CPUs, from 0 to 1, beyond which the owner is using the host; None: never.

        `read` returns seconds of CPU: un-niced user time of the host, all time of all its CPUs, this process's own
        user time.
        """
        self._bound = bound
        self._clock = clock
        self._read = read or read_kernel
        self._last: tuple[float, tuple[float, float, float]] | None = None
        self.share = -1.0 if bound is None else 0.0
        self.is_here = False

    def look(self) -> bool:
        """Look again. Returns whether the owner has come or gone since."""
        if self._bound is None:
            return False
        now, read = self._clock(), self._read()
        if self._last is None:
            self._last = now, read
            return False
        elapsed = now - self._last[0]
        user, total, own = (new - old for new, old in zip(read, self._last[1], strict=True))
        if elapsed <= 0 or total <= 0:
            return False
        self._last = now, read
        share = min(1.0, max(0.0, (user - own) / total))
        self.share += (share - self.share) * -math.expm1(-elapsed / _SMOOTH_S)
        was_here = self.is_here
        self.is_here = self.share > self._bound * (_LEAVES if was_here else 1.0)
        return self.is_here != was_here


def read_kernel() -> tuple[float, float, float]:
    """What Owner needs of this host and this process, in seconds. Raises OSError."""
    tick = os.sysconf("SC_CLK_TCK")
    with Path("/proc/stat").open() as file:
        counts = [int(word) for word in file.readline().split()[1 : 1 + _FIELDS]]
    # A slave that was started niced is not in `user` at all.
    own = os.times().user if os.getpriority(os.PRIO_PROCESS, 0) <= 0 else 0.0
    return counts[0] / tick, sum(counts) / tick, own
