"""The standard module PortableServer, over the extension."""

from typing import Any

import dgcc.corba._orb as _orb
from dgcc.corba.builtin import CORBA
from dgcc.corba.builtin.values import Enum, EnumItem


class Servant(_orb.Servant):
    """The base of all servants, beneath the skeleton classes that are made from IDL."""

    _NP_RepositoryId = ""


POA = _orb.POA
POAManager = _orb.POAManager


def _enum(name: str, *items: str) -> tuple[EnumItem, ...]:
    made = tuple(EnumItem(item, value, "PortableServer") for value, item in enumerate(items))
    globals()[name] = Enum(f"IDL:omg.org/PortableServer/{name}:1.0", made)
    return made


ORB_CTRL_MODEL, SINGLE_THREAD_MODEL, MAIN_THREAD_MODEL = _enum(
    "ThreadPolicyValue", "ORB_CTRL_MODEL", "SINGLE_THREAD_MODEL", "MAIN_THREAD_MODEL")
TRANSIENT, PERSISTENT = _enum("LifespanPolicyValue", "TRANSIENT", "PERSISTENT")
UNIQUE_ID, MULTIPLE_ID = _enum("IdUniquenessPolicyValue", "UNIQUE_ID", "MULTIPLE_ID")
USER_ID, SYSTEM_ID = _enum("IdAssignmentPolicyValue", "USER_ID", "SYSTEM_ID")
IMPLICIT_ACTIVATION, NO_IMPLICIT_ACTIVATION = _enum(
    "ImplicitActivationPolicyValue", "IMPLICIT_ACTIVATION", "NO_IMPLICIT_ACTIVATION")
RETAIN, NON_RETAIN = _enum("ServantRetentionPolicyValue", "RETAIN", "NON_RETAIN")
USE_ACTIVE_OBJECT_MAP_ONLY, USE_DEFAULT_SERVANT, USE_SERVANT_MANAGER = _enum(
    "RequestProcessingPolicyValue", "USE_ACTIVE_OBJECT_MAP_ONLY", "USE_DEFAULT_SERVANT", "USE_SERVANT_MANAGER")

_STATES = tuple(
    EnumItem(name, value, "PortableServer.POAManager")
    for value, name in enumerate(("HOLDING", "ACTIVE", "DISCARDING", "INACTIVE"))
)
_orb.attach(POAManager, "State", Enum("IDL:omg.org/PortableServer/POAManager/State:1.0", _STATES))


def _get_state(self: Any) -> EnumItem:
    """The state: HOLDING, ACTIVE, DISCARDING or INACTIVE."""
    return _STATES[self._state()]


for _state in _STATES:
    _orb.attach(POAManager, str(_state), _state)
_orb.attach(POAManager, "get_state", _get_state)
_orb.attach(POAManager, "AdapterInactive", CORBA._ours("AdapterInactive", scope="PortableServer/POAManager"))

for _name in ("AdapterAlreadyExists", "AdapterInactive", "AdapterNonExistent", "NoServant", "ObjectAlreadyActive",
              "ObjectNotActive", "ServantAlreadyActive", "ServantNotActive", "WrongAdapter", "WrongPolicy"):
    _orb.attach(POA, _name, CORBA._ours(_name, scope="PortableServer/POA"))
_orb.attach(POA, "InvalidPolicy", CORBA._ours("InvalidPolicy", "index", scope="PortableServer/POA"))
_orb.attach(POA, "_NP_RepositoryId", "IDL:omg.org/PortableServer/POA:1.0")
_orb.attach(POAManager, "_NP_RepositoryId", "IDL:omg.org/PortableServer/POAManager:1.0")
