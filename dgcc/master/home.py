"""The home slots: how many recipes run on the master's own machine at once.

Recipes that make keeps at home have their own bound, apart from the farm's slots, so that a high -j does not
freeze the machine. A recipe that itself waits for recipes, such as a sub-make, must not hold a slot while it
does, or nested makes would wait for each other for ever: as soon as a process asks that descends from a running
recipe, that recipe's slot is given back.

A *heavy* recipe, such as the link of a large program, needs memory as well: it starts when the machine has what it is
expected to need, beside what those that run may yet grow to. Others may pass it meanwhile, but only so many. One recipe
always runs, whatever it needs.
"""

import os
from collections.abc import Callable

from dgcc.master.ranking import Ranking
from dgcc.master.resident import resident

HEAVY = 128 << 20
"""A recipe that is expected to need so much memory (bytes) waits until it is there."""

MOST_PASSED = 16
"""So many recipes may start before a heavy one that came first."""

_SHARE = 0.9  # of the memory that is available
_LONGEST_STAT = 4096


def available_memory() -> int:
    """The memory, in bytes, that could be used without swapping."""
    import psutil  # now, because it takes long to load, and most builds have nothing heavy

    return int(psutil.virtual_memory().available)


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
    """Gives `limit` slots to jobs, the most urgent first, then the oldest; one that waits on others has none."""

    def __init__(
        self, limit: int, start: Callable[[int], None], memory: Callable[[int], int] = lambda job: 0,
        available: Callable[[], int] = available_memory, uses: Callable[[int], int] = resident,
        parent: Callable[[int], int] = parent_of,
    ) -> None:  # fmt: skip
        """`start(job)` is called when the job may run. `memory(job)`: bytes that it should need, 0: not known.

        `available()`: bytes that the machine has free. `uses(pid)`: bytes that a process and those below it have now.
        `parent(pid)` tells a process's parent, 0 for none.
        """
        self._limit = limit
        self._start = start
        self._memory = memory
        self._available = available
        self._uses = uses
        self._parent = parent
        self._waiting: dict[int, int] = {}  # job -> pid
        self._order: Ranking[int] = Ranking()  # of those that wait
        self._asked = 0
        self._running: dict[int, int] = {}  # pid -> job
        self._heavy: dict[int, int] = {}  # pids of running heavy jobs, and the bytes that each should need
        self._passed: dict[int, int] = {}  # heavy jobs that wait, and how many have started before them
        self._nested: set[int] = set()  # jobs that wait on others
        self._under: dict[int, int | None] = {}  # a driver's pid -> pid of the recipe above it

    @property
    def running(self) -> int:
        """How many jobs run at home, those that wait on others left out."""
        return len(self._running) - len(self._nested)

    def waited(self, job: int) -> bool:
        """Whether a job that runs has been seen to wait on others."""
        return job in self._nested

    def ask(self, job: int, pid: int, urgency: float = 0.0) -> None:
        """The job wants to run as process `pid`. urgency: seconds, as `Want.priority`."""
        self._waiting[job] = pid
        self._asked += 1
        self._order.put(job, -urgency, self._asked)
        self._fill()

    def rethink(self, job: int, urgency: float) -> None:
        """More is known of a job, which may wait here or not."""
        if job in self._order:
            self._order.put(job, -urgency, self._order.key(job, 1))

    def seen(self, pid: int) -> tuple[int, int]:
        """A recipe has been released as process `pid`: whatever recipe it descends from waits for it.

        Returns the process id of the make that released it, and the job whose recipe runs that make; 0: none does.
        """
        driver = self._parent(pid)
        if not self._running:
            return driver, 0
        if driver not in self._under:
            self._under[driver] = self._recipe_above(driver)
        above = self._under[driver]
        if above is not None and above in self._running:
            job = self._running[above]
            self._nested.add(job)
            self._fill()
            return driver, job
        return driver, 0

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
        self._order.drop(job)
        self._passed.pop(job, None)
        for pid in [p for p, j in self._running.items() if j == job]:
            del self._running[pid]
            self._heavy.pop(pid, None)
            self._under = {d: a for d, a in self._under.items() if a != pid}
        self._nested.discard(job)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self.running < self._limit:
            job = self._next()
            if job is None:
                return
            for other in self._passed:
                self._passed[other] += 1
            pid = self._waiting.pop(job)
            self._order.drop(job)
            self._passed.pop(job, None)
            self._running[pid] = job
            need = self._memory(job)
            if need >= HEAVY:
                self._heavy[pid] = need
            self._start(job)

    def _next(self) -> int | None:
        """The job that may start now: the first for which there is memory. None: they have to wait for it."""
        room: float | None = None
        for job in self._order:
            need = self._memory(job)
            if need < HEAVY or not self.running:
                return job
            if room is None:
                growth = sum(max(0, most - self._uses(pid)) for pid, most in self._heavy.items())
                room = _SHARE * self._available() - growth
            if need <= room:
                return job
            if self._passed.setdefault(job, 0) >= MOST_PASSED:
                return None
        return None
