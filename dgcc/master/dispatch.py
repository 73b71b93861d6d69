"""What happens to a recipe: its verdict, home or the farm, the answer to its client. Runs on the master's loop only."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dgcc.master.clients import Client
from dgcc.master.foresight import Foresight
from dgcc.master.home import HomeSlots
from dgcc.master.homefirst import NONE_YET, PATIENCE_S, REHEARSED, HomeFirst
from dgcc.master.joblist import END, Job, JobList, State
from dgcc.master.orders import environment_of
from dgcc.master.report import Fallback
from dgcc.master.shipping import Shipping
from dgcc.master.supplies import Supplies
from dgcc.master.trees import Trees
from dgcc.master.verdict.decide import decide
from dgcc.master.verdict.rules import Rules
from dgcc.master.verdict.world import World, of_one_moment
from dgcc.master.want import Want
from dgcc.master.wire import Request
from dgcc.master.work import Work

if TYPE_CHECKING:
    from dgcc.master.comparison import Comparison

log = logging.getLogger(__name__)


class Dispatcher:
    """Takes recipes from clients, decides, and answers."""

    shipping: Shipping  # the way to the farm; set before the first recipe
    supplies: Supplies  # likewise
    home_first: HomeFirst  # likewise
    foresight: Foresight  # likewise

    def __init__(self, jobs: JobList, trees: Trees, rules: Rules, home_limit: int, note: Callable[[str], None]) -> None:
        """`note` is given sentences that the user is to see once."""
        self.jobs = jobs
        self.fallbacks: list[Fallback] = []
        self.comparison: Comparison | None = None  # with --compare
        self.stopping = 0  # the signal that ends the build, if one does
        self._trees = trees
        self._rules = rules
        self._note = note
        self._home = HomeSlots(home_limit, self._start_home, self._memory)
        self._by_pid: dict[int, Job] = {}
        self._early: list[Job] = []  # released before the trees, or what decides about them, were read
        self._held: list[Job] = []  # the home slots may be quicker than the slave that these would need
        self._held_since = 0.0
        self._needs_slave = False
        self._homebound = ""  # why nothing travels, if nothing does
        self._world: World | None = None  # as of this batch of recipes, once it has been asked

    # ---- figures ---------------------------------------------------------------------------------------------

    @property
    def running_remote(self) -> int:
        """Jobs that are with slaves."""
        return self.jobs.counts[State.SENT]

    @property
    def running_home(self) -> int:
        """Jobs that run on this machine, those left out that only wait for others."""
        return self._home.running

    def waits(self, job: Job) -> bool:
        """Whether a job that runs at home only waits for others, as a sub-make does."""
        return self._home.waited(job.id)

    # ---- from clients ----------------------------------------------------------------------------------------

    def on_batch(self) -> None:
        """What was looked up before may have been changed by recipes that have ended since."""
        self._world = None

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
                self.rescue(job, error)

    def rescue(self, job: Job, error: BaseException) -> None:
        """A mistake of the master's: whatever it was, the job's client must not wait for ever."""
        log.error("a mistake of the master's over %s: it runs at home", job.label, exc_info=error)
        if job.state is State.PLANNED:
            self.jobs.move(job, State.READY, "released", time.monotonic())
        if job.state in (State.READY, State.SENT):
            self.shipping.cancel(job)
            self.fall_back(job, f"a mistake of the master's ({error})")

    def _take(self, client: Client, request: Request) -> None:
        now = time.monotonic()
        self._world = self._world or of_one_moment()
        verdict = decide(
            request.program, request.argv, request.cwd, environment_of(request), self._trees.roots, self._rules,
            request.target, self._world,
        )  # fmt: skip
        job = self.jobs.released(request.cwd, request.target)
        job.work = Work(client, request, verdict, verdict.needs, verdict.inputs)
        self._by_pid[client.pid] = job
        job.make, job.above = self._home.seen(client.pid)
        job.verdict, job.reason, job.command = verdict.remote, verdict.reason, verdict.label
        log.debug("%s: %s: %s", job.label, "remote" if verdict.remote else "local", verdict.reason)
        self.foresight.released(job)
        if self.stopping:
            self.jobs.move(job, State.READY, "the build is ending", now)
            self.jobs.move(job, State.CANCELLED, "the build is ending", now)
            client.finish([], 0, self.stopping)
            return
        if not verdict.remote:
            self._go_home(job, verdict.reason)
            return
        for text in verdict.notes:
            self._note(text)
        self.supplies.recall(job)
        self.jobs.move(job, State.READY, verdict.reason, now)
        if self._homebound:
            self.fall_back(job, self._homebound)
        elif self.home_first.takes(job):
            self._go_home(job, NONE_YET)
        elif self._may_offer:
            self._offer(job)
        else:
            self._early.append(job)

    @property
    def _may_offer(self) -> bool:
        return self._trees.ready and (self.foresight.remembers or not self.home_first.alone)

    def has_read(self) -> None:
        """The trees have been read, or the history: what came earlier can go, if it has waited for nothing else."""
        if not self._may_offer:
            return
        early, self._early = self._early, []
        for job in early:
            if job.state is State.READY:
                try:
                    self._offer(job)
                except Exception as error:
                    self.rescue(job, error)

    def _offer(self, job: Job) -> None:
        kept = self._trees.ignored((*job.work.inputs, *job.work.verdict.outputs))
        if kept is not None:
            job.reason = f"'{os.fsdecode(kept)}' is one of those to ignore"
            self._go_home(job, job.reason)
        elif self.home_first.keeps(job):
            job.reason = REHEARSED
            self._go_home(job, REHEARSED)
        elif self.home_first.alone and not self._needs_slave:
            self._held_since = self._held_since if self._held else time.monotonic()
            self._held.append(job)
        else:
            self.shipping.offer(job)

    def look_again(self, now: float) -> None:
        """Call it now and then: in a farm of one, the slave is needed once home has let a job wait for too long."""
        self._held = [job for job in self._held if job.state is State.READY]
        if not self._held or now - self._held_since < PATIENCE_S:
            return
        self._needs_slave = True
        held, self._held = self._held, []
        for job in held:
            try:
                self._offer(job)
            except Exception as error:
                self.rescue(job, error)

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
            self.shipping.cancel(job)
        self._forget(job)

    def on_local_end(self, client: Client) -> None:
        """A recipe that ran in place of its client has ended."""
        job = self._by_pid.get(client.pid)
        if job is not None and job.state is State.HOME:
            self._ended_home(job, State.DONE, "ended at home")
            self._home.release(job.id)
            self._forget(job)
            self._instead_of_waiting()

    def on_confirmed(self, client: Client, wait_status: int) -> None:
        """A recipe that had run on a slave has ended at home."""
        job = self._by_pid.get(client.pid)
        if job is None or job.state is not State.HOME:
            return
        work: Work = job.work
        job.exit_code = os.waitstatus_to_exitcode(wait_status)
        if work.remote_result is not None and self.comparison is not None:
            self.comparison.add(job.label, job.directory, work.remote_result, wait_status)
        if wait_status:
            self._ended_home(job, State.FAILED, "failed at home")
        else:
            if work.failure:
                self._count(job, f"{work.failure}, but succeeded at home")
            self._ended_home(job, State.DONE, "succeeded at home")
        self._home.release(job.id)
        self._forget(job)

    def on_failed(self, pid: int, wait_status: int) -> None:
        """Make has reaped a recipe that failed; the one way to know it of a recipe that ran in place."""
        job = self._by_pid.get(pid)
        if job is None or job.state not in (State.HOME, State.DONE) or job.remote:
            return
        if job.state is State.HOME:
            self._home.release(job.id)
        job.exit_code = os.waitstatus_to_exitcode(wait_status)
        self.jobs.move(job, State.FAILED, "failed at home", time.monotonic())
        self._forget(job)
        self._by_pid.pop(pid, None)

    def _ended_home(self, job: Job, state: State, why: str) -> None:
        """A job that ran at home has ended: what it took counts, unless a slave's result does."""
        now = time.monotonic()
        job.nested = self._home.waited(job.id)
        if not job.remote:
            job.wall_s = now - job.story[-1][0]
        self.jobs.move(job, state, why, now)

    def on_usage(self, pid: int, cpu_s: float, memory: int) -> None:
        """Make has reaped a recipe that ended well, and tells what it used."""
        job = self._by_pid.get(pid)
        if job is not None and job.state in (State.HOME, State.DONE) and not job.remote:
            job.cpu_s, job.max_rss = cpu_s, memory

    def _forget(self, job: Job) -> None:
        """Let go of what an ended job was run with: requests hold whole environments."""
        if job.work is not None:
            if job.remote or job.state is not State.DONE:
                self._by_pid.pop(job.work.client.pid, None)  # else make may yet report its failure
            job.work = None

    # ---- at home ---------------------------------------------------------------------------------------------

    def _go_home(self, job: Job, why: str) -> None:
        self.jobs.move(job, State.HOME_READY, why, time.monotonic())
        self._home.ask(job.id, job.work.client.pid, self.foresight.want(job).priority)

    def _memory(self, job_id: int) -> int:
        job = self.jobs.get(job_id)
        return 0 if job is None else self.foresight.expected(job).memory

    def reconsider(self, wants: Mapping[int, Want]) -> None:
        """History or plan have told more of jobs, by number."""
        for number, want in wants.items():
            self._home.rethink(number, want.priority)

    def _instead_of_waiting(self) -> None:
        """A home slot is free: while there is no slave, the job that has waited longest takes it."""
        if self.home_first.over:
            return  # before any job is looked at: there may be thousands
        job = next(filter(self.home_first.takes, self._by_pid.values()), None)
        if job is not None:
            self.shipping.cancel(job)
            self._go_home(job, NONE_YET)

    def _start_home(self, job_id: int) -> None:
        job = self.jobs.get(job_id)
        assert job is not None
        self.jobs.move(job, State.HOME, "a local slot is free", time.monotonic())
        if not job.remote:
            job.cpu_s, job.max_rss = 0.0, 0
        if job.work.failure or job.work.remote_result is not None:
            job.work.client.run_confirm()
        else:
            job.work.client.run_local()

    def _count(self, job: Job, reason: str) -> None:
        job.fallback = reason
        self.fallbacks.append(Fallback(job.label, reason))

    # ---- from the farm (see shipping.Recipes) ----------------------------------------------------------------

    def fall_back(self, job: Job, reason: str) -> None:
        """See Recipes."""
        self._count(job, reason)
        self._go_home(job, reason)

    def confirm(self, job: Job, failure: str) -> None:
        """See Recipes."""
        job.work.failure = failure
        self._go_home(job, failure or "to be compared")

    def finish(self, job: Job, result: Any) -> None:
        """See Recipes."""
        work: Work = job.work
        self.jobs.move(job, State.DONE, "ended on its slave", time.monotonic())
        work.client.finish([(c.fd, c.data) for c in result.stdio], result.exit_code, result.signal_)
        self._forget(job)

    # ---- the end ---------------------------------------------------------------------------------------------

    def stop(self, number: int) -> None:
        """End every job that waits or is with a slave, as if signal `number` had ended it."""
        self.stopping = number
        self.shipping.stop()
        for job in list(self._by_pid.values()):
            if job.state in (State.READY, State.SENT, State.HOME_READY):
                client: Client = job.work.client
                self.on_gone(client)
                client.finish([], 0, number)

    def trees_failed(self, why: str) -> None:
        """The trees cannot be read, so nothing can be sent: all runs at home."""
        self._homebound = why
        early, self._early, self._held = [*self._early, *self._held], [], []
        for job in early:
            if job.state is State.READY:
                self.fall_back(job, why)

    def outcome(self) -> tuple[int, int, int]:
        """How many jobs ended remotely, ended at home by verdict, and failed."""
        ended = [j for j in self.jobs if j.state in (State.DONE, State.FAILED)]
        remote = sum(j.remote for j in ended)
        return remote, sum(not j.remote and not j.fallback for j in ended), self.jobs.counts[State.FAILED]
