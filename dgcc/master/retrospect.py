"""What a build did with its time: slots in use, the slowest jobs, the longest path. Pure computations."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from dgcc.master.history import HOME
from dgcc.master.joblist import Job, State
from dgcc.master.priorities import longest_way, priorities

PARTS = 30
"""Into so many parts of equal length the build is cut, to show how many slots were in use."""

_SLOWEST = 5


class Took(Struct, frozen=True):
    """One job that ended: its target, where it ran, seconds of the command itself."""

    target: str
    ran: str
    wall_s: float


class Retrospect(Struct, frozen=True):
    """slots: of the farm, at most at a time. used: how many were, on average, in each part of the build. slowest: jobs,
    the slowest first. path: of jobs each of which awaited the one before, those that took longest together."""

    slots: int = 0
    used: Sequence[float] = ()
    slowest: Sequence[Took] = ()
    path: Sequence[Took] = field(default_factory=tuple)

    @property
    def path_s(self) -> float:
        """How long all slots of the world could not have made the build shorter than, seconds."""
        return sum(each.wall_s for each in self.path)


def look_back(
    jobs: Iterable[Job], began: float, ended: float, slots: int, heirs: Sequence[Sequence[int]],
    places: Mapping[int, int],
) -> Retrospect:  # fmt: skip
    """Look back on a build.

    began, ended: seconds of the clock that stamps the jobs' stories. slots: the most that there were at a time.
    heirs: see `heirs_of`, of the plan; `places` there, by job.
    """
    done = [job for job in jobs if job.state is State.DONE and not job.nested]
    by_place = {places[job.id]: job for job in done if job.id in places}
    durations = [by_place[place].wall_s if place in by_place else 0.0 for place in range(len(heirs))]
    path = [by_place[place] for place in _longest(heirs, durations) if place in by_place]
    slowest = sorted(done, key=lambda job: -job.wall_s)[:_SLOWEST]
    spans = [(job.story[-1][0] - job.wall_s, job.story[-1][0]) for job in done if job.remote]
    return Retrospect(slots, tuple(_used(spans, began, ended)), tuple(map(_took, slowest)), tuple(map(_took, path)))


def _took(job: Job) -> Took:
    return Took(job.label, job.ran if job.remote else HOME, job.wall_s)


def _longest(heirs: Sequence[Sequence[int]], durations: Sequence[float]) -> list[int]:
    lengths = priorities(heirs, durations)
    if not lengths:
        return []
    return longest_way(heirs, lengths, max(range(len(lengths)), key=lengths.__getitem__))


def _used(spans: Iterable[tuple[float, float]], began: float, ended: float) -> list[float]:
    """How many spans there were at a time, on average, in each part of the time."""
    part = (ended - began) / PARTS
    if part <= 0:
        return []
    used = [0.0] * PARTS
    for start, end in spans:
        first, last = (min(PARTS - 1, max(0, int((at - began) / part))) for at in (start, end))
        for place in range(first, last + 1):
            overlap = min(end, began + (place + 1) * part) - max(start, began + place * part)
            used[place] += max(0.0, overlap) / part
    return used


def sparkline(values: Sequence[float], most: float, blocks: bool = True) -> str:
    """Values from 0 to `most` as a line of little bars; where the terminal has no `blocks`, of other characters."""
    levels = " ▁▂▃▄▅▆▇█" if blocks else " .:-=+*%@"
    if most <= 0:
        return ""
    return "".join(levels[max(0, min(8, round(8 * value / most)))] for value in values)
