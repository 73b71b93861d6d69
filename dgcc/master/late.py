"""Which jobs run far beyond their expectation, and from when on: they are worth a second run. No clock."""

from collections.abc import Iterator

from dgcc.master.hosts import Member
from dgcc.master.ranking import Ranking
from dgcc.master.want import Want

LATE_FACTOR, LATE_S = 2.0, 1.0
"""A job is far beyond its expectation once it has run for so many times as long, and so many seconds longer."""
FIRST_S = 20.0
"""The first jobs on a host are given so many seconds more: they may have to wait for the toolchain."""


class LateJobs:
    """Jobs that run once and may run twice, by when they are late."""

    def __init__(self) -> None:
        self._by_time: Ranking[int] = Ranking()
        self._longest_s = 0.0  # of all that have ended, on a host of speed 1

    def __bool__(self) -> bool:
        return bool(self._by_time)

    @property
    def next(self) -> float:
        """When the next one is late; there must be one."""
        return self._by_time.nth(0)

    def due(self, now: float) -> Iterator[int]:
        """Those that are late. Nothing may be changed meanwhile."""
        for job in self._by_time:
            if self._by_time.key(job, 0) > now:
                return
            yield job

    def put(self, job: int, at: float) -> None:
        """The job is late from `at` on, or has to be looked at then."""
        self._by_time.put(job, at)

    def drop(self, job: int) -> None:
        """The job runs no more, or twice."""
        self._by_time.drop(job)

    def ended(self, taken_s: float) -> None:
        """A job has ended that took so long, on a host of speed 1."""
        self._longest_s = max(self._longest_s, taken_s)

    def expected(self, want: Want) -> float:
        """How long a job should take on a host of speed 1; where nothing is known of it, as long as any so far."""
        return want.expected_s or self._longest_s

    def late_at(self, want: Want, member: Member, fastest: float, began: float) -> float:
        """When a job that began on a host is far beyond what one of speed `fastest` should take."""
        expected = self.expected(want) / fastest
        return began + max(LATE_FACTOR * expected, expected + LATE_S) + (0.0 if member.proven else FIRST_S)
