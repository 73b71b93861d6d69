"""The engine omniORBpy, with stubs from its own IDL compiler."""

from pathlib import Path
from typing import Any

import omniORB
from omniORB import CORBA, PortableServer

NAME = "omniorbpy"

# omniORB's core and omniORBpy are released together; before 4.2 strings are not what Python 3 expects.
_OLDEST = (4, 2)

if tuple(int(part) for part in omniORB.coreVersion().split(".")[:2]) < _OLDEST:
    raise ImportError(f"omniORBpy is of version {omniORB.coreVersion()}; 4.2 or later is needed")

import CosNaming  # noqa: E402  (only once omniORB is known to be good)

_HERE = Path(__file__).resolve().parent
for _idl in (_HERE / "stubs" / "dgcc.idl", _HERE.parents[1] / "idl" / "dgcc.idl"):
    if _idl.exists():
        omniORB.importIDL(str(_idl))
        break
else:
    raise ImportError("dgcc.idl is missing from the installation of DGCC; install it again")

import DGCC  # type: ignore[import-not-found]  # noqa: E402
import DGCC__POA  # type: ignore[import-not-found]  # noqa: E402


def set_call_timeout(objref: Any, milliseconds: int) -> None:
    """See dgcc.corba.set_call_timeout."""
    omniORB.setClientCallTimeout(objref, milliseconds)


__all__ = ["CORBA", "DGCC", "DGCC__POA", "NAME", "CosNaming", "PortableServer", "set_call_timeout"]
