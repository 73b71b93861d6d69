"""Whoever has no valid certificate gets nothing: from the naming service, from a master, from a slave, all alive."""

import contextlib
import random
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from trust.trustkit import Farm, Trust, knock, listening, port_of


@pytest.fixture(scope="module")
def members(farm: Farm, desk: subprocess.Popen[bytes]) -> dict[str, int]:
    """The ports of all that belongs to the farm, by what it is."""
    return {"naming service": farm.names.port, "master": port_of(desk.pid), "slave": port_of(farm.slaves["one"].pid)}


@pytest.mark.parametrize("member", ["naming service", "master", "slave"])
def test_only_certificates_of_the_farm_are_answered(members: dict[str, int], trust: Trust, member: str):
    port = members[member]
    for good in ("one", "desk", "names"):
        assert knock(port, trust.place / good) == b"GIOP", good
    bad: dict[str, dict[str, Any]] = {
        "plain": {"plain": True},
        "no certificate": {},
        "another authority's": {"certificate": trust.place / "stranger"},
        "expired": {"certificate": trust.place / "late"},
        "revoked": {"certificate": trust.place / "thief"},
        "valid, but TLS 1.2": {"certificate": trust.place / "one", "oldest": True},
    }
    for kind, how in bad.items():
        assert knock(port, **how) == b"", kind


def test_each_refusal_is_told_by_who_refuses(members: dict[str, int], trust: Trust, farm: Farm):
    port = members["naming service"]
    knock(port, plain=True)
    knock(port)
    for name in ("stranger", "late", "thief"):
        knock(port, trust.place / name)
    said = farm.names.log.read_text()
    for reason in (
        "it does not speak TLS",
        "it has no certificate",
        "the certificate of 'stranger' is not from this farm's authority",
        "the certificate of 'late' has expired",
        "the certificate of 'thief' has been revoked",
    ):
        assert f"dgcc names: refused a connection from 127.0.0.1: {reason}\n" in said, said


def test_nothing_of_the_farm_listens_but_with_tls(farm: Farm, desk: subprocess.Popen[bytes], members: dict[str, int]):
    for process in (desk.pid, farm.slaves["one"].pid):
        assert len(listening(process)) == 1
    for port in members.values():
        assert knock(port, plain=True) == b""


def test_garbage_and_silence_hold_up_nobody(members: dict[str, int], trust: Trust):
    """Spoilt beginnings of TLS, noise, and connections on which nothing ever comes."""
    chance = random.Random(4)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing, server_hostname="one").do_handshake()
    hello = outgoing.read()
    silent = []
    for port in members.values():
        for number in range(200):
            sent = bytearray(hello) if number % 2 else bytearray(chance.randbytes(chance.randint(1, 600)))
            for _ in range(chance.randint(1, 8)):
                sent[chance.randrange(len(sent))] = chance.randrange(256)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(sent[: chance.randint(1, len(sent))])
        silent += [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for port in members.values():
        assert knock(port, trust.place / "one") == b"GIOP"
    for connection in silent:
        connection.close()


def test_a_process_without_certificate_is_told_so(farm: Farm, tmp_path: Path):
    (tmp_path / "Makefile").write_text("all:\n\ttrue\n")
    trusted, farm.trust = farm.trust, None
    try:
        built = farm.master(tmp_path)
    finally:
        farm.trust = trusted
    assert built.code == 2
    assert "name this host's certificate with --tls" in built.err and built.err.count("\n") == 1
