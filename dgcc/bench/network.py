"""Two machines on one: network namespaces joined by a cable, so that a farm's members have an address each, nothing
that they listen at can be reached from elsewhere, and every byte between them is counted.

They live as long as the process that made them, and are gone with it.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from msgspec import Struct

from dgcc.bench.setting import BenchFailed, Setting
from dgcc.bench.site import Host, Site

_ADDRESSES = ("10.79.0.1", "10.79.0.2")
_INTERFACE = "eth0"
_WAIT_S = 10.0


#: Makes a site with a directory of this name.
Sites = Callable[[str], Site]


@contextmanager
def sites(setting: Setting) -> Iterator[Sites]:
    """Sites on two machines, or for who is not root, all on loopback."""
    if os.geteuid() != 0:
        setting.say("not root, so all farms are on loopback")
        yield lambda name: Site(setting.directory / name)
        return
    with Network() as network:
        yield lambda name: network.site(setting.directory / name)


class Traffic(Struct, frozen=True):
    """Bytes on the cable, with all headers: sent by the developer's machine, and received by it."""

    sent: int
    received: int

    def since(self, before: "Traffic") -> "Traffic":
        """What was added."""
        return Traffic(self.sent - before.sent, self.received - before.received)


class Network:
    """A context manager: the two machines while it is open. Needs root."""

    def __enter__(self) -> "Network":
        if os.geteuid() != 0:
            raise BenchFailed("two machines on one are made by root only")
        self._open = ExitStack()
        try:
            self._holders = [self._namespace() for _ in _ADDRESSES]
            one, two = self._holders
            _run(self._inside(one), "ip", "link", "add", _INTERFACE, "type", "veth",
                 "peer", "name", _INTERFACE, "netns", str(two))  # fmt: skip
            for holder, address in zip(self._holders, _ADDRESSES, strict=True):
                inside = self._inside(holder)
                _run(inside, "ip", "link", "set", "lo", "up")
                _run(inside, "ip", "addr", "add", f"{address}/24", "dev", _INTERFACE)
                _run(inside, "ip", "link", "set", _INTERFACE, "up")
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self._open.close()

    def site(self, directory: Path) -> Site:
        """A site on these machines."""
        hosts = [
            Host(address, tuple(self._inside(holder)), _INTERFACE)
            for holder, address in zip(self._holders, _ADDRESSES, strict=True)
        ]
        return Site(directory, *hosts)

    def traffic(self) -> Traffic:
        """What has gone over the cable so far."""
        for line in Path(f"/proc/{self._holders[0]}/net/dev").read_text().splitlines():
            name, _, figures = line.partition(":")
            if name.strip() == _INTERFACE:
                received, sent = (int(figures.split()[column]) for column in (0, 8))
                return Traffic(sent, received)
        raise BenchFailed("the cable between the two machines is gone")

    def _namespace(self) -> int:
        """A process that holds a network namespace of its own, and ends with this one."""
        holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "--", "sleep", "infinity"],
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._open.callback(holder.wait)
        self._open.callback(holder.kill)
        until = time.monotonic() + _WAIT_S
        while _network(holder.pid) in (None, _network(os.getpid())):
            if holder.poll() is not None or time.monotonic() > until:
                raise BenchFailed("no network namespace can be made here")
            time.sleep(0.01)
        return holder.pid

    @staticmethod
    def _inside(holder: int) -> list[str]:
        return ["nsenter", f"--net=/proc/{holder}/ns/net", "--"]


def _network(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def _run(inside: list[str], *command: str) -> None:
    done = subprocess.run([*inside, *command], capture_output=True, text=True, timeout=_WAIT_S)
    if done.returncode:
        raise BenchFailed(f"{' '.join(command)}: {done.stderr.strip()}")
