"""A slave that only simulates: real registration, leases, job list and results; its jobs sleep instead of running.

It has no jail, no copy of any tree and no environment, and brings no file. So that no build takes its results for real
ones, it says that its machine is of the kind "simulated": every master refuses that which was not told to simulate.
"""

import itertools
import logging
import threading
import time
from collections.abc import Collection
from functools import partial
from typing import Any

from msgspec import Struct

import dgcc
from dgcc.corba import CORBA, DGCC, DGCC__POA
from dgcc.naming.contexts import Farm
from dgcc.naming.deadlines import deadlines
from dgcc.slave.alarms import Alarms
from dgcc.slave.durations import Cost, Durations
from dgcc.slave.joblist import JobList
from dgcc.slave.meeting import Meeting
from dgcc.slave.mirrors import MirrorPool
from dgcc.slave.session import Session
from dgcc.trust import tls
from dgcc.trust.guard import Holders, only

MACHINE = "simulated"  # as in dgcc/master/registry.py
_MEMORY = 64 << 30  # bytes
_HEARTBEAT_S = 1.0

log = logging.getLogger(__name__)


class _NoMirrors(MirrorPool):
    """Stands where a session would find its mirrors: simulated jobs see no tree."""

    def __init__(self) -> None:
        pass


class Busy(Struct):
    """What was simulated for one master: jobs that ended, the seconds that they took, and between which times."""

    jobs: int = 0
    slot_s: float = 0.0
    first: float = 0.0
    last: float = 0.0


