"""CPU of the developer's machine for each remote compile: DGCC against distcc, pump mode and icecream."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

from msgspec import Struct, field

from dgcc.bench.farms.base import Farm, started
from dgcc.bench.farms.distcc import Distcc, Pump
from dgcc.bench.farms.icecream import Icecc
from dgcc.bench.farms.ours import Dgcc
from dgcc.bench.figures import Bar, Figure, Row, Table
from dgcc.bench.network import Sites, sites
from dgcc.bench.setting import BenchFailed, Setting
from dgcc.bench.site import Site
from dgcc.bench.workloads import FMTLIB, LEVELDB, LUA, ZLIB, Tree, heavy

SLOTS = 2
_BUILD_S = 600.0
_FARMS: tuple[type[Farm], ...] = (Dgcc, Distcc, Pump, Icecc)
_ABOUT = """What make, its compilers' stand-ins, the master, the include server and the developer's own daemon spend for
one compile that another machine does: a target of object files only, less the same with nothing to do, divided by the
compiles. *Start-up* is that run with nothing to do; *each more* leaves out what only the first compile of a build
costs; *first build* is the whole CPU of one on a farm that knows nothing yet. What the builder spends is not in it.
Every farm has two slots, and builds at the same path, in turns; *remote* says how many of the compiles the builder
has done."""


class _Samples(Struct):
    """What was seen of one farm with one workload; times are CPU in ms."""

    first_build: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)
    each_more: list[float] = field(default_factory=list)
    startup: list[float] = field(default_factory=list)
    remote: int = 0
    failed: str = ""


def run(setting: Setting) -> Iterator[Table]:
    """A table for each workload."""
    workloads = [LUA, FMTLIB]
    if setting.long:
        workloads += [ZLIB, LEVELDB, heavy(300)]
    elif not setting.quick:
        workloads += [ZLIB, heavy(20)]
    with sites(setting) as site:
        for workload in workloads:
            try:
                tree = workload.prepare(setting.directory / "work" / workload.name, Site(setting.directory / "prepare"))
            except BenchFailed as error:
                setting.say(str(error))
                continue
            yield _table(tree, _measure(tree, setting, site))
            shutil.rmtree(tree.place)


def _measure(tree: Tree, setting: Setting, site: Sites) -> dict[str, _Samples]:
    found = {farm.name: _Samples() for farm in _FARMS}
    with ExitStack() as stack:
        farms, failed = started(_FARMS, lambda name: site(f"{tree.name}-{name}"), SLOTS, stack)
        for name, why in failed.items():
            found[name].failed = why
        for turn in range(setting.repeats + 1):  # the first warms up
            for name, farm in list(farms.items()):
                samples = found[name]
                try:
                    if turn:
                        _one(farm, tree, samples)
                    else:
                        samples.first_build.append(_all(farm, tree) * 1000)
                except BenchFailed as error:
                    if samples.failed:  # once may be chance; a second time is enough
                        del farms[name]
                    samples.failed = f"{name}: {error}"
                    setting.say(f"{tree.name}: {samples.failed}")
            if turn:
                setting.say(f"{tree.name}: {turn} of {setting.repeats}: " + ", ".join(
                    f"{name} {samples.each[-1]:.1f} ms" for name, samples in found.items() if samples.each
                ))  # fmt: skip
    return found


def _all(farm: Farm, tree: Tree) -> float:
    """Seconds of the developer's CPU for all objects. Raises BenchFailed if the builder did not make them all."""
    tree.without_objects()
    built = farm.build(tree.build, tree.objects, _BUILD_S)
    if built.remote < tree.compiles:
        raise BenchFailed(f"only {built.remote} of {tree.compiles} compiles were done by the builder")
    return built.cpu_s


def _one(farm: Farm, tree: Tree, samples: _Samples) -> None:
    whole = _all(farm, tree)
    nothing = farm.build(tree.build, tree.objects, _BUILD_S).cpu_s
    next(tree.place.rglob("*.o")).unlink()
    single = farm.build(tree.build, tree.objects, _BUILD_S).cpu_s
    samples.each.append((whole - nothing) * 1000 / tree.compiles)
    samples.each_more.append((whole - single) * 1000 / (tree.compiles - 1))
    samples.startup.append(nothing * 1000)
    samples.remote = tree.compiles


def _table(tree: Tree, found: dict[str, _Samples]) -> Table:
    each = {name: Figure("ms", tuple(samples.each)) for name, samples in found.items() if samples.each}
    rows = []
    for name, samples in found.items():
        if name not in each:
            rows.append(Row(name, {"each compile": samples.failed or "not measured"}))
            continue
        cells: dict[str, Figure | str] = {
            "each compile": each[name],
            "each more": Figure("ms", tuple(samples.each_more)),
            "start-up": Figure("ms", tuple(samples.startup)),
            "first build": Figure("ms", tuple(samples.first_build)) if samples.first_build else "failed",
            "remote": f"{samples.remote} of {tree.compiles}" + (f"; {samples.failed}" if samples.failed else ""),
        }
        if name != Dgcc.name and Dgcc.name in each:
            cells["dgcc's part of it"] = each[Dgcc.name].over(each[name])
        rows.append(Row(name, cells))
    return Table(
        f"Developer's CPU for each remote compile: {tree.name}", _ABOUT, "farm",
        ("each compile", "dgcc's part of it", "each more", "start-up", "first build", "remote"),
        tuple(rows), _bars(tree.name, each),
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
