"""What a process under attack takes of the machine, and how much more it may."""

import time
from dataclasses import dataclass

import psutil

SETTLED_S = 20.0


@dataclass(frozen=True)
class Vitals:
    """Resident memory in bytes, threads and descriptors of one process."""

    rss: int
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        """As they are now. Raises psutil.NoSuchProcess for one that has ended."""
        process = psutil.Process(pid)
        return cls(process.memory_info().rss, process.num_threads(), process.num_fds())

    def exceeds(self, before: "Vitals", rss: int, threads: int, files: int) -> str:
        """What has grown by more than this, in words; nothing if nothing has."""
        grown = [
            f"{name} went from {old} to {new}"
            for name, old, new, room in (
                ("memory", before.rss, self.rss, rss),
                ("the number of threads", before.threads, self.threads, threads),
                ("the number of descriptors", before.files, self.files, files),
            )
            if new > old + room
        ]
        return "; ".join(grown)


def settled(pid: int, before: Vitals, rss: int, threads: int, files: int, seconds: float = SETTLED_S) -> str:
    """As `Vitals.exceeds`, once it has come to rest or `seconds` have passed."""
    until = time.monotonic() + seconds
    while (grown := Vitals.of(pid).exceeds(before, rss, threads, files)) and time.monotonic() < until:
        time.sleep(0.1)
    return grown
