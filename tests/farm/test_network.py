"""A farm across hosts: three machines, each a network namespace."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import farmkit
import pytest
from farmkit import wait_for
from hostkit import three_hosts
from trust.trustkit import make_trust, small_project

COUNT = 8


@pytest.fixture
def hosts() -> Iterator[dict[str, list[str]]]:
    """See three_hosts."""
    with three_hosts() as made:
        yield made


def build(hosts: dict[str, list[str]], project: Path, top: Path, how: Callable[[str], list[str]]) -> dict[str, str]:
    """Build on a farm of all three: names and master on the first, slaves on the others.

    `how` gives the options by which each of names, desk, one and two speaks with the farm. Returns what each said.
    """
    farm, *others = hosts
    environment = dict(os.environ, HOME=str(top), XDG_CACHE_HOME=str(top / "cache"))
    started = []

    def start(name: str, address: str, *command: str, up: str) -> None:
        log = top / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen([*hosts[address], str(farmkit.BIN / command[0]), *command[1:], *how(name)],
                                       stderr=out, env=environment)  # fmt: skip
        started.append(process)
        wait_for(lambda: up in log.read_text() or process.poll() is not None, f"{name} on {address}")
        assert process.poll() is None, log.read_text()

    try:
        start("names", farm, "dgcc", "names", "--address", farm, "--data", str(top / "names"), up="listening at")
        for name, address in zip(("one", "two"), others, strict=True):
            start(name, address, "dgcc-slave", "--naming", farm, "--name", name, "--store", str(top / f"store-{name}"),
                  "--slots", "1", up="offers")  # fmt: skip
        built = subprocess.run([*hosts[farm], str(farmkit.BIN / "dgcc-master"), "--naming", farm, *how("desk")],
                               cwd=project, capture_output=True, text=True, timeout=60, env=environment)  # fmt: skip
        assert built.returncode == 0, built.stderr
        assert f"{COUNT} remote" in built.stderr and "0 local, 0 fallback" in built.stderr
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(20)
    return {name: (top / f"{name}.log").read_text() for name in ("names", "one", "two")} | {"desk": built.stderr}


def test_three_machines_with_certificates(hosts: dict[str, list[str]], project: Path, tmp_path: Path):
    (project / "Makefile").write_text(f"all: {' '.join(f'f{i}.o' for i in range(COUNT))}\n%.o: %.c\n\t$(CC) -g -c $<\n")
    for i in range(COUNT):
        (project / f"f{i}.c").write_text(f"int f{i};\n")
    trust = make_trust(tmp_path / "trust")
    said = build(hosts, project, tmp_path, lambda name: ["--tls", str(trust.place / name)])
    assert "with TLS as 'names'" in said["names"]
    assert not any("insecure" in text or "refused" in text for text in said.values())


def test_three_machines_that_trust_everybody(hosts: dict[str, list[str]], project: Path, tmp_path: Path):
    small_project(project, *map(str, range(COUNT)))
    said = build(hosts, project, tmp_path, lambda name: ["--insecure"])
    for name, address in zip(("names", "one", "two", "desk"), ("10.79.0.1", "10.79.0.2", "10.79.0.3", "10.79.0.1"),
                             strict=True):  # fmt: skip
        assert f"--insecure: listening on {address}, where anybody who reaches the port can run jobs" in said[name]
