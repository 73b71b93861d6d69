"""Farms with TLS for tests: an authority with good and bad certificates, and strangers who knock."""

import contextlib
import datetime
import os
import re
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import farmkit
from farmkit import BIN, Farm, wait_for

from dgcc.trust.authority import Authority, replace_file
from dgcc.trust.tls import REVOKED

DGCC = str(BIN / "dgcc")
# A GIOP 1.2 LocateRequest for the object "NameService": whoever is let in gets an answer that begins with GIOP, be it
# that there is no such object.
_BODY = struct.pack("<IHHI", 1, 0, 0, 11) + b"NameService"
LOCATE = b"GIOP\x01\x02\x01\x03" + struct.pack("<I", len(_BODY)) + _BODY


@dataclass
class Trust:
    """An authority and, below `place`, the certificates that were issued, by name."""

    authority: Authority
    place: Path

    def issue(self, name: str, *roles: str, of: Authority | None = None, days: int = 300) -> Path:
        """Issue a certificate; returns its directory."""
        (of or self.authority).issue(name, roles, self.place / name, days)
        return self.place / name

    def hand_out_list(self, *names: str) -> None:
        """Copy the authority's revocation list to the certificates of these."""
        for name in names:
            replace_file(self.place / name / REVOKED, (self.authority.directory / REVOKED).read_bytes(), 0o644)


def make_trust(directory: Path) -> Trust:
    """An authority with what a farm needs, and with one certificate of every kind that must not be let in."""
    trust = Trust(Authority(directory / "ca"), directory)
    trust.authority.make()
    trust.issue("names", "naming")
    trust.issue("desk", "master")
    trust.issue("one", "slave")
    trust.issue("two", "slave")
    other = Authority(directory / "other-ca")
    other.make()
    trust.issue("stranger", "master", "slave", "naming", of=other)
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=60)
    trust.issue("late", "master", "slave", "naming", of=Authority(directory / "ca", clock=lambda: then), days=1)
    trust.issue("thief", "master", "slave", "naming")
    trust.authority.revoke("thief")
    trust.hand_out_list("names", "desk", "one", "two")
    return trust


@dataclass
class Names:
    """A running `dgcc names`."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def names(directory: Path, certificate: Path) -> Iterator[Names]:
    """`dgcc names` with TLS on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = directory / "names.log"
    command = [DGCC, "names", "--address", f"127.0.0.1:{port}", "--data", str(directory / "names-data"),
               "--tls", str(certificate)]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_for(lambda: "listening" in log.read_text() or process.poll() is not None, "the naming service")
        assert process.poll() is None, log.read_text()
        yield Names("127.0.0.1", port, process, log)
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def farm(directory: Path, trust: Trust, *slaves: str) -> Iterator[Farm]:
    """A farm with TLS and these slaves."""
    with names(directory, trust.place / "names") as service:
        made = Farm(service, directory, trust=trust.place)  # type: ignore[arg-type]
        try:
            for name in slaves:
                made.start_slave(name)
            yield made
        finally:
            for name in list(made.slaves):
                made.stop_slave(name)


def small_project(directory: Path, *targets: str) -> None:
    """A project whose recipes travel and need the plain tools only, which are there sooner than a compiler."""
    (directory / "dgcc.toml").write_text('[[rule]]\ntarget = "*.txt"\nwhere = "remote"\n')
    names = [f"{target}.txt" for target in targets]
    (directory / "Makefile").write_text(f"all: {' '.join(names)}\n%.txt:\n\tfind Makefile > $@ && sleep 0.3\n")


def port_of(process: int) -> int:
    """The port at which a process listens; fails where it is not exactly one."""
    ports = listening(process)
    assert len(ports) == 1, ports
    return ports.pop()


def listening(process: int) -> set[int]:
    """All TCP ports at which a process listens, on any address."""
    sockets = set()
    for fd in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed just now
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd))
            if found:
                sockets.add(found[1])
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def knock(port: int, certificate: Path | None = None, *, plain: bool = False, oldest: bool = False) -> bytes:
    """What a stranger gets who connects to a port and asks for an object there: nothing, or the answer's beginning.

    With the certificate in a directory, or none; `plain` without TLS; `oldest` with no TLS newer than 1.2.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        if plain:
            return _ask(connection)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if oldest:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate / "peer.pem")
        try:
            with context.wrap_socket(connection) as secured:
                return _ask(secured)
        except ssl.SSLError:
            return b""


def _ask(connection: socket.socket) -> bytes:
    try:
        connection.sendall(LOCATE)
        return connection.recv(4)
    except (ConnectionError, ssl.SSLError):
        return b""


def run(*command: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Run a command of DGCC to its end."""
    return subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True, timeout=60, **more)


__all__ = ["DGCC", "Farm", "Trust", "farm", "farmkit", "knock", "listening", "make_trust", "names", "port_of", "run",
           "small_project"]  # fmt: skip
