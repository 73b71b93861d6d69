"""Real projects, unmodified, on two bare slaves: every compile remote, every file equal to a plain make's.

`make fidelity` does the same with more of them.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import farmkit
import pytest
from farmkit import Farm
from fidelity.compare import build_on_farm, build_plain, compare, prepare

from dgcc.bench.projects import LEVELDB, LUA, SMALL_BUSYBOX, Project

# Big enough to be nobody's: an ordinary user without a passwd entry.
_USER = 54321
_AS = {"root": (SMALL_BUSYBOX, LEVELDB), "user": (LUA,)}


@pytest.fixture(scope="module", params=_AS)
def farm(request: pytest.FixtureRequest) -> Iterator[Farm]:
    """Two bare slaves, run as root or as an ordinary user, as the master is."""
    farmkit.needs_root("bare hosts are made of mounts")
    # Not pytest's own directory: that one is closed to other users.
    # Not dgcc-farm-: what dead farms of one have left under that name, the next one removes.
    with tempfile.TemporaryDirectory(prefix="dgcctest-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        user = _USER if request.param == "user" else None
        with farmkit.farm(directory, "a", "b", user=user, bare=True) as made:
            yield made


@pytest.mark.parametrize(
    ("farm", "project"),
    [(who, project) for who, projects in _AS.items() for project in projects],
    indirect=["farm"],
    scope="module",  # in this order, so each farm is started once
    ids=lambda value: getattr(value, "row", value),
)
def test_built_on_bare_slaves_as_by_make(farm: Farm, project: Project):
    tree = prepare(project, farm)
    plain = build_plain(tree, farm, times=1)
    made = compare(tree, plain, build_on_farm(tree, farm))
    built = made.built
    print(built.err)
    assert not made.unexplained
    assert built.report["fallbacks"] == [] and built.jobs["failed"] == 0
    assert made.objects_home == [] and built.jobs["remote"] >= project.compiles
    assert set(built.report["slaves"]) == {"a", "b"}
    assert all(slave["jobs"] > 0 and not slave["lost"] for slave in built.report["slaves"].values())

    again = farm.master(tree.build, *project.arguments)
    assert again.code == 0 and again.jobs["remote"] == 0, again.err
    os.utime(tree.place / "source" / project.touched)
    rebuilt = farm.master(tree.build, *project.arguments)
    assert rebuilt.code == 0 and 0 < rebuilt.jobs["remote"] < built.jobs["remote"], rebuilt.err
