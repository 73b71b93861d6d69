"""DGCC: a naming service, a slave of its own, and dgcc-master in place of make; or the farm of one."""

import json
from collections.abc import Sequence

from dgcc.bench.farms.base import Farm, count
from dgcc.bench.site import BIN, free_port


class Dgcc(Farm):
    """DGCC with a slave that was started apart, as on another machine."""

    name = "dgcc"
    needs = ("omniNames",)

    def start(self) -> None:
        """Naming service and slave; beyond loopback without certificates, as the others are."""
        site, environment = self.site, self.site.environment()
        self._report, self._done = site.directory / "report.json", 0
        self._naming = f"{site.developer.address}:{free_port()}"
        self._how = [] if site.developer.address.startswith("127.") else ["--insecure"]
        names, slave = site.log("names"), site.log("slave")
        self.daemon(
            "names",
            site.developer.on([str(BIN / "dgcc"), "names", "--address", self._naming, *self._how,
                               "--data", str(site.directory / "names")]),
            environment, lambda: count(names, "listening at") > 0,
        )  # fmt: skip
        self._builder.append(self.daemon(
            "slave", site.builder.on(self.builder()), environment, lambda: count(slave, "slave 'builder' offers") > 0,
        ))  # fmt: skip

    def builder(self) -> list[str]:
        """The slave's command."""
        return [str(BIN / "dgcc-slave"), "--naming", self._naming, "--name", "builder", *self._how,
                "--slots", str(self.slots), "--store", str(self.site.directory / "store")]  # fmt: skip

    def command(self, arguments: Sequence[str]) -> list[str]:
        """dgcc-master, which is told nothing but where the farm is."""
        return [str(BIN / "dgcc-master"), "--naming", self._naming, *self._how,
                "--report", str(self._report), *arguments]  # fmt: skip

    def remote(self) -> int:
        """Jobs in all reports so far."""
        if self._report.exists():
            self._done += int(json.loads(self._report.read_text())["jobs"]["remote"])
            self._report.unlink()
        return self._done


class FarmOfOne(Farm):
    """dgcc-master alone, with a slave on this machine."""

    name = "dgcc"
    needs = ("omniNames",)

    def start(self) -> None:
        """Nothing runs between builds."""

    def command(self, arguments: Sequence[str]) -> list[str]:
        """dgcc-master with as many slots as make gets."""
        return [str(BIN / "dgcc-master"), "--local-slave", str(self.slots), *arguments]


class Rehearsal(FarmOfOne):
    """The same, with everything sent that can travel, as when it is built for the first time."""

    name = "dgcc, all sent"

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Nothing runs at home because it has travelled before, or because no slave has joined yet."""
        return super().command(["--home-first", "0", *arguments])
