"""Two machines on one: bytes between them are counted by direction, and nothing stays."""

import os
import sys
from pathlib import Path

import pytest
from farmkit import needs_root, wait_for

from dgcc.bench import processes
from dgcc.bench.network import Network, sites
from dgcc.bench.processes import Tree
from dgcc.bench.setting import Setting
from dgcc.bench.site import free_port

SENT, RECEIVED = 3_000_000, 1_000_000
SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listening:
    print("up", flush=True)
    with listening.accept()[0] as peer:
        while peer.recv(1 << 16): pass
        peer.sendall(bytes(int(sys.argv[3])))
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as peer:
    peer.sendall(bytes(int(sys.argv[3])))
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(1 << 16): pass
"""


def test_bytes_are_counted_in_both_directions(tmp_path: Path):
    needs_root("makes network namespaces")
    with Network() as network:
        site, port = network.site(tmp_path), str(free_port())
        server = site.builder.on([sys.executable, "-c", SERVER, site.builder.address, port, str(RECEIVED)])
        with Tree(server, site.log("server"), 30):
            wait_for(lambda: site.log("server").exists() and "up" in site.log("server").read_text(), "it listens")
            before = network.traffic()
            client = [sys.executable, "-c", CLIENT, site.builder.address, port, str(SENT)]
            processes.run(site.developer.on(client), site.log("client"), 30)
            traffic = network.traffic().since(before)
    # Headers and acknowledgements are counted, too.
    assert SENT < traffic.sent < SENT * 1.1
    assert RECEIVED < traffic.received < RECEIVED * 1.3


def test_nothing_is_to_be_reached_from_outside_and_nothing_stays(tmp_path: Path):
    needs_root("makes network namespaces")
    with Network() as network:
        site = network.site(tmp_path)
        holders = [host.prefix[1].split("/")[2] for host in (site.developer, site.builder)]
        assert len({os.readlink(f"/proc/{pid}/ns/net") for pid in (*holders, "self")}) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in holders)


def test_who_is_not_root_gets_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said: list[str] = []
    with sites(Setting(tmp_path, 1, True, said.append)) as site:
        assert site("x").builder.address == "127.0.0.1" and site("x").directory == tmp_path / "x"
    assert said == ["not root, so all farms are on loopback"]
