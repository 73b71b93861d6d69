"""`python -m dgcc.simulate.evaluate RECORDING...`: tables of the bars, and of what window, prefetch and trouble do.

Slaves have 8 slots each (fewer if there are no more), home has 8. Every figure is the makespan divided by the lower
bound, unless said otherwise.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import replace

from dgcc.master.recording import RecordingError, read
from dgcc.simulate.bound import bound_of
from dgcc.simulate.graph import Graph, graph_of
from dgcc.simulate.setting import Fault, Setting, Slave, equal_slaves
from dgcc.simulate.simulation import simulate

SLOTS = (4, 8, 16, 32, 64, 128, 256)
_MORE_SLOTS = (*SLOTS, 512, 1024)
_EACH = 8
_HOME = 8
_WINDOWS: tuple[tuple[str, Callable[[int], int]], ...] = (
    *((f"-j{n}", lambda slots, n=n: n) for n in (64, 128, 256, 512, 1024)),
    *((f"{n}x slots", lambda slots, n=n: n * slots) for n in (2, 4, 8)),
    ("all", lambda slots: 1_000_000),
)  # fmt: skip


def farm(slots: int, window: int) -> Setting:
    """Equal slaves with so many slots in all."""
    return Setting(equal_slaves(slots, max(1, slots // _EACH)), home=_HOME, window=window)


def usual_window(slots: int) -> int:
    """Make's -j where nothing else is said."""
    return max(512, 2 * slots)


def bars(graph: Graph) -> Iterable[list[str]]:
    """How near to the bound, by slots."""
    yield ["slots", "bound", "made of", "by path", "to tight bound", "make's order", "us/event"]
    for slots in SLOTS:
        ours = simulate(graph, setting := farm(slots, usual_window(slots)))
        make = simulate(graph, replace(setting, by_path=False))
        bound = ours.bound
        what = "path" if bound.seconds == bound.path else "work" if bound.seconds == bound.work else "home"
        yield [str(slots), f"{bound.seconds:.2f} s", what, f"{ours.ratio:.3f}", f"{ours.makespan / bound.tight:.3f}",
               f"{make.ratio:.3f}", f"{ours.event_us:.0f}"]  # fmt: skip


def windows(graph: Graph) -> Iterable[list[str]]:
    """What make's -j brings."""
    yield ["slots", *(name for name, _ in _WINDOWS)]
    for slots in _MORE_SLOTS:
        cells = []
        for _, size in _WINDOWS:
            window = size(slots)
            cells.append(f"{simulate(graph, farm(slots, window)).ratio:.3f}" if window >= slots else "-")
        yield [str(slots), *cells]


def prefetches(graph: Graph) -> Iterable[list[str]]:
    """What sending ahead brings, by latency."""
    depths = (0, 1, 2, 4, 8)
    yield ["slots", "latency", *(str(depth) for depth in depths)]
    for slots in (8, 64, 256):
        for latency in (0.0005, 0.005, 0.05):
            setting = replace(farm(slots, usual_window(slots)), latency_s=latency)
            yield [str(slots), f"{latency * 1e3:g} ms",
                   *(f"{simulate(graph, replace(setting, prefetch=depth)).ratio:.3f}" for depth in depths)]  # fmt: skip


def troubles(graph: Graph) -> Iterable[list[str]]:
    """Hosts that are slow, stop, or differ, and expectations that are wrong; seconds, and jobs that ran twice."""
    yield ["slots", "all well", "one at a tenth from the start, not known", "one at a tenth from the middle",
           "one stopped in the middle", "one killed", "speeds 2, 1, 0.5", "noise 50 %", "first build"]  # fmt: skip
    for slots in (16, 64, 256):
        setting = farm(slots, usual_window(slots))
        well = simulate(graph, setting)
        middle = well.makespan / 2
        first = setting.slaves[0].name
        speeds = tuple(Slave(s.name, s.slots, (2.0, 1.0, 0.5)[n % 3]) for n, s in enumerate(setting.slaves))
        cases = [
            replace(setting, faults=(Fault(first, 0.0, "slow", 10.0),)),
            replace(setting, faults=(Fault(first, middle, "slow", 10.0),)),
            replace(setting, faults=(Fault(first, middle, "stop"),)),
            replace(setting, faults=(Fault(first, middle, "kill"),)),
            replace(setting, slaves=speeds),
            replace(setting, noise=0.5),
            replace(setting, known=False),
        ]
        row = [str(slots), f"{well.makespan:.2f}"]
        for case in cases:
            outcome = simulate(graph, case)
            bound = bound_of(graph, case).seconds
            row.append(f"{outcome.makespan:.2f} ({outcome.makespan / bound:.3f}, {outcome.twice} twice)")
        yield row


_TABLES: dict[str, Callable[[Graph], Iterable[list[str]]]] = {
    "bars": bars, "windows": windows, "prefetch": prefetches, "trouble": troubles,
}  # fmt: skip


def main() -> int:
    """Run the command line; returns the exit code."""
    p = argparse.ArgumentParser(prog="python -m dgcc.simulate.evaluate", description="Tables of many simulations.")
    p.add_argument("recordings", type=Path, nargs="+", metavar="RECORDING")
    p.add_argument("--cpu", action="store_true", help="jobs take their CPU time, as in dgcc.simulate")
    p.add_argument("--table", choices=tuple(_TABLES), action="append", help="only this one; repeatable")
    args = p.parse_args()
    for path in args.recordings:
        try:
            graph = graph_of(read(path), args.cpu)
        except RecordingError as error:
            print(f"dgcc.simulate.evaluate: {error}", file=sys.stderr)
            return 2
        for name in args.table or _TABLES:
            print(f"\n{path.name}: {name}\n")
            for number, row in enumerate(_TABLES[name](graph)):
                print(f"| {' | '.join(row)} |", flush=True)
                if not number:
                    print(f"|{'---|' * len(row)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
