"""How urgent planned jobs are: the length of the longest path from a job's start to the end of the build."""

from collections.abc import Sequence


def heirs_of(awaited: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return for each job, by its place, the places of those that await it; `awaited`: as in `Plan.edges`."""
    heirs: list[list[int]] = [[] for _ in awaited]
    for place, earlier_ones in enumerate(awaited):
        for earlier in earlier_ones:
            heirs[earlier].append(place)
    return tuple(map(tuple, heirs))


def started_by(awaited: Sequence[Sequence[int]], above: Sequence[int | None]) -> list[list[int]]:
    """Return for each job the places of those that cannot start before it has ended, or, where it runs makes, started.

    above: for each job, the place of the one that runs its make, or None.
    """
    found = [list(heirs) for heirs in heirs_of(awaited)]
    for place, runs in enumerate(above):
        if runs is not None:
            found[runs].append(place)
    return found


def longest_way(heirs: Sequence[Sequence[int]], lengths: Sequence[float], start: int) -> list[int]:
    """Return the places along the longest path that begins with `start`. lengths: as `priorities` returns them."""
    way = [start]
    seen = {start}
    while following := [heir for heir in heirs[way[-1]] if heir not in seen]:
        way.append(max(following, key=lengths.__getitem__))
        seen.add(way[-1])
    return way


def priorities(heirs: Sequence[Sequence[int]], expected: Sequence[float]) -> list[float]:
    """Return for each planned job, by its place, the longest path that begins with it, itself included; seconds.

    heirs: see `heirs_of`. expected: how long each should take. Takes time in proportion to jobs and edges, whatever
    the graph's depth; where prerequisites form a circle, it is cut somewhere.
    """
    longest = [0.0] * len(heirs)  # on the way only: what leads back into a circle counts for nothing
    looked = [0] * len(heirs)  # how many heirs have been looked at
    entered = [False] * len(heirs)
    for start in range(len(heirs)):
        way = [] if entered[start] else [start]  # from a job to its heirs, and theirs
        while way:
            place = way[-1]
            entered[place] = True
            if looked[place] < len(heirs[place]):
                heir = heirs[place][looked[place]]
                looked[place] += 1
                if not entered[heir]:  # else it is done, or on the way here
                    way.append(heir)
            else:
                way.pop()
                longest[place] = expected[place] + max((longest[heir] for heir in heirs[place]), default=0.0)
    return longest
