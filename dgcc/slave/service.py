"""The slave process: its CORBA object, its job processes, its heartbeat."""

import concurrent.futures
import logging
import platform
import queue
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct
from msgspec.structs import replace

import dgcc
from dgcc.corba import CORBA, DGCC, DGCC__POA
from dgcc.naming.contexts import Farm
from dgcc.naming.deadlines import deadlines
from dgcc.naming.sender import Sender
from dgcc.slave.environments import EnvironmentPool
from dgcc.slave.joblist import JobList
from dgcc.slave.meeting import Meeting
from dgcc.slave.memory import Memory
from dgcc.slave.mirrors import MirrorPool
from dgcc.slave.owner import Owner
from dgcc.slave.runner import Runner
from dgcc.slave.session import Running, Session
from dgcc.slave.sharing import StoreServant
from dgcc.slave.stager import Stager
from dgcc.store.blobs import BlobStore
from dgcc.store.jaillimits import Limits, host_limits
from dgcc.store.packing import pack
from dgcc.trust import tls
from dgcc.trust.guard import Holders, only

_HEARTBEAT_S = 1.0
_JAILS_END_S = 5.0
_BEYOND = 1 << 62  # no file is as large, and the system takes the number
_MOST_WAITING = 10_000  # jobs of one master; those we know send as many as there are slots

log = logging.getLogger(__name__)


class SlaveOptions(Struct, frozen=True):
    """How this slave is to run."""

    name: str
    slots: int
    store: Path
    once: bool
    owner: tuple[int, int] | None  # (uid, gid) of jobs, where the slave is root
    store_limit: int = 20_000_000_000  # bytes
    limits: Limits | None = None  # of each job; None: what suits this host
    niceness: int = 0  # of jobs
    owner_load: float | None = None  # share of the CPUs beyond which the host's owner is using it; None: not looked at


