"""Making a process that we have just started give way to others."""

import os
from contextlib import suppress
from pathlib import Path


def lower(pid: int, niceness: int) -> None:
    """Have a process, which has started none itself yet, run with this niceness, as all do that it starts.

    One that is as nice already, or gone, is left alone. Raises nothing.
    """
    with suppress(OSError):
        niceness = max(niceness, os.getpriority(os.PRIO_PROCESS, pid))
        if niceness <= 0:
            return
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
        # Where the kernel shares the CPUs between sessions first, niceness counts within one only: see sched(7), "The
        # autogroup feature". It lets users other than root do this ten times a second.
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
