"""The long form of these tests, as `make fuzz` runs it: a siege of a live slave and a live master with 120,000 broken
messages for each, then everything else here, 20 times as long as in `make test`.

Each run has a seed of its own unless DGCC_FUZZ_SEED gives one. DGCC_FUZZ_MESSAGES: how many messages instead.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz.siege import Siege, check_build, seed_of_now, siege
from fuzz.vitals import Vitals

MESSAGES = int(os.environ.get("DGCC_FUZZ_MESSAGES", "240000"))
ROUNDS = 20
_BURST = 10_000


def _besiege(made: Siege) -> None:
    """Attack both, in turns, while a build waits, then see it through; a second build finds a sound farm."""
    began = time.monotonic()
    targets = [
        ("slave", made.intruder.against_slave("a"), made.slave_pid),
        ("master", made.intruder.against_master(), made.master.pid),
    ]
    before = {name: Vitals.of(pid) for name, _, pid in targets}
    while made.intruder.sent < MESSAGES:
        for name, target, pid in targets:
            grown = made.assault(target, pid, min(_BURST, MESSAGES // 2))
            now = Vitals.of(pid)
            print(
                f"{time.monotonic() - began:5.0f} s  {made.intruder.sent:7} messages  {name}: {now.rss >> 20} MiB, "
                f"{now.threads} threads, {now.files} descriptors; slowest answer {made.intruder.slowest:.1f} s",
                flush=True,
            )
            assert not grown, f"{name}: {grown}"
    for name, target, pid in targets:
        for count in (50, 400, 900):
            assert made.besiege(target, pid, count) == ""
        grown = Vitals.of(pid).rss - before[name].rss
        print(f"{name}: {grown >> 20} MiB more than before, {grown // made.intruder.sent} bytes a message", flush=True)
    check_build(made.relieve(), all_remote=False)
    check_build(made.farm.master(made.project, "-B"), all_remote=True)


def main() -> int:
    """Run all of it; returns an exit code."""
    seed = int(os.environ.get("DGCC_FUZZ_SEED", "0")) or seed_of_now()
    print(f"DGCC_FUZZ_SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="dgcc-fuzz-") as top, siege(Path(top), seed) as made:
        _besiege(made)
    environment = {**os.environ, "DGCC_FUZZ_SEED": str(seed), "DGCC_FUZZ_ROUNDS": str(ROUNDS)}
    here = str(Path(__file__).parent)
    return subprocess.run([sys.executable, "-m", "pytest", here], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
