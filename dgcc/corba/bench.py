"""Benchmark of the seam: null calls, 1 KiB and 1 MiB of octets on loopback TCP, between two processes.

    python -m dgcc.corba.bench [--json FILE]

It uses DGCC's own interfaces: Source.blobs with nothing asked is the null call (an empty sequence each way),
Source.piece carries octets one way at a time. Every figure is the best of several rounds, because what is measured
is the seam and not what else the machine does; the median is shown beside it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from dgcc.corba import CORBA, DGCC, DGCC__POA, ENGINE

MIB = 1 << 20
ROUNDS = 25
LOOPBACK = "giop:tcp:127.0.0.1:"
_OPTIONS = ["-ORBgiopMaxMsgSize", str(8 * MIB)]

#: What the project asks of the seam: (name, unit, bound, whether more is better).
BARS = (
    ("null call", "us", 60.0, False),
    ("1 MiB octets to the servant", "GB/s", 1.0, True),
    ("1 MiB octets from the servant", "GB/s", 1.0, True),
)
#: What is measured besides.
MORE = (
    ("1 KiB octets to the servant", "us", float("inf"), False),
    ("1 KiB octets from the servant", "us", float("inf"), False),
    ("null call in one process", "us", float("inf"), False),
)


class _Source(DGCC__POA.Source):
    """Serves zeros."""

    _zeros = bytes(MIB)

    def changes(self, layer: str, since: int) -> Any:
        return DGCC.Page(since, since, [])

    def blobs(self, wanted: list[bytes]) -> list[Any]:
        return []

    def piece(self, wanted: bytes, offset: int, count: int) -> Any:
        return DGCC.Blob(b"", False, self._zeros[:count])


def _start(endpoint: str) -> Any:
    orb = CORBA.ORB_init(["bench", "-ORBendPoint", endpoint, *_OPTIONS], CORBA.ORB_ID)
    orb.resolve_initial_references("RootPOA")._get_the_POAManager().activate()
    return orb


def serve(endpoint: str = LOOPBACK) -> None:
    """Be the far end until stdin ends."""
    orb = _start(endpoint)
    print(orb.object_to_string(_Source()._this()), flush=True)
    sys.stdin.read()
    orb.destroy()


def _seconds(work: Callable[[], Any], times: int) -> list[float]:
    """Seconds for one call of `work` in each round, in order of size."""
    rounds = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - started) / times)
    return sorted(rounds[1:])  # the first warms up


def measure(endpoint: str = LOOPBACK, server_command: Sequence[str] = ()) -> dict[str, dict[str, float]]:
    """Run the benchmark; returns {name: {"best", "median"}} in the units of BARS, and times of local calls.

    `server_command` is a command that calls `serve`, with an endpoint of the kind that this process uses.
    """
    command = server_command or [sys.executable, "-m", "dgcc.corba.bench", "--serve"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        orb = _start(endpoint)
        far = orb.string_to_object(server.stdout.readline().strip())._narrow(DGCC.Source)
        near = _Source()._this()
        data, small = bytes(MIB), bytes(1024)
        us, rate = (lambda seconds: seconds * 1e6), (lambda seconds: MIB / seconds / 1e9)
        found = {
            "null call": (us, _seconds(lambda: far.blobs([]), 400)),
            "1 KiB octets to the servant": (us, _seconds(lambda: far.piece(small, 0, 0), 400)),
            "1 KiB octets from the servant": (us, _seconds(lambda: far.piece(b"", 0, 1024), 400)),
            "1 MiB octets to the servant": (rate, _seconds(lambda: far.piece(data, 0, 0), 25)),
            "1 MiB octets from the servant": (rate, _seconds(lambda: far.piece(b"", 0, MIB), 25)),
            "null call in one process": (us, _seconds(lambda: near.blobs([]), 5000)),
        }
    finally:
        server.communicate()
    return {
        name: {"best": unit(times[0]), "median": unit(times[len(times) // 2])} for name, (unit, times) in found.items()
    }


def main() -> int:
    """Print the table; returns 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m dgcc.corba.bench", description="Benchmark of the CORBA seam.")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE, too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return 0
    figures = measure()
    missed = False
    print(f"engine: {ENGINE}; the best of {ROUNDS} rounds is held against the bar")
    for name, unit, bar, more in (*BARS, *MORE):
        best = figures[name]["best"]
        good = best >= bar if more else best <= bar
        missed |= not good
        wanted = "" if bar == float("inf") else f"   {'over' if more else 'under'} {bar:g}: {'yes' if good else 'NO'}"
        print(f"{name:32}{best:9.2f} {unit:5} (median {figures[name]['median']:.2f}){wanted}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"engine": ENGINE, "figures": figures}, file, indent=2)
            file.write("\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
