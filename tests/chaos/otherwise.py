"""Runs one of DGCC's programs as it would be on another machine: `otherwise.py NAME=VALUE... -- PROGRAM ARGUMENT...`.

protocol: a number; version: the package's; clock: by how many seconds the machine's clock is ahead.
"""

import runpy
import sys
import time
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

_RECENT_NS = 600 * 10**9


def turn_clock(seconds: int) -> None:
    """Have all that a slave says of times be as if its machine's clock, which also stamps files, were wrong."""
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + seconds * 10**9

    import dgcc.slave.outputs

    found = dgcc.slave.outputs.changes

    def changes(*arguments: Any) -> Sequence[Any]:
        shifted = []
        for change in found(*arguments):
            # A time near this one was given by the kernel; others were set by the job, whatever the clock says.
            if abs(change.mtime_ns - real_ns()) < _RECENT_NS:
                change = replace(change, mtime_ns=change.mtime_ns + seconds * 10**9)
            shifted.append(change)
        return shifted

    dgcc.slave.outputs.changes = changes  # type: ignore[assignment]


def main() -> None:
    """Change what the command line says, and run the program."""
    end = sys.argv.index("--")
    changed = dict(word.split("=") for word in sys.argv[1:end])
    sys.argv = sys.argv[end + 1 :]
    if "clock" in changed:
        turn_clock(int(changed["clock"]))
    import dgcc
    from dgcc.corba import DGCC

    DGCC.PROTOCOL = int(changed.get("protocol", DGCC.PROTOCOL))
    dgcc.__version__ = changed.get("version", dgcc.__version__)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
