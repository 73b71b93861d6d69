"""How far a build is, by time: from plan and history, and from how fast this build goes. On the master's loop.

What is left is played through in `timeleft.py`; what goes in there is kept up to date here, job by job.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct

from dgcc.master.foresight import Foreseen, Foresight
from dgcc.master.joblist import END, Job, State
from dgcc.master.timeleft import HOME, REMOTE, Item, Pool, Rest

_DOUBT_S = 1.0  # slot seconds for which slots are taken to be as fast as a guess
_MEMORY = 20  # jobs, or four times the slots: what the present speed is taken from
_LATE = 0.2  # of what a job has run beyond its expectation, what is still to come
_KNOWN = 0.5  # of a plan's work, what must be known from history for the time left to be told
_MOST_SAMPLES = 64


class Sample(Struct, frozen=True):
    """At `at_s` seconds after the build's start, `left_s` were expected to be left; percent: of its time, over."""

    at_s: float
    percent: float
    left_s: float


class _Pace(Struct):
    """How fast slots of a pool are: work done in them over the time that it took, the latest jobs above all."""

    work: float = 0.0
    time_s: float = 0.0

    def speed(self, guess: float, late: Iterable[tuple[float, float]]) -> float:
        """Seconds of work in a second, `guess` where little has been seen.

        late: work of jobs that should have ended, and the time that they have run for: who counts only those that have
        ended thinks too well of the pace.
        """
        work, time_s = self.work + _DOUBT_S * guess, self.time_s + _DOUBT_S
        for each, so_far in late:
            if so_far * self.work > each * self.time_s:
                work, time_s = work + each, time_s + so_far
        return work / time_s

    def add(self, work: float, time_s: float, slots: int) -> None:
        fade = 1 - 1 / max(_MEMORY, 4 * slots)
        self.work, self.time_s = self.work * fade + work, self.time_s * fade + time_s


class _Slot(Struct):
    """A job in a slot, since `began`, with the work that was expected of it then; `known`: from its own history."""

    began: float
    work: float
    known: bool


