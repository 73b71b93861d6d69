"""`python -m dgcc.simulate.deep FILE`: the recording of a build that never was, deep and wide: order matters in it.

Its layers are generated code: the headers of a layer are written by a program (a local recipe) that is linked from a
few objects of the layer before; most objects of a layer are of no use for the next one, and make comes by these first.
Beside the layers there are chains of compiles, each of which needs what the one before has made, as with modules; make
comes by them last. Durations are spread as those of real compiles are: many short ones, few long. The same arguments
give the same bytes.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from dgcc.master.recording import RecordedJob, Recording, write

_LAYERS = 6
_FEEDING = 6  # objects of each layer that the next layer's generator is made of
_CHAINS = 8
_CHAIN_SHARE = 0.1  # of all jobs
_LINK_OF = 40  # objects in a program
_DATE = "2026-01-01T00:00:00+00:00"


class _Maker:
    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.jobs: list[RecordedJob] = []

    def add(self, target: str, label: str, needs: Sequence[int], usual_s: float, remote: bool) -> int:
        wall = round(usual_s * min(self._chance.lognormvariate(0.0, 0.7), 8.0), 3)
        number = len(self.jobs) + 1
        size = int(wall * 40_000)
        self.jobs.append(RecordedJob(
            number, "/deep", target, f"{label} {target}", remote, tuple(needs), 0, 0, number - 1,
            "s1" if remote else "", wall, wall if remote else 0.0, int(wall * 150e6) if remote else 0,
            size if remote else 0, size if remote else 0,
        ))  # fmt: skip
        return number


def deep(jobs: int = 3000, seed: int = 1) -> Recording:
    """Return the recording of a build of about so many jobs."""
    maker = _Maker(seed)
    chain_length = max(2, int(jobs * _CHAIN_SHARE / _CHAINS))
    fan = max(2, (jobs - _CHAINS * chain_length) // _LAYERS - _FEEDING - 2)
    objects: list[int] = []
    header: list[int] = []
    for layer in range(_LAYERS):
        wide = [maker.add(f"layer{layer}/o{n}.o", "CC", header, 0.6, True) for n in range(fan)]
        feeding = [maker.add(f"layer{layer}/gen{n}.o", "CC", header, 1.2, True) for n in range(_FEEDING)]
        objects += wide + feeding
        if layer < _LAYERS - 1:
            program = maker.add(f"generate{layer}", "LD", feeding, 0.3, False)
            header = [maker.add(f"layer{layer + 1}/api.h", "generate", [program], 0.2, False)]
    ends = []
    for chain in range(_CHAINS):
        before: list[int] = []
        for step in range(chain_length):
            before = [maker.add(f"chain{chain}/m{step}.o", "CXX", before, 0.5, True)]
        ends += before
    programs = [maker.add(f"prog{at // _LINK_OF}", "LD", objects[at : at + _LINK_OF], 0.2, False)
                for at in range(0, len(objects), _LINK_OF)]  # fmt: skip
    maker.add("image", "LD", [*programs, *ends], 0.4, False)
    work = sum(job.wall_s for job in maker.jobs)
    return Recording(tuple(maker.jobs), _DATE, {"name": "nowhere", "system": "none", "cpus": 8}, ("make", "image"),
                     {"s1": 1}, 8, round(work, 6))  # fmt: skip


def main() -> int:
    """Run the command line; returns the exit code."""
    p = argparse.ArgumentParser(prog="python -m dgcc.simulate.deep", description="Make a recording of a deep build.")
    p.add_argument("file", type=Path, metavar="FILE")
    p.add_argument("--jobs", type=int, default=3000, metavar="N", help="about so many (default: 3000)")
    p.add_argument("--seed", type=int, default=1, metavar="N", help="of the durations (default: 1)")
    args = p.parse_args()
    if not 100 <= args.jobs <= 1_000_000:
        print(f"dgcc.simulate.deep: --jobs {args.jobs}: from 100 to a million can be made", file=sys.stderr)
        return 2
    try:
        write(args.file, deep(args.jobs, args.seed))
    except OSError as error:
        print(f"dgcc.simulate.deep: {args.file}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
