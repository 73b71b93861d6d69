"""`dgcc-slave --simulate`: slaves without jobs of their own, to measure masters with."""

import argparse
import logging
import os
from pathlib import Path
from typing import Any

from dgcc.cli.config import ConfigError
from dgcc.naming.contexts import Farm
from dgcc.slave.alarms import Alarms
from dgcc.slave.durations import Durations
from dgcc.slave.simulated import SimulatedSlave

_MOST_SLAVES = 1000
_MOST_SLOTS = 4096

log = logging.getLogger("dgcc")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a simulating slave to a command's parser."""
    parser.add_argument("--simulate", nargs="?", const="", metavar="RECORDING",
                        help="run no job: only let the time pass that it would take, as its 'sleep SECONDS' says or a "
                        "recording of dgcc-master; for measuring, with masters that simulate, too")  # fmt: skip
    parser.add_argument("--simulated-slaves", type=int, metavar="N",
                        help="with --simulate: be so many slaves, each of --slots (default: 1)")  # fmt: skip


def check(args: argparse.Namespace) -> None:
    """Raise ConfigError for options that make no sense."""
    if args.simulated_slaves is not None and args.simulate is None:
        raise ConfigError("--simulated-slaves is for --simulate only")
    if args.simulate is None:
        return
    if args.simulated_slaves is not None and not 1 <= args.simulated_slaves <= _MOST_SLAVES:
        raise ConfigError(f"--simulated-slaves must be between 1 and {_MOST_SLAVES}")
    if (args.slots or 1) > _MOST_SLOTS:
        raise ConfigError(f"--slots must be at most {_MOST_SLOTS}")
    if args.once:
        raise ConfigError("--once is not for --simulate")


class Simulation:
    """The simulated slaves of one process."""

    def __init__(self, poa: Any, farm: Farm, name: str, args: argparse.Namespace) -> None:
        """Raises BadRecording."""
        durations = Durations(Path(args.simulate) if args.simulate else None)
        count = args.simulated_slaves or 1
        self.name = name
        self.slots = count * int(args.slots or len(os.sched_getaffinity(0)))
        self._alarms = Alarms()
        self._slaves = [
            SimulatedSlave(poa, farm, name if count == 1 else f"{name}-{number}", self.slots // count, durations,
                           self._alarms)
            for number in range(1, count + 1)
        ]  # fmt: skip

    def start(self) -> None:
        """Bind them all, and have them register. Raises NamingError."""
        log.warning("SIMULATION: no job will be run here, and no file be made; masters need --simulate, too")
        self._alarms.start()
        for slave in self._slaves:
            slave.start()

    def stop(self) -> None:
        """Have them all leave."""
        for slave in self._slaves:
            slave.stop()
        self._alarms.end()
