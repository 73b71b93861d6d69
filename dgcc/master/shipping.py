"""What happens to a job that travels: preparation, slave, result. Runs on the master's loop only."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from dgcc.corba import CORBA, DGCC
from dgcc.master.failures import CommandFailed, Failure, HostFailed, OverLimit, ProtocolFailed
from dgcc.master.foresight import Foresight
from dgcc.master.joblist import Job, JobList, State
from dgcc.master.orders import Orders
from dgcc.master.overseer import Overseer
from dgcc.master.preparation import Preparation, Prepared
from dgcc.master.registry import SlaveLink, SlaveRegistry
from dgcc.master.results import (
    HomeTrouble,
    check_complete,
    fetch_large,
    file_clock_ns,
    is_large,
    take_result,
)
from dgcc.master.supplies import Supplies
from dgcc.master.tasks import TaskSet
from dgcc.master.trees import Trees
from dgcc.master.want import Action, GoHome, Host, Send, Want, Withdraw
from dgcc.master.work import RemoteResult, Sent, Work
from dgcc.naming.deadlines import deadlines

# A job that lacked something is sent again with it, so often in all.
_ATTEMPTS = 4
_FAILURES: dict[Any, type[Failure]] = {
    DGCC.HOST_FAILED: HostFailed, DGCC.OVER_LIMIT: OverLimit, DGCC.PROTOCOL_FAILED: ProtocolFailed,
}  # fmt: skip

log = logging.getLogger(__name__)


class Recipes(Protocol):
    """Where jobs come from, and go back to."""

    def fall_back(self, job: Job, reason: str) -> None:
        """The farm cannot run it: run it at home, and count that."""

    def confirm(self, job: Job, failure: str) -> None:
        """Run it at home as well: it has failed on a slave, or (empty `failure`) is to be compared."""

    def finish(self, job: Job, result: Any) -> None:
        """Its outputs are written: let its client end as the DGCC.Result says."""

    def rescue(self, job: Job, error: BaseException) -> None:
        """A mistake of the master's: its client must not wait for ever."""


