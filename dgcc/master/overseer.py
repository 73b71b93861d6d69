"""The Overseer: which job goes to which slave next. A pure state machine: events in, actions out, no I/O, no clock.

The Overseer keeps the slaves in two lists. A *free* slave can take a job; a *busy* one has all its slots filled
and its prefetch in hand. Every method is an event at a time `now` (seconds of any monotonic clock) and returns the
actions that follow, in order. Jobs and slaves are known by number only.

A job that its host failed goes to another slave, at most to `HOSTS_PER_JOB` in all; the host rests for a time that
doubles with each failure in a row. A job that no slave may take goes home, with the reason.
"""

from dataclasses import dataclass, field

HOSTS_PER_JOB = 2
FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0


@dataclass(frozen=True)
class Send:
    """Send the job to the slave."""

    job: int
    slave: int


@dataclass(frozen=True)
class GoHome:
    """Run the job at home: the farm cannot."""

    job: int
    reason: str


@dataclass(frozen=True)
class Withdraw:
    """Tell the slave to forget the job."""

    job: int
    slave: int


Action = Send | GoHome | Withdraw


@dataclass
class _Slave:
    name: str
    slots: int
    jobs: set[int] = field(default_factory=set)
    failures: int = 0
    rests_until: float = 0.0


@dataclass
class _Job:
    tried: set[int] = field(default_factory=set)
    trouble: str = ""  # what went wrong on the last of them
    slave: int | None = None


class Overseer:
    """Matches ready jobs with free slaves."""

    def __init__(self, *, now: float, grace_s: float, prefetch: int = 1) -> None:
        """`grace_s`: how long ready jobs wait while the farm has no slave at all, before they go home."""
        self._prefetch = prefetch
        self._grace_s = grace_s
        self._alone_since: float | None = now
        self._slaves: dict[int, _Slave] = {}
        self._jobs: dict[int, _Job] = {}  # ready or sent, oldest first
        self._ready: dict[int, None] = {}  # an ordered set

    # ---- what others may read --------------------------------------------------------------------------------

    @property
    def free(self) -> list[int]:
        """The slaves that can take a job, best first: most open slots, then longest known."""
        able = [s for s, v in self._slaves.items() if len(v.jobs) < v.slots + self._prefetch]
        return sorted(able, key=lambda s: len(self._slaves[s].jobs) - self._slaves[s].slots)

    @property
    def busy(self) -> list[int]:
        """The slaves that have all they can hold."""
        return [s for s, v in self._slaves.items() if len(v.jobs) >= v.slots + self._prefetch]

    @property
    def running(self) -> int:
        """How many jobs are with slaves."""
        return sum(len(v.jobs) for v in self._slaves.values())

    def holder(self, job: int) -> int | None:
        """Return the slave that has the job, or None."""
        known = self._jobs.get(job)
        return known.slave if known else None

    def held_by(self, slave: int) -> set[int]:
        """Return the jobs that a slave has been sent and has not ended."""
        known = self._slaves.get(slave)
        return set(known.jobs) if known else set()

    def wakeup(self, now: float) -> float | None:
        """Return when `tick` must next be called, or None if no time matters now."""
        times = [v.rests_until for v in self._slaves.values() if v.rests_until > now]
        if self._alone_since is not None and self._ready:
            times.append(self._alone_since + self._grace_s)
        return min(times, default=None)

    # ---- events ----------------------------------------------------------------------------------------------

    def expect_none(self, now: float) -> list[Action]:
        """No slave will come of itself: while there is none, jobs go home at once."""
        self._grace_s = 0.0
        return self._match(now)

    def joined(self, slave: int, name: str, slots: int, now: float) -> list[Action]:
        """A slave has registered."""
        self._slaves[slave] = _Slave(name, slots)
        self._alone_since = None
        return self._match(now)

    def left(self, slave: int, why: str, now: float) -> list[Action]:
        """A slave is gone, with whatever it was running."""
        gone = self._slaves.pop(slave, None)
        if gone is None:
            return []
        if not self._slaves:
            self._alone_since = now
        actions: list[Action] = []
        for job in sorted(gone.jobs):
            actions += self._host_lost(job, slave, f"{gone.name} {why}")
        return actions + self._match(now)

    def ready(self, job: int, now: float) -> list[Action]:
        """A job may run on any slave."""
        self._jobs[job] = _Job()
        self._ready[job] = None
        return self._match(now)

    def cancelled(self, job: int, now: float) -> list[Action]:
        """Nobody wants this job any more."""
        known = self._jobs.pop(job, None)
        if known is None:
            return []
        self._ready.pop(job, None)
        if known.slave is None:
            return []
        self._slaves[known.slave].jobs.discard(job)
        return [Withdraw(job, known.slave), *self._match(now)]

    def done(self, slave: int, job: int, now: float) -> list[Action] | None:
        """The slave has run the job to its end. None: the slave was not running this job, so ignore its result."""
        known = self._jobs.get(job)
        if known is None or known.slave != slave:
            return None
        del self._jobs[job]
        host = self._slaves[slave]
        host.jobs.discard(job)
        host.failures = 0
        return self._match(now)

    def host_failed(self, slave: int, job: int, why: str, now: float) -> list[Action] | None:
        """The slave could not run the job, through no fault of the job's. None as for `done`."""
        known = self._jobs.get(job)
        if known is None or known.slave != slave:
            return None
        host = self._slaves[slave]
        host.jobs.discard(job)
        self._rest(host, now)
        return self._host_lost(job, slave, f"{host.name}: {why}") + self._match(now)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        return self._match(now)

    # ---- the rules -------------------------------------------------------------------------------------------

    def _rest(self, host: _Slave, now: float) -> None:
        host.failures += 1
        host.rests_until = now + min(LONGEST_REST_S, FIRST_REST_S * 2 ** (host.failures - 1))

    def _host_lost(self, job: int, slave: int, why: str) -> list[Action]:
        known = self._jobs[job]
        known.slave = None
        known.tried.add(slave)
        known.trouble = why
        if len(known.tried) >= HOSTS_PER_JOB:
            del self._jobs[job]
            return [GoHome(job, f"{why}; {len(known.tried)} hosts tried")]
        self._ready = {job: None, **self._ready}  # it has waited longest
        return []

    def _match(self, now: float) -> list[Action]:
        actions: list[Action] = []
        if not self._slaves:
            if self._alone_since is not None and now >= self._alone_since + self._grace_s:
                for job in self._ready:
                    del self._jobs[job]
                    actions.append(GoHome(job, "no slave in the farm"))
                self._ready.clear()
            return actions
        for job in list(self._ready):
            tried = self._jobs[job].tried
            if tried.issuperset(self._slaves):
                reason = f"{self._jobs[job].trouble}; there is no other slave"
                del self._ready[job], self._jobs[job]
                actions.append(GoHome(job, reason))
                continue
            chosen = next((s for s in self.free if s not in tried and self._slaves[s].rests_until <= now), None)
            if chosen is None:
                continue
            del self._ready[job]
            self._jobs[job].slave = chosen
            self._slaves[chosen].jobs.add(job)
            actions.append(Send(job, chosen))
        return actions
