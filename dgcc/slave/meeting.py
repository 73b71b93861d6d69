"""How a slave and the masters of its farm find each other: its binding, its registering, what it was refused."""

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

import dgcc
from dgcc.corba import CORBA, DGCC
from dgcc.naming.contexts import MASTERS, SLAVES, Farm, Life
from dgcc.naming.place import NamingError
from dgcc.store.errors import shown
from dgcc.trust import tls
from dgcc.trust.guard import check_answer

_INVITATIONS = 16  # masters that this slave registers with at once

log = logging.getLogger(__name__)


class Meeting:
    """All of it happens on threads that nobody waits for, as it may wait for a peer."""

    def __init__(self, farm: Farm, ref: Any, served: Callable[[], Collection[str]], serve: Callable[[str, Any], None]):
        """`ref`: the slave. `served()` tells the names of masters that it serves.

        `serve(name, parts)` registers it with one, a DGCC.MasterParts; raises DGCC.Refused and CORBA.SystemException.
        """
        self._farm, self._ref, self._served, self._serve = farm, ref, served, serve
        self._name = ""
        self._lock = threading.Lock()  # guards _registering
        self._registering: set[str] = set()
        self._refusals: dict[str, str] = {}  # masters that will not have this slave, and why
        self._naming_trouble = ""  # what was last said about the Naming Service
        self._invited = threading.Semaphore(_INVITATIONS)

    def claim(self, wanted: str) -> str:
        """Bind under dgcc/slaves. Returns the name that was to be had. Raises NamingError."""
        self._name = self._farm.claim(SLAVES, wanted, self._ref)
        return self._name

    def end(self) -> None:
        """Remove the binding."""
        self._farm.unbind(SLAVES, self._name, self._ref)

    def look(self) -> None:
        """Bind again if the Naming Service was restarted, and look for masters that are new, or free of us again."""
        aside("look", self._look)

    def invite(self, master: Any) -> None:
        """A master has called. Returns at once."""
        # More at once than there can be masters are nobody's; one that is left out is found by its binding.
        if master is not None and self._invited.acquire(blocking=False):
            aside("register", self._answer, master)

    def _look(self) -> None:
        try:
            self._farm.bind(SLAVES, self._name, self._ref)
            self.find_masters()
            self._naming_trouble = ""
        except NamingError as error:
            if self._naming_trouble != str(error):  # it is tried again every few seconds
                log.warning("%s", error)
            self._naming_trouble = str(error)

    def find_masters(self) -> None:
        """Register with every master there is that is not served. Raises NamingError."""
        served = self._served()
        bound = list(self._farm.bindings(MASTERS))
        for name in set(self._refusals.copy()) - {name for name, _ in bound}:
            self._refusals.pop(name, None)
        for name, ref in bound:
            if name not in served:
                aside(f"find {name}", self._meet, name, ref)

    def _meet(self, name: str, ref: Any) -> None:
        if self._farm.prune(MASTERS, name, ref) is not Life.DEAD:
            self.invite(ref._narrow(DGCC.Master))

    def _answer(self, master: Any) -> None:
        name = "?"
        try:
            protocol = int(master._get_protocol())
            check_answer()
            if protocol != DGCC.PROTOCOL:
                name = _name(master._get_name())
                self._is_of_no_use(name, master, protocol)
            parts = master._get_parts()
            name = _name(parts.name)
            self._register(name, parts)
        except DGCC.Refused as error:
            if self._refusals.get(name) != error.reason:  # it is asked again every few seconds
                log.error("%s", shown(error.reason.encode()))
            self._refusals[name] = error.reason
        except CORBA.SystemException as error:
            reason = tls.why()
            log.log(logging.WARNING if reason else logging.INFO, "a master cannot be served: %s", reason or error)
        finally:
            self._invited.release()

    def _is_of_no_use(self, name: str, master: Any, protocol: int) -> None:
        master.unfit(self._name, dgcc.__version__, DGCC.PROTOCOL)
        raise DGCC.Refused(
            f"the master '{name}' speaks protocol {protocol}, this slave {DGCC.PROTOCOL}: "
            "install the same version of DGCC on both"
        )

    def _register(self, name: str, parts: Any) -> None:
        with self._lock:
            if name in self._registering or name in self._served():
                return
            self._registering.add(name)
        try:
            self._serve(name, parts)
        finally:
            with self._lock:
                self._registering.discard(name)


def _name(told: str) -> str:
    return shown(told.encode("utf-8", "backslashreplace"))


def aside(name: str, function: Callable[..., None], *arguments: Any) -> None:
    """Run something that may wait for a peer on a thread that nobody waits for."""
    threading.Thread(target=function, args=arguments, name=name, daemon=True).start()
