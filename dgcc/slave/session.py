"""A slave's side of one lease: the master it serves, the copies of its layers, the jobs under way for it."""

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dgcc.corba import CORBA, DGCC
from dgcc.slave.mirrors import MirrorPool
from dgcc.store.mirror import Mirror
from dgcc.store.pull import pull
from dgcc.store.wire import entries_from_wire

# A file may change between the page that names its digest and the pull of its content; then the page is read anew.
_PULL_TRIES = 8
_PULL_PAUSE_S = 0.1

log = logging.getLogger(__name__)


class HostTrouble(Exception):
    """This slave cannot run the job though the job may be fine; another host should."""


class ProtocolTrouble(Exception):
    """The order, or what came with it, makes no sense."""


@dataclass
class LayerCopy:
    """A layer as far as this slave has it."""

    mirror: Mirror
    version: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Running:
    """A job that a job process has taken up: how to kill it, and whether anybody still wants its result."""

    jail: Any = None
    cancelled: bool = False


class Session:
    """One lease with one master."""

    def __init__(self, master: Any, mirrors: MirrorPool) -> None:
        """Ask the master for its parts. Raises CORBA.SystemException if it does not answer."""
        self.master = master
        self.name = str(master._get_name())
        self.registry = master._get_registry()
        self.overseer = master._get_job_overseer()
        self.source = master._get_store()
        self.lease = 0
        self.lease_s = 0
        self.renewed = time.monotonic()
        self.ended = False
        self._mirrors = mirrors
        self._layers: dict[str, LayerCopy] = {}
        self._lock = threading.Lock()
        self.running: dict[int, Running] = {}
        self.kept: dict[int, tuple[Path, dict[int, Path]]] = {}  # job -> scratch, files the master fetches

    def enlist(self, info: Any, ref: Any) -> None:
        """Register. Raises DGCC.Refused or CORBA.SystemException."""
        lease = self.registry.enlist(info, ref)
        self.lease, self.lease_s = lease.id, lease.seconds
        self.renewed = time.monotonic()

    def sync(self, need: Any) -> tuple[Path, int]:
        """Bring a layer to the version that a job needs (a DGCC.LayerNeed).

        Returns the directory that holds it and the bytes pulled. Raises HostTrouble or ProtocolTrouble.
        """
        with self._lock:
            copy = self._layers.get(need.layer)
            if copy is None:
                host = self.name.partition(":")[0]
                copy = self._layers[need.layer] = LayerCopy(self._mirrors.acquire(host, need.root))
        received = 0
        with copy.lock:
            if copy.version == 0:
                received += self._read(need.layer, copy, whole=True)
            while copy.version < need.version:
                before = copy.version
                received += self._read(need.layer, copy, whole=False)
                if copy.version <= before:
                    raise ProtocolTrouble(f"the master has no version {need.version} of {need.layer}")
        return copy.mirror.tree, received

    def _read(self, layer: str, copy: LayerCopy, *, whole: bool) -> int:
        """Read one page of a layer, or all of it from nothing, into its mirror."""
        received = 0
        if whole:
            copy.mirror.begin_full()
        version = copy.version
        tries = 0
        while True:
            try:
                page = self.source.changes(layer, version)
                entries = entries_from_wire(page.entries)
                received += pull(self.source, entries, self._mirrors.blobs)
            except DGCC.UnknownBlob as error:
                tries += 1
                if tries >= _PULL_TRIES:
                    raise HostTrouble("a file of the project keeps changing while it is fetched") from error
                time.sleep(_PULL_PAUSE_S)
                continue
            except DGCC.UnknownLayer as error:
                raise ProtocolTrouble(f"the master does not know its layer {layer}") from error
            copy.mirror.apply(entries)
            version = page.upto
            if not whole or page.upto >= page.latest:
                break
        if whole:
            copy.mirror.end_full()
        copy.version = version
        return received

    def renew(self, load: Any) -> bool:
        """Renew the lease. False: the master is gone, or has given us up."""
        try:
            self.registry.renew(self.lease, load)
        except (DGCC.UnknownLease, CORBA.OBJECT_NOT_EXIST):
            return False
        except CORBA.SystemException as error:
            if time.monotonic() - self.renewed > self.lease_s:
                log.info("master %s does not answer: %s", self.name, error)
                return False
            return True
        self.renewed = time.monotonic()
        return True

    def forget(self) -> None:
        """End: kill what runs, give the mirrors back. Call once no job process works for this session any more."""
        with self._lock:
            for copy in self._layers.values():
                self._mirrors.release(copy.mirror)
            self._layers.clear()
