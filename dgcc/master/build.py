"""One build from start to end: make with the hook, the master's place in the farm, and the report."""

import asyncio
import logging
import os
import resource
import secrets
import signal as signals
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgcc.corba import CORBA, DGCC
from dgcc.master.clients import ClientServer
from dgcc.master.dispatch import Dispatcher
from dgcc.master.driver import Driver, start_driver
from dgcc.master.overseer import Overseer
from dgcc.master.plan.planner import Planner
from dgcc.master.presence import Presence
from dgcc.master.registry import LEASE_S, SlaveLink, SlaveRegistry
from dgcc.master.report import Report
from dgcc.master.servants import Gate
from dgcc.master.status import Figures, StatusLine
from dgcc.master.trees import Trees
from dgcc.store.errors import StoreError

# How many recipes make may have out at once: well above the farm's slots, so that the Overseer can choose.
RELEASED = 64
_TICK_S = 0.5
_STATUS_S = 0.1
# With no slave at all, jobs wait this long (seconds) for one: our own needs a moment to start.
_GRACE_OWN_SLAVE_S = 15.0
_GRACE_S = 3.0
_INTERRUPT_PATIENCE_S = 0.3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildOptions:
    """What the command line, the environment and the config file say."""

    naming: tuple[str, int] | None
    local_slave: int
    local_jobs: int
    roots: tuple[bytes, ...]
    directory: bytes
    report: Path | None
    driver: list[str]
    arguments: list[str]
    verbose: bool


