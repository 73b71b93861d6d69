"""Which role may call what, and who may be asked for it. Without TLS nobody is known, and nothing is checked."""

import functools
import logging
import re
import threading
from collections.abc import Collection
from typing import Any, TypeVar

from dgcc.corba import CORBA, DGCC, CosNaming
from dgcc.trust.tls import MASTER, NAMING, SLAVE, Peer, answered, caller

_Servant = TypeVar("_Servant", bound=type)

log = logging.getLogger(__name__)

_MOST_TOLD = 64
_told: set[str] = set()
_admitted: frozenset[str] | None = None  # names; None: everyone whom the authority issued a certificate


def served_by() -> dict[str, frozenset[str]]:
    """Return, for every operation of the farm, the roles of which a server that is asked for it must have one."""
    table: dict[str, set[str]] = {}
    for stub, roles in (
        (DGCC._objref_Master, {MASTER}),
        (DGCC._objref_SlaveRegistry, {MASTER}),
        (DGCC._objref_Overseer, {MASTER}),
        (DGCC._objref_Slave, {SLAVE}),
        (DGCC._objref_Source, {MASTER, SLAVE}),
        (CosNaming._objref_NamingContext, {NAMING}),
        (CosNaming._objref_BindingIterator, {NAMING}),
    ):
        for operation in _operations(stub):
            table.setdefault(operation, set()).update(roles)
    return {operation: frozenset(roles) for operation, roles in table.items()}


def _operations(stub: type) -> list[str]:
    return [
        name for name, value in vars(stub).items()
        if callable(value) and (not name.startswith("_") or name.startswith("_get_"))
    ]  # fmt: skip


def admit(names: Collection[str] | None) -> None:
    """Let in only the holders of certificates with these names; None: all that have one."""
    global _admitted
    _admitted = None if names is None else frozenset(names)


def why_not(peer: Peer, roles: frozenset[str]) -> str:
    """Return why a peer may not do what `roles` may; nothing if it may."""
    if not peer.roles & roles:
        return f"its certificate is for {' and '.join(sorted(peer.roles))}, not for {' or '.join(sorted(roles))}"
    if _admitted is not None and peer.name not in _admitted:
        return f"'{peer.name}' is not among those whom the setting 'admit' lets in"
    return ""


def check_answer() -> None:
    """See that this slave serves the master who has answered the last call of this thread. Raises DGCC.Refused."""
    peer = answered()
    reason = why_not(peer, frozenset((MASTER,))) if peer is not None else ""
    if peer is not None and reason:
        raise DGCC.Refused(f"this slave refuses the master '{peer.name}': {reason}")


def _tell(text: str) -> None:
    if text not in _told and len(_told) < _MOST_TOLD:
        _told.add(text)
        log.warning("%s", text)


def only(*roles: str) -> Any:
    """Decorate a servant's class: its operations are for callers whose certificate has one of `roles`.

    Others get CORBA.NO_PERMISSION. What is called from within this process is not checked.
    """

    def decorate(servant: _Servant) -> _Servant:
        skeleton = next(base for base in servant.__mro__ if base.__module__.endswith("DGCC__POA"))
        stub = getattr(DGCC, f"_objref_{skeleton.__name__}")
        for name in set(_operations(stub)) & set(vars(servant)):
            setattr(servant, name, _checked(getattr(servant, name), frozenset(roles)))
        return servant

    return decorate


def _checked(operation: Any, roles: frozenset[str]) -> Any:
    @functools.wraps(operation)
    def check(self: Any, *arguments: Any) -> Any:
        peer = caller()
        if peer is not None:
            reason = why_not(peer, roles)
            if reason:
                _tell(f"refused a call of '{peer.name}': {reason}")
                if operation.__name__ == "enlist":
                    raise DGCC.Refused(f"the master refuses this slave: {reason}")
                raise CORBA.NO_PERMISSION(0, CORBA.COMPLETED_NO)
        return operation(self, *arguments)

    return check


class Holders:
    """Which certificate each lease belongs to: a lease is of no use to another. Without TLS there is nothing to it."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._lock = threading.Lock()

    def enlisted(self, lease: int) -> None:
        """The caller has this lease from now on."""
        self._hold(lease, caller())

    def granted(self, lease: int) -> None:
        """Whoever has answered the last call of this thread has granted this lease."""
        self._hold(lease, answered())

    def _hold(self, lease: int, peer: Peer | None) -> None:
        if peer is not None:
            with self._lock:
                self._names[lease] = peer.name

    def _is_callers(self, lease: int) -> bool:
        peer = caller()
        return peer is None or self._names.get(lease) == peer.name

    def check(self, lease: int) -> None:
        """Raises DGCC.UnknownLease if the lease belongs to another certificate than the caller's."""
        if not self._is_callers(lease):
            raise DGCC.UnknownLease()

    def ended(self, lease: int) -> bool:
        """The lease is over. False, and no effect, if it belongs to another certificate than the caller's."""
        if not self._is_callers(lease):
            return False
        with self._lock:
            self._names.pop(lease, None)
        return True


def check_slave_name(name: str) -> None:
    """See that the calling slave may have this name. Raises DGCC.Refused."""
    peer = caller()
    if peer is not None and not may_be_called(peer, name):
        raise DGCC.Refused(
            f"the slave '{name}' has the certificate of '{peer.name}': it may be called '{peer.name}' or "
            f"'{peer.name}-2' and so on; start it with --name {peer.name}"
        )


def may_be_called(peer: Peer, name: str) -> bool:
    """Whether a slave with this certificate may have a name: that in the certificate, or with a number behind it."""
    return re.fullmatch(re.escape(peer.name) + r"(-[0-9]{1,2})?", name) is not None
