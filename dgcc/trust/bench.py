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

_TURNS = 3
_TRANSPORTS = ("tcp", "tls", "unix")


def _command(role: str, transport: str, directory: Path) -> list[str]:
    return [sys.executable, "-m", "dgcc.trust.bench", role, transport, str(directory)]


def _endpoint(role: str, transport: str, directory: Path) -> str:
    if transport == "tls":
        tls.use(directory / "both", "bench", guard.served_by())
        return "giop:ssl:127.0.0.1:"
    return f"giop:unix:{directory / role}" if transport == "unix" else bench.LOOPBACK


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
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="dgcc-bench-") as name:
        directory = Path(name)
        authority = Authority(directory / "ca")
        authority.make()
        authority.issue("both", [tls.MASTER, tls.SLAVE], directory / "both")
        for _ in range(_TURNS):
            for transport in _TRANSPORTS:
                done = subprocess.run(_command("measure", transport, directory), capture_output=True, check=True)
                for figure, value in json.loads(done.stdout).items():
                    known = found.setdefault(figure, {}).get(transport)
                    better = max if figure.startswith("1 MiB") else min
                    found[figure][transport] = better(value["best"], known) if known else value["best"]
    print(f"{'the best of ' + str(_TURNS) + ' turns':32}" + "".join(f"{transport:>9}" for transport in _TRANSPORTS))
    for figure, unit, *_ in bench.BARS:
        print(f"{figure:32}" + "".join(f"{found[figure][transport]:9.2f}" for transport in _TRANSPORTS) + f" {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
