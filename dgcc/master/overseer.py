"""The Overseer: which job goes to which slave next. A pure state machine: events in, actions out, no I/O, no clock.

Every method is an event at a time `now` (seconds of any monotonic clock) and returns the actions that follow, in order.
Jobs and slaves are known by number only. The rules are in docs/scheduling.md; each costs logarithmic time.

A slave that failed rests for a time that doubles with each failure in a row. After it the slave is on trial: it gets
one job, and no second one before that has ended well. The job that a slave failed goes to another one, after
`HOSTS_PER_JOB` of them home, with the reason. So does a job for which there is no slave, or none that could take it.
"""

import itertools
from collections import deque
from collections.abc import Mapping

from dgcc.master.hosts import Held, Hosts, Member
from dgcc.master.late import LATE_S, LateJobs
from dgcc.master.pending import Pending, PendingJobs
from dgcc.master.want import Action, GoHome, Host, Send, Want, Withdraw

__all__ = ["Action", "GoHome", "Host", "Overseer", "Send", "Want", "Withdraw"]

HOSTS_PER_JOB = 2
_LOOKED_AT = 8  # jobs and hosts that are looked at before a slot is left idle


class Overseer:
    """Matches ready jobs with free slaves."""

    def __init__(self, *, now: float, grace_s: float, job_s: float, prefetch: int = 1) -> None:
        """`grace_s`: how long ready jobs wait while no slave can take any, before they go home.

        `job_s`: how long a job may be with a slave before the slave has failed it. `prefetch`: how many jobs are sent
        to a slave beyond those that it can run.
        """
        self._grace_s = grace_s
        self._job_s = job_s
        self._alone_since: float | None = now
        self._hosts = Hosts(prefetch)
        self._jobs = PendingJobs()
        self._sent: deque[tuple[float, int, int]] = deque()  # when which job was sent to which slave; some have ended
        self._late = LateJobs()
        self.second_runs = 0
        self.ahead_s = 0.0  # expected time of what make has not released yet; whoever knows it sets it

    # ---- what others may read --------------------------------------------------------------------------------

    @property
    def free(self) -> list[int]:
        """The slaves that can take a job, best first."""
        return [m.number for m in (*self._hosts.open(), *self._hosts.roomy())]

    @property
    def busy(self) -> list[int]:
        """The slaves that can take none now: they have all they can hold, or rest."""
        free = set(self.free)
        return [m.number for m in self._hosts if m.number not in free]

    @property
    def running(self) -> int:
        """How many jobs are with slaves, one that is run twice counted twice."""
        return sum(len(m.jobs) for m in self._hosts)

    def holder(self, job: int) -> int | None:
        """Return the slave that has the job (of two the first), or None."""
        known = self._jobs.get(job)
        return known.slaves[0] if known and known.slaves else None

    def holds(self, slave: int, job: int) -> bool:
        """Whether the slave has the job."""
        known = self._jobs.get(job)
        return known is not None and slave in known.slaves

    def held_by(self, slave: int) -> set[int]:
        """Return the jobs that a slave has been sent and has not ended."""
        member = self._hosts.get(slave)
        return set(member.jobs) if member else set()

    def wakeup(self, now: float) -> float | None:
        """Return when `tick` must next be called, or None if no time matters now."""
        times = [self._hosts.next_wake, self._deadline()]
        if self._jobs.any_ready and self._alone_since is not None:
            times.append(self._alone_since + self._grace_s)
        if not self._jobs.any_ready and self._hosts.any_open and self._late:
            times.append(self._late.next)
        return min((t for t in times if t is not None), default=None)

    def _deadline(self) -> float | None:
        while self._sent:
            at, job, slave = self._sent[0]
            member = self._hosts.get(slave)
            held = member.jobs.get(job) if member else None
            if held is not None and held.sent == at:
                return at + self._job_s
            self._sent.popleft()
        return None

    # ---- events: slaves --------------------------------------------------------------------------------------

    def expect_none(self, now: float) -> list[Action]:
        """No slave will come of itself: while there is none, jobs go home at once."""
        self._grace_s = 0.0
        return self._match(now)

    def expect_some(self, until: float) -> None:
        """There are slaves that may be about to register: ready jobs wait for them until then."""
        if self._alone_since is not None:
            self._grace_s = max(self._grace_s, until - self._alone_since)

    def joined(self, slave: int, host: Host, now: float) -> list[Action]:
        """A slave has registered."""
        self._hosts.join(slave, host)
        self._usable(now)
        return self._match(now)

    def share(self, slave: int, slots: int, memory_free: int, now: float) -> list[Action]:
        """A slave has told how many slots may be filled there now, and its free memory (bytes; 0: not known)."""
        member = self._hosts.get(slave)
        if member is None:
            return []
        self._hosts.share(member, slots, memory_free, now)
        self._usable(now)
        return self._match(now)

    def speed(self, slave: int, speed: float, now: float) -> list[Action]:
        """A slave's speed has been measured anew."""
        member = self._hosts.get(slave)
        if member is None:
            return []
        self._hosts.set_speed(member, speed)
        return self._match(now)

    def left(self, slave: int, now: float) -> list[Action]:
        """A slave goes of itself, and gives back what it has not ended."""
        return self._gone(slave, "", now)

    def lost(self, slave: int, why: str, now: float) -> list[Action]:
        """A slave is gone without a word. Each job that it was running may be what it died of; none that waited is."""
        return self._gone(slave, why, now)

    # ---- events: jobs ----------------------------------------------------------------------------------------

    def ready(self, job: int, now: float, want: Want = Want()) -> list[Action]:  # noqa: B008 (a frozen value)
        """A job may run on any slave."""
        self._jobs.add(job, want)
        return self._match(now)

    def reconsider(self, wants: Mapping[int, Want]) -> None:
        """More is known of some jobs; those that the Overseer does not have are passed over."""
        for job, want in wants.items():
            if job in self._jobs:
                self._jobs.rethink(job, want)  # of one that is sent: for another slave, should it come to that

    def cancelled(self, job: int, now: float) -> list[Action]:
        """Nobody wants this job any more."""
        if job not in self._jobs:
            return []
        return [*self._forget(job, now), *self._match(now)]

    def done(self, slave: int, job: int, now: float, taken_s: float = 0.0) -> list[Action] | None:
        """The slave has run the job to its end. None: the slave was not running this job, so ignore its result.

        `taken_s`: how long the command itself ran there, from which the host's speed is learned; 0: not known.
        """
        held = self._take_back(slave, job, now)
        if held is None:
            return None
        member = self._hosts[slave]
        self._hosts.well(member)
        if taken_s and held.want.expected_s:
            self._hosts.measure(member, held.want.expected_s, taken_s)
        if held.began is not None:
            self._late.ended((now - held.began) * member.speed)
        return [*self._forget(job, now), *self._match(now)]

    def failed(
        self, slave: int, job: int, why: str, now: float, elsewhere: bool = True, rests: bool = True
    ) -> list[Action] | None:
        """The slave could not run the job, through no fault of the job's. None as for `done`.

        Unless it may go `elsewhere` the job is the caller's again, as after `done`. `rests`: the slave is not well.
        """
        if self._take_back(slave, job, now) is None:
            return None
        member = self._hosts[slave]
        if rests:
            self._hosts.rest(member, why, now)
            self._usable(now)
        if elsewhere:
            return self._again(job, slave, f"{member.name}: {why}") + self._match(now)
        return [*self._forget(job, now), *self._match(now)]

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        actions: list[Action] = []
        while (due := self._deadline()) is not None and due <= now:
            _, job, slave = self._sent.popleft()
            self._take_back(slave, job, now)
            member, why = self._hosts[slave], f"no answer within {self._job_s:.0f} s"
            self._hosts.rest(member, why, now)
            actions += [Withdraw(job, slave, why), *self._again(job, slave, f"{member.name}: {why}")]
        if actions or self._alone_since is not None:
            self._usable(now)
        return actions + self._match(now)

    # ---- books -----------------------------------------------------------------------------------------------

    def _take_back(self, slave: int, job: int, now: float) -> Held | None:
        """The slave has the job no more; None if it never had it."""
        known = self._jobs.get(job)
        if known is None or slave not in known.slaves:
            return None
        known.slaves.remove(slave)
        self._late.drop(job)
        return self._hosts.take(self._hosts[slave], job, now)

    def _forget(self, job: int, now: float) -> list[Action]:
        """The job is over; whoever still has it is told."""
        others = list(self._jobs[job].slaves)
        for slave in others:
            self._take_back(slave, job, now)
        self._jobs.remove(job)
        return [Withdraw(job, slave) for slave in others]

    def _usable(self, now: float) -> None:
        """Note since when there is no slave that could take a job, soon or ever."""
        if any(m.share and m.rests_until <= now + self._grace_s for m in self._hosts):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now

    def _gone(self, slave: int, why: str, now: float) -> list[Action]:
        gone = self._hosts.leave(slave)
        if gone is None:
            return []
        self._usable(now)
        actions: list[Action] = []
        for job, held in gone.jobs.items():
            known = self._jobs[job]
            known.slaves.remove(slave)
            self._late.drop(job)
            if why and held.began is not None:
                actions += self._again(job, slave, f"{gone.name} {why}")
            elif not known.slaves:
                self._jobs.put(job)
        return actions + self._match(now)

    def _again(self, job: int, slave: int, why: str) -> list[Action]:
        """A slave has failed the job: another one, or home. Not yet where it is run a second time already."""
        known = self._jobs[job]
        known.cost[slave] = why
        if known.slaves:
            return []
        if len(known.cost) >= HOSTS_PER_JOB:
            self._jobs.remove(job)
            return [GoHome(job, f"{', '.join(known.cost.values())}; {len(known.cost)} hosts tried")]
        self._jobs.put(job)
        return []

    # ---- the rules -------------------------------------------------------------------------------------------

    def _match(self, now: float) -> list[Action]:
        self._hosts.wake(now)
        actions: list[Action] = self._send_home(now)
        while self._hosts.any_room and (action := self._next(now)) is not None:
            actions.append(action)
        if not self._jobs.any_ready and self._hosts.any_open:
            actions += self._move_waiting(now)
            actions += self._run_again(now)
        return actions

    def _next(self, now: float) -> Action | None:
        """Do one thing for the most urgent job that something can be done for; those before it wait for better."""
        for waiting, job in enumerate(itertools.islice(self._jobs.ready(), _LOOKED_AT)):
            known = self._jobs[job]
            member = self._choose(known, waiting, now)
            if member is not None:
                return self._place(job, member, now)
            if not self._hosts.has_memory(known.want):
                much = f"{known.want.memory / 1e9:.1f} GB"
                return self._home(job, f"it needs about {much} of memory, more than any slave has free")
        return None

    def _send_home(self, now: float) -> list[Action]:
        """Send home what no slave can take: all, while there is none; what all have failed; what none has room for."""
        actions = self._hopeless(now) if len(self._hosts) else []
        since = self._alone_since
        if since is not None and (now >= since + self._grace_s or self._resting_long(now)):
            why = self._why_alone()
            actions += [self._home(job, why) for job in list(self._jobs.ready())]
        return actions

    def _resting_long(self, now: float) -> bool:
        """Whether each slave that offers a slot rests, and for longer than jobs wait."""
        offering = [m for m in self._hosts if m.share]
        return bool(offering) and all(m.rests_until > now + self._grace_s for m in offering)

    def _why_alone(self) -> str:
        if not len(self._hosts):
            return "no slave in the farm"
        rested = [f"{m.name} rests after: {m.trouble}" for m in self._hosts if m.failures]
        return "; ".join(rested + [f"{m.name} is used by its owner" for m in self._hosts if not m.share])

    def _hopeless(self, now: float) -> list[Action]:
        """The jobs that some slave has failed, and for which no other can be hoped for."""
        actions: list[Action] = []
        for job in self._jobs.failed():
            cost = self._jobs[job].cost
            others = [m for m in self._hosts if m.number not in cost]
            if not others:
                actions.append(self._home(job, f"{', '.join(cost.values())}; there is no other slave"))
            elif all(m.rests_until > now + self._grace_s for m in others):
                rested = [f"{m.name} rests after: {m.trouble}" for m in self._hosts if m.failures]
                actions.append(self._home(job, "; ".join(rested)))
        return actions

    def _home(self, job: int, reason: str) -> GoHome:
        self._jobs.remove(job)
        return GoHome(job, reason)

    def _choose(self, known: Pending, before: int, now: float) -> Member | None:
        """Return the host that the job goes to now; None if it waits, as `before` other jobs do."""
        want = known.want
        for tried, member in enumerate(self._hosts.open()):
            if tried == _LOOKED_AT:
                break
            if member.number in known.cost or not member.fits(want):
                continue
            slow = want.expected_s and self._delays(member, want, now)
            return None if slow and self._hosts.sooner_elsewhere(member, want, before, now) else member
        if self._hosts.any_open or self._path_binds():
            return None  # it cannot go where there are slots; another may
        for tried, member in enumerate(self._hosts.roomy()):
            if tried == _LOOKED_AT:
                break
            if member.number not in known.cost and member.fits(want):
                return member
        return None

    def _path_binds(self) -> bool:
        """Whether the most urgent waiting job's path tells when the build ends, more than all the work that is left.

        Then nothing is sent ahead: it would stand before that job, or that job behind another, while a slot opens.
        """
        head = self._jobs[self._jobs.first()].want
        return bool(head.expected_s) and head.priority > self._work_left_s

    @property
    def _work_left_s(self) -> float:
        return (self._jobs.ready_s + self.ahead_s) / max(self._hosts.capacity, 1e-9)

    def _delays(self, member: Member, want: Want, now: float) -> bool:
        """Whether the build should last longer if the job went to this host, for all that is known of the rest."""
        rest = max(self._hosts.last_path(now), self._work_left_s)
        return want.priority - want.expected_s + want.expected_s / member.speed > rest

    def _place(self, job: int, member: Member, now: float, second: bool = False) -> Send:
        known = self._jobs[job]
        self._jobs.draw(job)
        known.slaves.append(member.number)
        self._hosts.give(member, job, known.want, now)
        self._sent.append((now, job, member.number))
        self._late.drop(job)
        if known.want.repeatable and not second:
            self._late.put(job, self._late.late_at(known.want, member, self._hosts.fastest, now))
        self.second_runs += second
        return Send(job, member.number, second)

    def _move_waiting(self, now: float) -> list[Action]:
        """What waits on one host begins at once on another that has nothing to do."""
        actions: list[Action] = []
        for job, slave in list(itertools.islice(self._hosts.waiting, _LOOKED_AT)):
            known = self._jobs[job]
            if not known.want.repeatable or len(known.slaves) > 1:
                continue
            member = next((m for m in self._hosts.open() if m.number not in known.cost and m.fits(known.want)), None)
            if member is None:
                continue
            self._take_back(slave, job, now)
            actions += [Withdraw(job, slave), self._place(job, member, now)]
            if not self._hosts.any_open:
                break
        return actions

    def _run_again(self, now: float) -> list[Action]:
        """A job that runs far beyond its expectation is run a second time on a host that has nothing to do."""
        actions: list[Action] = []
        for job in list(itertools.islice(self._late.due(now), _LOOKED_AT)):
            known = self._jobs[job]
            first = self._hosts[known.slaves[0]]
            began = first.jobs[job].began
            late = now + LATE_S
            if began is not None:
                late = self._late.late_at(known.want, first, self._hosts.fastest, began)
            if began is None or late > now:
                self._late.put(job, late)  # it had to wait for its slot
                continue
            second = self._second_host(known, first, now - began)
            if second is None:
                self._late.put(job, now + LATE_S)  # there may be one later
            else:
                actions.append(self._place(job, second, now, second=True))
        return actions

    def _second_host(self, known: Pending, first: Member, taken_s: float) -> Member | None:
        """A host with nothing to do, on which the job should take less time than it has taken already."""
        expected = self._late.expected(known.want)
        for member in self._hosts.open():
            if member is not first and member.number not in known.cost and member.fits(known.want):
                return member if expected / member.speed < taken_s else None
        return None
