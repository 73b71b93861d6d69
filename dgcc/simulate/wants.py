"""What the Overseer is told of each job: known from an earlier build, known wrongly, or not at all."""

import math
import random

from dgcc.master.overseer import Want
from dgcc.master.priorities import priorities, started_by
from dgcc.simulate.graph import Graph
from dgcc.simulate.setting import Setting


def wants_of(graph: Graph, setting: Setting) -> tuple[list[float], list[Want]]:
    """Return by the jobs' places how long each is expected to take, and what the Overseer is told of it.

    With a noise of n, each expectation is the truth times a factor between 1/(1+n) and 1+n, evenly spread by logarithm.
    Where nothing is known all count the same: the path that has most jobs comes first.
    """
    if not setting.by_path:
        return [0.0] * len(graph), [Want()] * len(graph)
    chance = random.Random(setting.seed)
    spread = math.log1p(setting.noise)
    expected = [s * math.exp(chance.uniform(-spread, spread)) if spread else s for s in graph.seconds]
    if not setting.known:
        expected = [1.0] * len(graph)
    paths = priorities(started_by(graph.awaited, graph.above), expected)
    wants = [
        Want(path, own if setting.known else 0.0, job.max_rss if setting.known else 0, repeatable=job.remote)
        for path, own, job in zip(paths, expected, graph.jobs, strict=True)
    ]
    return expected, wants
