"""Slaves that pull an environment from each other, through the ORB."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slave import peer
from slave.systemkit import OWNER, Given, Need

from dgcc.corba import DGCC
from dgcc.naming.deadlines import Deadlines
from dgcc.naming.orb import start_orb
from dgcc.slave.environments import EnvironmentPool

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def orb() -> Any:
    return start_orb()[0]


@contextlib.contextmanager
def other_slave(system: Path, place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another slave's process, which has the environment; its first line is its store's reference."""
    path = os.pathsep.join([str(TESTS), *sys.path])
    process = subprocess.Popen([sys.executable, peer.__file__, str(system), str(place)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert process.stdin and process.stdout
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def system(top: Path) -> Path:
    root = top / "system"
    (root / "usr/include").mkdir(parents=True)
    (root / "usr/cc1").write_bytes(os.urandom(1 << 20) + bytes(2 << 20))
    for number in range(50):
        (root / f"usr/include/{number}.h").write_text(f"{number}\n" * 50)
    return root


@pytest.mark.parametrize("stopped", [False, True])
def test_content_comes_from_another_slave_if_it_answers(
    top: Path, system: Path, orb: Any, stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Deadlines(peer=0.5 if stopped else 10.0)
    monkeypatch.setattr("dgcc.naming.deadlines._current", patience)
    master = Given(system)
    pool = EnvironmentPool(top / "here", OWNER, 1 << 30, host=b"/none")
    with other_slave(system, top / "there") as process:
        assert process.stdout
        store = orb.string_to_object(process.stdout.readline().strip())._narrow(DGCC.Source)
        with pytest.raises(DGCC.UnknownLayer):
            store.changes("environment/" + master.keys[0].hex(), 0)
        if stopped:
            process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        with pool.use([Need(master.keys[0], (store,))], master) as here:
            assert (here.trees[0] / "usr/cc1").read_bytes() == (system / "usr/cc1").read_bytes()
            assert here.received > (1 << 20)
            assert stopped or here.received < (3 << 20), "large content is packed"
    assert bool(master.asked) == stopped
    assert time.monotonic() - start < 15
