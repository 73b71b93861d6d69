"""Options and settings of a slave's owner for his own use of the host: how jobs give way to it."""

import argparse
import logging
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from dgcc.cli.config import ConfigError
from dgcc.naming.orb import address_towards, is_loopback
from dgcc.naming.place import Place

_NICENESS = 5
_OWNER_LOAD = 0.5
_NICEST = 19

log = logging.getLogger("dgcc")


class Courtesy(Struct, frozen=True):
    """How nice jobs are, and beyond which share of the CPUs the owner is using the host; None: not looked at."""

    niceness: int
    owner_load: float | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --niceness and --owner-load."""
    parser.add_argument("--niceness", metavar="N",
                        help=f"niceness of jobs, 0 to {_NICEST} (default: {_NICENESS}; of the slave that a master "
                        "starts itself 0)")
    parser.add_argument("--owner-load", metavar="SHARE",
                        help="take no new jobs while this host's owner uses more than this share of its CPUs, such as "
                        f"0.5; or `off` (default: {_OWNER_LOAD}; in a farm on this host alone off)")
    # fmt: skip


def courtesy(args: argparse.Namespace, settings: Mapping[str, Any], place: Place) -> Courtesy:
    """What the options and settings say for a slave of the farm at `place`. Raises ConfigError, OrbError."""
    nice, named = _given(args, settings, "niceness")
    load, named_load = _given(args, settings, "owner_load")
    if nice is not None and not (re.fullmatch(r"[0-9]{1,2}", nice) and int(nice) <= _NICEST):
        raise ConfigError(f"{named} must be a whole number from 0 to {_NICEST}, not {nice!r}")
    niceness = int(nice) if nice is not None else 0 if args.embedded else _NICENESS
    if load is not None:
        bound = _share(named_load, load)
        if bound is not None and not niceness:
            raise ConfigError(
                f"{named_load} needs niced jobs, or what they use could not be told from what the owner uses: "
                "set --niceness to 1 or more, or --owner-load to off"
            )
        return Courtesy(niceness, bound)
    if args.embedded or place.sockets is not None or is_loopback(address_towards(place.host, place.port)):
        return Courtesy(niceness, None)
    if not niceness:
        log.warning("jobs are not niced, so this slave takes them however much this host's owner is using it")
        return Courtesy(niceness, None)
    return Courtesy(niceness, _OWNER_LOAD)


def _given(args: argparse.Namespace, settings: Mapping[str, Any], name: str) -> tuple[str | None, str]:
    """What was given for a setting, if anything, and what to call that."""
    option = getattr(args, name)
    if option is not None:
        return str(option), f"--{name.replace('_', '-')}"
    return (str(settings[name]) if name in settings else None), f"'{name}'"


def _share(named: str, text: str) -> float | None:
    if text == "off":
        return None
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", text) or not 0 < float(text) <= 1:
        raise ConfigError(f"{named} must be a share of the CPUs above 0 and up to 1, such as 0.5, or off; not {text!r}")
    return float(text)
