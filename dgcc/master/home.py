"""The home slots: how many recipes run on the master's own machine at once.

Recipes that make keeps at home have their own bound, apart from the farm's slots, so that a high -j does not
freeze the machine. A recipe that itself waits for recipes, such as a sub-make, must not hold a slot while it
does, or nested makes would wait for each other for ever: as soon as a process asks that descends from a running
recipe, that recipe's slot is given back.
"""

import os
from collections.abc import Callable

_LONGEST_STAT = 4096


def parent_of(pid: int) -> int:
    """Return the parent process id of `pid`, or 0 where there is none (any more). Source: proc(5), `stat`."""
    try:
        file = os.open(b"/proc/%d/stat" % pid, os.O_RDONLY | os.O_CLOEXEC)
        try:
            stat = os.read(file, _LONGEST_STAT)
        finally:
            os.close(file)
        return int(stat[stat.rindex(b")") + 2 :].split(None, 2)[1])
    except (OSError, ValueError, IndexError):
        return 0


class HomeSlots:
    """Gives `limit` slots to jobs, first come first served; a job that waits on other jobs does not count."""

    def __init__(self, limit: int, start: Callable[[int], None], parent: Callable[[int], int] = parent_of) -> None:
        """`start(job)` is called when the job may run. `parent(pid)` tells a process's parent, 0 for none."""
        self._limit = limit
        self._start = start
        self._parent = parent
        self._waiting: dict[int, int] = {}  # job -> pid, in order of arrival
        self._running: dict[int, int] = {}  # pid -> job
        self._nested: set[int] = set()  # jobs that wait on others
        self._under: dict[int, int | None] = {}  # a driver's pid -> pid of the recipe above it

    @property
    def running(self) -> int:
        """How many jobs run at home, those that wait on others left out."""
        return len(self._running) - len(self._nested)

    def waited(self, job: int) -> bool:
        """Whether a job that runs has been seen to wait on others."""
        return job in self._nested

    def ask(self, job: int, pid: int) -> None:
        """The job wants to run as process `pid`."""
        self._waiting[job] = pid
        self._fill()

    def seen(self, pid: int) -> None:
        """A recipe has been released as process `pid`: whatever recipe it descends from waits for it."""
        if not self._running:
            return
        driver = self._parent(pid)
        if driver not in self._under:
            self._under[driver] = self._recipe_above(driver)
        above = self._under[driver]
        if above is not None and above in self._running:
            self._nested.add(self._running[above])
            self._fill()

    def _recipe_above(self, pid: int) -> int | None:
        for _ in range(256):  # deeper process trees do not occur; a bound in case /proc changes under us
            if pid in self._running:
                return pid
            if pid <= 1:
                return None
            pid = self._parent(pid)
        return None

    def release(self, job: int) -> None:
        """The job has ended, or does not want to run any more."""
        self._waiting.pop(job, None)
        for pid in [p for p, j in self._running.items() if j == job]:
            del self._running[pid]
            self._under = {d: a for d, a in self._under.items() if a != pid}
        self._nested.discard(job)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self.running < self._limit:
            job, pid = next(iter(self._waiting.items()))
            del self._waiting[job]
            self._running[pid] = job
            self._start(job)
