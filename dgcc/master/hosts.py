"""The hosts as the Overseer knows them: what each holds, how fast it is, which can take a job. No clock, no I/O.

A host runs the first jobs that it was sent, as many as its *share* of slots; one job more waits there, so that the next
one starts without a round trip. It is *open* while it has a slot of that share to fill, has *room* while only that
waiting place is left, and is neither while it rests.
"""

import math
from collections.abc import Iterator

from msgspec import Struct, field

from dgcc.master.ranking import Ranking
from dgcc.master.want import Host, Want

FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0
MEMORY_SHARE = 0.9
"""Of the memory that a host has for jobs, so much is given to what they are expected to need."""

_FADING = 0.8  # weight of what a host's earlier jobs have told of its speed, with each new one
_MOST_APART = 50.0  # no host is believed to be so many times as fast, or slow, as the reference
_CLASSES = 8.0  # speed classes for each factor of e: hosts that differ by less than 12 % are equally fast


def speed_class(speed: float) -> int:
    """The class of a speed: hosts of one class are not told apart."""
    return round(math.log(max(speed, 1e-3)) * _CLASSES)


class Held(Struct):
    """A job that a host has. `began` is None while it waits there."""

    want: Want
    sent: float
    began: float | None = None


class Member(Struct):
    """One host of the farm."""

    number: int
    host: Host
    order: int  # in which they joined
    share: int  # slots that this master may fill now
    speed: float
    expected_s: float = 0.0  # of what has ended there, the last of it most, and
    taken_s: float = 0.0  # how long that took
    others_memory: int = 0  # bytes that are taken there by what is not ours
    jobs: dict[int, Held] = field(default_factory=dict)  # in order of sending
    running: int = 0  # of them; the rest waits
    memory: int = 0  # bytes that they are expected to need
    proven: bool = False  # a job has ended well there
    worth: float = 0.0  # what it adds to the farm's capacity
    failures: int = 0  # in a row; on trial while there are any
    rests_until: float = 0.0
    trouble: str = ""  # the last of them

    @property
    def name(self) -> str:
        """Its name."""
        return self.host.name

    def open_slots(self) -> int:
        """Slots that could start a job at once."""
        limit = min(self.share, 1) if self.failures else self.share
        return limit - len(self.jobs)

    def room(self, prefetch: int) -> int:
        """Jobs that it could be sent, those included that would wait there."""
        return self.open_slots() + (prefetch if self.share and not self.failures else 0)

    def expected_end(self, held: Held) -> float:
        """When a job that runs here should end."""
        assert held.began is not None
        return held.began + held.want.expected_s / self.speed

    def fits(self, want: Want) -> bool:
        """Whether there is memory for a job beside the others that are here, as far as is known."""
        if not want.memory or not self.host.memory:
            return True
        return self.memory + want.memory <= MEMORY_SHARE * (self.host.memory - self.others_memory)


