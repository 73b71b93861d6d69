"""icecream: scheduler, the developer's iceccd, which takes no job, and one on the builder."""

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from dgcc.bench.farms.base import SPARE, Farm, count
from dgcc.bench.processes import Tree
from dgcc.bench.setting import BenchFailed
from dgcc.bench.site import Host, first_in_path, free_port

_LINKS = "/usr/lib/icecc/bin"
_NETWORK = "dgcc-bench"


class Icecc(Farm):
    """icecc. On one machine its two daemons would both listen on every interface, so it wants two."""

    name = "icecc"
    needs = ("icecc", "iceccd", "icecc-scheduler")

    def start(self) -> None:
        """The three daemons. The scheduler's CPU is neither the developer's nor the builder's."""
        site = self.site
        if os.geteuid() != 0:
            raise BenchFailed("icecc: iceccd takes no jobs unless root starts it")
        if site.builder.address == site.developer.address:
            raise BenchFailed("icecc: needs two machines, which can be had on one by root only")
        self._port, self._mine = free_port(), site.directory / "icecc"
        self._own(self._mine)
        self.daemon(
            "scheduler",
            site.developer.on(["icecc-scheduler", "-p", str(self._port), "-n", _NETWORK,
                               "-i", site.developer.interface, "-vv"]),
            site.environment(), lambda: count(site.log("scheduler"), "scheduler ready") > 0,
        )  # fmt: skip
        self._developer.append(self._iceccd("developer", site.developer, "--no-remote", "-m", "0"))
        self._builder.append(self._iceccd(
            "builder", site.builder, "-m", str(self.slots), "-p", str(free_port()), "--nice", "0"
        ))  # fmt: skip

    def _own(self, directory: Path) -> None:
        """Make a directory of the user's to whom iceccd changes."""
        directory.mkdir()
        os.chown(directory, pwd.getpwnam("icecc").pw_uid, -1)

    def _iceccd(self, name: str, host: Host, *more: str) -> Tree:
        environments = self._mine / name
        self._own(environments)
        command = ["iceccd", "-s", f"{self.site.developer.address}:{self._port}", "-n", _NETWORK, "-N", name,
                   "-i", host.interface, "-b", str(environments), "-vv", *more]  # fmt: skip
        environment = self.site.environment(ICECC_TEST_SOCKET=str(self._mine / f"{name}.socket"))
        log = self.site.log(name)
        return self.daemon(name, host.on(command), environment, lambda: count(log, "Connected to scheduler") > 0)

    def environment(self) -> dict[str, str]:
        """The compiler's name taken over by PATH."""
        base = self.site.environment(ICECC_TEST_SOCKET=str(self._mine / "developer.socket"))
        return {**base, "PATH": first_in_path(_LINKS, base)}

    def command(self, arguments: Sequence[str]) -> list[str]:
        """make, with some jobs more than the builder takes at once."""
        return ["make", f"-j{self.slots + SPARE}", *arguments]

    def remote(self) -> int:
        """What the builder's log says of jobs that went well."""
        return count(self.site.log("builder"), "Remote compilation completed with exit code 0")
