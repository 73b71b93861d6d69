"""icecream: scheduler, the developer's iceccd, which takes no job, and one on the builder."""

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from dgcc.bench.farms.base import SPARE, Farm, count
from dgcc.bench.setting import BenchFailed
from dgcc.bench.site import Host, first_in_path, free_port

_LINKS = "/usr/lib/icecc/bin"


class Icecc(Farm):
    """icecc, with what its own tests use to have several of its hosts on one."""

    name = "icecc"
    needs = ("icecc", "iceccd", "icecc-scheduler")

    def start(self) -> None:
        """The three daemons. The scheduler's CPU is neither the developer's nor the builder's."""
        site = self.site
        if os.geteuid() != 0:
            raise BenchFailed("icecc: iceccd takes no jobs unless root starts it")
        self._scheduler, self._jobs = free_port(), site.log("builder-jobs")
        (site.directory / "home").mkdir(parents=True, exist_ok=True)
        mine = site.directory / "icecc"
        mine.mkdir()
        os.chown(mine, pwd.getpwnam("icecc").pw_uid, -1)
        log = mine / "scheduler"
        self.daemon(
            "scheduler",
            site.developer.on(["icecc-scheduler", "-p", str(self._scheduler), "-n", "dgcc-bench",
                               "-i", site.developer.interface, "-l", str(log), "-vv"]),
            self._tests(), lambda: count(log, "scheduler ready") > 0,
        )  # fmt: skip
        self._socket = mine / "developer.socket"
        self._jobs = mine / "builder.log"
        self._developer.append(self._iceccd("developer", site.developer, mine, ["--no-remote", "-m", "0"]))
        self._builder.append(self._iceccd(
            "builder", site.builder, mine, ["-m", str(self.slots), "-p", str(free_port()), "--nice", "0"]
        ))  # fmt: skip

    def _tests(self) -> dict[str, str]:
        """The environment of daemons: all on one address needs icecream's own settings for tests."""
        if not self.site.builder.address.startswith("127."):
            return self.site.environment()
        return self.site.environment(ICECC_TESTS="1", ICECC_TEST_SCHEDULER_PORTS=f"{self._scheduler}:{self._scheduler}")

    def _iceccd(self, name: str, host: Host, mine: Path, more: list[str]) -> object:
        log, environments = mine / f"{name}.log", mine / f"{name}-environments"
        environments.mkdir()
        os.chown(environments, pwd.getpwnam("icecc").pw_uid, -1)
        command = ["iceccd", "-s", f"{self.site.developer.address}:{self._scheduler}", "-n", "dgcc-bench", "-N", name,
                   "-i", host.interface, "-b", str(environments), "-l", str(log), "-vv", *more]  # fmt: skip
        environment = {**self._tests(), "ICECC_TEST_SOCKET": str(mine / f"{name}.socket")}
        return self.daemon(name, host.on(command), environment, lambda: count(log, "Connected to scheduler") > 0)

    def environment(self) -> dict[str, str]:
        """The compiler's name taken over by PATH; a job on the same address counts as remote."""
        base = self.site.environment(ICECC_TEST_SOCKET=str(self._socket), ICECC_TEST_REMOTEBUILD="1")
        return {**base, "PATH": first_in_path(_LINKS, base)}

    def command(self, arguments: Sequence[str]) -> list[str]:
        """make, with some jobs more than the builder takes at once."""
        return ["make", f"-j{self.slots + SPARE}", *arguments]

    def remote(self) -> int:
        """What the builder's log says of jobs that went well."""
        return count(self._jobs, "Remote compilation completed with exit code 0")
