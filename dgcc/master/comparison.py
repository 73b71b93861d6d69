"""What --compare has found so far: every remote job's outputs beside those of the same command at home."""

import os

from msgspec import Struct, field

from dgcc.master.compare import Difference, describe, differences, ending, made_of
from dgcc.master.work import RemoteResult

_SHOWN = 20


class Differing(Struct, frozen=True):
    """A job that came out otherwise on a slave. `path`: of the file, empty where it is none; `where`: for people."""

    target: str
    path: str
    where: str


class Comparison(Struct):
    """Jobs compared, and all differences."""

    jobs: int = 0
    different: list[Differing] = field(default_factory=list)

    def add(self, target: str, directory: bytes, remote: RemoteResult, wait_status: int) -> None:
        """Compare a result with the disk, on which the command, in `directory`, has just left the same at home.

        On the loop, although it reads files: no recipe starts meanwhile that could change them again.
        """
        self.jobs += 1
        result = remote.result
        found: list[Difference | None] = [ending(result.exit_code, result.signal_, wait_status)]
        found += differences(made_of(result, remote.large))
        for each in found:
            if each is not None:
                self.different.append(Differing(target, os.fsdecode(each.path), describe(each, directory)))
        for spool in remote.large.values():
            spool.unlink(missing_ok=True)

    def summary(self) -> list[str]:
        """Lines for the terminal."""
        jobs = f"{self.jobs} job{'' if self.jobs == 1 else 's'}"
        if not self.different:
            return [f"compared: {jobs}, all equal"]
        targets = len({each.target for each in self.different})
        lines = [f"compared: {targets} of {jobs} differ"]
        lines += [f"{each.target}: {each.where}" for each in self.different[:_SHOWN]]
        if len(self.different) > _SHOWN:
            lines.append(f"and {len(self.different) - _SHOWN} more differences (--report FILE lists all)")
        return lines
