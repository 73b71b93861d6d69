"""Several masters and slaves, and every event in any order: no job is lost or told twice, no slot leaks, builds end.

The masters are real Overseers, the slaves have the real job list; what lies between them is this file's: messages that
come late, twice or never, slaves that die, are given up, leave and come back.
"""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dgcc.master.overseer import GoHome, Host, Overseer, Send, Want, Withdraw
from dgcc.slave.joblist import JobList

WANTS = st.builds(Want, st.floats(0, 99), st.floats(0, 99), st.integers(0, 9), st.booleans())


@dataclass(frozen=True)
class Order:
    """A job on a slave's list."""

    id: int
    lease: int


@dataclass
class HostProcess:
    """One slave process. Its sessions are leases; a slot is a job in `running`."""

    slots: int
    jobs: JobList = field(default_factory=JobList)
    leases: set[int] = field(default_factory=set)
    running: set[Order] = field(default_factory=set)


@dataclass
class Master:
    """One build: what it has released, and what has become of it."""

    overseer: Overseer
    open: set[int] = field(default_factory=set)
    ended: Counter[int] = field(default_factory=Counter)
    leases: dict[int, HostProcess] = field(default_factory=dict)  # as the master believes


class AnyOrder(RuleBasedStateMachine):
    """Events in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.number = 0.0, 0
        self.masters: list[Master] = []
        self.hosts: list[HostProcess] = []
        self.calls: list[tuple[Master, int, str, int]] = []  # to slaves under way: master, lease, what, job
        self.results: list[tuple[Master, int, int, str]] = []  # to masters: master, lease, job, how

    def new(self) -> int:
        self.number += 1
        return self.number

    def act(self, master: Master, actions) -> None:
        for action in actions or ():
            match action:
                case Send(job, lease):
                    assert job in master.open and lease in master.leases
                    self.calls.append((master, lease, "run", job))
                case Withdraw(job, lease):
                    self.calls.append((master, lease, "cancel", job))
                case GoHome(job, reason):
                    assert reason
                    self.end(master, job)

    @staticmethod
    def end(master: Master, job: int) -> None:
        master.open.remove(job)
        master.ended[job] += 1

    # ---- what happens ----------------------------------------------------------------------------------------

    @initialize(count=st.integers(1, 3))
    def start(self, count):
        self.masters = [Master(Overseer(now=0.0, grace_s=5.0, job_s=100.0)) for _ in range(count)]

    @rule(slots=st.integers(1, 3))
    def join(self, slots):
        self.hosts.append(host := HostProcess(slots))
        for master in self.masters:
            self.enlist(master, host)

    def enlist(self, master: Master, host: HostProcess) -> None:
        lease = self.new()
        host.leases.add(lease)
        master.leases[lease] = host
        self.act(master, master.overseer.joined(lease, Host(f"s{lease}", host.slots, memory=8), self.now))

    @rule(data=st.data(), want=WANTS)
    def release(self, data, want):
        master = data.draw(st.sampled_from(self.masters))
        master.open.add(job := self.new())
        self.act(master, master.overseer.ready(job, self.now, want))

    @precondition(lambda self: any(master.open for master in self.masters))
    @rule(data=st.data(), want=WANTS, ahead=st.floats(0, 1000))
    def more_is_known(self, data, want, ahead):
        master = data.draw(st.sampled_from([m for m in self.masters if m.open]))
        master.overseer.reconsider({data.draw(st.sampled_from(sorted(master.open))): want})
        master.overseer.ahead_s = ahead

    @precondition(lambda self: any(master.leases for master in self.masters))
    @rule(data=st.data(), slots=st.integers(0, 3), memory=st.integers(0, 9), speed=st.floats(0.1, 9))
    def a_slave_tells_of_itself(self, data, slots, memory, speed):
        master = data.draw(st.sampled_from([m for m in self.masters if m.leases]))
        lease = data.draw(st.sampled_from(sorted(master.leases)))
        self.act(master, master.overseer.share(lease, slots, memory, self.now))
        self.act(master, master.overseer.speed(lease, speed, self.now))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_call_arrives(self, data):
        self.arrive(self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1))))

    def arrive(self, call) -> None:
        master, lease, what, job = call
        host = next((host for host in self.hosts if lease in host.leases), None)
        if host is None:
            if what == "run":
                self.failed(master, lease, job, True)
        elif what == "run":
            host.jobs.put(lease, Order(job, lease))
        else:
            host.jobs.withdraw(lease, [job])
            host.running.discard(Order(job, lease))

    def failed(self, master: Master, lease: int, job: int, elsewhere: bool) -> None:
        actions = master.overseer.failed(lease, job, "trouble", self.now, elsewhere=elsewhere)
        if actions is not None and not elsewhere:
            self.end(master, job)
        self.act(master, actions)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_job_never_arrives(self, data):
        master, lease, what, job = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        if what == "run":
            self.failed(master, lease, job, True)  # the slave tells what it holds, and that is missing

    @precondition(lambda self: any(len(host.jobs) and len(host.running) < host.slots for host in self.hosts))
    @rule(data=st.data())
    def a_slot_takes_a_job(self, data):
        able = [host for host in self.hosts if len(host.jobs) and len(host.running) < host.slots]
        self.take(data.draw(st.sampled_from(able)))

    @staticmethod
    def take(host: HostProcess) -> None:
        taken = host.jobs.take()
        assert taken is not None
        host.running.add(taken[1])

    @precondition(lambda self: any(host.running for host in self.hosts))
    @rule(data=st.data(), how=st.sampled_from(["done", "host", "protocol"]))
    def a_job_ends(self, data, how):
        host = data.draw(st.sampled_from([host for host in self.hosts if host.running]))
        order = data.draw(st.sampled_from(sorted(host.running, key=lambda each: each.id)))
        self.finish(host, order, how)

    def finish(self, host: HostProcess, order: Order, how: str) -> None:
        host.running.remove(order)
        master = next(m for m in self.masters if order.lease in m.leases or order.id in m.open | m.ended.keys())
        self.results.append((master, order.lease, order.id, how))

    @precondition(lambda self: self.results)
    @rule(data=st.data(), times=st.integers(1, 3))
    def a_result_arrives(self, data, times):
        result = self.results.pop(data.draw(st.integers(0, len(self.results) - 1)))
        for _ in range(times):
            self.receive(result)

    def receive(self, result) -> None:
        master, lease, job, how = result
        if how != "done":
            self.failed(master, lease, job, how == "host")
            return
        held = master.overseer.holds(lease, job)
        actions = master.overseer.done(lease, job, self.now)
        assert (actions is not None) == held
        if actions is not None:
            self.end(master, job)
            self.act(master, actions)

    @precondition(lambda self: any(master.open for master in self.masters))
    @rule(data=st.data())
    def a_client_goes(self, data):
        master = data.draw(st.sampled_from([m for m in self.masters if m.open]))
        job = data.draw(st.sampled_from(sorted(master.open)))
        self.act(master, master.overseer.cancelled(job, self.now))
        self.end(master, job)

    @precondition(lambda self: self.hosts)
    @rule(data=st.data())
    def a_slave_dies(self, data):
        self.hosts.remove(data.draw(st.sampled_from(self.hosts)))  # its masters learn of it later

    @precondition(lambda self: any(master.leases for master in self.masters))
    @rule(data=st.data())
    def a_lease_runs_out(self, data):
        """The slave may be dead, or only late: then it learns of it, and registers anew."""
        master = data.draw(st.sampled_from([m for m in self.masters if m.leases]))
        self.run_out(master, data.draw(st.sampled_from(sorted(master.leases))), self.now)

    def run_out(self, master: Master, lease: int, now: float) -> None:
        host = master.leases.pop(lease)
        self.act(master, master.overseer.lost(lease, "is lost", now))
        if host in self.hosts:
            self.give_up(host, lease)
            self.enlist(master, host)

    @staticmethod
    def give_up(host: HostProcess, lease: int) -> None:
        host.leases.discard(lease)
        host.jobs.withdraw(lease)
        host.running = {order for order in host.running if order.lease != lease}

    @precondition(lambda self: self.hosts)
    @rule(data=st.data())
    def a_slave_leaves(self, data):
        host = data.draw(st.sampled_from(self.hosts))
        self.hosts.remove(host)
        for master in self.masters:
            for lease in [lease for lease, its in master.leases.items() if its is host]:
                del master.leases[lease]
                self.act(master, master.overseer.left(lease, self.now))

    @rule(seconds=st.floats(0, 120))
    def time_passes(self, seconds):
        self.now += seconds
        for master in self.masters:
            self.act(master, master.overseer.tick(self.now))

    # ---- what must hold --------------------------------------------------------------------------------------

    @invariant()
    def books_agree(self):
        for master in self.masters:
            overseer = master.overseer
            assert sorted(overseer.free + overseer.busy) == sorted(master.leases), "the two lists are all slaves, once"
            held = {lease: overseer.held_by(lease) for lease in master.leases}
            assert overseer.running == sum(map(len, held.values()))
            assert set().union(*held.values()) <= master.open
            assert all(count <= 2 for count in Counter(job for jobs in held.values() for job in jobs).values())
            assert all(len(jobs) <= master.leases[lease].slots + 1 for lease, jobs in held.items())
            assert all(count == 1 for count in master.ended.values()), "no job is told twice"
            assert not master.open & master.ended.keys()
        for host in self.hosts:
            assert len(host.running) <= host.slots

    def teardown(self):
        """Whatever happened before: with messages delivered and jobs ended, every build ends, every slot is free."""
        for master in self.masters:
            for lease in [lease for lease, host in master.leases.items() if host not in self.hosts]:
                self.run_out(master, lease, self.now)
        for _ in range(1000):
            at_work = any(m.open for m in self.masters) or any(len(h.jobs) or h.running for h in self.hosts)
            if not (at_work or self.calls or self.results):
                break
            while self.calls:
                self.arrive(self.calls.pop(0))
            for host in self.hosts:
                while len(host.jobs) and len(host.running) < host.slots:
                    self.take(host)
                for order in list(host.running):
                    self.finish(host, order, "done")
            while self.results:
                self.receive(self.results.pop(0))
            self.time_passes(61.0)
        assert not any(master.open or master.overseer.running for master in self.masters), "no build hangs"
        assert not any(len(host.jobs) or host.running for host in self.hosts), "no slot leaks"


AnyOrder.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
test_any_order = AnyOrder.TestCase
