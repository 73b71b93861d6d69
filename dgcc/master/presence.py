"""The master's place in the farm: its CORBA objects, its binding, the slaves it invites, the slave it starts itself."""

import concurrent.futures
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dgcc.corba import CORBA, DGCC
from dgcc.master.gate import Gate
from dgcc.master.registry import SlaveLink
from dgcc.master.servants import Handlers, MasterServant, OverseerServant, RegistryServant, SourceServant
from dgcc.naming.contexts import MASTERS, SLAVES, Farm, Life
from dgcc.naming.deadlines import deadlines
from dgcc.naming.orb import start_orb, stop_orb
from dgcc.naming.place import Place
from dgcc.naming.sender import Sender
from dgcc.naming.server import PARENT_DIED, PrivateNames, with_parent
from dgcc.store.source import TreeSource
from dgcc.trust import tls
from dgcc.trust.guard import Holders

_SLAVE_END_S = 5.0
_OWN_NAMES_S = 10.0

log = logging.getLogger(__name__)


class Process(Protocol):
    """Our own slave: what we use of a subprocess.Popen."""

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Spare(Process, Protocol):
    """A process that waits to become our own slave."""

    def start(self, arguments: list[str]) -> None:
        """Let it be the slave that dgcc-slave with these arguments would be."""

    def dismiss(self) -> None:
        """It is not needed, if it was not started."""


class Presence:
    """Joins a farm, on any one thread, and leaves it."""

    def __init__(
        self, name: str, gate: Gate, handlers: Handlers, source: TreeSource, sent: Callable[[int], None],
        hope: Callable[[bool], None], credentials: tls.Credentials | None = None, spare: Spare | None = None,
    ) -> None:
        """`sent` is told the bytes of content that each answer to a slave holds. `spare` becomes our own slave.

        `hope` is told, on any thread, whether slaves were found that may register: they may all turn out to be dead.
        """
        self._hope = hope
        self._hopes: set[str] = set()  # names of slaves that were found and are not known to be dead
        self.name = name
        self._credentials = credentials
        # A slave with a certificate has the name in it.
        self.local_name = credentials.peer.name if credentials else f"local-{os.getpid()}"
        self._gate, self._handlers, self._source, self._sent = gate, handlers, source, sent
        self._busy = threading.Lock()
        self._closing = False
        self._names: PrivateNames | None = None
        self._orb: Any = None
        self._farm: Farm | None = None
        self._place: Place | None = None
        self._spare = spare
        self._slave: Process | None = None
        self._bound: Any = None
        self._inviters: list[Sender] = []

    def connect(self, place: Place, patience_s: float = 0.0) -> None:
        """Reach the farm's naming service, within `patience_s` if it is just starting. Raises OrbError, NamingError."""
        self._orb, self._poa = start_orb(place)
        self._farm = Farm(self._orb, place, patience_s)
        self._place = place

    def join(self, slots: int) -> None:
        """Bind under dgcc/masters, invite every slave, start one of our own with `slots` unless that is 0.

        Starts a naming service where `connect` has not named one. Raises OrbError, NamingError or OSError.
        """
        with self._busy:
            if self._closing:
                return
            if self._farm is None:
                self._names = PrivateNames()
                if self._closing:
                    return
                # It listens before it knows its own name.
                self.connect(self._names.place, _OWN_NAMES_S)
            assert self._farm is not None
            if slots and not self._closing:
                self._start_slave(slots)
            self._bound = self._activate()
            self._farm.bind(MASTERS, self.name, self._bound)
            found = self._farm.bindings(SLAVES)
            self._hopes.update(name for name, _ in found)
            if found:
                self._hope(True)
            for name, ref in found:
                # Each on a thread of its own: a stopped slave must not delay the others.
                inviter = Sender(f"invite {name}")
                inviter.submit(self._invite, name, ref)
                self._inviters.append(inviter)

    @property
    def lost_slave(self) -> bool:
        """Whether our own slave has ended, which it should not before we do; it has said why on stderr."""
        return self._slave is not None and not self._closing and self._slave.poll() is not None

    def stay(self) -> None:
        """Bind again if the naming service has lost the binding, as by a restart. Raises NamingError."""
        if self._farm is not None and not self._closing:
            self._farm.bind(MASTERS, self.name, self._bound)

    def _invite(self, name: str, ref: Any) -> None:
        assert self._farm is not None
        try:
            life = self._farm.prune(SLAVES, name, ref)
            if life is not Life.DEAD:
                ref._narrow(DGCC.Slave).invite(self._bound)
                return
        except CORBA.SystemException as error:
            why = tls.why()
            log.log(logging.WARNING if why else logging.INFO, "slave %s cannot be invited: %s", name, why or error)
        self._hopes.discard(name)
        if not self._hopes:
            self._hope(False)

    def _activate(self) -> Any:
        def reference(servant: Any) -> Any:
            return self._poa.id_to_reference(self._poa.activate_object(servant))

        holders = Holders()
        registry = RegistryServant(self._gate, self._handlers, self._orb, holders)
        overseer = OverseerServant(self._gate, self._handlers, holders)
        source = SourceServant(self._gate, self._handlers, self._source, self._sent)
        return reference(
            MasterServant(
                self.name,
                self._gate,
                self._handlers,
                reference(registry)._narrow(DGCC.SlaveRegistry),
                reference(overseer)._narrow(DGCC.Overseer),
                reference(source)._narrow(DGCC.Source),
            )
        )._narrow(DGCC.Master)

    def _start_slave(self, slots: int) -> None:
        how = ["--tls", str(self._credentials.directory)] if self._credentials else ["--insecure"]
        arguments = ["--naming", str(self._place), *how, "--slots", str(slots), "--name", self.local_name, "--embedded"]
        if self._spare is not None:
            self._spare.start(arguments)
            self._slave = self._spare
            return
        command = [sys.executable, "-m", "dgcc.cli.slave", *arguments]
        self._slave = subprocess.Popen(with_parent(command, PARENT_DIED), stdin=subprocess.DEVNULL,
                                       start_new_session=True)  # fmt: skip

    def close(self, links: Sequence[SlaveLink]) -> None:
        """Tell the slaves, unbind, and stop what `join` has started. Never raises for a peer that is gone."""
        self._closing = True
        # `join` may hang in a naming service that has stopped.
        entered = self._busy.acquire(timeout=deadlines().goodbye)
        try:
            self._close(links)
        finally:
            if entered:
                self._busy.release()

    def _close(self, links: Sequence[SlaveLink]) -> None:
        if self._spare is not None:
            self._spare.dismiss()
            self._slave = self._spare
        if self._slave is not None:
            self._slave.terminate()
        said = [link.sender.submit(_dismiss, link) for link in links]
        unbinder = Sender("unbind")
        if self._bound is not None and self._farm is not None and self._names is None:
            said.append(unbinder.submit(self._farm.unbind, MASTERS, self.name))
        concurrent.futures.wait(said, deadlines().goodbye)
        for link in links:
            link.close()
        for caller in (*self._inviters, unbinder):
            caller.shutdown()
        if self._slave is not None:
            try:
                self._slave.wait(_SLAVE_END_S)
            except subprocess.TimeoutExpired:
                self._slave.kill()
                self._slave.wait()
        if self._names is not None:
            self._names.close()
        if self._orb is not None and not Sender.stuck:  # it would wait for the calls under way
            stop_orb(self._orb)


def _dismiss(link: SlaveLink) -> None:
    try:
        link.ref.dismiss(link.lease)
    except CORBA.Exception as error:
        log.debug("slave %s: %s", link.name, error)