@only(tls.MASTER)
class SimulatedSlave(DGCC__POA.Slave):
    """DGCC::Slave. Jobs that run are alarms; only each session's sender has a thread of its own."""

    def __init__(self, poa: Any, farm: Farm, name: str, slots: int, durations: Durations, alarms: Alarms) -> None:
        self.name, self.slots = name, slots
        self._durations, self._alarms = durations, alarms
        self._lock = threading.Lock()  # guards all that follows
        self._sessions: dict[int, Session] = {}  # by lease
        self._holders = Holders()
        self._jobs = JobList()
        self._running: dict[int, tuple[Session, int]] = {}  # by number of the run: session, job
        self._runs = itertools.count()
        self._busy: dict[Session, Busy] = {}
        self._ended = False
        self.ref = poa.id_to_reference(poa.activate_object(self))._narrow(DGCC.Slave)
        self._meeting = Meeting(farm, self.ref, self._served, self._serve)
        self._next_look = time.monotonic() + deadlines().look

    def start(self) -> None:
        """Bind under dgcc/slaves, register with every master there is."""
        self.name = self._meeting.claim(self.name)
        self._meeting.find_masters()
        self._alarms.after(_HEARTBEAT_S, self._heartbeat)

    def stop(self) -> None:
        """Give all jobs back, leave the farm."""
        self._ended = True
        self._meeting.end()
        for session in list(self._sessions.values()):
            said = session.sender.submit(session.registry.leave, session.lease)
            try:
                said.result(deadlines().goodbye)
            except Exception as error:  # a master that has gone, or stopped
                log.debug("master %s: %s", session.name, error)
            self._end(session)

    # ---- operations of the servant (the ORB's threads) -------------------------------------------------------

    def _get_info(self) -> Any:
        return DGCC.SlaveInfo(self.name, dgcc.__version__, DGCC.PROTOCOL, MACHINE, self.slots, _MEMORY, [])

    def _get_state(self) -> Any:
        with self._lock:
            idle = self.slots - len(self._running)
            sessions = list(self._sessions.values())
        kept = sum(len(session.undelivered) for session in sessions)
        return DGCC.SlaveState(self._get_info(), idle, len(self._jobs), kept, self._load(), -1.0,
                               [s.name for s in sessions])  # fmt: skip

    def _get_store(self) -> Any:
        return None

    def invite(self, who: Any) -> None:
        """See the IDL."""
        self._meeting.invite(who)

    def run(self, lease: int, what: Any) -> None:
        """See the IDL."""
        self._holders.check(lease)
        session = self._sessions.get(lease)
        if session is None:
            raise DGCC.UnknownLease()
        self._jobs.put(session, what)
        self._fill()

    def cancel(self, lease: int, which: list[int]) -> None:
        """See the IDL."""
        self._holders.check(lease)
        session = self._sessions.get(lease)
        if session is not None:
            self._forget(session, which)

    def output(self, lease: int, job: int, index: int, offset: int, count: int) -> bytes:
        """See the IDL."""
        raise DGCC.UnknownOutput()

    def release(self, lease: int, job: int) -> None:
        """See the IDL."""

    def dismiss(self, lease: int) -> None:
        """See the IDL."""
        self._holders.check(lease)
        session = self._sessions.get(lease)
        if session is not None:
            self._end(session)

    # ---- jobs ------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Start what waits, as far as there are slots."""
        with self._lock:
            while len(self._running) < self.slots and len(self._jobs):
                taken = self._jobs.take()
                if taken is None:
                    return
                session, job = taken
                number = next(self._runs)
                self._running[number] = session, job.id
                cost = self._durations.of(job.argv, job.cwd)
                busy = self._busy.setdefault(session, Busy(first=time.monotonic()))
                self._alarms.after(cost.wall_s, partial(self._over, number, cost, time.time_ns(), busy))

    def _over(self, number: int, cost: Cost, started_ns: int, busy: Busy) -> None:
        with self._lock:
            session, job = self._running.pop(number, (None, 0))
            if session is not None:
                session.undelivered.add(job)
                busy.jobs, busy.slot_s, busy.last = busy.jobs + 1, busy.slot_s + cost.wall_s, time.monotonic()
        if session is not None:
            result = DGCC.Result(job, DGCC.ENDED, "", 0, 0, cost.cpu_s, cost.wall_s, cost.max_rss, started_ns, 0, [],
                                 [])  # fmt: skip
            session.sender.submit(session.deliver, result)
        self._fill()

    def _forget(self, session: Session, which: Collection[int] | None) -> None:
        self._jobs.withdraw(session, which)
        with self._lock:
            for number, (whose, job) in list(self._running.items()):
                if whose is session and (which is None or job in which):
                    del self._running[number]
        self._fill()

    # ---- masters ---------------------------------------------------------------------------------------------

    def _served(self) -> set[str]:
        with self._lock:
            return {session.name for session in self._sessions.values()}

    def _serve(self, name: str, parts: Any) -> None:
        """Register with a master. Raises DGCC.Refused, CORBA.SystemException."""
        session = Session(name, parts, _NoMirrors())
        session.enlist(self._get_info(), self.ref)
        self._holders.granted(session.lease)
        with self._lock:
            self._sessions[session.lease] = session
        log.info("serving master %s, in simulation", session.name)
        session.sender.submit(self._report_free, session)

    def _report_free(self, session: Session) -> None:
        try:
            session.registry.free(session.lease, self.slots)
        except CORBA.Exception as error:
            log.info("master %s: %s", session.name, error)  # if it is gone, its lease will tell

    def _load(self) -> Any:
        busy = len(self._running)
        return DGCC.HostLoad(busy / self.slots, float(busy), _MEMORY, self.slots)

    def _heartbeat(self) -> None:
        if self._ended:
            return
        now = time.monotonic()
        for session in list(self._sessions.values()):
            since = now - session.renewed
            if since > 2 * session.lease_s:
                self._end(session)
            elif since >= session.lease_s / 6 and not session.renewing:
                session.renewing = True
                session.sender.submit(self._renew, session)
        if now > self._next_look:
            self._next_look = now + deadlines().look
            self._meeting.look()
        self._alarms.after(_HEARTBEAT_S, self._heartbeat)

    def _renew(self, session: Session) -> None:
        with self._lock:
            running = [job for whose, job in self._running.values() if whose is session]
        held = {*self._jobs.waiting(session), *running, *session.undelivered}
        lives = session.renew(self._load(), sorted(held))
        session.renewing = False
        if not lives:
            self._end(session)

    def _end(self, session: Session) -> None:
        with self._lock:
            if session.ended:
                return
            session.ended = True
            self._sessions.pop(session.lease, None)
            self._holders.ended(session.lease)
            busy = self._busy.pop(session, Busy())
        self._forget(session, None)
        session.forget()
        log.info("master %s served, in simulation: %d jobs, %.3f s of slots between %.3f and %.3f", session.name,
                 busy.jobs, busy.slot_s, busy.first, busy.last)  # fmt: skip
