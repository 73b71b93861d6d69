"""How long what is left of a build should take: the rest of it is played through, as the Overseer would place it.

A pure computation over seconds of *work*: of a job on a host of speed 1. A slot does `speed` of them in a second.
"""

import heapq
from collections.abc import Sequence

from msgspec import Struct

REMOTE, HOME = 0, 1


class Pool(Struct, frozen=True):
    """Slots that are alike. speed: seconds of work that each does in a second."""

    slots: int
    speed: float = 1.0


class Item(Struct, frozen=True):
    """A job that make has released: `work` is what is left of it. place: in the plan; -1: not in it."""

    work: float
    pool: int
    place: int = -1
    behind: float = 0.0


class Rest(Struct, frozen=True):
    """What is left of a build.

    heirs: by place, who awaits the job. missing: by place, how many jobs that it awaits have not ended. planned: those
    that make has not released. held: items that only wait for others, without a slot.
    """

    heirs: Sequence[Sequence[int]]
    missing: Sequence[int]
    planned: Sequence[Item]
    running: Sequence[Item]
    waiting: Sequence[Item]
    held: Sequence[Item]
    pools: tuple[Pool, Pool]


def time_left(rest: Rest) -> float:
    """Return the seconds until the last job should end. Takes time n log n in the jobs that are left."""
    pools = rest.pools
    missing = list(rest.missing)
    free = [pool.slots for pool in pools]
    ready: tuple[list[tuple[float, int, Item]], ...] = ([], [])  # those with the longest path first
    ends: list[tuple[float, int, Item]] = []
    to_come: dict[int, Item] = {}
    order = 0
    now = 0.0

    def offer(item: Item) -> None:
        nonlocal order
        order += 1
        pool = item.pool if pools[item.pool].slots else 1 - item.pool
        heapq.heappush(ready[pool], (-item.behind - item.work, order, item))

    def begin(item: Item, pool: int) -> None:
        nonlocal order
        order += 1
        free[pool] -= 1
        heapq.heappush(ends, (now + item.work / max(pools[pool].speed, 1e-3), 2 * order + pool, item))

    for item in rest.running:
        begin(item, item.pool)
    for item in rest.waiting:
        offer(item)
    for item in (*rest.planned, *rest.held):
        if missing[item.place] > 0:
            to_come[item.place] = item
        else:
            offer(item)
    while True:
        for pool in (REMOTE, HOME):
            while ready[pool] and free[pool] > 0:
                begin(heapq.heappop(ready[pool])[2], pool)
        if not ends:
            return now
        now, number, item = heapq.heappop(ends)
        free[number % 2] += 1
        if item.place >= 0:
            for heir in rest.heirs[item.place]:
                missing[heir] -= 1
                if missing[heir] == 0 and heir in to_come:
                    offer(to_come.pop(heir))
