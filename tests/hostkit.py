"""Three hosts: network namespaces joined by a bridge, one for each machine."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import farmkit


def _run(command: str) -> None:
    subprocess.run(command, shell=True, check=True, capture_output=True)


@contextmanager
def three_hosts() -> Iterator[dict[str, list[str]]]:
    """Addresses 10.79.0.1 to 3, with the prefix for commands that run on the host of each."""
    farmkit.needs_root("makes network namespaces joined by a bridge")
    tag = f"dg{os.getpid() % 100000}"
    names = [f"{tag}h{n}" for n in (1, 2, 3)]
    try:
        _run(f"ip netns add {tag}br && ip -n {tag}br link add br0 type bridge && ip -n {tag}br link set br0 up")
        for number, name in enumerate(names, 1):
            _run(f"ip netns add {name} && ip -n {name} link set lo up")
            _run(f"ip -n {tag}br link add p{number} type veth peer name eth0 netns {name}")
            _run(f"ip -n {tag}br link set p{number} master br0 up")
            _run(f"ip -n {name} addr add 10.79.0.{number}/24 dev eth0 && ip -n {name} link set eth0 up")
        yield {f"10.79.0.{number}": ["ip", "netns", "exec", name] for number, name in enumerate(names, 1)}
    finally:
        for name in (*names, f"{tag}br"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
