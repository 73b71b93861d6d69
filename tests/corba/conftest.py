"""Fixtures of the seam's tests: compiled stubs, an ORB, a peer in another process, a naming service."""

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from corba import seam_types
from corba.seam_peer import OPTIONS

from dgcc.corba import CORBA, ENGINE
from dgcc.corba.idlgen.compile import compile_idl

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the test IDL's stubs, importable."""
    out = tmp_path_factory.mktemp("stubs")
    turns = out / "turns.idl"
    turns.write_text(seam_types.idl())
    compile_idl([turns, HERE / "seam.idl"], out, engine=ENGINE)
    sys.path.insert(0, str(out))
    importlib.import_module("corba.seam_servants")  # references get the class of their interface if it is known
    return out


@pytest.fixture(scope="session")
def orb(stubs: Path) -> Any:
    """The ORB of the test process, with its root POA active. Its strings are UTF-8."""
    made = CORBA.ORB_init(["test", *OPTIONS], CORBA.ORB_ID)
    made.resolve_initial_references("RootPOA")._get_the_POAManager().activate()
    return made


@pytest.fixture(scope="session")
def root_poa(orb: Any) -> Any:
    return orb.resolve_initial_references("RootPOA")


class Peer:
    """The process of seam_peer.py, and references to what it serves."""

    def __init__(self, stubs: Path, orb: Any, *options: str) -> None:
        self._said = stubs / f"peer-{time.monotonic_ns()}.stderr"
        with open(self._said, "w") as said:  # not a pipe: nobody reads it while the peer runs
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "seam_peer.py"), str(stubs), *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            )
        self.refs: dict[str, Any] = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, _, ior = line.strip().partition(" ")
            if name == "ready":
                return
            self.refs[name] = orb.string_to_object(ior)
        raise RuntimeError(f"the peer did not start: {self.stop()}")

    def stop(self) -> str:
        """End the process in order; returns what it wrote to its standard error."""
        self.process.communicate(timeout=20)
        return self._said.read_text()


@pytest.fixture(scope="session")
def peer(stubs: Path, orb: Any) -> Iterator[Peer]:
    """One peer for all tests that leave it alive."""
    made = Peer(stubs, orb)
    yield made
    made.stop()
    assert made.process.returncode == 0


@pytest.fixture
def new_peer(stubs: Path, orb: Any) -> Iterator[Callable[..., Peer]]:
    """Start a peer of one's own, with more ORB options, to be killed or not."""
    started = []

    def start(*options: str) -> Peer:
        started.append(Peer(stubs, orb, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.stop()


@pytest.fixture(scope="session")
def remote(peer: Peer) -> Any:
    """An Echo in the other process."""
    return peer.refs["echo"]


@pytest.fixture(scope="session")
def local(orb: Any) -> Any:
    """An Echo in this process."""
    from corba import seam_servants

    return seam_servants.Echo()._this()


@pytest.fixture(params=["remote", "local"])
def echo(request: pytest.FixtureRequest) -> Any:
    """An Echo, once in another process and once in this."""
    return request.getfixturevalue(request.param)


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def naming_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """omniNames on the loopback with a log directory of its own; the value is its corbaname URL."""
    port = free_port()
    logs = tmp_path_factory.mktemp("names")
    with open(logs / "output", "wb") as output:
        process = subprocess.Popen(
            ["omniNames", "-start", str(port), "-logdir", str(logs), "-errlog", str(logs / "errors"),
             "-ORBendPoint", f"giop:tcp:127.0.0.1:{port}"],
            stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "OMNIORB_CONFIG": "/dev/null"},
        )
    # It listens before its root context is there, so that is asked for.
    ask = ["nameclt", "-ORBInitRef", f"NameService=corbaloc::127.0.0.1:{port}/NameService", "list"]
    deadline = time.monotonic() + 20
    while subprocess.run(ask, capture_output=True).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"omniNames did not start: {(logs / 'output').read_text()}")
        time.sleep(0.02)
    yield f"corbaname::127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=20)
