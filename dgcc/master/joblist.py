"""The Job List: every job the master knows, each in one state, changed in one place.

A job is one recipe command. It is PLANNED when only the Makefile's dry run has named it, and takes part in the
build from the moment make releases it (READY). The plan is advisory: a planned job may never be released, and a
released one that nobody planned joins the list.
"""

import enum
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct, field


class State(enum.Enum):
    """Where a job is in its life. Each state names what must hold for a job in it."""

    PLANNED = "planned"  # named by the dry run; make has not released it; no client waits
    READY = "ready"  # released, may run on a slave; its client waits
    SENT = "sent"  # on the job list of exactly one slave; its client waits
    HOME_READY = "home ready"  # will run at home; waits for a local slot
    HOME = "home"  # runs at home, in place of its client or as the client's child
    DONE = "done"  # ended; its client was told, or ended itself
    FAILED = "failed"  # as DONE, with a failing exit status
    CANCELLED = "cancelled"  # its client went away before the end

    __hash__ = object.__hash__  # each is counted for every job; an Enum's own is slow


END = frozenset({State.DONE, State.FAILED, State.CANCELLED})

_LEGAL: dict[State, frozenset[State]] = {
    State.PLANNED: frozenset({State.READY, State.HOME_READY}),
    State.READY: frozenset({State.SENT, State.HOME_READY, State.CANCELLED}),
    State.SENT: frozenset({State.READY, State.HOME_READY, State.DONE, State.CANCELLED}),
    State.HOME_READY: frozenset({State.HOME, State.CANCELLED}),
    State.HOME: frozenset({State.DONE, State.FAILED, State.CANCELLED}),
    State.DONE: frozenset({State.FAILED}),  # a local recipe's status becomes known after its end
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


class IllegalTransition(AssertionError):
    """A job was about to enter a state that its present one does not lead to: a bug in the master."""


class Job(Struct):
    """One recipe command. Only `JobList.move` changes `state`; other fields belong to the master's loop."""

    id: int
    directory: bytes
    target: bytes
    state: State = State.PLANNED
    planned: bool = False
    remote: bool = False  # it ended with a slave's result
    fallback: str = ""  # why a job meant for the farm ran at home, else empty
    verdict: bool = False  # whether it was found fit to travel
    reason: str = ""  # the verdict's
    command: str = ""  # what it does, in a few words
    ran: str = ""  # the slave on which it last ran to an end
    wall_s: float = 0.0  # how long the command itself ran, there or at home
    cpu_s: float = 0.0
    max_rss: int = 0  # bytes of its largest process; 0: not known
    bytes_in: int = 0  # of content that its slave fetched for it
    bytes_out: int = 0  # of its outputs
    make: int = 0  # process id of the make that released it
    above: int = 0  # the job whose recipe runs that make; 0: none
    nested: bool = False  # it ran at home and waited for other jobs, such as a sub-make
    exit_code: int = 0  # of its end at home, negative for a signal
    environments: tuple[bytes, ...] = ()  # keys of those that it was last run in
    story: list[tuple[float, State, str]] = field(default_factory=list)
    work: Any = None  # what the master needs to run it, from its release on

    @property
    def label(self) -> str:
        """What to call the job in messages: its target, or its directory where the target is not known."""
        return (self.target or self.directory).decode(errors="backslashreplace")


class JobList:
    """All jobs of one build, with counts by state that cannot drift from the jobs."""

    def __init__(self, *moved: Callable[[Job, State], None]) -> None:
        """`moved` are told of each job that has gone to another state, and of the state before, in this order."""
        self._moved = moved
        self._jobs: dict[int, Job] = {}
        self._awaited: defaultdict[tuple[bytes, bytes], deque[Job]] = defaultdict(deque)
        self.counts: Counter[State] = Counter()
        self.planned = 0

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, job_id: int) -> Job | None:
        """Return the job of that id, or None if there is none."""
        return self._jobs.get(job_id)

    def _add(self, directory: bytes, target: bytes, planned: bool) -> Job:
        job = Job(len(self._jobs) + 1, directory, target, planned=planned)
        self._jobs[job.id] = job
        self.counts[State.PLANNED] += 1
        return job

    def plan(self, jobs: Iterable[tuple[bytes, bytes]]) -> None:
        """Add planned jobs, each a (directory, target). Jobs released before the plan was known count as planned."""
        early: Counter[tuple[bytes, bytes]] = Counter(
            (j.directory, j.target) for j in self._jobs.values() if not j.planned)
        for key in jobs:
            self.planned += 1
            if early[key] > 0:
                early[key] -= 1
                continue
            self._awaited[key].append(self._add(*key, planned=True))

    def released(self, directory: bytes, target: bytes) -> Job:
        """Return the job that make has just released: the planned one of that target, or a new one."""
        waiting = self._awaited.get((directory, target))
        if waiting:
            return waiting.popleft()
        return self._add(directory, target, planned=False)

    def move(self, job: Job, state: State, why: str, now: float) -> None:
        """Bring `job` into `state` at `now` (seconds); `why` goes into its story.

        Raises IllegalTransition if the job's present state does not lead there.
        """
        if state not in _LEGAL[job.state]:
            raise IllegalTransition(f"job {job.id} ({job.label}): {job.state.value} -> {state.value}: {why}")
        self.counts[job.state] -= 1
        self.counts[state] += 1
        before, job.state = job.state, state
        job.story.append((now, state, why))
        for moved in self._moved:
            moved(job, before)

    @property
    def ended(self) -> int:
        """How many jobs have ended, in whatever way."""
        return sum(self.counts[s] for s in END)

    @property
    def total(self) -> int:
        """How many jobs are known: ended, under way, or still only planned."""
        return len(self._jobs)
