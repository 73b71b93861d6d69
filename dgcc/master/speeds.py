"""How fast hosts are, measured by the same commands on different hosts: a pure computation.

A host of speed 2 runs a command in half the time that the reference, speed 1, would take. Speeds are relative: their
geometric mean over all hosts is kept at 1, so that they cannot drift. Each is found by CPU time (how fast the host's
CPUs are) and by wall time (how fast jobs end there, with all that stands in their way).

Each time that a command, unchanged, ran on two hosts, the ratio of its durations is a measurement of the ratio of their
speeds. Of all measurements between two hosts the median counts, so that single outliers do not. What earlier builds
found stands against it with its own weight, which has an upper bound, so that a host that has changed is seen to.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median

from msgspec import Struct

MOST_WEIGHT = 100.0
_MOST_BETWEEN = 50.0  # measurements between two hosts count for so many at most
_DOUBT = 2.0  # a host of which nothing is known is taken for one of speed 1 with the weight of so many measurements
_ROUNDS = 200
_EXACT = 1e-6
_FASTEST = math.log(50.0)


class Measured(Struct, frozen=True):
    """log: the natural logarithm of a speed. weight: how many measurements it stands for."""

    log: float = 0.0
    weight: float = 0.0

    @property
    def speed(self) -> float:
        """The speed itself, 1 for the reference."""
        return math.exp(self.log)


class Pair(Struct, frozen=True):
    """One command that took `first_s` seconds on host `first` and `second_s` on host `second`."""

    first: str
    second: str
    first_s: float
    second_s: float


def measure(known: Mapping[str, Measured], pairs: Iterable[Pair]) -> dict[str, Measured]:
    """Return the speeds of all hosts, `known` before or in `pairs`. Durations that are not positive are left out.

    The least sum of squares, found one host after the other: each is set to the mean of what the others say of it
    and what was known, by weight. That ends, as the sum falls with every step.
    """
    ratios: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for pair in pairs:
        if pair.first != pair.second and pair.first_s > 0 and pair.second_s > 0:
            ratio = math.log(pair.second_s) - math.log(pair.first_s)  # of the first host's speed to the second's
            if pair.first < pair.second:
                ratios[pair.first, pair.second].append(ratio)
            else:
                ratios[pair.second, pair.first].append(-ratio)
    others: defaultdict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for (one, two), between in ratios.items():
        weight, middle = min(float(len(between)), _MOST_BETWEEN), median(between)
        others[one].append((two, middle, weight))
        others[two].append((one, -middle, weight))
    logs = {host: each.log for host, each in known.items()} | {host: 0.0 for host in others if host not in known}
    for _ in range(_ROUNDS):
        moved = 0.0
        for host, found in others.items():
            before = known.get(host, Measured())
            doubt = max(before.weight, _DOUBT)
            total = doubt + sum(weight for _, _, weight in found)
            new = (doubt * before.log + sum(w * (logs[other] + ratio) for other, ratio, w in found)) / total
            moved = max(moved, abs(new - logs[host]))
            logs[host] = new
        if moved < _EXACT:
            break
    middle = sum(logs.values()) / len(logs) if logs else 0.0
    return {
        host: Measured(
            max(-_FASTEST, min(_FASTEST, log - middle)),
            min(MOST_WEIGHT, known.get(host, Measured()).weight + sum(w for _, _, w in others.get(host, ()))),
        )
        for host, log in logs.items()
    }
