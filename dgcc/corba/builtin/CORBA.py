"""The standard module CORBA, over the extension."""

import atexit
import builtins
from typing import Any

import dgcc.corba._orb as _orb
from dgcc.corba.builtin import registry
from dgcc.corba.builtin.values import EnumItem, Members

TRUE = True
FALSE = False

#: The name of the ORB, for ORB_init.
ORB_ID = "omniORB4"

COMPLETED_YES = EnumItem("COMPLETED_YES", 0, "CORBA")
COMPLETED_NO = EnumItem("COMPLETED_NO", 1, "CORBA")
COMPLETED_MAYBE = EnumItem("COMPLETED_MAYBE", 2, "CORBA")


class Exception(builtins.Exception):
    """The base of all CORBA exceptions."""

    _NP_RepositoryId = ""


class SystemException(Exception):
    """Raised by the ORB, here or at the far end.

    `minor` tells the cause, `completed` whether the operation was carried out, `info` (or None) adds words.
    """

    def __init__(self, minor: int = 0, completed: EnumItem = COMPLETED_NO, info: Any = None) -> None:
        super().__init__(minor, completed)
        self.minor = minor
        self.completed = completed
        self.info = info

    def __repr__(self) -> str:
        name = _orb.minor_name(type(self).__name__, self.minor)
        minor = f"omniORB.{name}" if name else hex(self.minor)
        return f"CORBA.{type(self).__name__}({minor}, {self.completed!r})"

    def __str__(self) -> str:
        return f"{self!r}: {self.info}" if self.info else repr(self)


class UserException(Members, Exception):
    """The base of exceptions declared in IDL."""

    def __str__(self) -> str:
        return repr(self)


for _name in _orb.system_names():
    _id = f"IDL:omg.org/CORBA/{_name}:1.0"
    globals()[_name] = registry.SYSTEM[_id] = type(
        _name, (SystemException,), {"_NP_RepositoryId": _id, "__module__": "CORBA"}
    )


class Object(_orb.ObjRef):
    """An object reference. None is the nil reference."""

    __slots__ = ()
    _NP_RepositoryId = "IDL:omg.org/CORBA/Object:1.0"

    def _narrow(self, interface: Any) -> Any:
        """The same reference with the operations of `interface`, or None if the object does not have it.

        Asks the object itself where the reference does not tell. Raises system exceptions if that fails.
        """
        stub = registry.STUBS[interface._NP_RepositoryId]
        if isinstance(self, stub):
            return self
        return self._as(stub) if self._remote_is_a(interface._NP_RepositoryId) else None

    def _unchecked_narrow(self, interface: Any) -> Any:
        """The same reference with the operations of `interface`, without asking."""
        return self._as(registry.STUBS[interface._NP_RepositoryId])

    def _is_a(self, repo_id: str) -> bool:
        """Whether the object has the interface of this repository id; asks it where unknown."""
        stub = registry.STUBS.get(repo_id)
        if stub is not None and isinstance(self, stub):
            return True
        return self._remote_is_a(repo_id)

    def _duplicate(self, other: "Object | None" = None) -> "Object":
        """This reference: Python counts references itself."""
        return other if other is not None else self

    def _release(self) -> None:
        """Nothing: Python counts references itself."""


registry.STUBS[Object._NP_RepositoryId] = Object


def id(named: Any) -> str:
    """The repository id of an interface, struct, exception, enum or typedef."""
    return named._NP_RepositoryId


def is_nil(objref: Any) -> bool:
    """Whether this is the nil reference, which is None."""
    return objref is None


def _ours(name: str, *members: str, scope: str = "") -> type:
    """A class for a user exception of the ORB itself; scope is e.g. "CORBA/ORB"."""

    def __init__(self: Any, *values: Any) -> None:
        if len(values) != len(members):
            raise TypeError(f"{name}() takes {len(members)} arguments ({len(values)} given)")
        UserException.__init__(self, *values)
        for member, value in zip(members, values, strict=True):
            setattr(self, member, value)

    repo_id = f"IDL:omg.org/{scope}/{name}:1.0"
    dotted = scope.replace("/", ".")
    made = type(name, (UserException,), {
        "__init__": __init__, "__module__": dotted, "_NP_RepositoryId": repo_id,
        "_members": members, "_idl_name": f"{dotted}.{name}",
    })
    registry.USER[repo_id] = made
    return made


PolicyError = _ours("PolicyError", "reason", scope="CORBA")
BAD_POLICY, UNSUPPORTED_POLICY, BAD_POLICY_TYPE, BAD_POLICY_VALUE, UNSUPPORTED_POLICY_VALUE = range(5)

ORB = _orb.ORB
Policy = _orb.Policy
_orb.attach(ORB, "InvalidName", _ours("InvalidName", scope="CORBA/ORB"))
InvalidName = ORB.InvalidName

_orb.setup(
    registry.SYSTEM, registry.USER, registry.STUBS, Object, (COMPLETED_YES, COMPLETED_NO, COMPLETED_MAYBE)
)
atexit.register(_orb.close)


def ORB_init(argv: list[str] | None = None, orb_identifier: str = ORB_ID) -> Any:
    """The ORB of this process, initialised if need be. Takes the -ORB options out of `argv`.

    Raises INITIALIZE if it cannot be, for instance for a wrong option.
    """
    if argv is None:
        argv = []
    if not isinstance(argv, list):
        raise TypeError("ORB_init(): argv must be a list, from which the -ORB options are removed")
    return _orb.ORB_init(argv, orb_identifier)
