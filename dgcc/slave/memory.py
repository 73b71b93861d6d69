"""What memory a slave's host has for jobs: in all, and at this moment."""

from collections.abc import Callable
from pathlib import Path

import psutil

from dgcc.store.jaillimits import Limits, host_memory

_GROUP = Path("/sys/fs/cgroup")


class Memory:
    """Bytes of memory for jobs, of which `slots` run at once."""

    def __init__(self, slots: int, limits: Limits, available: Callable[[], int] | None = None,
                 group: Path = _GROUP) -> None:  # fmt: skip
        """`available`: what the kernel says can be had without swapping. `group`: of this process, as it sees it."""
        self._limits = limits
        self._available = available or (lambda: int(psutil.virtual_memory().available))
        self._group = group
        self._most = slots * limits.memory
        self.total = min(host_memory(), self._most)

    def free(self) -> int:
        """What jobs can have now before one is ended for want of it. What the page cache holds counts as free."""
        room = min(self._available(), self._room_in_group())
        return max(0, min(room - self._limits.memory_left, self._most))

    def _room_in_group(self) -> int:
        """What the control group of this process, as of a container, has left."""
        try:
            most = int((self._group / "memory.max").read_text())
            used = int((self._group / "memory.current").read_text())
            cached = dict(line.split() for line in (self._group / "memory.stat").read_text().splitlines())
            return most - used + int(cached.get("inactive_file", 0))
        except (OSError, ValueError):  # it has none, or its bound is "max"
            return 1 << 62
