"""Wall time of whole builds with the same number of slots: make, ccache, and every farm with one builder."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

from dgcc.bench.farms.base import Farm, started
from dgcc.bench.farms.distcc import Distcc, Pump
from dgcc.bench.farms.icecream import Icecc
from dgcc.bench.farms.ours import Dgcc
from dgcc.bench.farms.plain import Ccache, Make
from dgcc.bench.figures import Figure, Row, Table
from dgcc.bench.network import Sites, sites
from dgcc.bench.setting import BenchFailed, Setting
from dgcc.bench.site import Site
from dgcc.bench.workloads import BUSYBOX, LEVELDB, LUA, SQLITE, Tree, Workload, heavy

_SLOTS = 2
_BUILD_S = 900.0
_REPEATS = 3  # the builds are long
_FARMS: tuple[type[Farm], ...] = (Make, Ccache, Dgcc, Distcc, Pump, Icecc)
_ABOUT = """Wall time of a whole build with two slots, in turns, after `make clean`. The builder is the same machine, so
a farm has no CPU that make has not, and its ratio is what it costs; *developer* is how much of the CPU the developer's
side spent, which on a real farm is what bounds the number of builders. *First* is the first build: for ccache with an
empty cache, for farms with a builder that knows nothing. `make` and `ccache` are all developer's side."""


def run(setting: Setting) -> Iterator[Table]:
    """A table for each workload."""
    with sites(setting) as site:
        for workload in _workloads(setting):
            try:
                tree = workload.prepare(setting.directory / "work" / workload.name, Site(setting.directory / "prepare"))
            except BenchFailed as error:
                setting.say(str(error))
                continue
            yield _measure(tree, setting, site)
            shutil.rmtree(tree.place)


def _workloads(setting: Setting) -> tuple[Workload, ...]:
    if setting.long:
        return BUSYBOX, LEVELDB, SQLITE, heavy(300)
    return (LUA,) if setting.quick else (BUSYBOX, heavy(40))


def _measure(tree: Tree, setting: Setting, site: Sites) -> Table:
    first: dict[str, float] = {}
    wall: dict[str, list[float]] = {kind.name: [] for kind in _FARMS}
    cpu: dict[str, list[float]] = {kind.name: [] for kind in _FARMS}
    repeats = min(setting.repeats, _REPEATS)
    with ExitStack() as stack:
        farms, failed = started(_FARMS, lambda name: site(f"{tree.name}-{name}"), _SLOTS, stack)
        for turn in range(repeats + 1):
            for name, farm in farms.items():
                if name in failed:
                    continue
                try:
                    tree.clean()
                    built = farm.build(tree.build, tree.whole, _BUILD_S)
                except BenchFailed as error:
                    failed[name] = f"{name}: {error}"
                    setting.say(f"{tree.name}: {failed[name]}")
                    continue
                if turn:
                    wall[name].append(built.wall_s)
                    cpu[name].append(built.cpu_s)
                else:
                    first[name] = built.wall_s
            setting.say(f"{tree.name}: {turn} of {repeats}")
    return _table(tree, first, wall, cpu, failed)


def _table(
    tree: Tree, first: dict[str, float], wall: dict[str, list[float]], cpu: dict[str, list[float]],
    failed: dict[str, str],
) -> Table:  # fmt: skip
    rows = []
    for name, values in wall.items():
        if not values:
            rows.append(Row(name, {"wall": failed.get(name, "not measured")}))
            continue
        cells: dict[str, Figure | str] = {
            "first": Figure("s", (first[name],)), "wall": Figure("s", tuple(values)),
            "developer": Figure("s", tuple(cpu[name])), "why not all": failed.get(name, ""),
        }  # fmt: skip
        if name != Make.name and wall[Make.name]:
            cells["to make's"] = Figure("s", tuple(values)).over(Figure("s", tuple(wall[Make.name])))
        rows.append(Row(name, {column: cell for column, cell in cells.items() if cell != ""}))
    columns = ("first", "wall", "to make's", "developer", "why not all")
    return Table(f"Whole build: {tree.name}", _ABOUT, "with", columns, tuple(rows))