@only(tls.MASTER)
class Slave(DGCC__POA.Slave):
    """DGCC::Slave, and everything behind it.

    Threads: the ORB's own call the servant's operations; `slots` job processes take jobs off the job list; each
    session has a sender for its calls to the master, so that no operation and no other master waits for a master
    that does not answer; one thread, the keeper, sees to leases and bindings and ends sessions.
    """

    def __init__(self, poa: Any, farm: Farm, options: SlaveOptions, over: threading.Event) -> None:
        """`over` is set when the slave is to end: by the caller, or by the slave itself after `once`."""
        self._options = options
        self._sessions: dict[int, Session] = {}  # by lease
        self._lock = threading.Lock()  # guards _sessions and each session's `running` and `kept`
        self._holders = Holders()
        self._jobs = JobList()
        self._idle = 0
        # Sessions to end, and whether their master may be glad of us again; None: no more.
        self._ended: queue.SimpleQueue[tuple[Session, bool] | None] = queue.SimpleQueue()
        self._over = over
        third = options.store_limit // 3
        self._blobs = BlobStore(options.store / "blobs", third)
        self._mirrors = MirrorPool(options.store / "mirrors", self._blobs, options.owner, third)
        self._environments = environments = EnvironmentPool(options.store / "environments", options.owner, third)
        limits = options.limits or host_limits(options.slots)
        self._runner = Runner(options.store / "jobs", options.owner, environments, limits, options.niceness)
        self._memory = Memory(options.slots, limits)
        self._owner = Owner(options.owner_load)
        self._stager = Stager(environments, lambda s, job: job in self._jobs.waiting(s), self._enter, self._leave)
        self._store = poa.id_to_reference(poa.activate_object(StoreServant(environments.index)))._narrow(DGCC.Source)
        self.ref = self._this_on(poa)
        self._meeting = Meeting(farm, self.ref, self._served, self._serve)
        self._threads = [
            threading.Thread(target=self._job_process, name=f"job-{i}", daemon=True) for i in range(options.slots)
        ]
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def _this_on(self, poa: Any) -> Any:
        return poa.id_to_reference(poa.activate_object(self))._narrow(DGCC.Slave)

    @property
    def name(self) -> str:
        """Its name in the farm, once started."""
        return self._options.name

    @property
    def slots(self) -> int:
        """Jobs at once."""
        return self._options.slots

    # ---- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bind under dgcc/slaves, register with every master there is, start the job processes."""
        for thread in (*self._threads, self._keeper):
            thread.start()
        self._options = replace(self._options, name=self._meeting.claim(self._options.name))
        self._meeting.find_masters()

    def stop(self) -> None:
        """Give all jobs back, leave every farm, end all threads and remove what jobs left."""
        self._meeting.end()
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            self._end(session, say=True)
        self._jobs.close(len(self._threads))
        self._ended.put(None)
        until = time.monotonic() + 2 * deadlines().goodbye  # one may wait for a master that has stopped
        for thread in (*self._threads, self._keeper):
            thread.join(timeout=max(0.0, until - time.monotonic()))
        self._runner.close()
        self._blobs.close()

    # ---- operations of the servant (the ORB's threads) -------------------------------------------------------

    def _get_info(self) -> Any:
        return DGCC.SlaveInfo(self._options.name, dgcc.__version__, DGCC.PROTOCOL, platform.machine(),
                              self._options.slots, self._memory.total, self._environments.complete())  # fmt: skip

    def _get_state(self) -> Any:
        waiting = len(self._jobs)
        with self._lock:
            sessions = list(self._sessions.values())
            kept = len({(s.lease, job) for s in sessions for job in (*s.kept, *s.undelivered)})
            return DGCC.SlaveState(self._get_info(), self._idle, waiting, kept,
                                   self._load(None), self._owner.share, [s.name for s in sessions])

    def _get_store(self) -> Any:
        return self._store

    def invite(self, who: Any) -> None:
        """See the IDL."""
        self._meeting.invite(who)

    def _session(self, lease: int) -> Session:
        self._holders.check(lease)
        with self._lock:
            session = self._sessions.get(lease)
        if session is None:
            raise DGCC.UnknownLease()
        return session

    def run(self, lease: int, what: Any) -> None:
        """See the IDL."""
        session = self._session(lease)
        if len(self._jobs.waiting(session)) >= _MOST_WAITING:
            raise DGCC.Refused(f"{_MOST_WAITING} jobs of this master wait here already")
        self._jobs.put(session, what)
        if not self._idle:
            self._stager.offer(session, what)

    def cancel(self, lease: int, which: list[int]) -> None:
        """See the IDL."""
        with self._lock:
            session = self._sessions.get(lease)
        if session is None:
            return  # it has ended, and all its jobs with it
        wanted = set(which)
        waiting = self._jobs.withdraw(session, wanted)
        with self._lock:
            # One that has just been taken up is not among the running yet; it is one of the newest.
            session.cancelled |= wanted.difference(waiting)
            if len(session.cancelled) > _MOST_WAITING:
                session.cancelled = set(sorted(session.cancelled)[-_MOST_WAITING:])
        self._kill(session, wanted)

    def _kill(self, session: Session, which: Collection[int] | None) -> None:
        with self._lock:
            for job, running in session.running.items():
                if which is None or job in which:
                    _end_running(running)

    def output(self, lease: int, job: int, index: int, offset: int, count: int) -> Any:
        """See the IDL."""
        session = self._session(lease)
        with self._lock:
            kept = session.kept.get(job)
        if kept is None or index not in kept[1]:
            raise DGCC.UnknownOutput()
        with kept[1][index].open("rb") as content:
            content.seek(min(offset, _BEYOND))
            return DGCC.Packed(*pack(content.read(min(count, DGCC.PIECE))))

    def release(self, lease: int, job: int) -> None:
        """See the IDL."""
        self._holders.check(lease)
        with self._lock:
            session = self._sessions.get(lease)
            kept = session.kept.pop(job, None) if session else None
        if kept:
            self._runner.remove(kept[0])

    def dismiss(self, lease: int) -> None:
        """See the IDL."""
        self._holders.check(lease)
        with self._lock:
            session = self._sessions.get(lease)
        if session is not None:
            self._ended.put((session, False))  # the keeper ends it: it may wait for job processes

    # ---- job processes ---------------------------------------------------------------------------------------

    def _job_process(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                idle = self._idle
            if not len(self._jobs):
                self._report_free(idle)
            taken = self._jobs.take()
            with self._lock:
                self._idle -= 1
            if taken is None:
                return
            session, job = taken
            try:
                self._work(session, job)
            finally:
                self._jobs.done(session, job)

    def _report_free(self, idle: int) -> None:
        for session in list(self._sessions.values()):
            if not session.reporting:  # one that is about to be made says it all
                session.reporting = True
                session.sender.submit(self._say_free, session, idle)

    @staticmethod
    def _say_free(session: Session, idle: int) -> None:
        session.reporting = False
        _quietly(session, lambda: session.registry.free(session.lease, idle))

    def _enter(self, session: Session) -> bool:
        """A thread that is no job process begins to use what the session has on disk; False: it is over."""
        with self._lock:
            if session.ended:
                return False
            session.users += 1
            return True

    def _leave(self, session: Session) -> None:
        with self._lock:
            session.users -= 1
            last = session.ended and not session.running and not session.users
        if last:
            session.forget()

    def _work(self, session: Session, job: Any) -> None:
        running = Running()
        with self._lock:
            if session.ended or job.id in session.cancelled:
                return
            # A job that lacked something comes again under its number, perhaps before we are done with its first end.
            # One that still runs is another matter: only a confused master sends that, and nobody would end it later.
            former = session.running.get(job.id)
            if former is not None:
                _end_running(former)
            session.running[job.id] = running
            left, _ = session.kept.pop(job.id, (None, {}))
        if left is not None:
            self._runner.remove(left)
        scratch = None
        try:
            result, scratch, kept = self._runner.run(session, job, running, self._lock)
            result.received += session.take_staged(job.id)
            with self._lock:
                wanted = not (running.cancelled or session.ended)
                if wanted and kept and scratch is not None:
                    session.kept[job.id] = (scratch, kept)
                    scratch = None
                if wanted:
                    session.undelivered.add(job.id)
            if wanted:
                session.deliver(result)
        finally:
            with self._lock:
                if session.running.get(job.id) is running:
                    del session.running[job.id]
                last = session.ended and not session.running and not session.users
            if scratch is not None:
                self._runner.remove(scratch)
            if last:
                session.forget()

    # ---- talking to masters ----------------------------------------------------------------------------------

    def _keep(self) -> None:
        rebind = time.monotonic() + deadlines().look
        while True:
            try:
                item = self._ended.get(timeout=_HEARTBEAT_S)
            except queue.Empty:
                try:
                    self._heartbeat()
                except (OSError, RuntimeError) as error:  # out of descriptors, or threads, for a while
                    log.error("no heartbeat: %s", error)
                if time.monotonic() > rebind:
                    rebind = time.monotonic() + deadlines().look
                    self._meeting.look()
                continue
            if item is None:
                return
            session, again = item
            try:
                self._end(session, say=False)
            except Exception as error:  # leases must be kept whatever happens to one session
                log.error("ending the session with %s: %s", session.name, error)
            # It may have given us up for dead, and be glad of us again; or be dead itself, and its binding with it.
            if again and not self._over.is_set():
                self._meeting.look()

    def _serve(self, name: str, parts: Any) -> None:
        """Register with a master. Raises DGCC.Refused, CORBA.SystemException."""
        session = Session(name, parts, self._mirrors)
        session.enlist(self._get_info(), self.ref)
        self._holders.granted(session.lease)
        with self._lock:
            self._sessions[session.lease] = session
        log.info("serving master %s", session.name)
        load = self._load(session)
        if load.slots < self._options.slots:  # it is to hear of that before it sends jobs
            session.sender.submit(self._renew, session, load, [])
        session.sender.submit(_quietly, session, lambda: session.registry.free(session.lease, self._options.slots))
        session.told = load.slots

    def _served(self) -> set[str]:
        with self._lock:
            return {session.name for session in self._sessions.values()}

    def _heartbeat(self) -> None:
        if self._owner.look():
            self._jobs.pause(self._owner.is_here)
            log.info("the owner of this host is %susing it", "" if self._owner.is_here else "no longer ")
        load = self._load(None)
        for session in list(self._sessions.values()):
            since = time.monotonic() - session.renewed
            if since > 2 * session.lease_s:
                self._lose(session)  # stopped, or cut off; its sender may hang for longer
            elif not session.renewing:
                slots = self._jobs.share(session, self._options.slots)
                if since >= session.lease_s / 6 or slots != session.told:
                    session.renewing = True
                    mine = DGCC.HostLoad(load.cpu, load.load1, load.memory_free, slots)
                    session.sender.submit(self._renew, session, mine, self._held(session))

    def _load(self, session: Session | None) -> Any:
        """What to tell a master; None: one that is not here yet."""
        slots = self._jobs.share(session, self._options.slots)
        return DGCC.HostLoad(psutil.cpu_percent() / 100, psutil.getloadavg()[0], self._memory.free(), slots)

    def _held(self, session: Session) -> list[int]:
        """The jobs that this slave has of a session. One between two of the lists is told the next time."""
        with self._lock:
            return sorted({*self._jobs.waiting(session), *session.running, *session.undelivered, *session.kept})

    def _renew(self, session: Session, load: Any, held: list[int]) -> None:
        lives = session.renew(load, held)
        session.renewing = False
        if not lives:
            self._lose(session)

    def _lose(self, session: Session) -> None:
        log.info("master %s is gone, or has given this slave up", session.name)
        self._ended.put((session, True))

    def _in_jails(self, session: Session) -> bool:
        """Whether a job of this session has a process; others wait for content, and see later that it is over."""
        with self._lock:
            return any(running.jail is not None for running in session.running.values())

    def _end(self, session: Session, *, say: bool) -> None:
        """End a session: nothing of its jobs is left running, waiting or on disk."""
        with self._lock:
            if session.ended:
                return
            session.ended = True
            self._sessions.pop(session.lease, None)
            self._holders.ended(session.lease)
        self._jobs.withdraw(session)
        self._jobs.forget(session)
        self._kill(session, None)
        if say:
            farewell = Sender("leave")  # a master that has stopped is not waited for
            concurrent.futures.wait([farewell.submit(session.registry.leave, session.lease)], deadlines().goodbye)
            farewell.shutdown()
        until = time.monotonic() + _JAILS_END_S
        while self._in_jails(session) and time.monotonic() < until:
            time.sleep(0.01)
        for scratch, _ in session.kept.values():
            self._runner.remove(scratch)
        with self._lock:
            last = not session.running and not session.users  # else the last of its threads sees to it
        if last:
            session.forget()
        log.info("master %s served", session.name)
        if self._options.once and not self._sessions:
            self._over.set()


def _end_running(running: Running) -> None:
    """Kill a job and have nobody told of it; with the lock held that guards it."""
    running.cancelled = True
    if running.jail is not None:
        running.jail.kill()


def _quietly(session: Session, call: Callable[[], Any]) -> None:
    """Make a call to a master that may be gone; if it is, its lease will tell."""
    try:
        call()
    except CORBA.Exception as error:
        log.info("master %s: %s", session.name, error)