class Hosts:
    """All hosts of one master's farm."""

    def __init__(self, prefetch: int) -> None:
        self._prefetch = prefetch
        self._members: dict[int, Member] = {}
        self._joined = 0
        self._open: Ranking[int] = Ranking()  # fastest first, then most open slots, then longest known
        self._room: Ranking[int] = Ranking()  # least waiting, then fastest
        self._resting: Ranking[int] = Ranking()  # by the end of the rest
        self._ends: dict[int, Ranking[tuple[int, int]]] = {}  # by speed class: expected ends of (job, host)
        self._paths: Ranking[tuple[int, int]] = Ranking()  # (job, host) by when all that awaits it should have ended
        self.waiting: Ranking[tuple[int, int]] = Ranking()  # (job, host) that wait on a host, most urgent first
        self._speeds: Ranking[int] = Ranking()  # of hosts that can be used, fastest first
        self._sizes: Ranking[int] = Ranking()  # by memory, most first; not known is most
        self.capacity = 0.0  # slots, each counted by its speed, of hosts that can be used

    # ---- who is there ----------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, number: int) -> bool:
        return number in self._members

    def get(self, number: int) -> Member | None:
        """Return a host, or None if it is not here."""
        return self._members.get(number)

    def __getitem__(self, number: int) -> Member:
        return self._members[number]

    def join(self, number: int, host: Host) -> None:
        """A host has come."""
        self._joined += 1
        self._members[number] = Member(number, host, self._joined, host.slots, host.speed)
        self._rank(self._members[number])
        self._sizes.put(number, -(host.memory or math.inf))
        self._count(self._members[number])

    def leave(self, number: int) -> Member | None:
        """A host has gone; return it with what it held."""
        member = self._members.pop(number, None)
        if member is None:
            return None
        for job, held in member.jobs.items():
            self._strike(member, job, held)
        for ranking in (self._open, self._room, self._resting, self._sizes):
            ranking.drop(number)
        self._count(member)
        return member

    # ---- what they hold --------------------------------------------------------------------------------------

    def give(self, member: Member, job: int, want: Want, now: float) -> None:
        """The job is sent to a host."""
        held = Held(want, now)
        member.jobs[job] = held
        member.memory += want.memory
        if member.running < max(member.share, 1):
            self._begin(member, job, held, now)
        else:
            self.waiting.put((job, member.number), -want.priority)
        self._rank(member)

    def take(self, member: Member, job: int, now: float) -> Held:
        """The host has the job no more; one that waited there begins in its place."""
        held = member.jobs.pop(job)
        member.memory -= held.want.memory
        self._strike(member, job, held)
        if held.began is not None:
            member.running -= 1
            self._promote(member, now)
        self._rank(member)
        return held

    def _begin(self, member: Member, job: int, held: Held, now: float) -> None:
        held.began = now
        member.running += 1
        if held.want.expected_s:
            self._expect(member, job, held)

    def _expect(self, member: Member, job: int, held: Held) -> None:
        ends = self._ends.setdefault(speed_class(member.speed), Ranking())
        end = member.expected_end(held)
        ends.put((job, member.number), end)
        self._paths.put((job, member.number), -(end + max(0.0, held.want.priority - held.want.expected_s)))

    def _promote(self, member: Member, now: float) -> None:
        if member.running >= member.share or member.running == len(member.jobs):
            return
        for job, held in member.jobs.items():
            if held.began is None and member.running < member.share:
                self.waiting.drop((job, member.number))
                self._begin(member, job, held, now)

    def _strike(self, member: Member, job: int, held: Held) -> None:
        self.waiting.drop((job, member.number))
        if held.began is not None and held.want.expected_s:
            ends = self._ends.get(speed_class(member.speed))
            if ends is not None:
                ends.drop((job, member.number))
            self._paths.drop((job, member.number))

    # ---- what changes ----------------------------------------------------------------------------------------

    def share(self, member: Member, slots: int, memory_free: int, now: float) -> None:
        """A host has told how many slots this master may fill, and how much memory (bytes) is free there."""
        if member.host.memory and memory_free:
            ours = sum(held.want.memory for held in member.jobs.values() if held.began is not None)
            member.others_memory = max(0, member.host.memory - memory_free - ours)
        slots = min(slots, member.host.slots)
        if slots == member.share:
            return
        member.share = slots
        self._promote(member, now)
        self._rank(member)
        self._count(member)

    def set_speed(self, member: Member, speed: float) -> None:
        """A host has been measured."""
        if speed_class(member.speed) == speed_class(speed):
            return
        moved = [(job, held) for job, held in member.jobs.items() if held.began is not None]
        for job, held in moved:
            self._strike(member, job, held)
        member.speed = speed
        for job, held in moved:
            if held.want.expected_s:
                self._expect(member, job, held)
        self._rank(member)
        self._count(member)

    def measure(self, member: Member, expected_s: float, taken_s: float) -> None:
        """A job has ended there that was expected to take `expected_s` on a host of speed 1, and took `taken_s`."""
        if not member.taken_s:
            member.expected_s, member.taken_s = member.speed, 1.0  # what was known before counts as one second
        member.expected_s = _FADING * member.expected_s + expected_s
        member.taken_s = _FADING * member.taken_s + taken_s
        speed = member.expected_s / member.taken_s
        self.set_speed(member, min(max(speed, 1 / _MOST_APART), _MOST_APART))

    def rest(self, member: Member, why: str, now: float) -> None:
        """A host has failed: it rests for a time that doubles with each failure in a row, and is then on trial."""
        member.trouble = why
        if now < member.rests_until:
            return  # of the jobs that it had in hand, another failed the same way
        member.failures += 1
        member.rests_until = now + min(LONGEST_REST_S, FIRST_REST_S * 2 ** (member.failures - 1))
        self._resting.put(member.number, member.rests_until)
        self._rank(member)
        self._count(member)

    def well(self, member: Member) -> None:
        """A job has ended well: the host is on trial no more."""
        member.proven = True
        if member.failures:
            member.failures = 0
            self._rank(member)

    def wake(self, now: float) -> None:
        """End the rests that are over."""
        while (number := self._resting.first()) is not None and self._members[number].rests_until <= now:
            self._resting.drop(number)
            self._rank(self._members[number])
            self._count(self._members[number])

    @property
    def next_wake(self) -> float | None:
        """When the next rest ends."""
        first = self._resting.first()
        return None if first is None else self._members[first].rests_until

    def _rank(self, member: Member) -> None:
        number, fast = member.number, -speed_class(member.speed)
        slots = member.open_slots()
        resting = number in self._resting
        if slots > 0 and not resting:
            self._open.put(number, fast, -slots, member.order)
        else:
            self._open.drop(number)
        if slots <= 0 < member.room(self._prefetch) and not resting:
            self._room.put(number, -slots, fast, member.order)
        else:
            self._room.drop(number)

    def _count(self, member: Member) -> None:
        usable = member.number in self._members and member.number not in self._resting and member.share > 0
        worth = member.share * member.speed if usable else 0.0
        self.capacity += worth - member.worth
        member.worth = worth
        if usable:
            self._speeds.put(member.number, -member.speed)
        else:
            self._speeds.drop(member.number)

    @property
    def fastest(self) -> float:
        """The speed of the fastest host that can be used."""
        return -self._speeds.nth(0) if self._speeds else 1.0

    def has_memory(self, want: Want) -> bool:
        """Whether a host has memory for a job, or would have without those that were sent there."""
        if not want.memory or not self._sizes:
            return True
        if want.memory > MEMORY_SHARE * -self._sizes.nth(0):  # as almost always where there is not
            return False
        return any(
            not member.host.memory or want.memory <= MEMORY_SHARE * (member.host.memory - member.others_memory)
            for member in self
        )

    # ---- who can take a job ----------------------------------------------------------------------------------

    @property
    def any_open(self) -> bool:
        """Whether a job could start at once somewhere."""
        return bool(self._open)

    @property
    def any_room(self) -> bool:
        """Whether a job could be sent anywhere."""
        return bool(self._open or self._room)

    def open(self) -> Iterator[Member]:
        """Hosts on which a job would start at once: fastest first, then those with most open slots."""
        return (self._members[number] for number in self._open)

    def roomy(self) -> Iterator[Member]:
        """Hosts on which a job would wait for one other: where least waits, then the fastest."""
        return (self._members[number] for number in self._room)

    def last_path(self, now: float) -> float:
        """How long (seconds) the longest path that begins with a running job should still take."""
        return max(0.0, -self._paths.nth(0) - now) if len(self._paths) else 0.0

    def sooner_elsewhere(self, member: Member, want: Want, before: int, now: float) -> bool:
        """Whether a job would end sooner if it waited for a faster host than `member`, behind `before` others."""
        limit = speed_class(member.speed)
        here = now + want.expected_s / member.speed
        for fast, ends in self._ends.items():
            if fast > limit and len(ends) > before:
                end = ends.nth(before)
                free = now + abs(end - now)  # one that is late is expected to be as late again
                if free + want.expected_s / math.exp(fast / _CLASSES) < here:
                    return True
        return False
