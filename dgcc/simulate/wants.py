"""What the Overseer is told of each job: known from an earlier build, known wrongly, or not at all."""

import math
import random

from dgcc.simulate.graph import Graph
from dgcc.simulate.paths import longest_paths
from dgcc.simulate.present import Want
from dgcc.simulate.setting import Setting


def wants_of(graph: Graph, setting: Setting) -> list[Want]:
    """Return what is known of each job, by its place.

    With a noise of n, each expectation is the truth times a factor between 1/(1+n) and 1+n, evenly spread by logarithm.
    """
    if not setting.by_path:
        return [Want()] * len(graph)
    chance = random.Random(setting.seed)
    spread = math.log1p(setting.noise)
    if setting.known:
        expected = [s * math.exp(chance.uniform(-spread, spread)) if spread else s for s in graph.seconds]
    else:
        expected = [1.0] * len(graph)  # all alike: the path that counts most jobs comes first
    paths = longest_paths(graph.awaited, expected)
    return [
        Want(path, own if setting.known else 0.0, job.max_rss if setting.known else 0, repeatable=job.remote)
        for path, own, job in zip(paths, expected, graph.jobs, strict=True)
    ]
