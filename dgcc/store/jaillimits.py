"""What a job may use before it is ended, and how that is said."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

_GIB = 1 << 30
_LEAST_MEMORY = 4 * _GIB  # a link with debug information, or one large template, takes this
_OUTPUT = 8 * _GIB
_FILES = 200_000  # more would not fit into one result
_PROCESSES = 2048  # programs that make a thread for each CPU reach hundreds
_OPEN_FILES = 4096
_SECONDS = 6 * 3600
_SCRATCH_LEFT = 512 << 20
_RESERVE = 32  # this part of memory, and of a small disk, is not for jobs


class Limits(Struct, frozen=True):
    """The most that one job may use.

    memory: bytes of all its processes together, what they share counted once, and of its private directories.
    output: bytes on disk of what it has written below its roots, and likewise of its private directories. files:
    names below its roots. processes: threads of all of them. open_files: of one process. seconds: from start to end.
    memory_left, scratch_left: bytes that the host is to have available in memory and swap, and free where scratch
    directories are; jobs are ended when less is left.
    """

    memory: int
    output: int = _OUTPUT
    files: int = _FILES
    processes: int = _PROCESSES
    open_files: int = _OPEN_FILES
    seconds: int = _SECONDS
    memory_left: int = 0
    scratch_left: int = 0

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """As a jail's spec has them."""
        for name in ("memory", "output", "files", "processes", "memory_left", "scratch_left"):
            yield b"limit", f"{name}={getattr(self, name)}".encode()
        yield b"rlimit", f"nofile={self.open_files}".encode()
        if _kernel() >= (5, 14):  # older ones count all that the user has anywhere
            # It stops what multiplies faster than the jail looks; past the limit, so that the jail sees it.
            yield b"rlimit", f"nproc={4 * self.processes}".encode()

    def sentence(self, name: str) -> str:
        """What a jail means that ended its job for the limit `name`."""
        sentences = {
            "memory": f"the job used more than {size(self.memory)} of memory",
            "output": f"the job wrote more than {size(self.output)}",
            "files": f"the job made more than {self.files} files",
            "nested": "the job made directories more than 400 deep",
            "processes": f"the job had more than {self.processes} processes",
            "memory_left": f"the job was ended because its host had less than {size(self.memory_left)} of memory",
            "scratch_left": "the job was ended because the disk of its host, where jobs write, was almost full",
            "killed": "the job failed when its host had no memory left and its kernel killed processes",
        }
        return sentences.get(name, f"the job went over its limit of {name}")


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def size(count: int) -> str:
    """Bytes for people: `4 GiB`, `1.5 GiB`, `300 MiB`."""
    for unit, name in ((_GIB, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{count} bytes"


def host_limits(slots: int, total: int | None = None) -> Limits:
    """What each of `slots` jobs at once may use on this host, which has `total` bytes of memory.

    A job's part of the memory, but at least 4 GiB, as they seldom all need much at once, and at most three quarters
    of all there is.
    """
    total = total or host_memory()
    memory = min(max(total // slots, _LEAST_MEMORY), total * 3 // 4)
    return Limits(memory, memory_left=total // _RESERVE, scratch_left=_SCRATCH_LEFT)


def fitted(limits: Limits, scratch: Path) -> Limits:
    """The same for scratch directories in `scratch`, whose file system may be small. Raises OSError."""
    status = os.statvfs(scratch)
    part = status.f_blocks * status.f_frsize // _RESERVE
    return replace(limits, scratch_left=min(limits.scratch_left, part))


def host_memory() -> int:
    """Bytes of memory that this process may use: the host's, or what its control group has."""
    import psutil  # now, because only slaves ask, and it takes long to load

    total = psutil.virtual_memory().total
    for path in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path("/sys/fs/cgroup", path).read_text()))
        except (OSError, ValueError):
            continue
    return total
