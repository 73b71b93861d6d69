"""The command `dgcc-slave`: lends this host's CPUs to the masters of a farm."""

import argparse
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import asdict, replace

import dgcc
from dgcc.cli import courtesy, joblimits, place, simulation
from dgcc.cli.config import ConfigError, load
from dgcc.cli.place import Member, join_farm
from dgcc.cli.simulation import Simulation
from dgcc.naming.contexts import Farm
from dgcc.naming.deadlines import set_deadlines
from dgcc.naming.orb import OrbError, start_orb, stop_orb
from dgcc.naming.place import NamingError, parse_address
from dgcc.naming.sender import Sender
from dgcc.naming.server import PARENT_DIED
from dgcc.slave.durations import BadRecording
from dgcc.slave.service import Slave, SlaveOptions
from dgcc.store.errors import StoreBusy, StoreError
from dgcc.trust.guard import may_be_called
from dgcc.trust.tls import SLAVE, TrustError

# Jobs of a slave that runs as root become this user; Debian's nobody and nogroup.
_NOBODY = (65534, 65534)
_NAMESAKES = 64

log = logging.getLogger("dgcc")


def parser() -> argparse.ArgumentParser:
    """The command line of dgcc-slave."""
    p = argparse.ArgumentParser(
        prog="dgcc-slave", description="Run jobs for the masters of a DGCC farm on this host, until SIGTERM or Ctrl-C."
    )
    p.add_argument("--naming", metavar="HOST[:PORT]",
                   help="the farm's naming service (else DGCC_NAMING, else the config file)")
    place.add_options(p)
    p.add_argument("--slots", type=int, metavar="N", help="jobs at once (default: one for each CPU)")
    p.add_argument("--name", help="this slave's name in the farm (default: that in its certificate, or the host's)")
    p.add_argument("--store", type=Path, metavar="DIR",
                   help="where project files and toolchains are kept between builds")
    joblimits.add_options(p)
    courtesy.add_options(p)
    p.add_argument("--once", action="store_true", help="end when the first master has been served")
    simulation.add_options(p)
    p.add_argument("-v", "--verbose", action="store_true", help="say what happens")
    # The slave that a master starts on its own host: it says little, and its store outlives its name.
    p.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--version", action="version", version=f"dgcc-slave {dgcc.__version__}")
    return p


def default_store(name: str) -> Path:
    """Where a slave of that name keeps its files, if it is not told."""
    if os.geteuid() == 0:
        # Jobs run as another user, who could not reach a store in root's home directory.
        return Path("/var/cache/dgcc") / name
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "dgcc" / "slave" / name


def _options(args: argparse.Namespace, settings: dict[str, object], name: str, store: Path) -> SlaveOptions:
    slots = int(str(args.slots or settings.get("slots") or len(os.sched_getaffinity(0))))
    return SlaveOptions(
        name=name, slots=slots, store=store, once=args.once, owner=_NOBODY if os.geteuid() == 0 else None,
        limits=joblimits.job_limits(args, settings, slots),
    )  # fmt: skip


def _open(
    args: argparse.Namespace, settings: dict[str, object], name: str, make: Callable[[SlaveOptions], Slave]
) -> Slave:
    """Make the slave on its store; on a further one where several slaves of one name share a host and none is named."""
    named = args.store or settings.get("store")
    if named:
        return make(_options(args, settings, name, Path(str(named)).absolute()))
    base = default_store("local" if args.embedded else name)
    for n in range(1, _NAMESAKES):
        try:
            return make(_options(args, settings, name, base if n == 1 else base.with_name(f"{base.name}-{n}")))
        except StoreBusy:
            continue
    raise StoreBusy(f"all {_NAMESAKES} stores at {base} are in use; name another with --store")


def _name(args: argparse.Namespace, member: Member) -> str:
    """Return this slave's name in the farm. Raises ConfigError for one that its certificate does not allow."""
    peer = member.credentials.peer if member.credentials else None
    name = args.name or (peer.name if peer else socket.gethostname())
    if peer and not may_be_called(peer, name):
        raise ConfigError(f"--name {name}: the certificate is that of '{peer.name}', and a slave has its name")
    return str(name)


def _serve(args: argparse.Namespace) -> int:
    settings = load()
    set_deadlines(settings["deadlines"])
    if args.slots is not None and args.slots < 1:
        raise ConfigError("--slots must be at least 1")
    simulation.check(args)
    naming = args.naming or settings.get("naming")
    if not naming:
        raise ConfigError("which farm? Give --naming HOST[:PORT], or set DGCC_NAMING")
    member = join_farm(parse_address(str(naming)), args, settings, SLAVE, "dgcc-slave")
    name = _name(args, member)
    gives_way = courtesy.courtesy(args, settings, member.place)
    ended_by: list[int] = []
    over = threading.Event()
    orb, poa = start_orb(member.place)
    try:
        farm = Farm(orb, member.place)
        # From here on there is something to be left in order. Python runs handlers when this thread wakes, which a
        # signal does not see to that another thread took; but each is written to this pipe at once.
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell)
        threading.Thread(target=_pass_on, args=(told, over, ended_by), name="signals", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        slave: Slave | Simulation = (
            Simulation(poa, farm, name, args) if args.simulate is not None
            else _open(args, settings, name, lambda options: Slave(
                poa, farm, replace(options, **asdict(gives_way)), over))
        )  # fmt: skip
        slave.start()
        log.info("slave '%s' offers %d slots at %s", slave.name, slave.slots, farm.address)
        while not over.wait(3600):
            pass
        slave.stop()
    finally:
        stop_orb(orb)
        if member.place.sockets is not None and PARENT_DIED in ended_by:
            shutil.rmtree(member.place.sockets, ignore_errors=True)  # the master was killed, and cannot
    return 0


def _pass_on(told: int, over: threading.Event, ended_by: list[int]) -> None:
    ended_by += os.read(told, 1)
    over.set()


def main(arguments: list[str] | None = None) -> int:
    """Run dgcc-slave with these arguments, by default those of the process; returns its exit code."""
    args = parser().parse_args(arguments)
    logging.basicConfig(
        format="dgcc-slave: %(message)s",
        level=logging.DEBUG if args.verbose else logging.WARNING if args.embedded else logging.INFO,
        stream=sys.stderr,
    )
    try:
        code = _serve(args)
    except (ConfigError, NamingError, OrbError, TrustError, StoreError, BadRecording, OSError) as error:
        print(f"dgcc-slave: {error}", file=sys.stderr)
        code = 1
    if Sender.stuck:  # the end of the interpreter would wait, too
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
