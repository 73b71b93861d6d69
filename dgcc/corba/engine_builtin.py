"""The engine of our own: the extension over libomniORB4 and the stubs made from the IDL at install."""

from typing import Any

try:
    from dgcc.corba.builtin import CORBA, PortableServer
    from dgcc.corba.stubs import DGCC, DGCC__POA, CosNaming
except ImportError as error:
    raise ImportError(
        f"the CORBA extension of DGCC cannot be loaded ({error}); install the Debian packages libomniorb4-dev, "
        "omniidl and omniorb-idl, then install DGCC again (pip install .)"
    ) from error

NAME = "builtin"


def set_call_timeout(objref: Any, milliseconds: int) -> None:
    """See dgcc.corba.set_call_timeout."""
    objref._set_timeout(milliseconds)


__all__ = ["CORBA", "DGCC", "DGCC__POA", "NAME", "CosNaming", "PortableServer", "set_call_timeout"]
