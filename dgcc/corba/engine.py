"""Which ORB engine to use: omniORBpy where it can be imported, else the built-in extension."""

import importlib
import importlib.util
from types import ModuleType

OMNIORBPY = "omniorbpy"
BUILTIN = "builtin"


def choose(wanted: str) -> ModuleType:
    """Import the engine `wanted`: "omniorbpy", "builtin", or "" for the first of them that is there.

    Raises ImportError, with what to do about it, when it is not there or the name is unknown.
    """
    if wanted not in ("", OMNIORBPY, BUILTIN):
        raise ImportError(f"DGCC_ORB={wanted}: no such engine; use '{OMNIORBPY}' or '{BUILTIN}', or unset it")
    if wanted == OMNIORBPY or (wanted == "" and importlib.util.find_spec("omniORB") is not None):
        try:
            return importlib.import_module("dgcc.corba.engine_omniorbpy")
        except ImportError as error:
            if wanted == OMNIORBPY:
                raise ImportError(f"DGCC_ORB={OMNIORBPY}: {error}") from error
    return importlib.import_module("dgcc.corba.engine_builtin")