class Build:
    """One run of dgcc-master."""

    def __init__(self, options: BuildOptions) -> None:
        self.options = options
        self.signal = 0  # the one that ended the build, if one did
        self._registry = SlaveRegistry()
        self._report = Report()
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._loop: asyncio.AbstractEventLoop
        self._dispatcher: Dispatcher
        self._driver: Driver | None = None
        self._failure: Exception | None = None

    def run(self) -> int:
        """Build; returns make's exit code. Raises NamingError, OrbError, DriverError, OSError before make starts."""
        return asyncio.run(self._run())

    # ---- the course of a build -------------------------------------------------------------------------------

    async def _run(self) -> int:
        began = time.monotonic()
        self._loop = asyncio.get_running_loop()
        options = self.options
        trees = Trees(options.roots, self._name)
        pool = ThreadPoolExecutor(4, "background")
        grace = _GRACE_OWN_SLAVE_S if options.local_slave else _GRACE_S
        self._dispatcher = Dispatcher(self._loop, trees, self._registry, Overseer(now=began, grace_s=grace),
                                      options.local_jobs, pool)  # fmt: skip
        presence = Presence(self._name, Gate(self._loop), self, trees.source, self._count_sent)
        self._trees = trees
        clients = ClientServer(self._dispatcher)
        self._planner = Planner(options.driver, options.arguments, options.roots)
        await clients.start()
        tasks: list[asyncio.Task[None]] = []
        try:
            if options.naming is not None:
                presence.connect(*options.naming)  # an unreachable farm is told before make starts
            self._catch_signals()
            self._driver = start_driver(options.driver, options.arguments, clients.path, RELEASED, tty=_on_tty())
            beside = (self._read_trees(pool), self._join_farm(pool, presence), self._plan(pool))
            tasks = [self._loop.create_task(each) for each in (*beside, self._tick(), self._show())]
            code = await self._driver.wait()
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)  # our own slave is still unreaped, so not in it
            self._report.client_cpu_s = usage.ru_utime + usage.ru_stime
            self._report.exit_code = code if code >= 0 else 128 - code
            if code < 0 and not self.signal:
                self.signal = -code
        finally:
            self._planner.cancel()
            for task in tasks:
                task.cancel()
            self._dispatcher.stop(signals.SIGTERM)
            await asyncio.gather(*tasks, return_exceptions=True)
            await clients.close()
            await self._loop.run_in_executor(None, presence.close, list(self._registry))
            pool.shutdown(wait=False, cancel_futures=True)
            trees.close()
        self._finish_report(time.monotonic() - began)
        return self._report.exit_code

    async def _read_trees(self, pool: ThreadPoolExecutor) -> None:
        try:
            await self._loop.run_in_executor(pool, self._trees.read)
        except (StoreError, OSError) as error:
            self._note(f"nothing was sent to the farm: {error}")
            self._dispatcher.trees_failed(str(error))
            return
        self._trees.ready = True
        self._dispatcher.trees_ready()

    async def _join_farm(self, pool: ThreadPoolExecutor, presence: Presence) -> None:
        """Be found by slaves, find those that are there, start our own."""
        options = self.options
        try:
            await self._loop.run_in_executor(pool, presence.join, options.local_slave)
        except Exception as error:
            self._note(f"no farm: {error}")
        if options.local_slave:
            self._dispatcher.local_slave = presence.local_name

    async def _plan(self, pool: ThreadPoolExecutor) -> None:
        plan = await self._planner.read(pool)
        if plan is not None:
            self._dispatcher.jobs.plan((job.directory, job.target) for job in plan.jobs)

    async def _tick(self) -> None:
        """Expire leases; keep the queue of file events short."""
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            for link in self._registry.expired(now):
                self._lose(link.lease, "does not renew its lease")
            for link in self._registry.late(now):
                link.probed = True
                link.fetcher.submit(self._probe, link)
            if self._trees.ready:
                self._trees.refresh()

    def _probe(self, link: SlaveLink) -> None:
        """On the slave's own thread: a process that is gone refuses at once, so its lease need not run out."""
        try:
            gone = link.ref._non_existent()
        except CORBA.SystemException as error:
            gone = not isinstance(error, CORBA.TIMEOUT)
        self._loop.call_soon_threadsafe(self._probed, link, gone)

    def _probed(self, link: SlaveLink, gone: bool) -> None:
        link.probed = False
        if gone:
            self._lose(link.lease, "is gone")

    async def _show(self) -> None:
        driver = self._driver
        assert driver is not None
        if driver.terminal is None:
            return
        terminal = driver.terminal
        line = StatusLine(1)

        def copy() -> bool:
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:  # EIO: nobody has the other end open any more
                data = b""
            if not data:
                self._loop.remove_reader(terminal)
                return False
            line.output(data)
            return True

        self._loop.add_reader(terminal, copy)
        try:
            while True:
                await asyncio.sleep(_STATUS_S)
                jobs, dispatcher = self._dispatcher.jobs, self._dispatcher
                line.show(Figures(jobs.ended, jobs.total, dispatcher.running_remote, dispatcher.running_home,
                                  len(self._registry)))  # fmt: skip
        finally:
            line.clear()
            os.set_blocking(terminal, False)
            while copy():
                pass
            os.close(terminal)

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
        report.slaves = self._registry.tallies
        usage = resource.getrusage(resource.RUSAGE_SELF)
        report.master_cpu_s = usage.ru_utime + usage.ru_stime
        report.bytes_sent += self._trees.bytes_sent
        report.bytes_received = dispatcher.bytes_received

    # ---- signals ---------------------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        for number in (signals.SIGINT, signals.SIGTERM, signals.SIGHUP):
            self._loop.add_signal_handler(number, self._interrupted, number)

    def _interrupted(self, number: int) -> None:
        """Ctrl-C and its like: end every job at once, and see that make ends too.

        From a terminal make gets the signal itself, and a second one would keep it from cleaning up; so it is
        only told when it is still there a moment later.
        """
        if self.signal:
            return
        self.signal = number
        self._dispatcher.stop(number)
        self._ending = self._loop.create_task(self._end_driver())

    async def _end_driver(self) -> None:
        await asyncio.sleep(_INTERRUPT_PATIENCE_S)
        if self._driver is not None:
            await self._driver.terminate()

    # ---- what slaves call (see servants.Handlers) ------------------------------------------------------------

    def enlist(self, info: Any, ref: Any, bulk: Any) -> Any:
        """A slave registers."""
        now = time.monotonic()
        before = self._registry.named(info.name)
        if before is not None:
            self._lose(before.lease, "has registered anew")
        link = self._registry.enlist(info, ref, bulk, now)
        log.info("slave %s has joined with %d slots", link.name, info.slots)
        self._loop.call_soon(self._dispatcher.slave_joined, link)
        return DGCC.Lease(link.lease, LEASE_S)

    def renew(self, lease: int, load: Any) -> None:
        """A slave renews its lease."""
        self._registry.renew(lease, time.monotonic())

    def free(self, lease: int, slots: int) -> None:
        """A slave has idle slots."""
        self._registry.renew(lease, time.monotonic())
        self._dispatcher.slave_free(lease)

    def leave(self, lease: int) -> None:
        """A slave goes."""
        link = self._registry.remove(lease, lost=False)
        if link is not None:
            log.info("slave %s has left", link.name)
            self._dispatcher.slave_left(link, "has left")

    def _lose(self, lease: int, why: str) -> None:
        link = self._registry.remove(lease, lost=True)
        if link is not None:
            log.info("slave %s %s: lost", link.name, why)
            self._dispatcher.slave_left(link, why)

    def done(self, lease: int, result: Any) -> None:
        """A slave reports the end of a job."""
        self._registry.renew(lease, time.monotonic())
        self._loop.call_soon(self._dispatcher.on_result, lease, result)

    def changes(self, layer: str, since: int) -> Any:
        """A slave reads a layer."""
        return self._trees.changes(layer, since)

    def print_summary(self, write: Any) -> None:
        """Say at the end what happened, and write the report where one is wanted. Raises OSError."""
        for text in self._report.summary():
            write(f"dgcc: {text}\n")
        if self.options.report is not None:
            self._report.write(self.options.report)


def _on_tty() -> bool:
    return os.isatty(1) and os.isatty(2)
