"""A member of the farm that does what it should not: calls operations with a certificate, and no scruples.

Run as: intruder.py DIRECTORY HOST PORT. Reads lines of JSON, [uri, interface, operation, arguments], from stdin
and writes for each what came of it: "answered VALUE", or the exception's name. An argument "ref" is a reference to an
object of this process. The operation "parts.NAME" gives a part of a master; "bind" binds what is at the URI, or without
one an impostor of this process.
"""

import json
import sys
from pathlib import Path
from typing import Any

from dgcc.corba import CORBA, DGCC, DGCC__POA
from dgcc.naming.contexts import Farm
from dgcc.naming.orb import start_orb
from dgcc.naming.place import NamingError, Place
from dgcc.trust import guard, tls

_ALL = frozenset(tls.ROLES)


_asked: list[str] = []  # what honest members have asked of an impostor


class FalseSlave(DGCC__POA.Slave):
    """A slave by name."""

    def _get_info(self) -> Any:
        _asked.append("info")
        return DGCC.SlaveInfo("x", "1", DGCC.PROTOCOL, "x86_64", 1, 1, [])

    def invite(self, who: Any) -> None:
        """See the IDL."""
        _asked.append("invite")


class FalseMaster(DGCC__POA.Master):
    """A master by name."""

    def _get_name(self) -> str:
        _asked.append("name")
        return "impostor"

    def _get_protocol(self) -> int:
        _asked.append("protocol")
        return int(DGCC.PROTOCOL)


def main() -> None:
    directory, host, port = sys.argv[1:]
    # It asks anybody for anything.
    tls.use(Path(directory), "intruder", dict.fromkeys(guard.served_by(), _ALL))
    place = Place(host, int(port), tls=True)
    orb, poa = start_orb(place)
    impostors = {
        "slaves": poa.id_to_reference(poa.activate_object(FalseSlave())),
        "masters": poa.id_to_reference(poa.activate_object(FalseMaster())),
    }
    farm = Farm(orb, place)
    for line in sys.stdin:
        uri, interface, operation, arguments = json.loads(line)
        print(_try(orb, farm, impostors, uri, interface, operation, arguments), flush=True)
    orb.destroy()


def _try(
    orb: Any, farm: Farm, impostors: dict[str, Any], uri: str, interface: str, operation: str, arguments: list[Any]
) -> str:
    try:
        if operation == "bind":
            farm.bind(*arguments, orb.string_to_object(uri) if uri else impostors[arguments[0]])
            return "bound"
        if operation == "asked":
            return ",".join(_asked)
        if operation == "bindings":
            return json.dumps({name: orb.object_to_string(ref) for name, ref in farm.bindings(*arguments)})
        target = orb.string_to_object(uri)._unchecked_narrow(getattr(DGCC, interface))
        if operation.startswith("parts."):
            return "answered " + orb.object_to_string(getattr(target._get_parts(), operation.removeprefix("parts.")))
        answer = getattr(target, operation)(*(_value(argument, impostors["slaves"]) for argument in arguments))
        if isinstance(answer, CORBA.Object):
            return "answered " + orb.object_to_string(answer)
        return f"answered {answer!r}"
    except (CORBA.Exception, NamingError) as error:
        return f"{type(error).__name__} {getattr(error, 'reason', '')}".strip()


def _value(argument: Any, impostor: Any) -> Any:
    if argument == "ref":
        return impostor._unchecked_narrow(DGCC.Slave)
    if isinstance(argument, dict):
        name, members = argument["struct"], argument["members"]
        return getattr(DGCC, name)(*members)
    return argument


if __name__ == "__main__":
    main()
