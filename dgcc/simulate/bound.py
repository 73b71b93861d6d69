"""How soon a build could end at best: no schedule whatever is shorter than `Bound.seconds`.

Times are those on the simulated farm: a remote job takes its recorded seconds divided by the speed of the fastest host
that may run it, a local one its recorded seconds. The bound is the largest of three:

- *path*: the longest chain of jobs that await each other, each at its fastest. A recipe that runs makes begins before
  their jobs, and what awaits it comes after the last of them.
- *work*: the seconds of all remote jobs together, divided by the sum of slots times speed over all slaves.
- *home*: the seconds of all local jobs together, divided by the home slots.

`tight` is larger or equal, and a bound, too: in the same way it takes the jobs that cannot start before a time, or are
followed by so much, or both: earliest start + their work / slots + shortest rest. It tells how much of a distance
from the bound no scheduler could help. If remote jobs have run at home (fallbacks), home counts as one more host, of
speed 1. Transfers, latency, make's window and faults are in neither.
"""


from msgspec import Struct

from dgcc.simulate.graph import Graph
from dgcc.simulate.paths import longest_paths
from dgcc.simulate.setting import Setting


class Bound(Struct, frozen=True):
    """All in seconds. `chain`: the jobs of the longest path, by their places."""

    path: float
    work: float
    home: float
    tight: float
    chain: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """The bound."""
        return max(self.path, self.work, self.home)


def bound_of(graph: Graph, setting: Setting, home_helps: bool = False) -> Bound:
    """Return the bound. `home_helps`: jobs that may travel have run at home."""
    speeds = [slave.speed for slave in setting.slaves] + ([1.0] if home_helps or not setting.slaves else [])
    capacity = setting.capacity + (setting.home if home_helps or not setting.slaves else 0)
    fastest = max(speeds)
    remote = [job.remote for job in graph.jobs]
    least = [s / fastest if far else s for s, far in zip(graph.seconds, remote, strict=True)]
    paths = longest_paths(graph.awaited, least, graph.above)
    heads = _earliest(graph, least)
    far = [n for n in range(len(graph)) if remote[n]]
    near = [n for n in range(len(graph)) if not remote[n]]
    rests = [path - own for path, own in zip(paths, least, strict=True)]
    work = sum(graph.seconds[n] for n in far) / capacity
    home = sum(graph.seconds[n] for n in near) / setting.home
    path = max(paths, default=0.0)
    tight = max(path, _window(far, heads, rests, graph.seconds, capacity),
                _window(near, heads, rests, graph.seconds, setting.home))  # fmt: skip
    return Bound(path, work, home, max(tight, work, home), _chain(graph, paths))


def _earliest(graph: Graph, least: list[float]) -> list[float]:
    """When each job could start with slots without end."""
    heads = [0.0] * len(graph)
    own_ends = [0.0] * len(graph)
    ends = [0.0] * len(graph)  # with all that each runs
    for place in range(len(graph)):
        above = graph.above[place]
        heads[place] = max([own_ends[above] if above is not None else 0.0, *(ends[n] for n in graph.awaited[place])])
        end = own_ends[place] = heads[place] + least[place]
        at: int | None = place
        while at is not None and ends[at] < end:
            ends[at] = end
            at = graph.above[at]
    return heads


def _window(jobs: list[int], heads: list[float], rests: list[float], seconds: tuple[float, ...],
            capacity: float) -> float:  # fmt: skip
    """The best bound over all sets of jobs with late starts, and over all with long rests."""
    best = 0.0
    for by, other in ((heads, rests), (rests, heads)):
        work, least = 0.0, float("inf")
        for job in sorted(jobs, key=lambda n: by[n], reverse=True):
            work += seconds[job]
            least = min(least, other[job])
            best = max(best, by[job] + work / capacity + least)
    return best


def _chain(graph: Graph, paths: list[float]) -> tuple[int, ...]:
    """The jobs of the longest path."""
    if not paths:
        return ()
    under: dict[int, list[int]] = {}
    for below, above in enumerate(graph.above):
        if above is not None:
            under.setdefault(above, []).append(below)
    followers = list(range(len(paths)))
    chain: list[int] = []
    while followers:
        place = max(followers, key=lambda n: paths[n])
        chain.append(place)
        followers = [*graph.awaiting[place], *under.get(place, ())]
        above = graph.above[place]
        while above is not None:
            followers.extend(graph.awaiting[above])
            above = graph.above[above]
    return tuple(chain)
