"""A farm's own authority: a directory with its key, what it has issued, and what it has revoked.

X.509 with elliptic curves (P-256): subject CN is the peer's name, each OU one of its roles. Only the commands of
`dgcc ca` load this: `cryptography` takes long to load.
"""

import contextlib
import datetime
import fcntl
import json
import os
import re
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct
from msgspec.structs import asdict, replace

from dgcc.trust.tls import AUTHORITY, PEER, REVOKED, ROLES, TrustError

AUTHORITY_DAYS = 3650
PEER_DAYS = 730
_KEY = "key.pem"
_ISSUED = "issued.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_EARLIER = datetime.timedelta(hours=1)  # the clocks of a farm's hosts differ
_SIGNED_WITH = hashes.SHA256()


class Issued(Struct, frozen=True):
    """A certificate that was issued: times are of the form 2026-01-31T12:00:00+00:00."""

    name: str
    roles: list[str]
    serial: str  # hexadecimal
    ends: str
    revoked: str = ""  # when, if it was


class Authority:
    """The authority in one directory. Times come from `clock`, in UTC."""

    def __init__(self, directory: Path, clock: Any = lambda: datetime.datetime.now(datetime.UTC)) -> None:
        self.directory = directory
        self._clock = clock

    # ---- making one ------------------------------------------------------------------------------------------

    def make(self, days: int = AUTHORITY_DAYS) -> None:
        """Make the authority: key, certificate, an empty revocation list. Raises TrustError if there is one."""
        if self.directory.exists() and (not self.directory.is_dir() or any(self.directory.iterdir())):
            raise TrustError(f"{self.directory} exists and is not empty: an authority is never overwritten")
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        # A name of its own, so that no certificate of another farm's authority even looks like one of this.
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"DGCC farm {secrets.token_hex(8)}")])
        now = self._clock()
        usage = {"digital_signature": False, "content_commitment": False, "key_encipherment": False,
                 "data_encipherment": False, "key_agreement": False, "encipher_only": False, "decipher_only": False}
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, _SIGNED_WITH)
        )  # fmt: skip
        write_new(self.directory / _KEY, _pem(key), 0o600)
        write_new(self.directory / AUTHORITY, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        self._write_issued([])
        self._write_list(key, certificate, [])

    # ---- using it --------------------------------------------------------------------------------------------

    def issue(self, name: str, roles: Collection[str], place: Path, days: int = PEER_DAYS) -> Issued:
        """Issue a certificate, and write the directory `place` that its holder needs. Raises TrustError."""
        if not _NAME.fullmatch(name):
            raise TrustError(f"'{name}' cannot be a name: it takes letters, digits, '.', '_' and '-', 63 at most")
        if not roles or not set(roles) <= set(ROLES):
            raise TrustError(f"for what is '{name}'? Give one or more of {', '.join(f'--{role}' for role in ROLES)}")
        if place.exists():
            raise TrustError(f"{place} exists: move it away, or name another place with --out")
        with self._locked():
            key, certificate = self._load()
            issued = self.issued()
            self._check_alike(name, {other.name for other in issued})
            now = self._clock()
            last = certificate.not_valid_after_utc
            if last <= now:
                raise TrustError(f"the authority in {self.directory} has ended on {last:%Y-%m-%d}: make a new one")
            ends = min(now + datetime.timedelta(days=days), last)
            own = ec.generate_private_key(ec.SECP256R1())
            made = self._certificate(name, roles, own.public_key(), ends, key, certificate)
            entry = Issued(name, sorted(roles), f"{made.serial_number:x}", ends.isoformat(timespec="seconds"))
            self._write_issued([*issued, entry])
        place.mkdir(mode=0o700, parents=True)
        write_new(place / PEER, _pem(own) + made.public_bytes(serialization.Encoding.PEM), 0o600)
        for shared in (AUTHORITY, REVOKED):
            write_new(place / shared, (self.directory / shared).read_bytes(), 0o644)
        return entry

    def _certificate(self, name: str, roles: Collection[str], public: Any, ends: datetime.datetime, key: Any,
                     authority: x509.Certificate) -> x509.Certificate:  # fmt: skip
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        subject += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role) for role in sorted(roles)]
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(authority.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._clock() - _EARLIER)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, _SIGNED_WITH)
        )

    @staticmethod
    def _check_alike(name: str, others: Collection[str]) -> None:
        """A second slave with the certificate 'a' calls itself 'a-2': nobody else may have that name."""
        for other in others:
            for base, numbered in ((name, other), (other, name)):
                if re.fullmatch(re.escape(base) + "-[0-9]{1,2}", numbered):
                    raise TrustError(
                        f"'{name}' cannot stand beside '{other}', which was issued before: a second slave with the "
                        f"certificate '{base}' would be called '{numbered}'; choose another name"
                    )

    def revoke(self, name: str) -> int:
        """Revoke all certificates of that name. Returns how many. Raises TrustError if there is none."""
        with self._locked():
            key, certificate = self._load()
            issued = self.issued()
            now = self._clock().isoformat(timespec="seconds")
            found = [entry for entry in issued if entry.name == name and not entry.revoked]
            if not found:
                known = sorted({entry.name for entry in issued if not entry.revoked})
                raise TrustError(
                    f"no certificate of '{name}' is in force; there are {', '.join(known) if known else 'none at all'}"
                )
            issued = [replace(entry, revoked=now) if entry in found else entry for entry in issued]
            # The list first: a certificate that the record calls revoked must be so.
            self._write_list(key, certificate, issued)
            self._write_issued(issued)
        return len(found)

    def issued(self) -> list[Issued]:
        """Return what was issued, oldest first. Raises TrustError where no authority is."""
        try:
            return [Issued(**entry) for entry in json.loads((self.directory / _ISSUED).read_text())]
        except FileNotFoundError as error:
            raise self._missing() from error
        except (OSError, ValueError, TypeError) as error:
            raise TrustError(f"{self.directory / _ISSUED} cannot be read: {error}") from error

    # ---- its files -------------------------------------------------------------------------------------------

    def _missing(self) -> TrustError:
        return TrustError(f"{self.directory} has no authority: make one with `dgcc ca init`, or name yours with --ca")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other commands on this authority away."""
        try:
            fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._missing() from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _load(self) -> tuple[Any, x509.Certificate]:
        path = self.directory / _KEY
        try:
            if path.stat().st_mode & 0o077:
                raise TrustError(f"{path} is the authority's key, and others may read or write it: chmod 600 {path}")
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            return key, x509.load_pem_x509_certificate((self.directory / AUTHORITY).read_bytes())
        except FileNotFoundError as error:
            raise self._missing() from error
        except (OSError, ValueError, TypeError) as error:
            raise TrustError(f"the authority in {self.directory} cannot be used: {error}") from error

    def _write_issued(self, issued: list[Issued]) -> None:
        text = json.dumps([asdict(entry) for entry in issued], indent=1)
        replace_file(self.directory / _ISSUED, text.encode(), 0o600)

    def _write_list(self, key: Any, certificate: x509.Certificate, issued: list[Issued]) -> None:
        """Write the revocation list. It holds as long as the authority: a farm must not stop for want of a new one."""
        now = self._clock()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(certificate.subject)
            .last_update(now)
            .next_update(certificate.not_valid_after_utc)
        )
        for entry in issued:
            if entry.revoked:
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(int(entry.serial, 16))
                    .revocation_date(datetime.datetime.fromisoformat(entry.revoked))
                    .build()
                )
        made = builder.sign(key, _SIGNED_WITH)
        replace_file(self.directory / REVOKED, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist, never readable to more than `mode` says."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Replace a file at once, so that nobody ever reads half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    write_new(beside, content, mode)
    beside.replace(path)
