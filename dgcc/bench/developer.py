"""CPU of the developer's machine for each remote compile: DGCC against distcc, pump mode and icecream."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from dgcc.bench.farms.base import Farm
from dgcc.bench.farms.distcc import Distcc, Pump
from dgcc.bench.farms.icecream import Icecc
from dgcc.bench.farms.ours import Dgcc
from dgcc.bench.figures import Bar, Figure, Row, Table
from dgcc.bench.setting import BenchFailed, Setting
from dgcc.bench.site import Site
from dgcc.bench.workloads import FMTLIB, LEVELDB, LUA, ZLIB, Tree, Workload, heavy

SLOTS = 2
_BUILD_S = 600.0
_FARMS: tuple[type[Farm], ...] = (Dgcc, Distcc, Pump, Icecc)
_ABOUT = """What make, its compilers' stand-ins, the master, the include server and the developer's own daemon spend for one
compile that another machine does: a target of object files only, less the same with nothing to do, divided by the
compiles. *Start-up* is that run with nothing to do; *first* is the whole first build of a farm that knows nothing yet.
What the builder spends is not in it. Every farm has two slots on loopback and builds at the same path, in turns; *remote*
says how many of the compiles really were done by the builder."""


@dataclass
class _Samples:
    """What was seen of one farm with one workload."""

    first_ms: list[float] = field(default_factory=list)
    each_ms: list[float] = field(default_factory=list)
    startup_ms: list[float] = field(default_factory=list)
    remote: list[int] = field(default_factory=list)
    failed: str = ""


def run(setting: Setting) -> Iterator[Table]:
    """A table for each workload."""
    workloads = [LUA, FMTLIB] if setting.quick else [LUA, FMTLIB, ZLIB, LEVELDB, heavy(60)]
    for workload in workloads:
        found = _measure(workload, setting)
        yield _table(workload, *found)


def _measure(workload: Workload, setting: Setting) -> tuple[dict[str, _Samples], int]:
    tree = workload.prepare(setting.directory / "work" / workload.name, Site(setting.directory / "prepare"))
    found = {farm.name: _Samples() for farm in _FARMS}
    with ExitStack() as stack:
        farms = {}
        for kind in _FARMS:
            try:
                farm = kind(Site(setting.directory / f"{workload.name}-{kind.name}"), SLOTS)
                farms[kind.name] = stack.enter_context(farm)
            except BenchFailed as error:
                found[kind.name].failed = str(error)
        for turn in range(setting.repeats + 1):  # the first warms up
            for name, farm in farms.items():
                if not found[name].failed:
                    try:
                        _one(farm, tree, found[name], turn == 0)
                    except BenchFailed as error:
                        found[name].failed = f"{name}: {error}"
                        setting.say(f"{workload.name}: {found[name].failed}")
            setting.say(f"{workload.name}: {turn} of {setting.repeats}: " + ", ".join(
                f"{name} {samples.each_ms[-1]:.1f} ms" for name, samples in found.items() if samples.each_ms
            ))  # fmt: skip
    shutil.rmtree(tree.place)
    return found, tree.compiles


def _one(farm: Farm, tree: Tree, samples: _Samples, first: bool) -> None:
    tree.without_objects()
    built = farm.build(tree.build, tree.objects, _BUILD_S)
    if first:
        samples.first_ms.append(built.cpu_s * 1000)
        return
    again = farm.build(tree.build, tree.objects, _BUILD_S)
    samples.each_ms.append((built.cpu_s - again.cpu_s) * 1000 / tree.compiles)
    samples.startup_ms.append(again.cpu_s * 1000)
    samples.remote.append(built.remote)


def _table(workload: Workload, found: dict[str, _Samples], compiles: int) -> Table:
    ours = found["dgcc"]
    each = {name: Figure("ms", tuple(samples.each_ms)) for name, samples in found.items() if samples.each_ms}
    rows = []
    for name, samples in found.items():
        if name not in each:
            rows.append(Row(name, {"each compile": samples.failed or "not measured"}))
            continue
        cells: dict[str, Figure | str] = {
            "each compile": each[name],
            "start-up": Figure("ms", tuple(samples.startup_ms)),
            "first": Figure("ms", tuple(samples.first_ms)),
            "remote": f"{min(samples.remote)} of {compiles}" + (f"; {samples.failed}" if samples.failed else ""),
        }
        if name != "dgcc" and ours.each_ms:
            cells["dgcc's part of it"] = each["dgcc"].over(each[name])
        rows.append(Row(name, cells))
    return Table(
        f"Developer's CPU for each remote compile: {workload.name}", _ABOUT, "farm",
        ("each compile", "dgcc's part of it", "start-up", "first", "remote"), tuple(rows), _bars(workload.name, each),
    )  # fmt: skip


def _bars(workload: str, each: dict[str, Figure]) -> tuple[Bar, ...]:
    bounds = {"lua": 1 / 8, "fmtlib": 1 / 40}
    if workload not in bounds:
        return ()

    def part(other: str) -> float | None:
        return each["dgcc"].over(each[other]).median if "dgcc" in each and other in each else None

    return (
        Bar(f"{workload}: DGCC's CPU for a compile, as a part of distcc's", part("distcc"), bounds[workload]),
        Bar(f"{workload}: DGCC's CPU for a compile, as a part of pump's", part("pump"), 1.0),
    )
