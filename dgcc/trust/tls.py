"""This process's certificate, and whom it speaks with: the face of the library in dgcc/native/tls.

Nothing is loaded before `use`: a process that needs no TLS pays nothing for it.
"""

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

LIBRARY = Path(__file__).resolve().parents[1] / "native" / "bin" / "libdgcc-tls.so"

MASTER, SLAVE, NAMING = "master", "slave", "naming"
ROLES = {MASTER: 1, SLAVE: 2, NAMING: 4}
"""The roles, and their bits in the library."""

PEER, AUTHORITY, REVOKED = "peer.pem", "ca.pem", "revoked.pem"
"""The files of a certificate's directory: its key and itself, the authority's certificate, what is revoked."""

MONTH_S = 30 * 24 * 3600
_LONGEST_NAME = 256

_library: Any = None
_directory: Path | None = None


class TrustError(Exception):
    """A certificate or an authority cannot be used; the message says which file, what is wrong and what to do."""


class Peer(Struct, frozen=True):
    """Who holds a certificate: the name in it, and what it lets its holder be."""

    name: str
    roles: frozenset[str]


class Credentials(Struct, frozen=True):
    """The certificate in use by this process, and when (seconds since 1970) what it rests on ends."""

    directory: Path
    peer: Peer
    ends: tuple[tuple[str, int], ...]  # (what, when)

    def ending(self, now: float) -> list[str]:
        """Return a sentence for each thing that ends within a month from `now`, seconds since 1970."""
        return [
            f"{what} ends on {time.strftime('%Y-%m-%d', time.gmtime(end))}, in {max(0, int(end - now) // 86400)} days"
            for what, end in self.ends
            if end - now < MONTH_S
        ]


def default_directory() -> Path:
    """Where a process looks for its certificate if it is not told."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")) / "dgcc" / "tls"


def secret_places() -> list[Path]:
    """Return the directories of keys that no tree may take along: the user's, and that of the certificate in use."""
    return [default_directory().parent, *([_directory] if _directory is not None else [])]


def use(directory: Path, says: str, serves: Mapping[str, frozenset[str]]) -> Credentials:
    """Use the certificate in `directory` from the next start of the ORB on. Once in a process.

    `says` begins what the library says on stderr; `serves` has the roles of those who may be asked for each
    operation. Raises TrustError.
    """
    global _library, _directory
    check_files(directory)
    library = _load()
    trouble = library.dgcc_tls_start(os.fsencode(directory), says.encode())
    if trouble is not None:
        raise TrustError(trouble.decode(errors="replace"))
    for operation, roles in serves.items():
        library.dgcc_tls_serves(operation.encode(), sum(ROLES[role] for role in roles))
    _library, _directory = library, directory
    name, bits, certificate, authority, revoked = library.dgcc_tls_about().decode().split("\t")
    return Credentials(
        directory,
        Peer(name, _roles(int(bits))),
        (
            (f"the certificate of '{name}' in {directory / PEER}", int(certificate)),
            (f"the farm's authority in {directory / AUTHORITY}", int(authority)),
            (f"the revocation list {directory / REVOKED}", int(revoked)),
        ),
    )


def check_files(directory: Path) -> None:
    """See that the files are there and the key is nobody else's to read. Raises TrustError."""
    for name in (PEER, AUTHORITY, REVOKED):
        path = directory / name
        try:
            status = path.stat()
        except OSError as error:
            raise TrustError(
                f"{path}: {error.strerror}; it belongs to what `dgcc ca issue NAME` wrote: copy all of that here"
            ) from error
        if name == PEER and stat.S_IMODE(status.st_mode) & 0o077:
            raise TrustError(f"{path} holds a private key, and others may read or write it: chmod 600 {path}")
        if name == PEER and status.st_uid not in (os.geteuid(), 0):
            raise TrustError(f"{path} belongs to user {status.st_uid}, who could exchange it: chown it to yourself")


def in_use() -> bool:
    """Whether this process speaks TLS."""
    return _library is not None


def caller() -> Peer | None:
    """Return who has made the call that this thread carries out; None for a call from within, or without TLS."""
    return _peer("dgcc_tls_caller")


def answered() -> Peer | None:
    """Return who has answered the last call that this thread made; None without TLS."""
    return _peer("dgcc_tls_answered")


def why() -> str:
    """Return why calls of this thread failed since this was last asked, where TLS is the cause; else nothing."""
    return _library.dgcc_tls_why().decode(errors="replace") if _library is not None else ""


def _peer(function: str) -> Peer | None:
    if _library is None:
        return None
    import ctypes

    name = ctypes.create_string_buffer(_LONGEST_NAME)
    bits = getattr(_library, function)(name, _LONGEST_NAME)
    return Peer(name.value.decode(errors="replace"), _roles(bits)) if bits else None


def _roles(bits: int) -> frozenset[str]:
    return frozenset(role for role, bit in ROLES.items() if bits & bit)


def _load() -> Any:
    import ctypes  # only here: it takes time to load, and most builds need none of this

    try:
        library = ctypes.CDLL(os.fspath(LIBRARY))
    except OSError as error:
        raise TrustError(f"TLS cannot be used: {error}; install DGCC again") from error
    for name in ("dgcc_tls_start", "dgcc_tls_about", "dgcc_tls_why"):
        getattr(library, name).restype = ctypes.c_char_p
    return library
