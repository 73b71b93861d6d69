"""The command `dgcc names`: the farm's naming service, in the foreground."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dgcc.cli.config import load
from dgcc.cli.place import add_options, join_farm
from dgcc.naming.place import parse_address
from dgcc.naming.server import NamesProcess
from dgcc.trust import tls

log = logging.getLogger("dgcc")


def add_parser(commands: Any) -> None:
    """Add the command to those of `dgcc`."""
    p = commands.add_parser(
        "names",
        help="run the farm's naming service, where masters and slaves find each other",
        description="Run the farm's naming service until SIGTERM or Ctrl-C.",
    )
    p.add_argument("--address", metavar="HOST[:PORT]",
                   help="an address of this host to listen at (else DGCC_NAMING, else the config file's naming, "
                   "else loopback)")
    p.add_argument("--data", type=Path, metavar="DIR",
                   help=f"where it keeps what it knows (default: below {default_data(0).parent})")
    add_options(p)
    p.set_defaults(run=run)
    # fmt: skip


def default_data(port: int) -> Path:
    """Where a naming service on that port keeps its files, if it is not told."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "dgcc" / f"names-{port}"


def run(args: argparse.Namespace) -> int:
    """Run it; returns its exit code. Raises ConfigError, NamingError, OrbError, TrustError, OSError."""
    logging.basicConfig(format="dgcc names: %(message)s", level=logging.INFO, stream=sys.stderr)
    settings = load()
    place = parse_address(args.address or settings.get("naming") or "127.0.0.1")
    member = join_farm(place, args, settings, tls.NAMING, "dgcc names")
    place = member.place
    data = args.data or default_data(place.port)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    told: list[int] = []
    with NamesProcess(place, data, None, member.credentials) as names:

        def end(number: int, _: object) -> None:
            told.append(number)
            names.stop()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, end)
        how = f"with TLS as '{member.credentials.peer.name}'" if member.credentials else "without TLS"
        log.info("listening at %s, %s", place, how)
        status = names.wait()
    if not told:
        log.error("omniNames ended by itself, with status %d", status)
    return 0 if told else 1
