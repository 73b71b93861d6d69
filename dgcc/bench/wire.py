"""Bytes between the developer's machine and the builder for each job, in a first and in later builds."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

from msgspec import Struct, field

from dgcc.bench.farms.base import Farm
from dgcc.bench.farms.distcc import Distcc, Pump
from dgcc.bench.farms.icecream import Icecc
from dgcc.bench.farms.ours import Dgcc
from dgcc.bench.figures import Figure, Row, Table
from dgcc.bench.network import Network
from dgcc.bench.setting import BenchFailed, Setting
from dgcc.bench.site import Site
from dgcc.bench.workloads import FMTLIB, LUA, Tree

_SLOTS = 2
_BUILD_S = 600.0
_FARMS: tuple[type[Farm], ...] = (Dgcc, Distcc, Pump, Icecc)
_REPEATS = 3  # bytes hardly vary
_ABOUT = """Bytes that went over the cable between two network namespaces, with all headers, for all farms alike:
divided by the compiles of a target that is object files only. *First* is a build with a builder that has never heard of
this developer, but is the same machine: DGCC's slave takes the compiler's files from its own disk where they are equal,
distcc does not send a compiler at all, icecream sends one. *Later* are builds of the same files again. DGCC is without
TLS here, as the others are."""


class _Samples(Struct):
    first_sent: list[float] = field(default_factory=list)
    first_received: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    failed: str = ""


def run(setting: Setting) -> Iterator[Table]:
    """A table for each workload. Raises BenchFailed where there are no network namespaces."""
    with Network() as network:
        for workload in (LUA,) if setting.quick else (LUA, FMTLIB):
            tree = workload.prepare(setting.directory / "work" / workload.name, Site(setting.directory / "prepare"))
            found = dict[str, _Samples]()
            for kind in _FARMS:
                found[kind.name] = _measure(kind, tree, setting, network)
                setting.say(f"{tree.name}: {kind.name} done")
            shutil.rmtree(tree.place)
            yield _table(tree, found)


def _measure(kind: type[Farm], tree: Tree, setting: Setting, network: Network) -> _Samples:
    samples = _Samples()
    try:
        with ExitStack() as stack:
            farm = stack.enter_context(kind(network.site(setting.directory / f"{tree.name}-{kind.name}"), _SLOTS))
            for turn in range(min(setting.repeats, _REPEATS) + 1):
                tree.without_objects()
                before = network.traffic()
                built = farm.build(tree.build, tree.objects, _BUILD_S)
                traffic = network.traffic().since(before)
                if built.remote < tree.compiles:
                    raise BenchFailed(f"only {built.remote} of {tree.compiles} compiles were done by the builder")
                sent, received = (samples.sent, samples.received) if turn else (
                    samples.first_sent, samples.first_received)  # fmt: skip
                sent.append(traffic.sent / tree.compiles / 1000)
                received.append(traffic.received / tree.compiles / 1000)
    except BenchFailed as error:
        samples.failed = f"{kind.name}: {error}"
    return samples


def _table(tree: Tree, found: dict[str, _Samples]) -> Table:
    rows = []
    ours = found[Dgcc.name]
    for name, samples in found.items():
        if not samples.sent:
            rows.append(Row(name, {"first, sent": samples.failed}))
            continue
        cells: dict[str, Figure | str] = {
            "first, sent": _kb(samples.first_sent), "first, received": _kb(samples.first_received),
            "later, sent": _kb(samples.sent), "later, received": _kb(samples.received),
        }  # fmt: skip
        if name != Dgcc.name and ours.sent:
            cells["dgcc's part of it, later"] = _kb(_sums(ours)).over(_kb(_sums(samples)))
        rows.append(Row(name, cells))
    columns = ("first, sent", "first, received", "later, sent", "later, received", "dgcc's part of it, later")
    title = f"Bytes for each compile: {tree.name}, {tree.compiles} compiles"
    return Table(title, _ABOUT, "farm", columns, tuple(rows))


def _sums(samples: _Samples) -> list[float]:
    return [sent + received for sent, received in zip(samples.sent, samples.received, strict=True)]


def _kb(values: list[float]) -> Figure:
    return Figure("kB", tuple(values))
