"""The simulated farm: slaves that run what they are sent, and the master's link to them.

A slave runs the first jobs that it has, as many as its slots, in the order in which their inputs came; those of a job
that waits are fetched while others run. Its slot is free as soon as a command has ended, the result is then on its way.
All transfers share the master's link, each way by itself, one after another.
"""

from collections import deque
from collections.abc import Callable

from msgspec import Struct

from dgcc.simulate.clock import Clock
from dgcc.simulate.graph import Graph
from dgcc.simulate.setting import Setting, Slave


class Link:
    """One direction of the master's network."""

    def __init__(self, bandwidth: float, latency_s: float) -> None:
        """`bandwidth`: bytes a second, 0: no limit. `latency_s`: one way."""
        self._bandwidth = bandwidth
        self._latency_s = latency_s
        self._free_at = 0.0

    def arrival(self, size: int, now: float) -> float:
        """Send `size` bytes, and return when the last one arrives."""
        if self._bandwidth:
            self._free_at = max(self._free_at, now) + size / self._bandwidth
            return self._free_at + self._latency_s
        return now + self._latency_s


class _Run(Struct):
    began: float
    left: float  # seconds of work on a host of speed 1
    since: float  # when `left` was so much


class SimulatedSlave:
    """One host of the farm."""

    def __init__(self, number: int, slave: Slave, farm: "Farm") -> None:
        self.number = number
        self.name = slave.name
        self.slots = slave.slots
        self.speed = slave.speed
        self.work_s = 0.0  # slot time in use
        self.up = True
        self._farm = farm
        self._queue: deque[int] = deque()
        self._running: dict[int, _Run] = {}
        self._forgotten: set[int] = set()  # withdrawn before they came

    def take(self, job: int) -> None:
        """The job and its inputs are here."""
        if job in self._forgotten:
            self._forgotten.remove(job)
        elif self.up:
            self._queue.append(job)
            self._fill()

    def forget(self, job: int) -> None:
        """The master wants this job no more."""
        if not self.up:
            return
        if job in self._running:
            self._stop(job)
            self._fill()
        elif job in self._queue:
            self._queue.remove(job)
        elif job in self._farm.coming and self.number in self._farm.coming[job]:
            self._forgotten.add(job)

    def slow_down(self, factor: float) -> None:
        """From now on everything takes `factor` times as long."""
        now = self._farm.clock.now
        for run in self._running.values():
            run.left -= (now - run.since) * self.speed
            run.since = now
        self.speed /= factor
        for job, run in self._running.items():
            self._farm.clock.at(now + run.left / self.speed, self._end, job, run, self.speed)

    def down(self) -> None:
        """It does nothing any more, and says nothing."""
        self.up = False
        for job in list(self._running):
            self._stop(job)
        self._queue.clear()

    def _stop(self, job: int) -> None:
        self.work_s += self._farm.clock.now - self._running.pop(job).began

    def _fill(self) -> None:
        now = self._farm.clock.now
        while self._queue and len(self._running) < self.slots:
            job = self._queue.popleft()
            run = self._running[job] = _Run(now, self._farm.graph.seconds[job], now)
            self._farm.runs[job] = self._farm.runs.get(job, 0) + 1
            self._farm.clock.at(now + run.left / self.speed, self._end, job, run, self.speed)

    def _end(self, job: int, run: _Run, speed: float) -> None:
        if self._running.get(job) is not run or speed != self.speed:
            return  # stopped, or planned anew, meanwhile
        self._stop(job)
        self._fill()
        self._farm.send_result(self, job, self._farm.clock.now - run.began)


class Farm:
    """All slaves."""

    def __init__(self, graph: Graph, setting: Setting, clock: Clock,
                 on_result: Callable[[int, int, float], None]) -> None:  # fmt: skip
        """`on_result(slave, job, wall_s)` is called when a result has arrived."""
        self.graph = graph
        self.clock = clock
        self.runs: dict[int, int] = {}  # how often each job was begun
        self.coming: dict[int, list[int]] = {}  # slaves to which each job is on its way
        self._on_result = on_result
        self._latency_s = setting.latency_s
        self._out = Link(setting.bandwidth, setting.latency_s)
        self._in = Link(setting.bandwidth, setting.latency_s)
        self.slaves = {n: SimulatedSlave(n, slave, self) for n, slave in enumerate(setting.slaves, 1)}

    def send(self, job: int, slave: int) -> None:
        """Send a job; its inputs, where it has any, are asked for when it has arrived."""
        self.coming.setdefault(job, []).append(slave)
        self.clock.at(self.clock.now + self._latency_s, self._ask, job, slave)

    def _ask(self, job: int, slave: int) -> None:
        size = self.graph.jobs[job].bytes_in
        if size:
            self.clock.at(self._out.arrival(size, self.clock.now + self._latency_s), self._come, job, slave)
        else:
            self._come(job, slave)

    def _come(self, job: int, slave: int) -> None:
        self.coming[job].remove(slave)
        self.slaves[slave].take(job)

    def withdraw(self, job: int, slave: int) -> None:
        """Tell a slave to forget a job."""
        self.clock.at(self.clock.now + self._latency_s, self.slaves[slave].forget, job)

    def send_result(self, slave: SimulatedSlave, job: int, wall_s: float) -> None:
        """A slave has run a job to its end."""
        at = self._in.arrival(self.graph.jobs[job].bytes_out, self.clock.now)
        self.clock.at(at, self._on_result, slave.number, job, wall_s)
