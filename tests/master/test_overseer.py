"""The Overseer's rules, with numbers for jobs and slaves and a clock that is given."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dgcc.master.overseer import GoHome, Overseer, Send, Withdraw


def farm(*slots: int, prefetch: int = 1) -> Overseer:
    overseer = Overseer(now=0.0, grace_s=5.0, prefetch=prefetch)
    for slave, count in enumerate(slots, 1):
        assert overseer.joined(slave, f"s{slave}", count, 0.0) == []
    return overseer


def test_jobs_spread_over_slaves_before_any_prefetch():
    overseer = farm(1, 1)
    sent = [overseer.ready(job, 1.0) for job in (1, 2, 3, 4, 5)]
    assert [a[0].slave for a in sent[:2]] == [1, 2]
    assert sorted(a[0].slave for a in sent[2:4]) == [1, 2]
    assert sent[4] == []
    assert overseer.free == [] and overseer.busy == [1, 2] and overseer.running == 4
    assert overseer.done(2, sent[1][0].job, 2.0) == [Send(5, 2)]


def test_without_slaves_jobs_wait_for_the_grace_and_go_home():
    overseer = farm()
    assert overseer.ready(1, 1.0) == []
    assert overseer.wakeup(1.0) == 5.0
    assert overseer.tick(4.9) == []
    assert overseer.tick(5.0) == [GoHome(1, "no slave in the farm")]
    assert overseer.joined(1, "late", 1, 6.0) == []
    assert overseer.ready(2, 6.0) == [Send(2, 1)]


def test_a_lost_slaves_jobs_go_to_another_and_after_two_hosts_home():
    overseer = farm(2, 2)
    first = overseer.ready(1, 1.0)[0]
    assert overseer.left(first.slave, "was killed", 2.0) == [Send(1, 3 - first.slave)]
    assert overseer.joined(9, "s9", 2, 2.0) == []
    [home] = overseer.left(3 - first.slave, "was killed", 3.0)
    assert isinstance(home, GoHome) and home.job == 1 and "was killed; 2 hosts tried" in home.reason
    assert overseer.done(first.slave, 1, 4.0) is None, "a late result of a lost slave counts for nothing"


def test_a_failing_host_rests_longer_each_time():
    overseer = farm(1)
    rests = []
    now = 0.0
    for job in range(1, 5):
        overseer.ready(job, now)
        assert overseer.holder(job) == 1
        assert overseer.host_failed(1, job, "disk full", now) == [GoHome(job, "s1: disk full; there is no other slave")]
        until = overseer.wakeup(now)
        rests.append(until - now)
        now = until
    assert rests == [1.0, 2.0, 4.0, 8.0]
    overseer.ready(9, now)
    overseer.done(1, 9, now)
    assert overseer.wakeup(now) is None


def test_cancelling():
    overseer = farm(1, prefetch=0)
    overseer.ready(1, 1.0)
    overseer.ready(2, 1.0)
    overseer.ready(3, 1.0)
    assert overseer.cancelled(2, 2.0) == []
    assert overseer.cancelled(1, 2.0) == [Withdraw(1, 1), Send(3, 1)]
    assert overseer.cancelled(77, 2.0) == []


class AnyOrder(RuleBasedStateMachine):
    """Events in any order: no job is lost, none ends twice, no slot leaks."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.overseer = Overseer(now=0.0, grace_s=5.0)
        self.slots: dict[int, int] = {}
        self.sent: dict[int, int] = {}
        self.open: set[int] = set()
        self.ended: Counter[int] = Counter()
        self.number = 0

    def act(self, actions) -> None:
        for action in actions or ():
            match action:
                case Send(job, slave):
                    assert job in self.open and slave in self.slots and job not in self.sent
                    self.sent[job] = slave
                case GoHome(job, reason):
                    assert reason
                    self.sent.pop(job, None)
                    self.open.remove(job)
                    self.ended[job] += 1
                case Withdraw(job, slave):
                    assert self.sent.pop(job) == slave

    @rule(slots=st.integers(1, 3))
    def join(self, slots):
        self.number += 1
        self.slots[self.number] = slots
        self.act(self.overseer.joined(self.number, f"s{self.number}", slots, self.now))

    @rule(compilers=st.sampled_from([(), (b"/usr/bin/cc", b"/usr/bin/g++")]))
    def release(self, compilers):
        self.number += 1
        self.open.add(self.number)
        self.act(self.overseer.ready(self.number, self.now))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), how=st.sampled_from(["done", "failed", "cancelled", "duplicate", "stranger"]))
    def end(self, data, how):
        job = data.draw(st.sampled_from(sorted(self.sent)))
        slave = self.sent[job]
        if how == "stranger":
            assert self.overseer.done(-1, job, self.now) is None
            return
        del self.sent[job]
        if how == "failed":
            self.act(self.overseer.host_failed(slave, job, "trouble", self.now))
            return
        self.open.remove(job)
        self.ended[job] += 1
        if how == "cancelled":
            self.sent[job] = slave
            self.act(self.overseer.cancelled(job, self.now))
        else:
            self.act(self.overseer.done(slave, job, self.now))
        if how == "duplicate":
            assert self.overseer.done(slave, job, self.now) is None

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def leave(self, data):
        slave = data.draw(st.sampled_from(sorted(self.slots)))
        del self.slots[slave]
        self.sent = {j: s for j, s in self.sent.items() if s != slave}
        self.act(self.overseer.left(slave, "is lost", self.now))

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds):
        self.now += seconds
        self.act(self.overseer.tick(self.now))

    @invariant()
    def books_agree(self):
        assert self.overseer.running == len(self.sent)
        assert all(self.overseer.holder(job) == slave for job, slave in self.sent.items())
        assert sorted(self.overseer.free + self.overseer.busy) == sorted(self.slots)
        held = Counter(self.sent.values())
        assert all(held[s] <= n + 1 for s, n in self.slots.items())
        assert all(count == 1 for count in self.ended.values())

    def teardown(self):
        """Whatever happened before: answers given and results in, every job ends."""
        for _ in range(10_000):
            if not self.open:
                break
            for job, slave in list(self.sent.items()):
                del self.sent[job]
                self.open.remove(job)
                self.ended[job] += 1
                self.act(self.overseer.done(slave, job, self.now))
            self.wait(61.0)
        assert not self.open and self.overseer.running == 0


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_any_order = AnyOrder.TestCase
