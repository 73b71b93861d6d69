"""A farm across hosts: network namespaces joined by a bridge, one for each machine."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import farmkit
import pytest
from farmkit import wait_for


def run(command: str) -> None:
    subprocess.run(command, shell=True, check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[dict[str, str]]:
    """Three hosts: the prefix for commands that run on each, and addresses 10.79.0.1 to 3."""
    farmkit.needs_root("makes network namespaces joined by a bridge")
    tag = f"dg{os.getpid() % 100000}"
    names = [f"{tag}h{n}" for n in (1, 2, 3)]
    try:
        run(f"ip netns add {tag}br && ip -n {tag}br link add br0 type bridge && ip -n {tag}br link set br0 up")
        for number, name in enumerate(names, 1):
            run(f"ip netns add {name} && ip -n {name} link set lo up")
            run(f"ip -n {tag}br link add p{number} type veth peer name eth0 netns {name}")
            run(f"ip -n {tag}br link set p{number} master br0 up")
            run(f"ip -n {name} addr add 10.79.0.{number}/24 dev eth0 && ip -n {name} link set eth0 up")
        yield {f"10.79.0.{number}": f"ip netns exec {name}" for number, name in enumerate(names, 1)}
    finally:
        for name in (*names, f"{tag}br"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_three_machines(hosts: dict[str, str], project: Path, tmp_path: Path):
    count = 8
    (project / "Makefile").write_text(f"all: {' '.join(f'f{i}.o' for i in range(count))}\n%.o: %.c\n\t$(CC) -g -c $<\n")
    for i in range(count):
        (project / f"f{i}.c").write_text(f"int f{i};\n")
    farm, *others = hosts
    names = tmp_path / "names"
    names.mkdir()
    environment = dict(os.environ, XDG_CACHE_HOME=str(tmp_path / "cache"))
    started = [
        subprocess.Popen([*hosts[farm].split(), "omniNames", "-start", "2809", "-logdir", str(names), "-ORBendPoint",
                          f"giop:tcp:{farm}:2809"], stderr=subprocess.DEVNULL)
    ]  # fmt: skip
    service = ["-ORBInitRef", f"NameService=corbaloc::{farm}/NameService"]
    ask = [*hosts[farm].split(), "nameclt", *service, "list"]
    wait_for(lambda: subprocess.run(ask, capture_output=True).returncode == 0, "omniNames")
    try:
        for address in others:
            log = (tmp_path / address).open("wb")
            started.append(
                subprocess.Popen([*hosts[address].split(), str(farmkit.BIN / "dgcc-slave"), "--naming", farm, "--name",
                                  address, "--store", str(tmp_path / f"store-{address}"), "--slots", "1"],
                                 stderr=log, env=environment)
            )  # fmt: skip
            wait_for(lambda a=address: "offers" in (tmp_path / a).read_text(), f"the slave on {address}")
            assert f"listening on {address}: this version knows no authentication" in (tmp_path / address).read_text()
        built = subprocess.run([*hosts[farm].split(), str(farmkit.BIN / "dgcc-master"), "--naming", farm], cwd=project,
                               capture_output=True, text=True, timeout=60, env=environment)  # fmt: skip
        assert built.returncode == 0, built.stderr
        assert f"{count} remote" in built.stderr and "0 local, 0 fallback" in built.stderr
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(20)
