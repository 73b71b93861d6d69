"""Real projects, unmodified, on two slaves: every compile remote, every file equal to a plain make's."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import farmkit
import pytest
from farmkit import Farm, differing, snapshot

# Big enough to be nobody's: an ordinary user without a passwd entry.
_USER = 54321


@dataclass(frozen=True)
class Project:
    """A Debian source package: how it is set up and built."""

    name: str
    prepare: Callable[[Path], object] = lambda place: None
    arguments: tuple[str, ...] = ()
    compiles: int = 0
    touched: str = ""  # touching it rebuilds some, not all


def _shell(command: str) -> Callable[[Path], object]:
    return lambda place: subprocess.run(command, shell=True, cwd=place, check=True, stdout=subprocess.DEVNULL)


def _small_busybox(place: Path) -> None:
    """A configuration with a few applets: kbuild in all its ways, in a tenth of the time of defconfig."""
    _shell("make allnoconfig >/dev/null")(place)
    config = (place / ".config").read_text()
    for option in ("CAT", "ECHO", "LS", "SED", "ASH", "TEST", "STATIC"):
        config = config.replace(f"# CONFIG_{option} is not set", f"CONFIG_{option}=y")
    (place / ".config").write_text(config)
    _shell("yes '' | make oldconfig >/dev/null")(place)


PROJECTS = [
    Project("lua5.4", arguments=("-C", "src", "linux"), compiles=34, touched="src/lopcodes.h"),
    Project("zlib", prepare=_shell("./configure"), compiles=34, touched="gzguts.h"),
    Project("bzip2", compiles=9, touched="compress.c"),
]
if os.environ.get("DGCC_TEST_BUSYBOX") == "defconfig":
    PROJECTS.append(Project("busybox", prepare=_shell("make defconfig"), touched="include/xregex.h"))
else:
    PROJECTS.append(Project("busybox", prepare=_small_busybox, touched="include/xregex.h"))


@pytest.fixture(scope="module", params=["root", "user"])
def farm(request: pytest.FixtureRequest) -> Iterator[Farm]:
    """Two slaves, all of it once as root and once as an ordinary user."""
    if request.param == "root":
        farmkit.needs_root("runs a farm as root")
    user = _USER if request.param == "user" and os.geteuid() == 0 else None
    # Not pytest's own directory: that one is closed to other users.
    with tempfile.TemporaryDirectory(prefix="dgcc-farm-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with farmkit.farm(directory, "a", "b", user=user) as made:
            yield made


@pytest.mark.parametrize("project", PROJECTS, ids=lambda p: p.name)
def test_built_on_the_farm_as_by_make(farm: Farm, project: Project):
    place, pristine = farm.directory / "work" / project.name, farm.directory / "pristine" / project.name
    pristine.parent.mkdir(exist_ok=True)
    place.parent.mkdir(exist_ok=True)
    farmkit.source(project.name, place)
    project.prepare(place)
    farm.give(farm.directory / "work")
    subprocess.run(["cp", "-a", str(place), str(pristine)], check=True)

    def build_plain() -> dict[str, tuple[object, ...]]:
        farmkit.fresh_copy(pristine, place)
        built = farm.plain(place, "-j2", *project.arguments)
        assert built.code == 0, built.err
        return snapshot(place)

    first = build_plain()
    own = differing(first, build_plain())  # what no two builds have in common
    farmkit.fresh_copy(pristine, place)
    built = farm.master(place, *project.arguments)
    print(built.err)
    assert built.code == 0, built.err
    assert differing(first, snapshot(place)) <= own
    assert built.report["fallbacks"] == []
    assert built.jobs["remote"] >= project.compiles and built.jobs["failed"] == 0
    assert all(slave["jobs"] > 0 and not slave["lost"] for slave in built.report["slaves"].values())
    assert set(built.report["slaves"]) == {"a", "b"}

    again = farm.master(place, *project.arguments)
    assert again.code == 0 and again.jobs["remote"] == 0, again.err
    (place / project.touched).touch()
    rebuilt = farm.master(place, *project.arguments)
    (place / project.touched).touch()
    wanted = farm.plain(place, "-n", *project.arguments)
    compiles = [line for line in wanted.out.splitlines() if " -c " in line]
    if project.name != "busybox":  # kbuild's dry run prints its commands twice
        assert 0 < rebuilt.jobs["remote"] == len(compiles) < built.jobs["remote"]
    assert rebuilt.jobs["remote"] > 0
