"""DGCC with slaves that only let the time pass: what a large farm asks of the master, on one machine."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from dgcc.bench.farms.ours import Dgcc
from dgcc.bench.setting import BenchFailed
from dgcc.bench.site import BIN, Site

_TOLD_S = 10.0
_SERVED = r"master %s served, in simulation: (\d+) jobs, ([\d.]+) s of slots between ([\d.]+) and ([\d.]+)"


class Dispatched(Struct, frozen=True):
    """One build. Seconds of wall and of CPU by who used them; memory: the master's most, bytes."""

    jobs: int
    wall_s: float
    master_s: float
    make_s: float  # make and its clients
    slaves_s: float
    memory: int


class Simulated(Dgcc):
    """A farm of `slaves` simulated slaves, in one process, that have `slots` between them."""

    name = "dgcc, simulated slaves"

    def __init__(self, site: Site, slots: int, slaves: int = 1) -> None:
        super().__init__(site, slots)
        self.slaves = slaves

    def builder(self) -> list[str]:
        """The simulated slaves' command."""
        return [str(BIN / "dgcc-slave"), "--naming", self._naming, "--name", "builder", *self._how, "--simulate",
                "--simulated-slaves", str(self.slaves), "--slots", str(self.slots // self.slaves)]  # fmt: skip

    def command(self, arguments: Sequence[str]) -> list[str]:
        """dgcc-master, told that slaves simulate."""
        first, *rest = super().command(arguments)
        return [first, "--simulate", *rest]

    def dispatch(self, project: Path, arguments: Sequence[str], seconds: float) -> Dispatched:
        """Run a build of which every job is to travel. Raises BenchFailed where one did not."""
        return dispatch(self, project, arguments, seconds)

    def use(self) -> float:
        """The share of the slots' time that was in use in the last build, from its first job's start to its last's end.

        Each slave tells at the end of a build. Raises BenchFailed where one has not.
        """
        until = time.monotonic() + _TOLD_S
        while True:
            said = self.site.log("slave").read_text(errors="replace")
            build = re.findall(r"master (\S+) served", said)[-1:]
            found = [tuple(map(float, each)) for each in re.findall(_SERVED % re.escape("".join(build)), said)]
            if len(found) == self.slaves:
                break
            if time.monotonic() > until:
                raise BenchFailed(f"{len(found)} of {self.slaves} simulated slaves told what they did")
            time.sleep(0.1)
        worked = [each for each in found if each[0]]
        return sum(e[1] for e in worked) / (max(e[3] for e in worked) - min(e[2] for e in worked)) / self.slots


def dispatch(farm: Dgcc, project: Path, arguments: Sequence[str], seconds: float) -> Dispatched:
    """Run a build on any farm of ours. Raises BenchFailed if a job did not travel."""
    report = farm.site.directory / "dispatched.json"
    build = farm.build(project, ["--report", str(report), *arguments], seconds)
    told = json.loads(report.read_text())
    jobs = told["jobs"]
    if jobs["fallback"] or jobs["local"] or not jobs["remote"]:
        raise BenchFailed(f"{jobs['remote']} jobs travelled, {jobs['local']} did not, {jobs['fallback']} came back")
    return Dispatched(jobs["remote"], build.wall_s, told["master_cpu_s"], told["client_cpu_s"], build.builder_cpu_s,
                      told["master_memory"])  # fmt: skip
