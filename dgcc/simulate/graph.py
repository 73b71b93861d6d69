"""A recording as a graph: who awaits whom, in which order make comes by, what each job takes."""

from collections import defaultdict

from msgspec import Struct

from dgcc.master.recording import RecordedJob, Recording


class Graph(Struct, frozen=True):
    """The jobs of a recording by their places, 0, 1, ... in the order in which they were released.

    awaited: the places of what each must come after. awaiting: the same the other way round. above: the job whose
    recipe runs the make that each belongs to. below: how many jobs belong to makes that each runs. follows: the next
    line of the same recipe, which make starts as soon as the one before has ended. walks: by make, its jobs in the
    order in which it comes by them, and the job above it. seconds: how long each takes on a host of speed 1.
    """

    jobs: tuple[RecordedJob, ...]
    awaited: tuple[tuple[int, ...], ...]
    awaiting: tuple[tuple[int, ...], ...]
    above: tuple[int | None, ...]
    below: tuple[int, ...]
    follows: dict[int, int]
    walks: tuple[tuple[int | None, tuple[int, ...]], ...]
    seconds: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.jobs)


def graph_of(recording: Recording, by_cpu: bool = False) -> Graph:
    """Make the graph of a recording.

    `by_cpu`: jobs take what they would on a quiet host. That is the CPU time where it is known; all others are held
    up by as much as those, taken together.
    """
    jobs = recording.jobs
    place = {job.id: number for number, job in enumerate(jobs)}
    awaited = tuple(tuple(place[need] for need in job.prerequisites) for job in jobs)
    awaiting: list[list[int]] = [[] for _ in jobs]
    for number, needs in enumerate(awaited):
        for need in needs:
            awaiting[need].append(number)
    above = tuple(place[job.above] if job.above else None for job in jobs)
    below = [0] * len(jobs)
    for each in above:
        if each is not None:
            below[each] += 1
    makes: defaultdict[tuple[int | None, int], list[int]] = defaultdict(list)
    for number, job in enumerate(jobs):
        makes[above[number], job.make].append(number)
    follows: dict[int, int] = {}
    for number, job in enumerate(jobs):
        if len(awaited[number]) == 1 and job.target:
            (line,) = awaited[number]
            before = jobs[line]
            same = (before.directory, before.target, before.make) == (job.directory, job.target, job.make)
            if same and above[line] == above[number] and line not in follows:
                follows[line] = number
    walks = tuple((over, _walk(members, awaited)) for (over, _), members in makes.items())
    return Graph(jobs, awaited, tuple(map(tuple, awaiting)), above, tuple(below), follows, walks,
                 _seconds(jobs, by_cpu))  # fmt: skip


def _seconds(jobs: tuple[RecordedJob, ...], by_cpu: bool) -> tuple[float, ...]:
    known = [job for job in jobs if by_cpu and job.cpu_s and job.wall_s]
    if not known:
        return tuple(job.wall_s for job in jobs)
    quiet = min(1.0, sum(job.cpu_s for job in known) / sum(job.wall_s for job in known))
    return tuple(job.cpu_s or job.wall_s * quiet for job in jobs)


def _walk(members: list[int], awaited: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The order in which make comes by its jobs: depth first, prerequisites from left to right, then the job.

    A recording has no goals; they are what nobody awaits, in the order of the first release below each.
    """
    own = set(members)
    inner = {need for each in members for need in awaited[each]}
    first: dict[int, int] = {}
    for each in members:  # what it awaits is earlier
        first[each] = min([each, *(first[need] for need in awaited[each] if need in own)])
    order: dict[int, None] = {}
    for goal in sorted((each for each in members if each not in inner), key=lambda each: first[each]):
        stack = [(goal, iter(awaited[goal]))]
        while stack:
            each, needs = stack[-1]
            need = next((n for n in needs if n in own and n not in order), None)
            if need is None:
                order[each] = None
                stack.pop()
            else:
                stack.append((need, iter(awaited[need])))
    return tuple(order)
