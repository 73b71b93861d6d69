"""The Overseer: which job goes to which slave next. A pure state machine: events in, actions out, no I/O, no clock.

The Overseer keeps the slaves in two lists. A *free* slave can take a job; a *busy* one has all its slots filled
and its prefetch in hand. Every method is an event at a time `now` (seconds of any monotonic clock) and returns the
actions that follow, in order. Jobs and slaves are known by number only.

A slave that failed rests for a time that doubles with each failure in a row. After it the slave is on trial: it gets
one job, and no second one before that has ended well. The job that a slave failed goes to another one, after
`HOSTS_PER_JOB` of them home, with the reason. So does a job for which there is no slave, or none that is not resting.
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
    """Tell the slave to forget the job, which it has failed if `why` says how."""

    job: int
    slave: int
    why: str = ""


Action = Send | GoHome | Withdraw


@dataclass
class _Slave:
    name: str
    slots: int
    room: int  # how many jobs it can hold, those in hand included, when it is not on trial
    jobs: dict[int, float] = field(default_factory=dict)  # and when each was sent; the first `slots` of them run
    failures: int = 0  # in a row; on trial while there are any
    rests_until: float = 0.0
    trouble: str = ""  # the last of them

    @property
    def able(self) -> bool:
        return len(self.jobs) < (1 if self.failures else self.room)


@dataclass
class _Job:
    cost: dict[int, str] = field(default_factory=dict)  # slaves that failed it, and how
    slave: int | None = None


class Overseer:
    """Matches ready jobs with free slaves."""

    def __init__(self, *, now: float, grace_s: float, job_s: float, prefetch: int = 1) -> None:
        """`grace_s`: how long ready jobs wait while no slave can take any, before they go home.

        `job_s`: how long a job may be with a slave before the slave has failed it.
        """
        self._prefetch = prefetch
        self._grace_s = grace_s
        self._job_s = job_s
        self._alone_since: float | None = now
        self._slaves: dict[int, _Slave] = {}
        self._jobs: dict[int, _Job] = {}  # ready or sent, oldest first
        self._ready: dict[int, None] = {}  # an ordered set

    # ---- what others may read --------------------------------------------------------------------------------

    @property
    def free(self) -> list[int]:
        """The slaves that can take a job, best first: most open slots, then longest known."""
        able = [s for s, v in self._slaves.items() if v.able]
        return sorted(able, key=lambda s: len(self._slaves[s].jobs) - self._slaves[s].slots)

    @property
    def busy(self) -> list[int]:
        """The slaves that have all they can hold."""
        return [s for s, v in self._slaves.items() if not v.able]

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
        times += [next(iter(v.jobs.values())) + self._job_s for v in self._slaves.values() if v.jobs]
        if self._alone_since is not None and self._ready:
            times.append(self._alone_since + self._grace_s)
        return min(times, default=None)

    # ---- events ----------------------------------------------------------------------------------------------

    def expect_none(self, now: float) -> list[Action]:
        """No slave will come of itself: while there is none, jobs go home at once."""
        self._grace_s = 0.0
        return self._match(now)

    def expect_some(self, until: float) -> None:
        """There are slaves that may be about to register: ready jobs wait for them until then."""
        if self._alone_since is not None:
            self._grace_s = max(self._grace_s, until - self._alone_since)

    def joined(self, slave: int, name: str, slots: int, now: float) -> list[Action]:
        """A slave has registered."""
        self._slaves[slave] = _Slave(name, slots, slots + self._prefetch)
        self._alone_since = None
        return self._match(now)

    def left(self, slave: int, now: float) -> list[Action]:
        """A slave goes of itself, and gives back what it has not ended."""
        return self._gone(slave, "", now)

    def lost(self, slave: int, why: str, now: float) -> list[Action]:
        """A slave is gone without a word. Each job that it was running may be what it died of; none that waited is."""
        return self._gone(slave, why, now)

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
        self._slaves[known.slave].jobs.pop(job, None)
        return [Withdraw(job, known.slave), *self._match(now)]

    def done(self, slave: int, job: int, now: float) -> list[Action] | None:
        """The slave has run the job to its end. None: the slave was not running this job, so ignore its result."""
        host = self._take_back(slave, job)
        if host is None:
            return None
        del self._jobs[job]
        host.failures = 0
        return self._match(now)

    def failed(
        self, slave: int, job: int, why: str, now: float, elsewhere: bool = True, rests: bool = True
    ) -> list[Action] | None:
        """The slave could not run the job, through no fault of the job's. None as for `done`.

        Unless it may go `elsewhere` the job is the caller's again, as after `done`. `rests`: the slave is not well.
        """
        host = self._take_back(slave, job)
        if host is None:
            return None
        if rests:
            self._rest(host, why, now)
        if elsewhere:
            return self._again(job, slave, f"{host.name}: {why}") + self._match(now)
        del self._jobs[job]
        return self._match(now)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        actions: list[Action] = []
        for slave, host in self._slaves.items():
            while host.jobs and (job := next(iter(host.jobs))) is not None and host.jobs[job] + self._job_s <= now:
                self._take_back(slave, job)
                why = f"no answer within {self._job_s:.0f} s"
                self._rest(host, why, now)
                actions += [Withdraw(job, slave, why), *self._again(job, slave, f"{host.name}: {why}")]
        return actions + self._match(now)

    # ---- the rules -------------------------------------------------------------------------------------------

    def _take_back(self, slave: int, job: int) -> _Slave | None:
        """The slave has the job no more; None if it never had it."""
        known = self._jobs.get(job)
        if known is None or known.slave != slave:
            return None
        known.slave = None
        del self._slaves[slave].jobs[job]
        return self._slaves[slave]

    def _rest(self, host: _Slave, why: str, now: float) -> None:
        host.trouble = why
        if now < host.rests_until:
            return  # of the jobs that it had in hand, another failed the same way
        host.failures += 1
        host.rests_until = now + min(LONGEST_REST_S, FIRST_REST_S * 2 ** (host.failures - 1))

    def _gone(self, slave: int, why: str, now: float) -> list[Action]:
        gone = self._slaves.pop(slave, None)
        if gone is None:
            return []
        if not self._slaves:
            self._alone_since = now
        actions: list[Action] = []
        for place, job in reversed(list(enumerate(gone.jobs))):
            self._jobs[job].slave = None
            if why and place < gone.slots:
                actions += self._again(job, slave, f"{gone.name} {why}")
            else:
                self._ready = {job: None, **self._ready}
        return actions + self._match(now)

    def _again(self, job: int, slave: int, why: str) -> list[Action]:
        """A slave has failed the job: another one, or home."""
        known = self._jobs[job]
        known.cost[slave] = why
        if len(known.cost) >= HOSTS_PER_JOB:
            del self._jobs[job]
            return [GoHome(job, f"{', '.join(known.cost.values())}; {len(known.cost)} hosts tried")]
        self._ready = {job: None, **self._ready}  # it has waited longest
        return []

    def _match(self, now: float) -> list[Action]:
        if not self._slaves:
            return self._wait_alone(now)
        actions: list[Action] = []
        for job in list(self._ready):
            cost = self._jobs[job].cost
            if cost.keys() >= self._slaves.keys():
                actions.append(self._send_home(job, f"{', '.join(cost.values())}; there is no other slave"))
                continue
            chosen = next((s for s in self.free if s not in cost and self._slaves[s].rests_until <= now), None)
            if chosen is not None:
                del self._ready[job]
                self._jobs[job].slave = chosen
                self._slaves[chosen].jobs[job] = now
                actions.append(Send(job, chosen))
            elif all(v.rests_until > now + self._grace_s for s, v in self._slaves.items() if s not in cost):
                rested = "; ".join(f"{v.name} rests after: {v.trouble}" for v in self._slaves.values() if v.failures)
                actions.append(self._send_home(job, rested))
        return actions

    def _wait_alone(self, now: float) -> list[Action]:
        if self._alone_since is None or now < self._alone_since + self._grace_s:
            return []
        return [self._send_home(job, "no slave in the farm") for job in list(self._ready)]

    def _send_home(self, job: int, reason: str) -> GoHome:
        del self._ready[job], self._jobs[job]
        return GoHome(job, reason)
