"""Makes a recording of a build that has ended (see recording.py)."""

import datetime
import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dgcc.master.joblist import Job, State
from dgcc.master.plan.planned import Plan
from dgcc.master.recording import RecordedJob, Recording

# Where one recipe runs a make after another, each first job of the second awaits each last one of the first. Beyond so
# many pairs only one last job is awaited.
_MOST_PAIRS = 10_000
# The master hears of the end of a recipe at home no sooner than make does, and later by at most so many seconds.
_LATE_S = 0.05
_ENDED = (State.DONE, State.FAILED)


def record(jobs: Iterable[Job], plan: Plan | None, *, command: Sequence[str], slots: Mapping[str, int], home: int,
           wall_s: float, date: datetime.datetime) -> Recording:  # fmt: skip
    """Return the recording of a build: of all `jobs` those that ran to an end, with the edges of its plan.

    `slots`: of each slave that took part. `home`: recipes at home at once. `date`: of its end, with a zone.
    """
    ended = sorted((job for job in jobs if job.state in _ENDED), key=_released)
    makes: dict[tuple[int, int], int] = {}
    for job in ended:
        makes.setdefault(_make(job), len(makes))
    awaited = _edges(ended, plan)
    _one_make_after_another(ended, awaited)
    own = _own_times(ended)
    known = {job.id for job in ended}
    return Recording(
        jobs=tuple(
            RecordedJob(
                id=job.id, directory=os.fsdecode(job.directory), target=os.fsdecode(job.target), label=job.command,
                remote=job.verdict, prerequisites=tuple(awaited[job.id]), above=job.above if job.above in known else 0,
                make=makes[_make(job)], order=order, ran=job.ran if job.remote else "",
                wall_s=round(job.wall_s if job.remote else own[job.id], 6),
                cpu_s=round(job.cpu_s, 6) if job.remote else 0.0, max_rss=job.max_rss if job.remote else 0,
                bytes_in=job.bytes_in if job.remote else 0, bytes_out=job.bytes_out if job.remote else 0,
            )
            for order, job in enumerate(ended)
        ),
        date=date.isoformat(timespec="seconds"),
        machine={"name": platform.node(), "system": f"{platform.system()} {platform.release()} {platform.machine()}",
                 "cpus": os.cpu_count() or 1},
        command=tuple(command), slots=dict(slots), home=home, wall_s=round(wall_s, 6),
    )  # fmt: skip


def _make(job: Job) -> tuple[int, int]:
    """What tells makes apart: the recipe above, and the process where there is one. The build's own is one."""
    return job.above, job.make if job.above else 0


def _released(job: Job) -> float:
    return job.story[0][0]


def _ended(job: Job) -> float:
    return job.story[-1][0]


def _edges(ended: Sequence[Job], plan: Plan | None) -> dict[int, list[int]]:
    """The ids that each job awaits. Of one target the first planned line is the first that was released, and so on."""
    awaited: dict[int, list[int]] = {job.id: [] for job in ended}
    if plan is None:
        return awaited
    ran: defaultdict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for job in reversed(ended):
        ran[job.directory, job.target].append(job.id)
    of_place = []
    for planned in plan.jobs:
        waiting = ran.get((planned.directory, planned.target))
        of_place.append(waiting.pop() if waiting else None)
    by_id = {job.id: job for job in ended}
    for job_id, places in zip(of_place, plan.edges, strict=True):
        if job_id is not None:
            for place in places:
                before = of_place[place]
                # What did not hold in the build itself, as where a target was made twice, holds nowhere.
                if before is not None and _came_before(by_id[before], by_id[job_id], by_id):
                    awaited[job_id].append(before)
    return awaited


def _came_before(earlier: Job, later: Job, by_id: Mapping[int, Job]) -> bool:
    """Whether one job had ended when the other was released; one that runs the other's make has not."""
    above = later.above
    while above and above != earlier.id:
        above = by_id[above].above if above in by_id else 0
    return not above and _released(earlier) < _released(later) and _ended(earlier) <= _released(later) + _LATE_S


def _one_make_after_another(ended: Sequence[Job], awaited: dict[int, list[int]]) -> None:
    """Make the jobs of a make await those of another that the same recipe had run to its end before."""
    makes: defaultdict[tuple[int, int], list[Job]] = defaultdict(list)
    for job in ended:
        makes[_make(job)].append(job)
    last: dict[int, tuple[float, list[Job]]] = {}  # by the recipe above: the make before, and its end
    for (above, _), jobs in makes.items():
        before = last.get(above)
        if above and before is not None and before[0] <= _released(jobs[0]) + _LATE_S:
            heads = [job for job in jobs if not awaited[job.id]]
            ends = before[1] if len(before[1]) * len(heads) <= _MOST_PAIRS else before[1][-1:]
            for job in heads:
                awaited[job.id].extend(end.id for end in ends)
        inner = {need for job in jobs for need in awaited[job.id]}
        ends = sorted((job for job in jobs if job.id not in inner), key=_ended)
        if before is None or max(map(_ended, jobs)) >= before[0]:
            last[above] = max(map(_ended, jobs)), ends


def _own_times(ended: Sequence[Job]) -> dict[int, float]:
    """How long each job ran at home, without the times at which jobs of makes that it runs were under way."""
    below: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for job in ended:
        below[job.above].append((_released(job), _ended(job)))
    own: dict[int, float] = {}
    for job in ended:
        start = max((at for at, state, _ in job.story if state is State.HOME), default=_released(job))
        end = _ended(job)
        left, at = end - start, start
        for since, until in sorted(below.get(job.id, ())):
            left -= max(0.0, min(until, end) - max(since, at))
            at = max(at, min(until, end))
        own[job.id] = max(left, 0.0)
    return own
