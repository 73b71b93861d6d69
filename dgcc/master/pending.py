"""The jobs as the Overseer knows them: what is wanted, who has them, which are ready, and in which order. No clock."""

from collections.abc import Iterator

from msgspec import Struct, field

from dgcc.master.ranking import Ranking
from dgcc.master.want import Want


class Pending(Struct):
    """A job that is ready or sent."""

    want: Want
    number: int  # in the order in which they became ready
    cost: dict[int, str] = field(default_factory=dict)  # slaves that failed it, and how
    slaves: list[int] = field(default_factory=list)  # that have it: one, or two where it is run a second time


class PendingJobs:
    """All of them, by number. The ready ones are in order: longest path first, then the oldest."""

    def __init__(self) -> None:
        self._jobs: dict[int, Pending] = {}
        self._ready: Ranking[int] = Ranking()
        self._count = 0
        self._failed: set[int] = set()  # ready jobs that some slave has failed
        self.ready_s = 0.0  # expected time of the ready ones

    def __getitem__(self, job: int) -> Pending:
        return self._jobs[job]

    def __contains__(self, job: int) -> bool:
        return job in self._jobs

    def get(self, job: int) -> Pending | None:
        """Return a job, or None if it is over."""
        return self._jobs.get(job)

    def add(self, job: int, want: Want) -> None:
        """A new job, which is ready."""
        self._count += 1
        self._jobs[job] = Pending(want, self._count)
        self.put(job)

    def remove(self, job: int) -> None:
        """The job is over."""
        self.draw(job)
        del self._jobs[job]

    def put(self, job: int) -> None:
        """The job is ready (again)."""
        known = self._jobs[job]
        self._ready.put(job, -known.want.priority, known.number)
        self.ready_s += known.want.expected_s
        if known.cost:
            self._failed.add(job)

    def draw(self, job: int) -> None:
        """The job is ready no more, if it was."""
        if job in self._ready:
            self._ready.drop(job)
            self.ready_s -= self._jobs[job].want.expected_s
            self._failed.discard(job)

    def rethink(self, job: int, want: Want) -> None:
        """More is known of a job."""
        ready = job in self._ready
        self.draw(job)
        self._jobs[job].want = want
        if ready:
            self.put(job)

    @property
    def any_ready(self) -> bool:
        """Whether any job is ready."""
        return bool(self._ready)

    def first(self) -> int:
        """The ready job that is to go first; there must be one."""
        job = self._ready.first()
        assert job is not None
        return job

    def ready(self) -> Iterator[int]:
        """The ready jobs in order. Nothing may be changed meanwhile."""
        return iter(self._ready)

    def failed(self) -> list[int]:
        """The ready jobs that some slave has failed, oldest first."""
        return sorted(self._failed, key=lambda job: self._jobs[job].number)
