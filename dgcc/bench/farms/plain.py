"""Plain make, and make with ccache: no farm, the same number of slots."""

from collections.abc import Sequence

from dgcc.bench.farms.base import Farm
from dgcc.bench.site import first_in_path


class Make(Farm):
    """make -jN."""

    name = "make"

    def start(self) -> None:
        """Nothing to start."""

    def command(self, arguments: Sequence[str]) -> list[str]:
        """make with as many jobs as there are slots."""
        return ["make", f"-j{self.slots}", *arguments]


class Ccache(Make):
    """make -jN with ccache in front of the compiler, its cache in the site's directory."""

    name = "ccache"
    needs = ("ccache",)

    def environment(self) -> dict[str, str]:
        """ccache's links come first in PATH."""
        base = self.site.environment(CCACHE_DIR=str(self.site.directory / "cache"))
        return {**base, "PATH": first_in_path("/usr/lib/ccache", base)}
