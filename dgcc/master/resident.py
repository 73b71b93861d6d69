"""What memory a process and its descendants have at the moment."""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGESIZE")
_MOST = 1000  # processes that are looked at


def resident(pid: int) -> int:
    """Return the resident memory of a process and all below it, in bytes; 0 where it is gone. Source: proc(5).

    What they share counts for each of them. Where the kernel does not list children, only the process itself counts.
    """
    total = 0
    waiting = [pid]
    for _ in range(_MOST):
        if not waiting:
            break
        each = waiting.pop()
        try:
            total += int(Path(f"/proc/{each}/statm").read_bytes().split()[1]) * _PAGE
            waiting += map(int, Path(f"/proc/{each}/task/{each}/children").read_bytes().split())
        except (OSError, ValueError, IndexError):
            continue
    return total
