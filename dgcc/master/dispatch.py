"""What happens to a recipe: verdict, slave or home, result, answer to its client. Runs on the master's loop only."""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from dgcc.corba import DGCC
from dgcc.master.clients import Client
from dgcc.master.compilercheck import CompilerCheck
from dgcc.master.home import HomeSlots
from dgcc.master.joblist import END, Job, JobList, State
from dgcc.master.orders import Orders, environment_of
from dgcc.master.overseer import Action, AskCompiler, GoHome, Overseer, Send, Withdraw
from dgcc.master.registry import SlaveLink, SlaveRegistry
from dgcc.master.report import Fallback
from dgcc.master.results import ResultError, fetch_large, is_large, take_result
from dgcc.master.tasks import TaskSet
from dgcc.master.trees import Trees
from dgcc.master.verdict import decide
from dgcc.master.wire import Request
from dgcc.master.work import Work

log = logging.getLogger(__name__)


class Dispatcher:
    """Takes recipes from clients, has the Overseer place them, and answers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, trees: Trees, registry: SlaveRegistry, overseer: Overseer,
                 home_limit: int, pool: Executor) -> None:  # fmt: skip
        self.jobs = JobList()
        self.fallbacks: list[Fallback] = []
        self.bytes_received = 0
        self.stopping = 0  # the signal that ends the build, if one does
        self.scratch = Path()  # where large outputs wait until they are written
        self.local_slave = ""  # the name of the slave on this very host, if there is one
        self._loop = loop
        self._trees = trees
        self._registry = registry
        self._overseer = overseer
        self._home = HomeSlots(home_limit, self._start_home)
        self._check = CompilerCheck(pool)
        self._orders = Orders(loop, registry, trees)
        self._tasks = TaskSet()
        self._by_pid: dict[int, Job] = {}
        self._early: list[Job] = []  # released before the trees were read
        self._timer: asyncio.TimerHandle | None = None
        self._homebound = ""  # why nothing travels, if nothing does

    # ---- figures ---------------------------------------------------------------------------------------------

    @property
    def running_remote(self) -> int:
        """Jobs that are with slaves."""
        return self.jobs.counts[State.SENT]

    @property
    def running_home(self) -> int:
        """Jobs that run on this machine, those left out that only wait for others."""
        return self._home.running

    # ---- from clients ----------------------------------------------------------------------------------------

    def on_request(self, client: Client, request: Request) -> None:
        """Make has released a recipe."""
        try:
            self._take(client, request)
        except Exception as error:
            job = self._by_pid.get(client.pid)
            if job is None or job.work is None or job.work.client is not client:
                log.exception("a mistake of the master's over a recipe, which runs at home uncounted")
                client.run_local()
            else:
                self._rescue(job, error)

    def _rescue(self, job: Job, error: BaseException) -> None:
        """A mistake of the master's: whatever it was, the job's client must not wait for ever."""
        log.error("a mistake of the master's over %s: it runs at home", job.label, exc_info=error)
        if job.state is State.PLANNED:
            self.jobs.move(job, State.READY, "released", time.monotonic())
        if job.state in (State.READY, State.SENT):
            self._overseer.cancelled(job.id, time.monotonic())
            reason = f"a mistake of the master's ({error})"
            self._fall_back(job, reason)
            self._go_home(job, reason)

    def _take(self, client: Client, request: Request) -> None:
        now = time.monotonic()
        verdict = decide(request.program, request.argv, request.cwd, environment_of(request), self._trees.roots)
        job = self.jobs.released(request.cwd, request.target)
        job.work = Work(client, request, verdict)
        self._by_pid[client.pid] = job
        self._home.seen(client.pid)
        log.debug("%s: %s: %s", job.label, "remote" if verdict.remote else "local", verdict.reason)
        if self.stopping:
            self.jobs.move(job, State.READY, "the build is ending", now)
            self.jobs.move(job, State.CANCELLED, "the build is ending", now)
            client.finish([], 0, self.stopping)
            return
        if not verdict.remote:
            self._go_home(job, verdict.reason)
            return
        if self._homebound:
            self._fall_back(job, self._homebound)
            self._go_home(job, self._homebound)
            return
        self.jobs.move(job, State.READY, verdict.reason, now)
        if self._trees.ready:
            self._offer(job)
        else:
            self._early.append(job)

    def trees_ready(self) -> None:
        """The trees have been read: what came earlier can go."""
        early, self._early = self._early, []
        for job in early:
            if job.state is State.READY:
                try:
                    self._offer(job)
                except Exception as error:
                    self._rescue(job, error)

    def _offer(self, job: Job) -> None:
        hindrance = self._trees.hindrance()
        if hindrance:
            self._fall_back(job, hindrance)
            self._go_home(job, hindrance)
            return
        self.perform(self._overseer.ready(job.id, job.work.verdict.compilers, time.monotonic()))

    def on_gone(self, client: Client) -> None:
        """A client's connection closed before its job had ended."""
        job = self._by_pid.get(client.pid)
        if job is None or job.state in END:
            return
        # One that has become the command itself never comes here: its end comes through on_local_end.
        sent = job.state is State.SENT or job.state is State.READY
        self.jobs.move(job, State.CANCELLED, "its client is gone", time.monotonic())
        self._home.release(job.id)
        if sent:
            self.perform(self._overseer.cancelled(job.id, time.monotonic()))
        self._forget(job)

    def on_local_end(self, client: Client) -> None:
        """A recipe that ran in place of its client has ended."""
        job = self._by_pid.get(client.pid)
        if job is not None and job.state is State.HOME:
            self.jobs.move(job, State.DONE, "ended at home", time.monotonic())
            self._home.release(job.id)
            self._forget(job)

    def on_confirmed(self, client: Client, wait_status: int) -> None:
        """A recipe that had failed on a slave has ended at home."""
        job = self._by_pid.get(client.pid)
        if job is None or job.state is not State.HOME:
            return
        work: Work = job.work
        if wait_status:
            self.jobs.move(job, State.FAILED, "failed at home", time.monotonic())
        else:
            if work.failure:
                self._fall_back(job, f"{work.failure}, but succeeded at home")
            self.jobs.move(job, State.DONE, "succeeded at home", time.monotonic())
        self._home.release(job.id)
        self._forget(job)

    def on_failed(self, pid: int, wait_status: int) -> None:
        """Make has reaped a recipe that failed; the one way to know it of a recipe that ran in place."""
        job = self._by_pid.get(pid)
        if job is None or job.state not in (State.HOME, State.DONE) or job.remote:
            return
        if job.state is State.HOME:
            self._home.release(job.id)
        self.jobs.move(job, State.FAILED, "failed at home", time.monotonic())
        self._forget(job)
        self._by_pid.pop(pid, None)

    def _forget(self, job: Job) -> None:
        """Let go of what an ended job was run with: requests hold whole environments."""
        if job.work is not None:
            if job.remote or job.state is not State.DONE:
                self._by_pid.pop(job.work.client.pid, None)  # else make may yet report its failure
            job.work = None

    # ---- at home ---------------------------------------------------------------------------------------------

    def _go_home(self, job: Job, why: str) -> None:
        self.jobs.move(job, State.HOME_READY, why, time.monotonic())
        self._home.ask(job.id, job.work.client.pid)

    def _start_home(self, job_id: int) -> None:
        job = self.jobs.get(job_id)
        assert job is not None
        self.jobs.move(job, State.HOME, "a local slot is free", time.monotonic())
        if job.work.failure:
            job.work.client.run_confirm()
        else:
            job.work.client.run_local()

    def _fall_back(self, job: Job, reason: str) -> None:
        job.fallback = reason
        self.fallbacks.append(Fallback(job.label, reason))

    # ---- what the Overseer wants -----------------------------------------------------------------------------

    def perform(self, actions: list[Action] | None) -> None:
        """Do what the Overseer has decided."""
        for action in actions or ():
            job = self.jobs.get(action.job) if not isinstance(action, AskCompiler) else None
            try:
                self._do(action, job)
            except Exception as error:
                if job is not None:
                    self._rescue(job, error)
        self._set_timer()

    def _do(self, action: Action, job: Job | None) -> None:
        match action:
            case Send(_, lease) if job is not None:
                self._send(job, lease)
            case AskCompiler(lease, compiler):
                self._tasks.start(self._compare(lease, compiler))
            case Withdraw(job_id, lease):
                self._orders.withdraw(job_id, lease)
            case GoHome(_, reason) if job is not None and job.state in (State.SENT, State.READY):
                self._fall_back(job, reason)
                self._go_home(job, reason)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        at = self._overseer.wakeup(now)
        if at is not None:
            self._timer = self._loop.call_later(max(at - now, 0.01), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.perform(self._overseer.tick(time.monotonic()))

    def _send(self, job: Job, lease: int) -> None:
        now = time.monotonic()
        if job.state is State.SENT:  # its host was lost; it goes on to another
            self.jobs.move(job, State.READY, "its host was lost", now)
        self.jobs.move(job, State.SENT, "to a slave", now)
        job.slave = lease
        # Only now: a job may have waited long, and is to see the tree as a compiler that starts now would.
        job.work.needs = self._trees.needs(job.work.verdict.inputs)

        def failed(why: str) -> None:
            self.perform(self._overseer.host_failed(lease, job.id, why, time.monotonic()))

        self._orders.send(job, lease, failed)

    async def _compare(self, lease: int, compiler: bytes) -> None:
        link = self._registry.get(lease)
        if link is not None:
            fits = await self._check.fits(link, compiler)
            self.perform(self._overseer.compiler_known(lease, compiler, fits, time.monotonic()))

    # ---- from slaves -----------------------------------------------------------------------------------------

    def expect_no_slave(self) -> None:
        """There is no farm to wait for."""
        self.perform(self._overseer.expect_none(time.monotonic()))

    def slave_left(self, link: SlaveLink, why: str) -> None:
        """A slave has left or is lost; the registry has forgotten it already."""
        self.perform(self._overseer.left(link.lease, why, time.monotonic()))

    def slave_holds(self, link: SlaveLink, held: set[int]) -> None:
        """A slave has told which jobs it has. One that it has lacked twice in a row was lost on the way."""
        lacking = {job for job in self._overseer.held_by(link.lease) if job not in held}
        for job in lacking & link.lacking:
            why = "the slave does not know of it any more"
            self.perform(self._overseer.host_failed(link.lease, job, why, time.monotonic()))
        link.lacking = lacking - link.lacking

    def slave_free(self, link: SlaveLink) -> None:
        """A slave has reported free slots: it moves from busy to free, and the Overseer looks again."""
        now = time.monotonic()
        if self._registry.get(link.lease) is not link:
            return  # lost again meanwhile
        if link.joined:
            self.perform(self._overseer.tick(now))
            return
        link.joined = True
        same_host = link.name == self.local_slave
        self.perform(self._overseer.joined(link.lease, link.name, link.info.slots, now, same_host=same_host))

    def on_result(self, lease: int, result: Any) -> None:
        """A slave reports the end of a job."""
        link = self._registry.get(lease)
        job = self.jobs.get(result.id)
        if link is None or job is None or job.state is not State.SENT or job.slave != lease:
            log.debug("a result that nobody waits for: job %d", result.id)
            return
        if result.how is DGCC.PROTOCOL_FAILED:
            # Asking another slave the same would get the same answer.
            log.warning("slave %s: %s: %s", link.name, job.label, result.trouble)
            self._give_up(job, lease, f"{link.name}: {result.trouble}")
            return
        if result.how is not DGCC.ENDED:
            log.info("slave %s: %s: %s", link.name, job.label, result.trouble)
            self.perform(self._overseer.host_failed(lease, job.id, result.trouble, time.monotonic()))
            return
        try:
            self._take_result(link, job, result)
        except Exception as error:
            self._rescue(job, error)

    def _take_result(self, link: SlaveLink, job: Job, result: Any) -> None:
        lease = link.lease
        link.tally.jobs += 1
        link.tally.cpu_s += result.cpu_s
        self.bytes_received += sum(len(c.data) for c in result.stdio) + sum(len(f.data) for f in result.files)
        if result.exit_code or result.signal_:
            how = f"signal {result.signal_}" if result.signal_ else f"exit code {result.exit_code}"
            self._confirm(job, lease, f"failed on {link.name} with {how}")
        elif any(is_large(file) for file in result.files):
            self._tasks.start(self._fetch(job, link, result))
        else:
            self._finish(job, lease, result, {})

    def _give_up(self, job: Job, lease: int, reason: str) -> None:
        actions = self._overseer.done(lease, job.id, time.monotonic())
        self._fall_back(job, reason)
        self._go_home(job, reason)
        self.perform(actions)

    def _confirm(self, job: Job, lease: int, failure: str) -> None:
        job.work.failure = failure
        self.perform(self._overseer.done(lease, job.id, time.monotonic()))
        self._go_home(job, failure)

    async def _fetch(self, job: Job, link: SlaveLink, result: Any) -> None:
        try:
            fetch = self._loop.run_in_executor(link.fetcher, fetch_large, link, result, self.scratch)
            large = await fetch
        except Exception as error:
            why = f"its outputs could not be fetched ({error})"
            self.perform(self._overseer.host_failed(link.lease, job.id, why, time.monotonic()))
            return
        self.bytes_received += sum(path.stat().st_size for path in large.values())
        try:
            if job.state is State.SENT and job.slave == link.lease:
                self._finish(job, link.lease, result, large)
        except Exception as error:
            self._rescue(job, error)
        finally:
            for path in large.values():
                path.unlink(missing_ok=True)

    def _finish(self, job: Job, lease: int, result: Any, large: Mapping[int, Any]) -> None:
        """Write a successful job's outputs and let its client end."""
        try:
            take_result(self._trees, result, large)
        except ResultError as error:
            self._confirm(job, lease, str(error))
            return
        job.remote = True
        work: Work = job.work
        self.jobs.move(job, State.DONE, "ended on its slave", time.monotonic())
        work.client.finish([(c.fd, c.data) for c in result.stdio], result.exit_code, result.signal_)
        self._forget(job)
        self.perform(self._overseer.done(lease, result.id, time.monotonic()))

    # ---- the end ---------------------------------------------------------------------------------------------

    def stop(self, number: int) -> None:
        """End every job that waits or is with a slave, as if signal `number` had ended it."""
        self.stopping = number
        if self._timer is not None:
            self._timer.cancel()
        for job in list(self._by_pid.values()):
            if job.state in (State.READY, State.SENT, State.HOME_READY):
                client: Client = job.work.client
                self.on_gone(client)
                client.finish([], 0, number)

    def trees_failed(self, why: str) -> None:
        """The trees cannot be read, so nothing can be sent: all runs at home."""
        self._homebound = why
        early, self._early = self._early, []
        for job in early:
            if job.state is State.READY:
                self._fall_back(job, why)
                self._go_home(job, why)

    def outcome(self) -> tuple[int, int, int]:
        """How many jobs ended remotely, ended at home by verdict, and failed."""
        ended = [j for j in self.jobs if j.state in (State.DONE, State.FAILED)]
        remote = sum(j.remote for j in ended)
        return remote, sum(not j.remote and not j.fallback for j in ended), self.jobs.counts[State.FAILED]
