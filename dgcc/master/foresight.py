"""What the master knows of jobs before they run: joins plan, history and what was decided about each.

On the master's loop; what takes long (reading the history, priorities of the whole plan) is done on a thread, and only
once there is a job: a build with nothing to do never waits for it. Until then every job is wanted alike.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial

from msgspec import Struct

from dgcc.master.durations import Durations, Run
from dgcc.master.expectations import Basis, Expectations, Expected, host_of
from dgcc.master.history import HOME
from dgcc.master.joblist import END, Job, State
from dgcc.master.likeness import Likeness, input_size, likeness, text_of
from dgcc.master.memory import Memory
from dgcc.master.plan.planned import Plan
from dgcc.master.priorities import heirs_of, priorities, started_by
from dgcc.master.want import Want
from dgcc.master.work import Work


class Foreseen(Struct, frozen=True):
    """A plan with what it is expected to take.

    By place: digests of the commands and their kinds, expectations, the seconds behind each job to the build's end, the
    places of those that await it.
    """

    plan: Plan
    commands: tuple[bytes, ...]
    kinds: tuple[str, ...]
    expected: tuple[Expected, ...]
    behind: tuple[float, ...]
    heirs: tuple[tuple[int, ...], ...]


def foresee(plan: Plan, expectations: Expectations) -> Foreseen:
    """Estimate all planned jobs, and find the longest path behind each. Not for the loop."""
    commands, kinds, expected = [], [], []
    for job in plan.jobs:
        like = likeness(job.command)
        found = expectations.of(job.directory, job.target, like.kind, 0, like.command)
        if not found.known and like.sources:
            size = input_size(like, job.directory)
            found = expectations.of(job.directory, job.target, like.kind, size, like.command)
        commands.append(like.command)
        kinds.append(like.kind)
        expected.append(found)
    own = [each.wall_s for each in expected]
    lengths = priorities(started_by(plan.edges, [job.above for job in plan.jobs]), own)
    behind = tuple(length - mine for length, mine in zip(lengths, own, strict=True))
    heirs = heirs_of(plan.gates)
    return Foreseen(plan, tuple(commands), tuple(kinds), tuple(expected), behind, heirs)


class _Released(Struct):
    """A job that make has released: what its command is like, and its place in the plan, if it has one there."""

    job: Job
    like: Likeness
    size: int
    repeatable: bool
    place: int | None = None


class Foresight:
    """Tells what is known of each job, and learns from those that end; `root` is the first of the build's roots."""

    def __init__(self, root: bytes, changed: Callable[[Mapping[int, Want]], None],
                 memory: Memory | None = None) -> None:  # fmt: skip
        """`changed` is told, on the loop, when more is known of jobs that wait or run, by job."""
        self._root = root
        self._memory = memory
        self._changed = changed
        self._needed = asyncio.Event()
        self._read = asyncio.Event()
        self.expectations = Expectations()  # empty until they have been read
        self.foreseen: Foreseen | None = None  # once there is a plan, and its jobs have been estimated
        self._released: dict[int, _Released] = {}
        self._taken: Counter[tuple[bytes, bytes]] = Counter()  # of a target's planned commands, those released
        self._open: dict[int, None] = {}  # released and not ended
        self.ahead_s = 0.0  # seconds that planned jobs should take which make has not released

    # ---- what comes to be known ------------------------------------------------------------------------------

    @property
    def remembers(self) -> bool:
        """Whether the history has been read."""
        return self._read.is_set()

    async def read(self, thread: Executor) -> None:
        """Read the history, once there is something to do."""
        await self._needed.wait()
        load = partial(Expectations.load, self._root, self._memory)
        self.expectations = await asyncio.get_running_loop().run_in_executor(thread, load)
        for found in self._released.values():  # what ended meanwhile
            if found.job.state is State.DONE:
                self.expectations.ended(self._run(found))
        self._read.set()
        self._tell()

    async def planned(self, plan: Plan, thread: Executor) -> None:
        """Estimate the jobs of the plan, once the history has been read."""
        if not plan.jobs:
            return
        self._needed.set()
        await self._read.wait()
        work = partial(foresee, plan, self.expectations)
        self.foreseen = await asyncio.get_running_loop().run_in_executor(thread, work)
        self.ahead_s = sum(each.wall_s for each in self.foreseen.expected)
        for found in self._released.values():
            self._find(found)
        self._tell()

    def _tell(self) -> None:
        if self._open:
            self._changed({number: self._want(self._released[number]) for number in self._open})

    # ---- jobs ------------------------------------------------------------------------------------------------

    def released(self, job: Job) -> None:
        """Make has released a job, and it has been decided about."""
        work: Work = job.work
        like = likeness(text_of(work.request.argv))
        # What a rule sends is not known: it may do anything, once.
        found = _Released(job, like, input_size(like, job.directory), work.verdict.remote and not work.verdict.rule)
        self._find(found)
        self._released[job.id] = found
        self._open[job.id] = None
        self._needed.set()

    def moved(self, job: Job, before: State) -> None:
        """A job has gone from one state to another."""
        if job.state not in END:
            return
        self._open.pop(job.id, None)
        found = self._released.get(job.id)
        if found is not None and job.state is State.DONE and self._read.is_set():
            self.expectations.ended(self._run(found))

    def want(self, job: Job) -> Want:
        """What is known of a released job."""
        return self._want(self._released[job.id])

    def expected(self, job: Job) -> Expected:
        """What a released job should take."""
        return self._expected(self._released[job.id])

    def travelled(self, job: Job) -> bool:
        """Whether a slave has run a released job's command in an earlier build."""
        found = self._released[job.id]
        return self.expectations.travelled(job.directory, _target(job), found.like.command)

    def kind(self, job: Job) -> str:
        """What a released job has in common with its like."""
        return self._released[job.id].like.kind

    def place(self, job: Job) -> int | None:
        """The place in the plan of a released job."""
        found = self._released.get(job.id)
        return None if found is None else found.place

    def places(self) -> dict[int, int]:
        """The places in the plan of all released jobs that have one, by job."""
        return {number: found.place for number, found in self._released.items() if found.place is not None}

    def remember(self) -> None:
        """Leave word for later builds; nothing is raised."""
        done = [found for found in self._released.values() if found.job.state is State.DONE]
        Durations(self._root, self._memory).save(self._run(found) for found in done)

    def _want(self, found: _Released) -> Want:
        expected = self._expected(found)
        behind = 0.0
        if self.foreseen is not None and found.place is not None:
            behind = self.foreseen.behind[found.place]
        sure = expected.wall_s if expected.basis is not Basis.NOTHING else 0.0
        return Want(behind + expected.wall_s, sure, expected.memory, found.repeatable)

    def _expected(self, found: _Released) -> Expected:
        job = found.job
        return self.expectations.of(job.directory, _target(job), found.like.kind, found.size, found.like.command)

    def _find(self, found: _Released) -> None:
        found.place = self._place(found)
        if found.place is not None and self.foreseen is not None:
            self.ahead_s = max(0.0, self.ahead_s - self.foreseen.expected[found.place].wall_s)

    def _place(self, found: _Released) -> int | None:
        """Find a job in the plan: by its command, else the first of its target that was not released yet."""
        if self.foreseen is None:
            return None
        key = (found.job.directory, found.job.target)
        places = self.foreseen.plan.places(*key)
        if len(places) > 1:
            named = [place for place in places if self.foreseen.commands[place] == found.like.command]
            if len(named) == 1:
                return named[0]
        self._taken[key] += 1
        return places[self._taken[key] - 1] if self._taken[key] <= len(places) else None

    def _run(self, found: _Released) -> Run:
        job = found.job
        host = host_of(job.ran if job.remote else HOME)
        if job.nested:  # it only waited for others
            return Run(job.directory, _target(job), found.like.command, found.like.kind, found.size, host, 0.0)
        return Run(job.directory, _target(job), found.like.command, found.like.kind, found.size, host,
                   job.wall_s, job.cpu_s, job.max_rss, job.remote)  # fmt: skip


def _target(job: Job) -> bytes:
    return job.target or job.command.encode()
