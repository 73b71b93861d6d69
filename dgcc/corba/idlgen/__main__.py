"""Command line of the stub generator: python -m dgcc.corba.idlgen FILE.idl... OUT."""

import sys
from pathlib import Path

from dgcc.corba.idlgen.compile import IdlError, compile_idl


def main(argv: list[str]) -> int:
    """Compile the IDL files to the directory named last; returns the exit code."""
    if len(argv) < 2:
        print("usage: python -m dgcc.corba.idlgen FILE.idl... OUT", file=sys.stderr)
        return 2
    try:
        compile_idl([Path(name) for name in argv[:-1]], Path(argv[-1]))
    except IdlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