class Progress:
    """Watches all jobs of a build."""

    def __init__(self, foresight: Foresight, slots: Callable[[], int], home_slots: int,
                 waits: Callable[[Job], bool], began: float) -> None:  # fmt: skip
        """`slots` tells how many the farm has now, `home_slots` is the bound at home. `waits` tells whether a job that
        runs at home waits for others. `began`: when the build did, seconds of the clock that stamps jobs' stories."""
        self._foresight = foresight
        self._slots = slots
        self._home_slots = home_slots
        self._waits = waits
        self._began = began
        self._open: dict[int, Job] = {}  # released, not ended
        self._sent: dict[int, None] = {}  # that wait on a slave
        self._in_slot: tuple[dict[int, _Slot], dict[int, _Slot]] = ({}, {})  # by pool
        self._under_way = False  # a slave has brought a job to its end
        self._paces = (_Pace(), _Pace())
        self._ran: tuple[Counter[str], Counter[str]] = (Counter(), Counter())  # kinds of commands, by pool
        self._foreseen: Foreseen | None = None
        self._ended: list[Job] = []  # before there was a plan
        self._missing: list[int] = []  # by place in the plan
        self._planned: dict[int, Item] = {}  # not released, by place
        self._remote_kinds: frozenset[str] = frozenset()  # as `_planned` has it
        self._sure = False
        self.samples: list[Sample] = []

    # ---- what happens ----------------------------------------------------------------------------------------

    def moved(self, job: Job, before: State) -> None:
        """A job has gone from one state to another."""
        now = job.story[-1][0]
        if before is State.PLANNED:
            self._open[job.id] = job
            self._planned.pop(self._place(job), None)
        if job.state is State.SENT:
            self._sent[job.id] = None
        elif before is State.SENT:
            self._sent.pop(job.id, None)
            self._leave(REMOTE, job, now, job.state is State.DONE)
        if job.state is State.HOME:
            self._enter(HOME, job, now)
        elif before is State.HOME:
            self._leave(HOME, job, now, job.state is State.DONE and not job.nested)
        while self._sent and len(self._in_slot[REMOTE]) < self._slots():
            first = next(iter(self._sent))  # where it waits one has ended, or soon will
            del self._sent[first]
            self._enter(REMOTE, self._open[first], now)
        if job.state in END and self._open.pop(job.id, None) is not None:
            if self._foreseen is None:
                self._ended.append(job)
            else:
                self._over(self._foreseen, job)

    def _enter(self, pool: int, job: Job, now: float) -> None:
        expected = self._foresight.expected(job)
        self._in_slot[pool][job.id] = _Slot(now, expected.wall_s, expected.known)

    def _leave(self, pool: int, job: Job, now: float, well: bool) -> None:
        if pool == REMOTE and well and not self._under_way:
            # Only now slaves are known to have the toolchain: none of the first jobs ran before this one did.
            self._under_way = True
            for first in self._in_slot[REMOTE].values():
                first.began = max(first.began, now - job.wall_s)
        slot = self._in_slot[pool].pop(job.id, None)
        if well:
            self._ran[pool][self._foresight.kind(job)] += 1
            if slot is not None and slot.known:
                self._paces[pool].add(slot.work, now - slot.began, self._slots())

    def _over(self, foreseen: Foreseen, job: Job) -> None:
        place = self._place(job)
        self._planned.pop(place, None)
        if place >= 0:
            for heir in foreseen.heirs[place]:
                self._missing[heir] -= 1

    def _place(self, job: Job) -> int:
        place = self._foresight.place(job)
        return -1 if place is None else place

    # ---- what is left ----------------------------------------------------------------------------------------

    def rest(self, now: float) -> Rest | None:
        """What is left of the build; None where too little is known to tell how long it takes."""
        foreseen = self._foresight.foreseen
        if foreseen is None:
            return None
        if self._foreseen is None:
            self._take_plan(foreseen)
        if not self._sure or not (self._slots() or self._paces[HOME].time_s):
            return None  # with no slave yet, nobody knows where jobs will run
        self._sort_kinds(foreseen)
        remote = self._paces[REMOTE].speed(1.0, self._running(REMOTE, now))
        # What slows the farm may slow this machine, too.
        speeds = (remote, self._paces[HOME].speed(math.sqrt(remote), self._running(HOME, now)))
        running, waiting, held = [], [], []
        for job in self._open.values():
            place = self._place(job)
            behind = foreseen.behind[place] if place >= 0 else 0.0
            pool = HOME if job.state in (State.HOME, State.HOME_READY) else REMOTE
            slot = self._in_slot[pool].get(job.id)
            if job.state is State.HOME and self._waits(job):
                if place >= 0:
                    held.append(Item(0.0, HOME, place, behind))
            elif slot is not None:
                done = (now - slot.began) * speeds[pool] if pool == HOME or self._under_way else 0.0
                running.append(Item(max(slot.work - done, _LATE * done), pool, place, behind))
            else:
                waiting.append(Item(self._foresight.expected(job).wall_s, pool, place, behind))
        pools = (Pool(self._slots(), speeds[REMOTE]), Pool(self._home_slots, speeds[HOME]))
        return Rest(foreseen.heirs, tuple(self._missing), tuple(self._planned.values()), tuple(running),
                    tuple(waiting), tuple(held), pools)  # fmt: skip

    def _running(self, pool: int, now: float) -> list[tuple[float, float]]:
        if pool == REMOTE and not self._under_way:
            return []
        return [
            (slot.work, now - slot.began) for number, slot in self._in_slot[pool].items()
            if slot.known and not (pool == HOME and self._waits(self._open[number]))
        ]  # fmt: skip

    def _take_plan(self, foreseen: Foreseen) -> None:
        self._foreseen = foreseen
        known = sum(each.known for each in foreseen.expected)
        self._sure = known >= _KNOWN * len(foreseen.expected)
        self._missing = [len(awaited) for awaited in foreseen.plan.gates]
        self._planned = {place: Item(0.0, REMOTE, place) for place in range(len(foreseen.expected))}
        self._fill_in(foreseen)
        for job in self._open.values():
            self._planned.pop(self._place(job), None)
        for job in self._ended:
            self._over(foreseen, job)
        self._ended.clear()

    def _sort_kinds(self, foreseen: Foreseen) -> None:
        """Where commands of each kind run is seen as they do; what compiles only is thought to travel until then."""
        remote = frozenset(kind for kind, count in self._ran[REMOTE].items() if count > self._ran[HOME][kind])
        if remote != self._remote_kinds:
            self._remote_kinds = remote
            self._fill_in(foreseen)

    def _fill_in(self, foreseen: Foreseen) -> None:
        for place in self._planned:
            kind = foreseen.kinds[place]
            seen = kind in self._ran[REMOTE] or kind in self._ran[HOME]
            travels = kind in self._remote_kinds if seen else " -c" in kind
            work = foreseen.expected[place].wall_s
            self._planned[place] = Item(work, REMOTE if travels else HOME, place, foreseen.behind[place])

    def tell(self, now: float, left_s: float) -> None:
        """`left_s` were left at `now`."""
        elapsed = max(now - self._began, 1e-3)
        percent = 100 * elapsed / (elapsed + left_s)
        if self.samples:
            percent = max(percent, self.samples[-1].percent)  # what was said is not taken back
        self.samples.append(Sample(elapsed, percent, left_s))
        if len(self.samples) > _MOST_SAMPLES:
            del self.samples[1:-1:2]

    def now(self, now: float) -> tuple[float | None, float]:
        """The percentage of the build's time that is over, and the seconds left: None and 0 where that is not known."""
        if not self.samples:
            return None, 0.0
        last = self.samples[-1]
        left_s = max(0.0, last.left_s - (now - self._began - last.at_s))
        return min(99.0, last.percent), left_s
