"""A farm of one with two slots against make -j2: wall time of whole builds, and of builds with nothing to do."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

from dgcc.bench.farms.base import Farm
from dgcc.bench.farms.ours import FarmOfOne, Rehearsal
from dgcc.bench.farms.plain import Make
from dgcc.bench.figures import Bar, Figure, Row, Table
from dgcc.bench.setting import BenchFailed, Setting
from dgcc.bench.site import Site
from dgcc.bench.workloads import FMTLIB, LEVELDB, LUA, Tree

SLOTS = 2
_BUILD_S = 900.0
_BOUNDS = {"lua": 1.06, "leveldb": 1.03, "fmtlib": 1.03}
_NOTHING_S = 0.35
_ABOUT = """Wall time of a whole build, links and archives too, after `make clean`: `dgcc-master` alone with two slots,
and `make -j2`, in turns in the same directory. *Nothing to do* is the same command again. *CPU* is all that the machine
spends on the build. DGCC has built the project once before, as make has filled the disk's cache: what has been to its
slave then, runs at home. *All sent* is with `--home-first 0`: every compile goes to its slave, as in a first build."""
_FARMS: tuple[type[Farm], ...] = (FarmOfOne, Rehearsal, Make)


def run(setting: Setting) -> Iterator[Table]:
    """One table."""
    rows: list[Row] = []
    bars: list[Bar] = []
    for workload in (LUA, FMTLIB) if setting.quick else (LUA, LEVELDB, FMTLIB):
        try:
            tree = workload.prepare(setting.directory / "work" / workload.name, Site(setting.directory / "prepare"))
            more_rows, more_bars = _measure(tree, setting)
            shutil.rmtree(tree.place)
        except BenchFailed as error:
            setting.say(f"{workload.name}: {error}")
            more_rows = [Row(workload.name, {"wall": str(error)})]
            more_bars = [Bar(_asked(workload.name), None, _BOUNDS[workload.name])]
        rows += more_rows
        bars += more_bars
    columns = ("wall", "to make's", "nothing to do", "more than make", "CPU", "CPU to make's")
    yield Table("Farm of one, two slots, against make -j2", _ABOUT, "build", columns, tuple(rows), tuple(bars))


def _asked(name: str) -> str:
    return f"{name}: wall time of a farm of one, to that of make -j2"


def _measure(tree: Tree, setting: Setting) -> tuple[list[Row], list[Bar]]:
    wall: dict[str, list[float]] = {kind.name: [] for kind in _FARMS}
    cpu: dict[str, list[float]] = {name: [] for name in wall}
    nothing: dict[str, list[float]] = {name: [] for name in wall}
    with ExitStack() as stack:
        farms = [
            stack.enter_context(kind(Site(setting.directory / f"{tree.name}-{number}"), SLOTS))
            for number, kind in enumerate(_FARMS)
        ]
        for turn in range(setting.repeats + 1):  # the first warms up
            for farm in farms if turn % 2 else farms[::-1]:
                tree.clean()
                built = farm.build(tree.build, tree.whole, _BUILD_S)
                again = farm.build(tree.build, tree.whole, _BUILD_S)
                if turn:
                    wall[farm.name].append(built.wall_s)
                    cpu[farm.name].append(built.cpu_s)
                    nothing[farm.name].append(again.wall_s)
            if turn:
                setting.say(f"{tree.name}: {turn} of {setting.repeats}: " + ", ".join(
                    f"{name} {times[-1]:.2f} s, {nothing[name][-1]:.2f} s" for name, times in wall.items()
                ))  # fmt: skip
    return _rows(tree, wall, cpu, nothing)


def _rows(
    tree: Tree, wall: dict[str, list[float]], cpu: dict[str, list[float]], nothing: dict[str, list[float]]
) -> tuple[list[Row], list[Bar]]:
    walls, cpus, nothings = ({name: Figure("s", tuple(values)) for name, values in each.items()}
                             for each in (wall, cpu, nothing))  # fmt: skip
    ours, makes = FarmOfOne.name, Make.name
    more = nothings[ours].median - nothings[makes].median
    ratio = walls[ours].over(walls[makes])
    rows = [
        Row(f"{tree.name}, {name}", {
            "wall": walls[name], "to make's": walls[name].over(walls[makes]), "nothing to do": nothings[name],
            "more than make": Figure("s", (nothings[name].median - nothings[makes].median,)),
            "CPU": cpus[name], "CPU to make's": cpus[name].over(cpus[makes]),
        })
        for name in walls if name != makes
    ]  # fmt: skip
    rows.append(Row(f"{tree.name}, {makes}", {
        "wall": walls[makes], "nothing to do": nothings[makes], "CPU": cpus[makes],
    }))  # fmt: skip
    return rows, [
        Bar(_asked(tree.name), ratio.median, _BOUNDS[tree.name]),
        Bar(f"{tree.name}: a build with nothing to do takes longer than make's by", more, _NOTHING_S, unit="s"),
    ]
