"""Makes the jail's filter of system calls when DGCC is built: filter.c says what is in it."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("filter.c")

# libseccomp is needed to make the filter; the jail itself is without it.
_HEADER = Path("/usr/include/seccomp.h")


class FilterError(SystemExit):
    """The filter cannot be made; the message says what is missing and how to get it."""


def write_filter(compiler: list[str], where: Path, machine: str) -> None:
    """Write `filter_programs.h` for `machine` (as `uname -m` says it) into the directory `where`.

    compiler: a C compiler for this machine, which need not be that one. Raises FilterError.
    """
    if not _HEADER.exists():
        raise FilterError(f"dgcc: {_HEADER} is missing; on Debian: apt-get install libseccomp-dev")
    program = where / "filter"
    command: list[str | Path] = [*compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-o", program]
    command += [SOURCE, "-lseccomp"]
    print(*command, flush=True)
    with (where / "filter_programs.h").open("wb") as header:
        if subprocess.run(command).returncode or subprocess.run([program, machine], stdout=header).returncode:
            raise FilterError(f"dgcc: the jail's filter of system calls cannot be made for {machine}")
