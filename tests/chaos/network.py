"""A network between hosts of this machine that can be slow, lose packets, and be cut one way or both.

Each host is a network namespace whose one way out is a TUN device; one thread here carries the packets between them.
It needs no kernel module beyond TUN, unlike tc's netem. Source of the request numbers: linux/if_tun.h.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_PACKET = 65536
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """The hosts 10.78.0.1 to N. Attributes may be changed at any time, from any thread."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.delay_s = 0.0
        self.loss = 0.0  # share of packets, from 0 to 1
        self.carried = 0  # bytes
        self.cut: frozenset[tuple[int, int]] = frozenset()  # (from, to), of host numbers
        self._random = random.Random(1)
        self._devices = {number: _tun(name, f"10.78.0.{number}") for number, name in enumerate(names, 1)}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="network", daemon=True)
        self._thread.start()

    def on(self, number: int) -> list[str]:
        """The prefix of a command that runs on a host."""
        return ["ip", "netns", "exec", self.names[number - 1]]

    def part(self, one: int, other: int, *, one_way: bool = False) -> None:
        """Let nothing pass from one host to another, nor back unless `one_way`."""
        self.cut |= {(one, other)} if one_way else {(one, other), (other, one)}

    def heal(self) -> None:
        """Make the network whole and quick again."""
        self.cut, self.delay_s, self.loss = frozenset(), 0.0, 0.0

    def _carry(self) -> None:
        by_device = {device: number for number, device in self._devices.items()}
        waiting: list[tuple[float, int, int, bytes]] = []  # when to deliver, serial, to whom, packet
        serial = 0
        while not self._over.is_set():
            wait = min(0.1, max(0.0, waiting[0][0] - time.monotonic())) if waiting else 0.1
            for device in select.select(list(by_device), [], [], wait)[0]:
                with suppress(BlockingIOError):
                    packet = os.read(device, _PACKET)
                    to = packet[19] if packet[0] >> 4 == 4 and packet[16:19] == b"\x0a\x4e\x00" else 0
                    if to in self._devices and self._passes(by_device[device], to):
                        serial += 1
                        heapq.heappush(waiting, (time.monotonic() + self.delay_s, serial, to, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, to, packet = heapq.heappop(waiting)
                self.carried += len(packet)
                with suppress(OSError):
                    os.write(self._devices[to], packet)

    def _passes(self, source: int, to: int) -> bool:
        return (source, to) not in self.cut and self._random.random() >= self.loss

    def close(self) -> None:
        """Stop carrying packets, and remove the devices."""
        self._over.set()
        self._thread.join()
        for device in self._devices.values():
            os.close(device)


def _tun(namespace: str, address: str) -> int:
    """Make a TUN device in a namespace, and return the descriptor of its other side."""
    made: list[int] = []

    def make() -> None:  # on a thread of its own, which enters the namespace and ends there
        with open(f"/run/netns/{namespace}") as place:
            if _libc.setns(place.fileno(), _CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {namespace}")
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"eth0", _IFF_TUN | _IFF_NO_PI))
        made.append(device)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    for command in ("link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up mtu 9000"):
        subprocess.run(["ip", "-n", namespace, *command.split()], check=True)
    return made[0]


@contextmanager
def network(hosts: int) -> Iterator[Network]:
    """A network of so many hosts, in namespaces that are removed at the end. Needs root."""
    names = [f"dgx{os.getpid() % 100000}h{number}" for number in range(1, hosts + 1)]
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        made = Network(names)
        try:
            yield made
        finally:
            made.close()
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