class Shipping:
    """Has the Overseer place jobs, sends them, takes their results."""

    def __init__(self, loop: asyncio.AbstractEventLoop, recipes: Recipes, jobs: JobList, trees: Trees,
                 registry: SlaveRegistry, overseer: Overseer, preparation: Preparation, supplies: Supplies,
                 orders: Orders, foresight: Foresight, *, compare: bool, simulate: bool = False) -> None:  # fmt: skip
        self.bytes_received = 0
        self.first: Callable[[], None] | None = None  # is called when there is a job that is to travel
        self.scratch = Path()  # where large outputs wait until they are written
        self._loop = loop
        self._recipes = recipes
        self._jobs = jobs
        self._trees = trees
        self._registry = registry
        self._overseer = overseer
        self._preparation = preparation
        self._supplies = supplies
        self._orders = orders
        self._foresight = foresight
        self._compare = compare
        self._simulate = simulate  # slaves bring no files
        self._tasks = TaskSet()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when it is to ring
        self._just: tuple[Job, Prepared] | None = None  # what the job that is being offered is sent with, if at once

    @property
    def fetching(self) -> int:
        """How many slaves have been sent jobs and are not known to have any toolchain yet."""
        return sum(not link.environments and bool(self._overseer.held_by(link.lease)) for link in self._registry)

    # ---- towards the slaves ----------------------------------------------------------------------------------

    def offer(self, job: Job) -> None:
        """Have a READY job sent to a slave, as soon as what it needs is known and a slave is free."""
        if self.first is not None:
            first, self.first = self.first, None
            first()
        prepared = self._preparation.ready(job.work.needs, job.work.inputs)
        if prepared is None:
            self._tasks.start(self._prepare(job))
            return
        self._just = (job, prepared)
        try:
            self._ready(job)
        finally:
            self._just = None

    def _ready(self, job: Job) -> None:
        self._overseer.ahead_s = self._foresight.ahead_s
        self.perform(self._overseer.ready(job.id, time.monotonic(), self._foresight.want(job)))

    async def _prepare(self, job: Job) -> None:
        try:
            await self._preparation.prepare(job.work.needs, job.work.inputs)
        except Exception as error:
            if job.state is State.READY:
                self._recipes.fall_back(job, str(error))
            return
        if job.state is State.READY:  # its client may have gone meanwhile
            self._ready(job)

    def cancel(self, job: Job) -> None:
        """Nobody waits for this job any more, or the farm is not to have it."""
        self.perform(self._overseer.cancelled(job.id, time.monotonic()))

    def stop(self) -> None:
        """The build ends."""
        if self._timer is not None:
            self._timer.cancel()

    def perform(self, actions: list[Action] | None) -> None:
        """Do what the Overseer has decided."""
        for action in actions or ():
            job = self._jobs.get(action.job)
            assert job is not None
            try:
                self._do(action, job)
            except Exception as error:
                self._recipes.rescue(job, error)
        self._set_timer()

    def _do(self, action: Action, job: Job) -> None:
        match action:
            case Send(_, lease, second):
                self._send(job, lease, second)
            case Withdraw(job_id, lease, why):
                link = self._registry.get(lease)
                if why and link is not None:
                    log.info("slave %s: %s: %s", link.name, job.label, why)
                    link.tally.add(HostFailed(why))
                self._orders.withdraw(job_id, lease)
            case GoHome(_, reason) if job.state in (State.SENT, State.READY):
                self._recipes.fall_back(job, reason)

    def _set_timer(self) -> None:
        now = time.monotonic()
        at = self._overseer.wakeup(now)
        if self._timer is not None:
            # One that comes too early does no harm, and most times move away with each job.
            if at is not None and self._due <= at:
                return
            self._timer.cancel()
            self._timer = None
        if at is not None:
            self._due = at
            self._timer = self._loop.call_later(max(at - now, 0.01), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.perform(self._overseer.tick(time.monotonic()))

    def _send(self, job: Job, lease: int, second: bool) -> None:
        now = time.monotonic()
        work: Work = job.work
        if job.state is State.SENT and not second:
            self._jobs.move(job, State.READY, "it goes to another host", now)
        prepared = self._just[1] if self._just is not None and self._just[0] is job else None
        if prepared is None:
            # Only now: a job may have waited long, and is to see all as a compiler that starts now would.
            prepared = self._preparation.ready(work.needs, work.inputs)
        if prepared is None:  # a compiler was changed meanwhile
            self._loop.call_soon(self._offer_again, job, lease)
            return
        if not second:
            self._jobs.move(job, State.SENT, "to a slave", now)
        work.sent[lease] = self._sent(work, prepared, work.sent.get(lease))
        self._orders.send(job, lease, lambda why: self._fail(job, lease, HostFailed(why)))

    def _sent(self, work: Work, prepared: Prepared, before: Sent | None) -> Sent:
        """What a job is sent with. `before`: it was with this slave already, from where a result may still come."""
        layers = self._trees.needs(prepared.extras)
        if before is not None:
            return Sent(prepared, layers, before.seen, before.at_ns)
        return Sent(prepared, layers, {need.root: need.version for need in layers}, file_clock_ns())

    def _offer_again(self, job: Job, lease: int) -> None:
        """The slave never heard of the job, so it is told nothing: to have it forget the job would outlast this."""
        now = time.monotonic()
        if job.state is State.READY:
            self.perform(self._overseer.done(lease, job.id, now))
            self.offer(job)
        elif job.state is State.SENT:  # it is with another as well
            self.perform(self._overseer.failed(lease, job.id, "not sent", now, rests=False))

    def reconsider(self, wants: Mapping[int, Want]) -> None:
        """History or plan have told more of jobs, by number, and of hosts."""
        now = time.monotonic()
        self._overseer.ahead_s = self._foresight.ahead_s
        self._overseer.reconsider(wants)
        for link in self._registry:
            self.perform(self._overseer.speed(link.lease, self._speed(link), now))

    def _speed(self, link: SlaveLink) -> float:
        return self._foresight.expectations.speed(link.name).wall

    # ---- from the slaves -------------------------------------------------------------------------------------

    def expect_slaves(self, some: bool) -> None:
        """There are slaves to wait for a little, or none that would come of itself."""
        now = time.monotonic()
        if some:
            self._overseer.expect_some(now + deadlines().connect + 2 * deadlines().probe)
            self._set_timer()
        else:
            self.perform(self._overseer.expect_none(now))

    def slave_left(self, link: SlaveLink) -> None:
        """A slave has gone of itself; the registry has forgotten it already."""
        self.perform(self._overseer.left(link.lease, time.monotonic()))

    def slave_lost(self, link: SlaveLink, why: str) -> None:
        """A slave is gone without a word; the registry has forgotten it already."""
        self.perform(self._overseer.lost(link.lease, why, time.monotonic()))

    def slave_share(self, link: SlaveLink) -> None:
        """A slave has told its load, and how many slots this master may fill there."""
        load = link.load
        self.perform(self._overseer.share(link.lease, load.slots, load.memory_free, time.monotonic()))

    def slave_holds(self, link: SlaveLink, held: set[int]) -> None:
        """A slave has told which jobs it has. One that it has lacked twice in a row was lost on the way."""
        lacking = {job for job in self._overseer.held_by(link.lease) if job not in held}
        for number in lacking & link.lacking:
            job = self._jobs.get(number)
            assert job is not None
            self._fail(job, link.lease, HostFailed("it does not know of the job any more"))
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
        self._orders.know(link, link.info.environments)
        host = Host(link.name, link.info.slots, link.info.memory, self._speed(link))
        self.perform(self._overseer.joined(link.lease, host, now))

    def on_result(self, lease: int, result: Any) -> None:
        """A slave reports the end of a job."""
        link = self._registry.get(lease)
        job = self._jobs.get(result.id)
        if link is None or job is None or not self._has(job, lease):
            log.debug("a result that nobody waits for: job %d", result.id)
            if link is not None and not self._overseer.holds(lease, result.id):
                self._orders.release(link, result)
            return
        if result.how is DGCC.HOST_FAILED and self._resend(job, lease, result.trouble.encode(errors="replace")):
            return
        try:
            self._take(link, job, result)
        except Failure as failure:
            self._fail(job, lease, failure)
        except Exception as error:
            self._recipes.rescue(job, error)

    def _has(self, job: Job, lease: int) -> bool:
        """Whether a job is with that slave, and its result is waited for."""
        return job.state is State.SENT and self._overseer.holds(lease, job.id)

    def _fail(self, job: Job, lease: int, failure: Failure) -> None:
        """A slave has not brought a job to a good end: do what the type of failure says."""
        now, why = time.monotonic(), str(failure)
        actions = (self._overseer.done(lease, job.id, now) if failure.confirmed else
                   self._overseer.failed(lease, job.id, why, now, failure.elsewhere, failure.rests))  # fmt: skip
        if actions is None:
            return  # it is with another slave by now
        link = self._registry.get(lease)
        name = link.name if link is not None else "a slave"
        log.info("slave %s: %s: %s", name, job.label, why)
        if link is not None:
            link.tally.add(failure)
        if failure.confirmed:
            self._recipes.confirm(job, f"{why} on {name}")
        elif not failure.elsewhere:
            self._recipes.fall_back(job, f"{name}: {why}")
        self.perform(actions)

    def _take(self, link: SlaveLink, job: Job, result: Any) -> None:
        """Take a result that is waited for. Raises Failure."""
        lease = link.lease
        if result.how is not DGCC.ENDED:
            raise _FAILURES[result.how](result.trouble)
        link.tally.cpu_s += result.cpu_s
        job.ran, job.wall_s, job.cpu_s, job.max_rss = link.name, result.wall_s, result.cpu_s, result.max_rss
        job.bytes_in, job.bytes_out = result.received, sum(file.what.size for file in result.files)
        job.environments = job.work.sent[lease].prepared.environments
        self._orders.know(link, job.environments)
        self.bytes_received += sum(len(c.data) for c in result.stdio) + sum(len(f.data) for f in result.files)
        if result.exit_code or result.signal_:
            if self._resend(job, lease, b"".join(chunk.data for chunk in result.stdio)):
                return
            how = f"signal {result.signal_}" if result.signal_ else f"exit code {result.exit_code}"
            raise CommandFailed(f"failed with {how}")
        if not self._simulate:
            check_complete(result, job.work.verdict.leaves)
        if any(is_large(file) for file in result.files):
            self._tasks.start(self._fetch(job, link, result))
        else:
            self._accept(job, link, result, {})

    def _resend(self, job: Job, lease: int, messages: bytes) -> bool:
        """Send a job again with what its messages say it lacked; False if they say nothing of the kind."""
        if job.work.attempts >= _ATTEMPTS or not self._supplies.add(job, messages):
            return False
        job.work.attempts += 1
        job.work.sent.pop(lease, None)  # it has ended there: no result of that run is to come
        self._jobs.move(job, State.READY, "it lacked something", time.monotonic())
        self.perform(self._overseer.done(lease, job.id, time.monotonic()))
        self.offer(job)
        return True

    def _confirm(self, job: Job, lease: int, failure: str) -> None:
        actions = self._overseer.done(lease, job.id, time.monotonic())
        self._recipes.confirm(job, failure)
        self.perform(actions)

    async def _fetch(self, job: Job, link: SlaveLink, result: Any) -> None:
        large: Mapping[int, Path] = {}
        try:
            large = await self._loop.run_in_executor(link.fetcher, fetch_large, link, result, self.scratch)
            self.bytes_received += sum(path.stat().st_size for path in large.values())
            if self._has(job, link.lease):
                self._accept(job, link, result, large)
        except Failure as failure:
            self._fail(job, link.lease, failure)
        except HomeTrouble as trouble:
            if self._has(job, link.lease):
                self._confirm(job, link.lease, f"{trouble} ({link.name} ran it)")
        except CORBA.Exception as error:
            self._fail(job, link.lease, HostFailed(f"its outputs could not be fetched ({type(error).__name__})"))
        except Exception as error:
            self._recipes.rescue(job, error)
        finally:
            if not self._compare:
                for path in large.values():
                    path.unlink(missing_ok=True)

    def _accept(self, job: Job, link: SlaveLink, result: Any, large: Mapping[int, Path]) -> None:
        """Write a successful job's outputs and let its client end; or have the same done at home, to compare.

        Raises ProtocolFailed.
        """
        lease = link.lease
        job.remote = True
        if self._compare:
            link.tally.jobs += 1
            job.work.remote_result = RemoteResult(result, large)
            self._confirm(job, lease, "")
            return
        try:
            sent: Sent = job.work.sent[lease]
            take_result(self._trees, result, large, sent.seen, sent.at_ns)
        except ProtocolFailed:
            job.remote = False
            raise
        except HomeTrouble as error:
            job.remote = False
            self._confirm(job, lease, f"{error} ({link.name} ran it)")
            return
        link.tally.jobs += 1
        self._recipes.finish(job, result)
        actions = self._overseer.done(lease, result.id, time.monotonic(), result.wall_s)
        for action in actions or ():
            overtaken = self._registry.get(action.slave) if isinstance(action, Withdraw) else None
            if overtaken is not None and action.job == job.id:
                overtaken.tally.overtaken += 1
        self.perform(actions)
