"""The farm in the Naming Service: `dgcc/masters` and `dgcc/slaves`, one binding for each living process.

Whoever meets a binding whose process is gone removes it.
"""

import enum
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from dgcc.corba import CORBA, CosNaming, set_call_timeout
from dgcc.naming.deadlines import deadlines, milliseconds
from dgcc.naming.place import NamingError, Place
from dgcc.trust import tls

MASTERS = "masters"
SLAVES = "slaves"
_PAGE = 100
_PAUSE_S = 0.02
_NAMESAKES = 64

_T = TypeVar("_T")

log = logging.getLogger(__name__)


class Life(enum.Enum):
    """What is known of a process that is bound."""

    ANSWERS = "it answers"
    SILENT = "it is slow, stopped or cut off: its lease decides"
    DEAD = "it is gone"


class Farm:
    """The two naming contexts of one farm."""

    def __init__(self, orb: CORBA.ORB, place: Place, patience_s: float = 0.0) -> None:
        """Connect. Raises NamingError if nothing that speaks CosNaming answers there.

        `patience_s`: for how long that is put up with, of a naming service that is just being started.
        """
        self.address = str(place)
        self._tls = place.tls
        self._found = orb.string_to_object(place.uri)
        self._contexts: dict[str, Any] = {}
        until = time.monotonic() + patience_s
        while True:
            try:
                self._open()
                return
            except NamingError:
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_S)

    def _open(self) -> None:
        try:
            root = self._found._narrow(CosNaming.NamingContext)
            if root is None:
                raise NamingError(f"what answers at {self.address} is not a naming service")
            top = self._context(root, "dgcc")
            self._contexts = {kind: self._context(top, kind) for kind in (MASTERS, SLAVES)}
        except CORBA.SystemException as error:
            raise NamingError(self._explain(error)) from error

    def _explain(self, error: CORBA.SystemException) -> str:
        """Say what is likely wrong: the ORB tells only that there was no answer."""
        reason = tls.why()
        if reason:
            return f"the naming service at {self.address} cannot be used: {reason}; see --tls"
        if self._tls and isinstance(error, CORBA.NO_PERMISSION):
            return f"the naming service at {self.address} does not let this certificate in; see --tls"
        if isinstance(error, CORBA.COMM_FAILURE | CORBA.MARSHAL):
            return (
                f"what listens at {self.address} hangs up ({error}): "
                + ("it refuses our certificate, or does not speak TLS" if self._tls
                   else "if the farm has an authority, name this host's certificate with --tls")
            )  # fmt: skip
        return (
            f"no naming service answers at {self.address} ({error}); "
            "start it there with `dgcc names`, or check --naming and DGCC_NAMING"
        )

    @staticmethod
    def _context(parent: Any, name: str) -> Any:
        path = [CosNaming.NameComponent(name, "")]
        for _ in range(2):  # somebody else may make it between the two calls
            try:
                return parent.resolve(path)._narrow(CosNaming.NamingContext)
            except CosNaming.NamingContext.NotFound:
                try:
                    return parent.bind_new_context(path)
                except CosNaming.NamingContext.AlreadyBound:
                    continue
        raise NamingError(f"the naming context '{name}' comes and goes; is another naming service's log in use?")

    def _ask(self, kind: str, question: Callable[[Any], _T]) -> _T:
        """Put a question to a context, to a new one where a restart of the naming service has lost it."""
        try:
            try:
                return question(self._contexts[kind])
            except (CORBA.OBJECT_NOT_EXIST, CORBA.COMM_FAILURE):
                self._open()
                return question(self._contexts[kind])
        except CORBA.SystemException as error:
            raise NamingError(f"the naming service at {self.address} does not answer: {error}") from error

    def bind(self, kind: str, name: str, ref: CORBA.Object) -> None:
        """Bind `ref` as `name` under `kind`, in place of what had that name. Raises NamingError."""
        path = [CosNaming.NameComponent(name, "")]
        try:
            self._ask(kind, lambda context: context.rebind(path, ref))
        except CORBA.UserException as error:
            raise NamingError(f"cannot register as dgcc/{kind}/{name} at {self.address}: {error}") from error

    def claim(self, kind: str, wanted: str, ref: CORBA.Object) -> str:
        """Bind `ref` as `wanted`, or with a number behind it where a living process has that name.

        Returns the name. Raises NamingError.
        """
        for number in range(1, _NAMESAKES):
            name = wanted if number == 1 else f"{wanted}-{number}"
            if self._take(kind, name, ref):
                return name
        raise NamingError(f"{_NAMESAKES} processes are named like '{wanted}' already; choose another --name")

    def _take(self, kind: str, name: str, ref: CORBA.Object) -> bool:
        """Bind a name that no living process has; False if one does."""
        path = [CosNaming.NameComponent(name, "")]
        for _ in range(2):  # a dead holder is met once, and removed
            try:
                self._ask(kind, lambda context: context.bind(path, ref))
                return True
            except CosNaming.NamingContext.AlreadyBound:
                holder = dict(self.bindings(kind)).get(name)
                if holder is not None and self.prune(kind, name, holder) is not Life.DEAD:
                    return bool(holder._is_equivalent(ref))
            except CORBA.UserException as error:
                raise NamingError(f"'{name}' cannot be a name in the farm: {error}") from error
        return False

    def unbind(self, kind: str, name: str, ref: CORBA.Object | None = None) -> None:
        """Remove the binding; with `ref`, only if it is still that object's. Gone already is fine."""
        path = [CosNaming.NameComponent(name, "")]
        try:
            if ref is None or self._contexts[kind].resolve(path)._is_equivalent(ref):
                self._contexts[kind].unbind(path)
        except CORBA.Exception as error:
            log.debug("unbinding dgcc/%s/%s: %s", kind, name, error)

    def bindings(self, kind: str) -> list[tuple[str, Any]]:
        """Return (name, reference) of all that is bound under `kind`, living or dead.

        Raises NamingError if the Naming Service does not answer.
        """
        found = []
        for name in self._ask(kind, self._names):
            try:
                found.append((name, self._contexts[kind].resolve([CosNaming.NameComponent(name, "")])))
            except CORBA.Exception:
                continue  # unbound meanwhile
        return found

    def prune(self, kind: str, name: str, ref: Any) -> Life:
        """Ask whether a process lives, and remove its binding if not. Takes seconds where it is stopped or cut off."""
        set_call_timeout(ref, milliseconds(deadlines().probe))
        try:
            if not ref._non_existent():
                return Life.ANSWERS
        except CORBA.TIMEOUT:
            return Life.SILENT
        except CORBA.SystemException:
            pass
        finally:
            set_call_timeout(ref, 0)
        log.debug("dgcc/%s/%s is dead: removed", kind, name)
        self.unbind(kind, name, ref)
        return Life.DEAD

    @staticmethod
    def _names(context: Any) -> list[str]:
        listed, more = context.list(_PAGE)
        names = [b.binding_name[0].id for b in listed]
        while more is not None:
            going, listed = more.next_n(_PAGE)
            names += [b.binding_name[0].id for b in listed]
            if not going:
                more.destroy()
                break
        return names
