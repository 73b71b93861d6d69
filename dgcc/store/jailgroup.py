"""Control groups for jobs, where a slave has been given its own (systemd's `Delegate=yes`).

The kernel itself then counts a job's memory, also what no process has mapped, and ends the job at its limit. The format
of the files is in Documentation/admin-guide/cgroup-v2.rst of Linux.
"""

import contextlib
import itertools
import logging
import os
import time
from pathlib import Path

from dgcc.store.jaillimits import Limits

_NEEDED = {"memory", "pids"}
_SELF = "slave"  # a group with groups in it that are limited must not hold processes itself

log = logging.getLogger(__name__)


class Groups:
    """The groups of one slave's jobs."""

    def __init__(self, top: Path) -> None:
        """`top`: a group without processes that is ours, as `find` finds it."""
        self._top = top
        self._numbers = itertools.count(1)

    @classmethod
    def find(cls) -> "Groups | None":
        """Our own group, made ready for jobs; None if there is none that we may use. This process moves into a part."""
        try:
            top = _own_group()
            if top is None or not _given(top):
                return None
            (top / _SELF).mkdir(exist_ok=True)
            (top / _SELF / "cgroup.procs").write_text(str(os.getpid()))
            (top / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(_NEEDED)))
            groups = cls(top)
            for left in top.glob("job-*"):
                groups.remove(left)
        except OSError as error:
            log.info("jobs have no control groups: %s", error)
            return None
        return groups

    def make(self, limits: Limits) -> Path:
        """A group for one job. Raises OSError."""
        group = self._top / f"job-{os.getpid()}-{next(self._numbers)}"
        group.mkdir()
        (group / "memory.max").write_text(str(limits.memory))
        (group / "memory.oom.group").write_text("1")  # a build that lost a compiler would blame the source
        (group / "pids.max").write_text(str(4 * limits.processes))  # past the limit, so that the jail sees it
        with contextlib.suppress(FileNotFoundError):  # where there is no swap
            (group / "memory.swap.max").write_text("0")
        return group

    def remove(self, group: Path) -> None:
        """Remove the group of a job that has ended; trouble with it is logged."""
        for _ in range(50):
            try:
                group.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)  # its last process is on the way out
        log.warning("cannot remove %s", group)


def short_of_memory(group: Path) -> bool:
    """Whether the kernel killed processes of a job's group for want of memory."""
    try:
        return _numbers(group / "memory.events").get("oom_kill", 0) > 0
    except OSError:
        return False


def _numbers(path: Path) -> dict[str, int]:
    return {name: int(number) for name, number in (line.split() for line in path.read_text().splitlines())}


def _own_group() -> Path | None:
    """The directory of this process's group in the unified hierarchy."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    name = next((line[3:] for line in lines if line.startswith("0::/")), None)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        if name is not None and after.startswith("cgroup2 ") and (name + "/").startswith(root.rstrip("/") + "/"):
            return Path(place, os.path.relpath(name, root))
    return None


def _given(group: Path) -> bool:
    """Whether we may divide a group: it is said to be ours, has what is needed, and nobody else is in it."""
    if not set((group / "cgroup.controllers").read_text().split()) >= _NEEDED:
        return False
    if (group / "cgroup.procs").read_text().split() != [str(os.getpid())]:
        return False
    for mark in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, mark) == b"1":
                return True
    return os.geteuid() != 0 and group.stat().st_uid == os.geteuid()
