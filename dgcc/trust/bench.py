"""What mutual TLS costs: the benchmark of the seam over plain TCP, TLS and the private sockets of a farm of one.

    python -m dgcc.trust.bench

Each transport has processes of its own; they take turns, so that what else the machine does hits all of them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from dgcc.corba import bench
from dgcc.trust import guard, tls
from dgcc.trust.authority import Authority

TURNS = 3
_TURN_S = 300.0
TRANSPORTS = ("tcp", "tls", "unix")


def _command(role: str, transport: str, directory: Path) -> list[str]:
    return [sys.executable, "-m", "dgcc.trust.bench", role, transport, str(directory)]


def _endpoint(role: str, transport: str, directory: Path) -> str:
    if transport == "tls":
        tls.use(directory / "both", "bench", guard.served_by())
        return "giop:ssl:127.0.0.1:"
    return f"giop:unix:{directory / role}" if transport == "unix" else bench.LOOPBACK


def measure() -> dict[str, dict[str, list[float]]]:
    """The best of each turn, by figure (of dgcc.corba.bench) and transport; transports take turns."""
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="dgcc-bench-") as name:
        directory = Path(name)
        authority = Authority(directory / "ca")
        authority.make()
        authority.issue("both", [tls.MASTER, tls.SLAVE], directory / "both")
        for _ in range(TURNS):
            for transport in TRANSPORTS:
                done = subprocess.run(
                    _command("measure", transport, directory), capture_output=True, check=True, timeout=_TURN_S
                )
                for figure, value in json.loads(done.stdout).items():
                    found.setdefault(figure, {}).setdefault(transport, []).append(value["best"])
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m dgcc.trust.bench", description="What mutual TLS costs.")
    parser.add_argument("run", nargs="*", help=argparse.SUPPRESS)
    run = parser.parse_args().run
    if run:
        role, transport, directory = run[0], run[1], Path(run[2])
        endpoint = _endpoint(role, transport, directory)
        if role == "serve":
            bench.serve(endpoint)
        else:
            print(json.dumps(bench.measure(endpoint, _command("serve", transport, directory))))
        return 0
    found = measure()
    print(f"{'the best of ' + str(TURNS) + ' turns':32}" + "".join(f"{transport:>9}" for transport in TRANSPORTS))
    for figure, unit, _, more in bench.BARS:
        best = {transport: max(values) if more else min(values) for transport, values in found[figure].items()}
        print(f"{figure:32}" + "".join(f"{best[transport]:9.2f}" for transport in TRANSPORTS) + f" {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
