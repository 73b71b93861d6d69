"""How to speak with a farm: what --tls and --insecure, the environment and the config file say of it."""

import argparse
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dgcc.cli.config import ConfigError
from dgcc.naming.orb import OPEN_WARNING, address_towards, is_loopback
from dgcc.naming.place import Place
from dgcc.trust import guard, tls

log = logging.getLogger("dgcc")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --tls and --insecure."""
    parser.add_argument("--tls", type=Path, metavar="DIR",
                        help="this host's certificate, as `dgcc ca issue` wrote it (else DGCC_TLS, else the config "
                        f"file, else {_shown(tls.default_directory())} if that exists)")
    parser.add_argument("--insecure", action="store_true",
                        help="beyond this host, do without certificates: anybody who reaches the port can run jobs")
    # fmt: skip


def _shown(directory: Path) -> str:
    try:
        return f"~/{directory.relative_to(Path.home())}"
    except ValueError:
        return str(directory)


class Member(Struct, frozen=True):
    """This process in the farm: where that is, and with what certificate."""

    place: Place
    credentials: tls.Credentials | None = None


def join_farm(place: Place, args: argparse.Namespace, settings: Mapping[str, Any], role: str, says: str) -> Member:
    """Decide how to speak with the farm at `place`, whose naming service was named, as one of `role`.

    Plain connections are for this host alone, unless --insecure says otherwise. `says` begins lines on stderr.
    Raises ConfigError, OrbError, TrustError.
    """
    guard.admit(settings.get("admit"))
    if place.sockets is not None:
        return Member(place)
    directory = certificate_directory(args, settings)
    if directory is None:
        address = address_towards(place.host, place.port)
        if not is_loopback(address):
            if not args.insecure:
                raise ConfigError(
                    f"the farm at {place} is beyond this host, and this host has no certificate: make the farm's "
                    f"authority with `dgcc ca init`, and a certificate with `dgcc ca issue NAME --{role}`; or, in a "
                    "network where you trust everybody, give --insecure"
                )
            log.warning(OPEN_WARNING, address)
        return Member(place)
    return Member(replace(place, tls=True), take_up(directory, role, says))


def certificate_directory(args: argparse.Namespace, settings: Mapping[str, Any]) -> Path | None:
    """Return the directory of the certificate to use; None if there is to be none. Raises ConfigError."""
    if args.insecure:
        if args.tls is not None:
            raise ConfigError("--tls and --insecure contradict each other")
        return None
    named = args.tls or settings.get("tls")
    if named:
        return Path(named).expanduser().absolute()
    directory = tls.default_directory()
    return directory.absolute() if directory.exists() else None


def take_up(directory: Path, role: str, says: str) -> tls.Credentials:
    """Use the certificate in `directory`, and tell a month ahead that it will end. Raises TrustError."""
    credentials = tls.use(directory, says, guard.served_by())
    peer = credentials.peer
    if role not in peer.roles:
        raise tls.TrustError(
            f"the certificate of '{peer.name}' in {directory} is for {', '.join(sorted(peer.roles)) or 'nothing'}, and "
            f"here one for {role} is needed: issue it with `dgcc ca issue {peer.name} --{role}`"
        )
    for sentence in credentials.ending(time.time()):
        log.warning("%s: issue a new one with `dgcc ca`", sentence)
    return credentials
