"""distcc, plain and in pump mode: a distccd of its own, the compiler's name taken over by PATH."""

from collections.abc import Sequence
from pathlib import Path

from dgcc.bench.farms.base import SPARE, Build, Farm, count
from dgcc.bench.setting import BenchFailed
from dgcc.bench.site import first_in_path, free_port

_LINKS = "/usr/lib/distcc"
_PUMPABLE = Path(__file__).with_name("pumpable")
_DEGRADED = "preprocessing locally"


class Distcc(Farm):
    """distcc that preprocesses at the developer's, as it does by default."""

    name = "distcc"
    needs: tuple[str, ...] = ("distcc", "distccd")
    _options = ""

    def start(self) -> None:
        """distccd on the builder; as root it takes the user that its package has made."""
        site = self.site
        (site.directory / "distcc").mkdir()
        self._port, self._log = free_port(), site.log("distccd-jobs")
        self._log.touch()
        self._log.chmod(0o666)
        command = ["distccd", "--daemon", "--no-detach", "--listen", site.builder.address, "--port", str(self._port),
                   "--allow", site.developer.address, "--jobs", str(self.slots), "--nice", "0", "--user", "distccd",
                   "--log-file", str(self._log), "--log-level", "info"]  # fmt: skip
        self._builder.append(self.daemon(
            "distccd", site.builder.on(command), site.environment(), lambda: count(self._log, "listening on") > 0
        ))  # fmt: skip

    def environment(self) -> dict[str, str]:
        """No fallback: a job that cannot go fails, so that what is measured is what it is called."""
        base = self.site.environment(
            DISTCC_HOSTS=f"{self.site.builder.address}:{self._port}/{self.slots + SPARE}{self._options}",
            DISTCC_DIR=str(self.site.directory / "distcc"), DISTCC_FALLBACK="0",
        )  # fmt: skip
        return {**base, "PATH": first_in_path(_LINKS, base)}

    def command(self, arguments: Sequence[str]) -> list[str]:
        """make, with some jobs more than the builder takes at once."""
        return ["make", f"-j{self.slots + SPARE}", *arguments]

    def remote(self) -> int:
        """What distccd's log says of jobs that went well."""
        return count(self._log, "COMPILE_OK")


class Pump(Distcc):
    """distcc in pump mode: an include server at the developer's, preprocessing on the builder."""

    name = "pump"
    needs = ("distcc", "distccd", "distcc-pump")
    _options = ",cpp,lzo"

    def environment(self) -> dict[str, str]:
        """With what Debian 12's include server needs to work at all."""
        return {**super().environment(), "PYTHONPATH": str(_PUMPABLE)}

    def command(self, arguments: Sequence[str]) -> list[str]:
        """pump starts an include server for each build, and ends it. It puts /usr/bin before our links in PATH."""
        return ["distcc-pump", "env", f"PATH={self.environment()['PATH']}", *super().command(arguments)]

    def build(self, cwd: Path, arguments: Sequence[str], seconds: float) -> Build:
        """As for every farm, but pump mode that has turned itself into plain distcc is a failure."""
        built = super().build(cwd, arguments, seconds)
        for line in self.said().read_text(errors="replace").splitlines():
            if _DEGRADED in line.lower():
                raise BenchFailed(f"falls back to plain distcc: {line[:200]}")
        return built
