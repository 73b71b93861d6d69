"""`python -m dgcc.simulate RECORDING`: how long a recorded build would take on a farm, decided by the real Overseer.

Simulated are make's walk through the graph and its -j (make.py), the slaves with their slots, speeds and links
(farm.py), home, and faults. What the Overseer decides, it decides itself, by the simulated clock. The same command line
gives the same result, to the last digit, but for the Overseer's own CPU time.
"""

import argparse
import json
import sys
from pathlib import Path

from dgcc.master.recording import RecordingError, read
from dgcc.simulate.graph import graph_of
from dgcc.simulate.setting import (
    Setting,
    SettingError,
    Slave,
    equal_slaves,
    parse_fault,
    parse_slave,
)
from dgcc.simulate.show import as_json, as_text, other_order
from dgcc.simulate.simulation import Stuck, simulate

_TROUBLE = 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m dgcc.simulate", allow_abbrev=False,
                                description="Replay a recording of `dgcc-master --record` on a simulated farm.")
    p.add_argument("recording", type=Path, metavar="RECORDING")
    p.add_argument("--slots", type=int, metavar="N", help="slots in all (default: 16)")
    p.add_argument("--slaves", type=int, metavar="N", help="slaves that share them (default: one for each 16 slots)")
    p.add_argument("--speed", type=float, default=1.0, metavar="X", help="of each of these slaves (default: 1)")
    p.add_argument("--slave", action="append", default=[], metavar="NAME:SLOTS:SPEED",
                   help="one slave; repeatable, instead of --slots and --slaves, or besides")
    p.add_argument("--home", type=int, metavar="N", help="recipes at home at once (default: as recorded)")
    p.add_argument("--window", type=int, metavar="N",
                   help="make's -j (default: 512, and twice the slots at least)")
    p.add_argument("--prefetch", type=int, default=1, metavar="N",
                   help="jobs that wait on a slave besides those that run (default: 1)")
    p.add_argument("--cpu", action="store_true",
                   help="jobs take their CPU time, as on a quiet host: for recordings of busy ones; local ones"
                   " as much less as remote ones")
    p.add_argument("--latency", type=float, default=1.0, metavar="MS", help="one way (default: 1)")
    p.add_argument("--bandwidth", type=float, default=100.0, metavar="MB/s",
                   help="of the master's link, each way; 0: no limit (default: 100)")
    p.add_argument("--fail", action="append", default=[], metavar="FAULT",
                   help="'SLAVE@t=SECONDS:kill', ':stop' (for good) or ':slow xN'; repeatable")
    p.add_argument("--order", choices=("path", "make"), default="path",
                   help="what comes first: the longest remaining path, or what make releases first (default: path)")
    p.add_argument("--unknown", action="store_true", help="nothing is known of durations, as in a first build")
    p.add_argument("--noise", type=float, default=0.0, metavar="PERCENT", help="by which expectations are wrong")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (default: 0)")
    p.add_argument("--json", action="store_true", help="for programs")
    return p  # fmt: skip


def setting_of(args: argparse.Namespace, home: int) -> Setting:
    """Make a setting of the command line; `home` is the recording's. Raises SettingError."""
    slaves = [parse_slave(text) for text in args.slave]
    if args.slots is not None or args.slaves is not None or not slaves:
        slots = 16 if args.slots is None else args.slots
        if slots < 1:
            raise SettingError(f"--slots {slots}: there must be one at least")
        if not 0 < args.speed < 1e6:
            raise SettingError(f"--speed {args.speed}: it must be above 0")
        count = max(1, slots // 16) if args.slaves is None else args.slaves
        slaves = [*equal_slaves(slots, count, args.speed), *slaves]
    names = [slave.name for slave in slaves]
    twice = next((name for name in names if names.count(name) > 1), None) if len(names) < 10_000 else None
    if twice is not None:
        raise SettingError(f"two slaves have the name '{twice}'")
    whole: tuple[Slave, ...] = tuple(slaves)
    least = {"home": 1, "window": 1, "prefetch": 0, "latency": 0, "bandwidth": 0, "noise": 0}
    for name, lowest in least.items():
        value = getattr(args, name)
        if value is not None and not lowest <= value < 1e9:
            raise SettingError(f"--{name} {value}: it must be at least {lowest}")
    return Setting(
        whole,
        home=home if args.home is None else args.home,
        window=max(512, 2 * sum(s.slots for s in whole)) if args.window is None else args.window,
        prefetch=args.prefetch,
        latency_s=args.latency / 1e3,
        bandwidth=args.bandwidth * 1e6,
        faults=tuple(parse_fault(text, whole) for text in args.fail),
        by_path=args.order == "path",
        known=not args.unknown,
        noise=args.noise / 100,
        seed=args.seed,
    )


def main() -> int:
    """Run the command line; returns the exit code."""
    args = parser().parse_args()
    try:
        recording = read(args.recording)
        graph = graph_of(recording, args.cpu)
        setting = setting_of(args, recording.home)
        names = ("by path", "make's order") if setting.by_path else ("make's order", "by path")
        outcomes = {name: simulate(graph, each)
                    for name, each in zip(names, (setting, other_order(setting)), strict=True)}  # fmt: skip
    except (RecordingError, SettingError, Stuck) as error:
        print(f"dgcc.simulate: {error}", file=sys.stderr)
        return _TROUBLE
    if args.json:
        print(json.dumps(as_json(setting, graph, outcomes), indent=2))
    else:
        print(as_text(recording, graph, setting, outcomes), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
