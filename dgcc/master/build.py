"""One build from start to end: make with the hook, the master's place in the farm, and the report."""

import asyncio
import datetime
import logging
import os
import platform
import resource
import secrets
import signal as signals
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from dgcc.master.clients import ClientServer
from dgcc.master.dispatch import Dispatcher
from dgcc.master.driver import Driver
from dgcc.master.environment.environments import Environments
from dgcc.master.foresight import Foresight
from dgcc.master.gate import Gate
from dgcc.master.history import History, past_of
from dgcc.master.homefirst import HomeFirst
from dgcc.master.joblist import END, JobList
from dgcc.master.lacked import Lacked
from dgcc.master.memory import Memory
from dgcc.master.options import BuildOptions
from dgcc.master.orders import Orders
from dgcc.master.overseer import Overseer
from dgcc.master.plan.planned import Plan
from dgcc.master.plan.planner import Planner
from dgcc.master.preparation import Preparation
from dgcc.master.presence import Presence, Spare
from dgcc.master.progress import Progress
from dgcc.master.reception import Reception
from dgcc.master.recorder import record
from dgcc.master.recording import write
from dgcc.master.registry import SIMULATED, SlaveRegistry
from dgcc.master.report import Report
from dgcc.master.retrospect import look_back
from dgcc.master.shipping import Shipping
from dgcc.master.start import ENDING, Start
from dgcc.master.status import Figures
from dgcc.master.supplies import Supplies
from dgcc.master.tasks import TaskSet
from dgcc.master.terminal import Terminal
from dgcc.master.timeleft import time_left
from dgcc.master.trees import Trees
from dgcc.master.want import Want
from dgcc.naming.deadlines import deadlines
from dgcc.naming.place import Place
from dgcc.naming.sender import Sender

_TICK_S = 0.5
# With no slave at all, jobs wait this long (seconds) for one: our own needs a moment to start.
_GRACE_OWN_SLAVE_S = 15.0
_GRACE_S = 3.0
_INTERRUPT_PATIENCE_S = 0.3
_FAREWELL_S = 0.3  # what a build takes after its last job

log = logging.getLogger(__name__)


