"""Where the scratch directories of jobs go: into memory if this host can, since most live for a second."""

import hashlib
import os
import stat
from pathlib import Path

from dgcc.store.jail import NOBODY, probe

MEMORY = Path("/dev/shm")
_LEAST_FREE = 2 << 30  # bytes; a link may write a gigabyte, and containers often have 64 MiB here


def in_memory(disk: Path, *, memory: Path = MEMORY, uid: int | None = None) -> Path:
    """Where scratch directories for `disk` go in memory, if they do; `uid` is the slave's, by default ours."""
    name = hashlib.sha256(os.fsencode(disk.resolve())).hexdigest()[:16]
    return memory / f"dgcc-{os.geteuid() if uid is None else uid}-{name}"


def scratch_directory(
    disk: Path, *, outside: tuple[int, int] = (NOBODY, NOBODY), memory: Path = MEMORY
) -> Path:
    """Make and return the directory for scratch directories: one in `memory`, or else `disk` itself.

    The choice and its name are the same for the same `disk`, so that what an earlier process left there is
    found. A jail makes and removes a dozen inodes, which on a busy disk takes longer than all the rest of it.
    In a user namespace, memory needs Linux 6.6. outside: as for `probe`. Raises OSError.
    """
    disk.mkdir(parents=True, exist_ok=True)
    disk.chmod(0o700)  # what jobs make may be setuid
    chosen = in_memory(disk, memory=memory)
    try:
        free = os.statvfs(memory)
        if free.f_bavail * free.f_frsize < _LEAST_FREE:
            return disk
        chosen.mkdir(mode=0o700, exist_ok=True)
        status = chosen.lstat()
    except OSError:
        return disk
    # Anybody may make a directory here, under our name too.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return disk
    chosen.chmod(0o700)
    if probe(chosen, outside=outside) is not None:
        chosen.rmdir()
        return disk
    return chosen
