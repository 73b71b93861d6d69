"""`dgcc status`: what the masters and slaves of a farm are doing at this moment."""

import argparse
import json
from typing import Any

from msgspec import Struct, to_builtins

from dgcc.cli.config import ConfigError, load
from dgcc.cli.place import join_farm
from dgcc.corba import CORBA, DGCC, set_call_timeout
from dgcc.naming.contexts import MASTERS, SLAVES, Farm
from dgcc.naming.deadlines import deadlines, milliseconds, set_deadlines
from dgcc.naming.orb import start_orb, stop_orb
from dgcc.naming.place import parse_address
from dgcc.trust.tls import MASTER


class SlaveStatus(Struct, frozen=True):
    """One slave. `trouble` says why nothing else is known of it; else see DGCC::SlaveState in the IDL.

    load: over one minute. memory_free: bytes. waiting, kept: jobs. in_use: its owner is using the host, so it takes no
    new jobs. owner: share of the CPUs that he uses; below 0: not looked at.
    """

    name: str
    trouble: str = ""
    version: str = ""
    slots: int = 0
    idle: int = 0
    waiting: int = 0
    kept: int = 0
    load: float = 0.0
    memory_free: int = 0
    in_use: bool = False
    owner: float = -1.0
    masters: tuple[str, ...] = ()

    def line(self) -> str:
        """It in a line."""
        if self.trouble:
            return f"  {self.name:<20} {self.trouble}"
        free = f"{self.idle} of {_count(self.slots, 'slot')} free"
        more = [f"load {self.load:.1f}", f"{self.memory_free / 1e9:.1f} GB of memory free"]
        if self.in_use:
            more.append("takes no new jobs: its owner is using it")
        if self.owner >= 0:
            more.append(f"its owner uses {self.owner:.0%} of the CPUs")
        if self.waiting:
            more.append(f"{_count(self.waiting, 'job')} waiting")
        if self.masters:
            more.append(f"serves {', '.join(self.masters)}")
        return f"  {self.name:<20} {free}, {', '.join(more)}"


class FarmStatus(Struct, frozen=True):
    """All of a farm."""

    masters: tuple[str, ...]
    slaves: tuple[SlaveStatus, ...]

    def as_text(self) -> str:
        """For people."""
        idle, slots = sum(s.idle for s in self.slaves), sum(s.slots for s in self.slaves)
        lines = [f"{_count(len(self.slaves), 'slave')}, {idle} of {_count(slots, 'slot')} free"]
        lines += [slave.line() for slave in self.slaves]
        lines.append(_count(len(self.masters), "master"))
        return "\n".join([*lines, *(f"  {name}" for name in self.masters)]) + "\n"

    def as_json(self) -> str:
        """For programs."""
        return json.dumps(to_builtins(self), indent=2) + "\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def ask(args: argparse.Namespace) -> FarmStatus:
    """Ask the farm that `args.naming` names, or the settings, as a master would.

    Raises ConfigError, NamingError, OrbError, TrustError.
    """
    settings = load()
    set_deadlines(settings["deadlines"])
    naming = args.naming or settings.get("naming")
    if not naming:
        raise ConfigError("which farm? Give --naming HOST[:PORT], or set DGCC_NAMING")
    member = join_farm(parse_address(naming), args, settings, MASTER, "dgcc")
    orb, _ = start_orb(member.place)
    try:
        return _ask_all(Farm(orb, member.place))
    finally:
        stop_orb(orb)


def _ask_all(farm: Farm) -> FarmStatus:
    """Takes seconds for each slave that is stopped or cut off. Raises NamingError."""
    slaves = [_ask(name, ref) for name, ref in sorted(farm.bindings(SLAVES), key=lambda each: each[0])]
    return FarmStatus(tuple(sorted(name for name, _ in farm.bindings(MASTERS))), tuple(slaves))


def _ask(name: str, ref: Any) -> SlaveStatus:
    set_call_timeout(ref, milliseconds(deadlines().probe))
    try:
        slave = ref._narrow(DGCC.Slave)
        set_call_timeout(slave, milliseconds(deadlines().probe))
        state = slave._get_state()
    except CORBA.BAD_OPERATION:
        return SlaveStatus(name, "is of another version of DGCC")
    except CORBA.Exception as error:
        return SlaveStatus(name, f"does not answer ({type(error).__name__})")
    return SlaveStatus(name, "", state.info.version, state.info.slots, state.idle, state.waiting, state.kept,
                       state.load.load1, state.load.memory_free, not state.load.slots, state.owner,
                       tuple(state.masters))  # fmt: skip
