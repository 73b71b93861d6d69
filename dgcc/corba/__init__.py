"""The seam to the ORB: everything else in DGCC imports CORBA from here, as code for omniORBpy would.

    from dgcc.corba import CORBA, PortableServer, CosNaming, DGCC, DGCC__POA

The names follow the OMG IDL to Python language mapping. Behind them is omniORBpy (4.2 or later) where it can be
imported, else the extension in dgcc/corba/ext with stubs made at install. DGCC_ORB=omniorbpy or DGCC_ORB=builtin
forces one. What the mapping does not define and engines spell differently is a function here.
"""

import os
from typing import Any

from dgcc.corba.engine import choose

_engine = choose(os.environ.get("DGCC_ORB", ""))

#: Which engine is in use: "omniorbpy" or "builtin".
ENGINE: str = _engine.NAME

CORBA: Any = _engine.CORBA
PortableServer: Any = _engine.PortableServer
CosNaming: Any = _engine.CosNaming
DGCC: Any = _engine.DGCC
DGCC__POA: Any = _engine.DGCC__POA


def set_call_timeout(objref: Any, milliseconds: int) -> None:
    """Let calls through this one reference fail after `milliseconds` (CORBA.TRANSIENT or CORBA.TIMEOUT).

    0 removes the limit. Other references to the same object are not affected.
    """
    _engine.set_call_timeout(objref, milliseconds)


__all__ = ["CORBA", "DGCC", "DGCC__POA", "ENGINE", "CosNaming", "PortableServer", "set_call_timeout"]
