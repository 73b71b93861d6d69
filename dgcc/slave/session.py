"""A slave's side of one lease: the master it serves, the copies of its layers, the jobs under way for it."""

import itertools
import logging
import math
import threading
import time
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from dgcc.corba import CORBA, DGCC
from dgcc.naming.sender import Sender
from dgcc.slave.mirrors import MirrorPool
from dgcc.store.mirror import Mirror
from dgcc.store.sync import follow
from dgcc.store.wire import RemoteSource

_DELIVER_PAUSE_S = 0.2
_DELIVERERS = 4
# A master whose host refuses so many renewals in a row, each so soon, is dead.
_REFUSALS = 2
_REFUSED_WITHIN_S = 1.0

log = logging.getLogger(__name__)


def failed_result(job: int, trouble: str, how: Any = DGCC.HOST_FAILED) -> Any:
    """A DGCC.Result of a job that this slave could not run, whatever bytes are in `trouble`."""
    text = trouble.encode("utf-8", "backslashreplace").decode()
    return DGCC.Result(job, how, text, 0, 0, 0.0, 0.0, 0, time.time_ns(), 0, [], [])


class ProtocolTrouble(Exception):
    """The order, or what came with it, makes no sense."""


class LayerCopy(Struct):
    """A layer as far as this slave has it."""

    mirror: Mirror
    version: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Running(Struct):
    """A job that a job process has taken up: how to kill it, and whether anybody still wants its result."""

    jail: Any = None
    cancelled: bool = False


class Session:
    """One lease with one master."""

    def __init__(self, name: str, parts: Any, mirrors: MirrorPool) -> None:
        """`name`: the master's, as it can be shown. `parts`: its DGCC.MasterParts."""
        self.name = name
        self.host = self.name.partition(":")[0]
        self.registry = parts.registry
        self.overseer = parts.job_overseer
        self.source = RemoteSource(parts.store)
        self.lease = 0
        self.lease_s = 0
        self.renewed = time.monotonic()
        self.ended = False
        self.sender = Sender(f"to {self.name}")  # for short calls: renewals, reports of free slots
        self.stager = Sender(f"stage {self.name}")  # for bringing what waiting jobs need
        # For results: over a long way, those of many slots would wait for each other.
        self._deliverers = [Sender(f"result {n} to {self.name}") for n in range(_DELIVERERS)]
        self._deliveries = itertools.count()
        self.renewing = self.reporting = False
        self.told = 0  # how many slots the master was last told that it may fill
        self.users = 0  # threads that use what is on disk for this session, but for job processes
        self.way_s = math.inf  # how long it took of late to bring a layer up to date
        self._staged: dict[int, int] = {}  # job -> bytes that came for it while it waited
        self._refused = 0  # renewals in a row that found nobody
        self._mirrors = mirrors
        self._layers: dict[str, LayerCopy] = {}
        self._lock = threading.Lock()
        self.running: dict[int, Running] = {}
        self.cancelled: set[int] = set()  # jobs that were withdrawn when they were neither waiting nor running
        self.undelivered: set[int] = set()  # jobs with a result that the master has not taken yet
        self.kept: dict[int, tuple[Path, dict[int, Path]]] = {}  # job -> scratch, files the master fetches

    def enlist(self, info: Any, ref: Any) -> None:
        """Register. Raises DGCC.Refused or CORBA.SystemException."""
        lease = self.registry.enlist(info, ref)
        self.lease, self.lease_s = lease.id, lease.seconds
        self.renewed = time.monotonic()

    def sync(self, need: Any) -> tuple[Mirror, int]:
        """Bring a layer to the version that a job needs (a DGCC.LayerNeed).

        Returns the mirror that holds it and the bytes pulled. Raises ProtocolTrouble, StoreError, OSError and
        CORBA.SystemException.
        """
        with self._lock:
            copy = self._layers.get(need.layer)
            if copy is None:
                copy = self._layers[need.layer] = LayerCopy(self._mirrors.acquire(self.host, need.root))
        received = 0
        with copy.lock:
            began = time.monotonic()
            # Also where the version would do: the job is to see what a compiler that starts now would see.
            try:
                done = follow(self.source, need.layer, copy.mirror, copy.version)
            except BaseException:
                copy.version = 0  # the mirror may be half way between two versions
                raise
            copy.version, received = done.version, done.received
            if copy.version < need.version:
                raise ProtocolTrouble(f"the master has no version {need.version} of {need.layer}")
            self.way_s = time.monotonic() - began
        return copy.mirror, received

    def has(self, need: Any) -> bool:
        """Whether a layer has been brought to the version that a job needs, as far as is known without asking."""
        with self._lock:
            copy = self._layers.get(need.layer)
        return copy is not None and copy.version >= need.version and copy.version > 0

    def staged(self, job: int, received: int) -> None:
        """So many bytes came for a job while it waited."""
        if received:
            with self._lock:
                self._staged[job] = received

    def take_staged(self, job: int) -> int:
        """The bytes that came for a job while it waited: each is told once."""
        with self._lock:
            return self._staged.pop(job, 0)

    def deliver(self, result: Any) -> None:
        """Hand a result to the master, again and again until it has it or the session ends. Returns at once."""
        self._deliverers[next(self._deliveries) % _DELIVERERS].submit(self._deliver, result)

    def _deliver(self, result: Any) -> None:
        try:
            self.overseer.done(self.lease, result)
        except (CORBA.COMM_FAILURE, CORBA.TRANSIENT, CORBA.TIMEOUT) as error:
            log.info("master %s did not take a result yet: %s", self.name, error)
            time.sleep(_DELIVER_PAUSE_S)
            if not self.ended:
                self.deliver(result)
            return
        except DGCC.UnknownLease:
            pass
        except Exception as error:
            log.error("the result of job %d cannot be sent: %s", result.id, error)
            self._deliver_failure(result.id, type(error).__name__)
        self.undelivered.discard(result.id)

    def _deliver_failure(self, job: int, what: str) -> None:
        bare = failed_result(job, f"its result cannot be sent ({what})")
        try:
            self.overseer.done(self.lease, bare)
        except CORBA.Exception as error:
            log.info("master %s: %s", self.name, error)  # it finds the job missing at the next renewals

    def renew(self, load: Any, held: list[int]) -> bool:
        """Renew the lease. False: the master is gone, or has given us up."""
        self.told = load.slots
        began = time.monotonic()
        try:
            self.registry.renew(self.lease, load, held)
        except (DGCC.UnknownLease, CORBA.OBJECT_NOT_EXIST):
            return False
        except CORBA.SystemException as error:
            now = time.monotonic()
            # Nobody listens where it did: a network that is cut gives no answer so soon.
            self._refused = self._refused + 1 if now - began < _REFUSED_WITHIN_S else 0
            if now - self.renewed > self.lease_s or self._refused >= _REFUSALS:
                log.info("master %s does not answer: %s", self.name, error)
                return False
            return True
        self.renewed, self._refused = time.monotonic(), 0
        return True

    def forget(self) -> None:
        """End: kill what runs, give the mirrors back. Call once no job process works for this session any more."""
        for sender in (self.sender, self.stager, *self._deliverers):
            sender.shutdown()
        with self._lock:  # a second call finds nothing left
            for copy in self._layers.values():
                self._mirrors.release(copy.mirror)
            self._layers.clear()
