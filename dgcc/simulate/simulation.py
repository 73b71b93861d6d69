"""One simulated build: make releases, the real Overseer decides, slaves and home run."""

import time
from collections.abc import Callable

from msgspec import Struct

from dgcc.master.home import HomeSlots
from dgcc.master.overseer import Action, GoHome, Host, Overseer, Send, Withdraw
from dgcc.simulate.bound import Bound, bound_of
from dgcc.simulate.clock import Clock
from dgcc.simulate.farm import Farm
from dgcc.simulate.graph import Graph
from dgcc.simulate.make import Make
from dgcc.simulate.setting import LATE_S, LEASE_S, Fault, Setting
from dgcc.simulate.wants import wants_of

_GRACE_S = 3.0
_JOB_S = 1800.0
_LEAST_WAIT_S = 0.01  # of the master's timer


class Stuck(Exception):
    """A simulated build stands still for ever: a mistake of the simulator's or of the Overseer's."""


class Outcome(Struct, frozen=True):
    """How a simulated build went.

    makespan: seconds. slot_use: share of the time of all slots in which they ran something. twice: jobs that were begun
    more than once. fallbacks: jobs that were to travel and ran at home, with the reasons. events: calls of the
    Overseer. overseer_s: CPU seconds in them, the one figure here that differs from run to run.
    """

    makespan: float
    bound: Bound
    slot_use: float
    twice: int
    fallbacks: tuple[tuple[str, str], ...]
    events: int
    overseer_s: float

    @property
    def ratio(self) -> float:
        """The makespan by the lower bound; 1 for a build of nothing."""
        return self.makespan / self.bound.seconds if self.bound.seconds else 1.0

    @property
    def event_us(self) -> float:
        """Microseconds of the Overseer for each event."""
        return self.overseer_s / self.events * 1e6 if self.events else 0.0


def simulate(graph: Graph, setting: Setting) -> Outcome:
    """Run one build. Deterministic but for `overseer_s`. Raises Stuck."""
    return _Simulation(graph, setting).run()


class _Simulation:
    def __init__(self, graph: Graph, setting: Setting) -> None:
        self._graph = graph
        self._setting = setting
        self._clock = Clock()
        self._farm = Farm(graph, setting, self._clock, self._on_result)
        self._make = Make(graph, setting.window, self._released)
        self._home = HomeSlots(setting.home, self._start_home, parent=self._above)
        self._overseer = Overseer(now=0.0, grace_s=_GRACE_S, job_s=_JOB_S, prefetch=setting.prefetch)
        self._expected, self._wants = wants_of(graph, setting)
        self._overseer.ahead_s = sum(self._expected)
        self._timer: float | None = None
        self._fallbacks: list[tuple[str, str]] = []
        self._last_end = 0.0
        self._events = 0
        self._spent_ns = 0

    def run(self) -> Outcome:
        for number, slave in self._farm.slaves.items():
            host = Host(slave.name, slave.slots, speed=slave.speed if self._setting.known else 1.0)
            self._tell(self._overseer.joined, number, host)
        if not self._farm.slaves:
            self._tell(self._overseer.expect_none)
        for fault in self._setting.faults:
            self._clock.at(fault.at, self._befall, fault)
        self._make.start()
        if not self._clock.run(lambda: not self._make.left):
            raise Stuck(f"after {self._clock.now:.1f} s {self._make.left} jobs can never run")
        makespan = self._last_end
        for slave in self._farm.slaves.values():
            slave.down()
        slots = self._setting.slots * makespan
        used = sum(slave.work_s for slave in self._farm.slaves.values())
        return Outcome(
            makespan, bound_of(self._graph, self._setting, bool(self._fallbacks)), used / slots if slots else 0.0,
            sum(count > 1 for count in self._farm.runs.values()), tuple(self._fallbacks), self._events,
            self._spent_ns / 1e9,
        )  # fmt: skip

    # ---- jobs ------------------------------------------------------------------------------------------------

    def _released(self, job: int) -> None:
        self._home.seen(job)
        self._overseer.ahead_s = max(0.0, self._overseer.ahead_s - self._expected[job])
        if self._graph.jobs[job].remote:
            self._tell(self._overseer.ready, job, want=self._wants[job])
        else:
            self._home.ask(job, job, self._wants[job].priority)

    def _above(self, job: int) -> int:
        """In place of the process tree: a job's process id is its place, and what is above it the process above."""
        above = self._graph.above[job]
        return -1 if above is None else above

    def _start_home(self, job: int) -> None:
        self._clock.at(self._clock.now + self._graph.seconds[job], self._own_end, job)

    def _own_end(self, job: int) -> None:
        if self._make.runs_makes(job):
            self._make.begin_makes(job)
        else:
            self._home.release(job)
            self._ended(job)

    def _ended(self, job: int) -> None:
        self._last_end = self._clock.now
        for above in self._make.ended(job):
            self._home.release(above)
            self._ended(above)

    def _on_result(self, slave: int, job: int, wall_s: float) -> None:
        if self._tell(self._overseer.done, slave, job, taken_s=wall_s):
            self._ended(job)

    # ---- the Overseer ----------------------------------------------------------------------------------------

    def _tell(self, event: Callable[..., list[Action] | None], *arguments: object, **more: object) -> bool:
        """Tell the Overseer of an event now, and do what it decides. False: it was not interested."""
        now = self._clock.now
        began = time.thread_time_ns()
        actions = event(*arguments, now=now, **more)
        at = self._overseer.wakeup(now)
        self._spent_ns += time.thread_time_ns() - began
        self._events += 1
        for action in actions or ():
            self._do(action)
        if at is not None and at != self._timer:
            self._timer = at
            self._clock.at(max(at, now + _LEAST_WAIT_S), self._tick, at)
        return actions is not None

    def _tick(self, at: float) -> None:
        if at == self._timer:
            self._timer = None
            self._tell(self._overseer.tick)

    def _do(self, action: Action) -> None:
        match action:
            case Send(job=job, slave=slave):
                self._farm.send(job, slave)
            case Withdraw(job=job, slave=slave):
                self._farm.withdraw(job, slave)
            case GoHome(job=job, reason=reason):
                self._fallbacks.append((self._graph.jobs[job].target, reason))
                self._home.ask(job, job, self._wants[job].priority)

    # ---- faults ----------------------------------------------------------------------------------------------

    def _befall(self, fault: Fault) -> None:
        number, slave = next((n, s) for n, s in self._farm.slaves.items() if s.name == fault.slave)
        if not slave.up:
            return
        if fault.kind == "slow":
            slave.slow_down(fault.factor)
            return
        slave.down()
        # One that is killed refuses the call that asks a late slave whether it lives; one that is stopped says nothing.
        wait = LATE_S if fault.kind == "kill" else LEASE_S
        self._clock.at(self._clock.now + wait, self._lost, number)

    def _lost(self, number: int) -> None:
        self._tell(self._overseer.lost, number, "was lost")