class Build:
    """One run of dgcc-master."""

    def __init__(self, options: BuildOptions, spare: Spare | None = None, start: Start | None = None) -> None:
        """`spare` becomes the slave on this host, where there is to be one; else a new process does.

        `start`: make, if it runs already. Else it is started when the farm has been reached.
        """
        self.options = options
        self._start = start
        self._spare = spare
        self.signal = 0  # the one that ended the build, if one did
        self._registry = SlaveRegistry(SIMULATED if options.simulate else platform.machine())
        self._report = Report()
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._loop: asyncio.AbstractEventLoop
        self._dispatcher: Dispatcher
        self._driver: Driver | None = None
        self._terminal: Terminal | None = None
        self._threads: list[Sender] = []
        self._plan_made: Plan | None = None

    def run(self) -> int:
        """Build; returns make's exit code. Raises NamingError, OrbError, DriverError, OSError before make starts."""
        return asyncio.run(self._run())

    # ---- the course of a build -------------------------------------------------------------------------------

    async def _run(self) -> int:
        began = self._start.began if self._start is not None else time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_log_mishap)
        self._interrupt = asyncio.Event()
        self._wanted = asyncio.Event()  # a job is to travel
        options = self.options
        if options.simulate:
            self._note("SIMULATION: what travelled was not run, and no file of it was made")
        self._assemble(began)
        self._planner = Planner(options.driver, options.arguments, options.roots)
        self._catch_signals()
        clients = ClientServer(self._dispatcher)
        tasks = TaskSet()
        try:
            if options.naming is not None and not await self._connect(options.naming):
                return 0  # a signal came first, and tells how to end
            start = self._start or Start(options)
            start.attended()
            self._driver = Driver(start.launched)
            await clients.start(start.socket)
            self._shipping.scratch = clients.path.parent
            work = [self._read_trees(), self._join_farm(), self._plan(), self._tick(),
                    self._read_history(), self._look_ahead()]  # fmt: skip
            if self._driver.terminal is not None:
                self._terminal = Terminal(self._driver.terminal, 1)
                work.append(self._terminal.show(self._figures))
            for each in work:
                tasks.start(each)
            code = await self._driver.wait()
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)  # our own slave is still unreaped, so not in it
            self._report.client_cpu_s = usage.ru_utime + usage.ru_stime
            self._report.exit_code = code if code >= 0 else 128 - code
            if code < 0 and not self.signal:
                self.signal = -code
        finally:
            await self._loop.run_in_executor(self._thread("plan's end"), self._planner.cancel)
            self._dispatcher.stop(signals.SIGTERM)
            await tasks.end()
            if self._terminal is not None:
                await self._terminal.close()
            await clients.close()
            self._reception.over = True
            await self._loop.run_in_executor(self._thread("farewell"), self._presence.close, list(self._registry))
            for thread in self._threads:
                thread.shutdown()
            self._trees.close()
            self._remember()
            self._environments.close()
        self._finish_report(time.monotonic() - began)
        return self._report.exit_code

    def _assemble(self, now: float) -> None:
        """Make the parts and put them together."""
        options, loop = self.options, self._loop
        self._environments = Environments()
        self._trees = Trees(options.roots, self._name, options.rules.ignore, self._environments.indexes)
        preparation = Preparation(loop, self._trees, self._environments, self._thread("environments"))
        self._lacked = Lacked(options.roots[0])
        supplies = Supplies(self._trees, preparation, self._lacked)
        orders = Orders(loop, self._registry, self._trees, options.rules, self._window)
        memory = Memory.of_simulations() if options.simulate else None
        self._foresight = Foresight(options.roots[0], self._reconsider, memory)
        self._progress = Progress(self._foresight, lambda: self._registry.slots, options.local_jobs,
                                  lambda job: self._dispatcher.waits(job), now)  # fmt: skip
        jobs = JobList(self._progress.moved, self._foresight.moved)
        self._dispatcher = Dispatcher(jobs, self._trees, options.rules, options.local_jobs, self._note)
        if options.compare:
            from dgcc.master.comparison import Comparison  # only here: what it needs takes long to load

            self._dispatcher.comparison = Comparison()
        grace = _GRACE_OWN_SLAVE_S if options.local_slave else _GRACE_S
        self._shipping = Shipping(loop, self._dispatcher, jobs, self._trees, self._registry,
                                  Overseer(now=now, grace_s=grace, job_s=deadlines().sent_job), preparation,
                                  supplies, orders, self._foresight, compare=options.compare,
                                  simulate=options.simulate)  # fmt: skip
        if options.naming is None:
            self._shipping.first = self._want_farm
        self._dispatcher.shipping, self._dispatcher.supplies = self._shipping, supplies
        self._dispatcher.home_first = HomeFirst(0 if options.compare else options.home_first,
                                                lambda: self._dispatcher.running_home,
                                                lambda: any(link.joined for link in self._registry),
                                                alone=options.naming is None,
                                                travelled=self._foresight.travelled)  # fmt: skip
        self._dispatcher.foresight = self._foresight
        self._reception = Reception(loop, self._registry, self._shipping, self._trees, self._environments, self._note)
        self._presence = Presence(self._name, Gate(loop), self._reception, self._trees.source, self._count_sent,
                                  self._hope, options.credentials, self._spare)  # fmt: skip

    def _want_farm(self) -> None:
        self._shipping.expect_slaves(True)
        self._wanted.set()

    def _reconsider(self, wants: Mapping[int, Want]) -> None:
        self._dispatcher.reconsider(wants)
        self._shipping.reconsider(wants)

    def _hope(self, some: bool) -> None:
        self._loop.call_soon_threadsafe(self._shipping.expect_slaves, some)

    def _window(self) -> tuple[int, int]:
        return self._driver.window() if self._driver is not None else (0, 0)

    def _thread(self, name: str) -> Sender:
        """A thread for one kind of work beside the loop. None is waited for when the process ends."""
        thread = Sender(name)
        self._threads.append(thread)
        return thread

    async def _connect(self, place: Place) -> bool:
        """Reach the farm, so that an unreachable one is told before make starts. False: a signal came first."""
        connecting = self._loop.run_in_executor(self._thread("connect"), self._presence.connect, place)
        interrupted = asyncio.ensure_future(self._interrupt.wait())
        waiting: set[asyncio.Future[Any]] = {connecting, interrupted}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()
        if not connecting.done():
            return False
        await connecting
        return not self.signal

    async def _read_trees(self) -> None:
        try:
            await self._loop.run_in_executor(self._thread("trees"), self._trees.read)
        except Exception as error:
            self._no_travel(error)
            return
        self._trees.ready = True
        for text in self._trees.unreasonable():
            self._note(text)
        self._dispatcher.has_read()

    async def _read_history(self) -> None:
        await self._foresight.read(self._thread("history"))
        self._dispatcher.has_read()

    def _no_travel(self, error: Exception) -> None:
        """The trees cannot be followed (any more), so that from here on nothing may travel."""
        self._trees.ready = False
        self._note(f"nothing travels: {error}")
        self._dispatcher.trees_failed(str(error))

    async def _join_farm(self) -> None:
        """Be found by slaves, find those that are there, start our own; stay bound if the naming service restarts.

        A farm of one is there when it is needed: builds of nothing, or of what runs at home, are common.
        """
        if self.options.naming is None:
            await self._wanted.wait()
        thread = self._thread("join")
        try:
            await self._loop.run_in_executor(thread, self._presence.join, self.options.local_slave)
        except Exception as error:
            self._note(f"no farm: {error}")
            self._shipping.expect_slaves(False)
            return
        while True:
            await asyncio.sleep(deadlines().look)
            try:
                await self._loop.run_in_executor(thread, self._presence.stay)
            except Exception as error:
                log.info("%s", error)

    async def _plan(self) -> None:
        thread = self._thread("plan")
        self._plan_made = plan = await self._planner.read(thread)
        if plan is not None:
            self._dispatcher.jobs.plan((job.directory, job.target) for job in plan.jobs)
            await self._foresight.planned(plan, thread)

    async def _tick(self) -> None:
        """Watch over leases; keep the queue of file events short."""
        while True:
            await asyncio.sleep(_TICK_S)
            self._reception.watch()
            self._dispatcher.look_again(time.monotonic())
            if self._presence.lost_slave:
                self._note("the slave on this host has ended")
                self._shipping.expect_slaves(False)
            if self._trees.ready:
                try:
                    self._trees.refresh()
                except Exception as error:
                    self._no_travel(error)

    async def _look_ahead(self) -> None:
        """Find, again and again, how much time is left: not in more than a fiftieth of the time."""
        thread = self._thread("progress")
        pause = 0.25
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            rest = self._progress.rest(now)
            if rest is not None:
                left_s = await self._loop.run_in_executor(thread, time_left, rest)
                self._progress.tell(now, left_s + _FAREWELL_S)
            pause = min(max(pause, 1.0, 50 * (time.monotonic() - now)), 60.0)

    def _remember(self) -> None:
        """Keep for later builds what jobs lacked, what became of each, and what it took."""
        self._foresight.remember()
        if self.options.simulate:
            return
        self._lacked.save()
        now = time.time()
        ended = [job for job in self._dispatcher.jobs if job.state in END]
        History(self.options.roots[0]).record([past_of(job, now) for job in ended])

    def _figures(self) -> Figures:
        jobs, dispatcher = self._dispatcher.jobs, self._dispatcher
        return Figures(jobs.ended, jobs.total, dispatcher.running_remote, dispatcher.running_home,
                       len(self._registry), self._shipping.fetching, *self._progress.now(time.monotonic()))  # fmt: skip

    def _count_sent(self, count: int) -> None:
        self._loop.call_soon_threadsafe(self._add_sent, count)

    def _add_sent(self, count: int) -> None:
        self._report.bytes_sent += count

    def _note(self, text: str) -> None:
        if text not in self._report.notes:
            self._report.notes.append(text)

    def _finish_report(self, wall_s: float) -> None:
        report, dispatcher = self._report, self._dispatcher
        report.wall_s = wall_s
        report.planned = dispatcher.jobs.planned
        report.remote, report.local, report.failed = dispatcher.outcome()
        report.fallbacks = dispatcher.fallbacks
        report.comparison = dispatcher.comparison
        report.progress = self._progress.samples
        foreseen, ended = self._foresight.foreseen, time.monotonic()
        report.retrospect = look_back(dispatcher.jobs, ended - wall_s, ended, self._registry.most_slots,
                                      foreseen.heirs if foreseen is not None else (),
                                      self._foresight.places())  # fmt: skip
        report.slaves = self._registry.tallies
        usage = resource.getrusage(resource.RUSAGE_SELF)
        report.master_cpu_s = usage.ru_utime + usage.ru_stime
        report.master_memory = usage.ru_maxrss << 10
        report.bytes_sent += self._trees.bytes_sent
        report.bytes_received = self._shipping.bytes_received

    # ---- signals ---------------------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        for number in ENDING:
            self._loop.add_signal_handler(number, self._interrupted, number)

    def _interrupted(self, number: int) -> None:
        """Ctrl-C and its like: end every job at once, and see that make ends too.

        From a terminal make gets the signal itself, and a second one would keep it from cleaning up; so it is
        only told when it is still there a moment later.
        """
        if self.signal:
            return
        self.signal = number
        self._interrupt.set()
        self._dispatcher.stop(number)
        self._ending = self._loop.create_task(self._end_driver())

    async def _end_driver(self) -> None:
        await asyncio.sleep(_INTERRUPT_PATIENCE_S)
        if self._driver is not None:
            await self._driver.terminate()

    @property
    def differs(self) -> bool:
        """Whether a remote job was found to come out otherwise at home."""
        return bool(self._report.comparison and self._report.comparison.different)

    def print_summary(self, write: Any) -> None:
        """Say at the end what happened. Raises what `write` raises."""
        blocks = (getattr(sys.stderr, "encoding", "") or "").lower().startswith("utf")
        for text in self._report.summary(blocks):
            write(f"dgcc: {text}\n")

    def write_recording(self) -> None:
        """Write a recording of the build, where one is wanted. Raises OSError."""
        options = self.options
        if options.recording is None:
            return
        slots = {name: tally.slots for name, tally in self._registry.tallies.items() if tally.slots}
        write(options.recording, record(self._dispatcher.jobs, self._plan_made, slots=slots, home=options.local_jobs,
                                        command=[*options.driver, *options.arguments], wall_s=self._report.wall_s,
                                        date=datetime.datetime.now(datetime.UTC)))  # fmt: skip

    def write_report(self) -> None:
        """Write the report, where one is wanted. Raises OSError."""
        if self.options.report is not None:
            self._report.write(self.options.report)


def _log_mishap(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What goes wrong in the loop itself, such as a connection refused for want of descriptors, in one line."""
    log.error("%s: %s", context.get("message"), context.get("exception"))
