"""The master's CORBA objects. The ORB calls them on its own threads; they hand over to the loop and touch no state."""

from collections.abc import Callable
from typing import Any, Protocol

from dgcc.corba import DGCC, DGCC__POA, set_call_timeout
from dgcc.master.gate import Gate
from dgcc.master.results import checked, printable
from dgcc.naming.deadlines import deadlines, milliseconds
from dgcc.store.wire import blobs_to_wire, errors_to_wire
from dgcc.trust.guard import Holders, check_slave_name, only
from dgcc.trust.tls import SLAVE

_NAME_MAX = 255


class Handlers(Protocol):
    """What the loop does with the calls; each runs on the loop."""

    def knows(self, lease: int) -> bool:
        """Whether a lease is in force. The one that may be called on any thread."""

    def enlist(self, info: Any, ref: Any, bulk: Any) -> Any:
        """A slave registers, known by two references, the second for long calls; returns its DGCC.Lease."""

    def renew(self, lease: int, load: Any, held: list[int]) -> None:
        """A slave renews its lease and tells its load and its jobs."""

    def free(self, lease: int, slots: int) -> None:
        """A slave has idle slots."""

    def leave(self, lease: int) -> None:
        """A slave goes."""

    def done(self, lease: int, result: Any) -> None:
        """A slave reports the end of a job."""

    def unfit(self, slave: str, version: str, protocol: int) -> None:
        """A slave of another protocol stays away."""

    def changes(self, layer: str, since: int) -> Any:
        """A slave reads a layer; returns a DGCC.Page."""


@only(SLAVE)
class RegistryServant(DGCC__POA.SlaveRegistry):
    """DGCC::SlaveRegistry."""

    def __init__(self, gate: Gate, handlers: Handlers, orb: Any, holders: Holders) -> None:
        self._gate, self._handlers, self._orb, self._holders = gate, handlers, orb, holders

    def enlist(self, info: Any, who: Any) -> Any:
        """See the IDL."""
        if who is None or not info.name or info.name != printable(info.name, _NAME_MAX):
            raise DGCC.Refused("a slave needs a reference, and a name that is short and can be printed")
        check_slave_name(info.name)
        info.version, info.machine = printable(info.version, _NAME_MAX), printable(info.machine, _NAME_MAX)
        # A reference carries its own call timeout, so long calls need one of their own.
        bulk = who and self._orb.string_to_object(self._orb.object_to_string(who))._narrow(DGCC.Slave)
        if bulk is None:
            raise DGCC.Refused("what registers is no slave")
        set_call_timeout(bulk, milliseconds(deadlines().bulk))
        lease = self._gate.call(self._handlers.enlist, info, who, bulk)
        self._holders.enlisted(lease.id)
        return lease

    def renew(self, lease: int, now: Any, held: list[int]) -> None:
        """See the IDL."""
        self._holders.check(lease)
        self._gate.call(self._handlers.renew, lease, now, held)

    def free(self, lease: int, slots: int) -> None:
        """See the IDL."""
        self._holders.check(lease)
        if not self._handlers.knows(lease):
            raise DGCC.UnknownLease()
        self._gate.post(self._handlers.free, lease, slots)

    def leave(self, lease: int) -> None:
        """See the IDL."""
        if self._holders.ended(lease):
            self._gate.call(self._handlers.leave, lease)


@only(SLAVE)
class OverseerServant(DGCC__POA.Overseer):
    """DGCC::Overseer."""

    def __init__(self, gate: Gate, handlers: Handlers, holders: Holders) -> None:
        self._gate, self._handlers, self._holders = gate, handlers, holders

    def done(self, lease: int, what: Any) -> None:
        """See the IDL."""
        self._holders.check(lease)
        if not self._handlers.knows(lease):
            raise DGCC.UnknownLease()
        # The slave need not wait until the loop has had a look at it: it has let go of the job.
        self._gate.post(self._handlers.done, lease, checked(what))


@only(SLAVE)
class SourceServant(DGCC__POA.Source):
    """DGCC::Source over the project's trees. Blobs are read on the ORB's threads: they are no state."""

    def __init__(self, gate: Gate, handlers: Handlers, tree: Any, sent: Callable[[int], None]) -> None:
        """`tree` is a store.TreeSource; `sent` is told the bytes of each answer."""
        self._gate, self._handlers, self._tree, self._sent = gate, handlers, tree, sent

    def changes(self, layer: str, since: int) -> Any:
        """See the IDL."""
        return self._gate.call(self._handlers.changes, layer, since)

    def blobs(self, wanted: list[bytes]) -> Any:
        """See the IDL."""
        with errors_to_wire():
            found = self._tree.blobs(wanted)
        self._sent(sum(len(data) for _, _, data in found))
        return blobs_to_wire(found)

    def piece(self, wanted: bytes, offset: int, count: int) -> Any:
        """See the IDL."""
        with errors_to_wire():
            blob = self._tree.packed_piece(wanted, offset, min(count, DGCC.PIECE))
        self._sent(len(blob.data))
        return DGCC.Blob(*blob)


class MasterServant(DGCC__POA.Master):
    """DGCC::Master: the door, bound in the Naming Service. Any member of the farm may ask for what is behind it."""

    def __init__(
        self, name: str, gate: Gate, handlers: Handlers, registry: Any, overseer: Any, store: Any
    ) -> None:
        self._name, self._parts = name, DGCC.MasterParts(name, registry, overseer, store)
        self._gate, self._handlers = gate, handlers

    def _get_name(self) -> str:
        return self._name

    def _get_protocol(self) -> int:
        return int(DGCC.PROTOCOL)

    def unfit(self, slave: str, version: str, protocol: int) -> None:
        """See the IDL."""
        self._gate.call(self._handlers.unfit, slave, version, protocol)

    def _get_parts(self) -> Any:
        return self._parts
