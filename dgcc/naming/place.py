"""Where a farm's naming service is, and how its members speak with it and with each other."""

import os
from pathlib import Path

from msgspec import Struct

DEFAULT_PORT = 2809  # registered with IANA for CORBA's corbaloc
_PRIVATE = "unix:"


class NamingError(Exception):
    """The Naming Service cannot be used; the message says which, why and what to do."""


class Place(Struct, frozen=True):
    """A naming service at `host` and `port`; with `tls` everything there is mutual TLS.

    With `sockets`, a directory that only its owner can enter, it is that of a farm of one: every process listens on a
    unix socket in there, and on nothing else.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    tls: bool = False
    sockets: Path | None = None

    def __str__(self) -> str:
        return f"{_PRIVATE}{self.sockets}" if self.sockets is not None else at(self.host, self.port)

    @property
    def uri(self) -> str:
        """The corbaloc URI of the naming service's root context."""
        if self.sockets is not None:
            return f"corbaloc:omniunix:{self.sockets / 'names'}:/NameService"
        return f"corbaloc:{'ssliop' if self.tls else 'iiop'}:1.2@{self}/NameService"


def at(host: str, port: int) -> str:
    """Return HOST:PORT, with an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(text: str) -> Place:
    """Read HOST[:PORT] (an IPv6 host in brackets), or unix:DIRECTORY. Raises NamingError if it is neither."""
    if text.startswith(_PRIVATE):
        return Place(sockets=_private(Path(text.removeprefix(_PRIVATE))))
    host, port = text, str(DEFAULT_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.lstrip(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise NamingError(f"'{text}' is not a naming service's address: write HOST or HOST:PORT")
    return Place(host, int(port))


def _private(directory: Path) -> Path:
    """The sockets are open to whoever reaches them, so nobody else may enter. Raises NamingError."""
    try:
        status = directory.stat()
    except OSError as error:
        raise NamingError(f"{directory}: {error.strerror}; has the farm of one ended?") from error
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise NamingError(f"{directory} is not for this user alone, so it cannot be a farm of one")
    return directory
