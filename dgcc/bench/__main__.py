"""`python -m dgcc.bench`: runs benchmarks by name and writes what they found to docs/benchmarks."""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from dgcc.bench import output, registry
from dgcc.bench.setting import BenchFailed, Setting
from dgcc.bench.site import TOP


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m dgcc.bench", description="Measure DGCC against make and other farms.")
    p.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="; ".join(f"{name}: {what}" for name, (_, what) in registry.BENCHMARKS.items()),
    )
    p.add_argument("--repeats", type=int, default=5, metavar="N", help="samples of each figure (default: 5)")
    p.add_argument("--quick", action="store_true", help="fewer and smaller workloads")
    p.add_argument("--long", action="store_true", help="all workloads in full: several hours")
    p.add_argument("--strict", action="store_true", help="exit with 1 if a bar is missed")
    p.add_argument(
        "--out",
        type=Path,
        default=TOP / "docs" / "benchmarks",
        metavar="DIR",
        help="where tables and results.json go (default: docs/benchmarks)",
    )
    return p  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run them; returns the exit code: 1 if one could not run at all, or with --strict if a bar is missed."""
    args = _parser().parse_args(argv)
    unknown = [name for name in args.names if name not in registry.BENCHMARKS]
    if unknown or args.repeats < 1:
        what = f"no such benchmark: {', '.join(unknown)}" if unknown else "--repeats must be at least 1"
        print(f"bench: {what}; there are: {', '.join(registry.BENCHMARKS)}", file=sys.stderr)
        return 2
    # What is told to end, cleans up; a shell's background job would ignore the one, and Python knows not the other.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"bench: {time.monotonic() - started:5.0f} s: {line}", flush=True)

    results = output.Results(args.out)
    failed = missed = False
    for name in args.names or registry.BENCHMARKS:
        say(name)
        tables = []
        # Below no version control, and open to the users whom daemons run as.
        with tempfile.TemporaryDirectory(prefix="dgcc-bench-") as directory:
            Path(directory).chmod(0o755)
            try:
                for table in registry.load(name)(Setting(Path(directory), args.repeats, args.quick, say, args.long)):
                    tables.append(table)
                    print(output.markdown(table), flush=True)
                    missed |= not all(bar.met for bar in table.bars)
            except (BenchFailed, ImportError) as error:
                say(f"{name} cannot be measured: {error}")
                failed = True
            except Exception:  # a mistake of ours in one benchmark: the others are measured all the same
                traceback.print_exc()
                say(f"{name} has failed")
                failed = True
        if tables:
            results.write(name, tables)
    say("done")
    return 1 if failed or (missed and args.strict) else 0


if __name__ == "__main__":
    sys.exit(main())
