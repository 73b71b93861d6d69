"""Longest paths through a plan, against an oracle that tries all."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.plan.planned import Plan, PlannedJob
from dgcc.master.priorities import heirs_of, priorities


def plan_of(graph: dict[int, list[int]], lines: int = 1) -> Plan:
    needs = {(b"/p", b"%d" % n): tuple(b"%d" % m for m in graph[n]) for n in graph}
    jobs = tuple(PlannedJob(*key, b"run %d" % line, prerequisites=needs[key]) for key in needs for line in range(lines))
    return Plan(jobs, needs, {(0, target): found for (_, target), found in needs.items()})


def oracle(plan: Plan, took: list[float]) -> list[float]:
    heirs: list[list[int]] = [[] for _ in plan.jobs]
    for place, awaited in enumerate(plan.edges):
        for earlier in awaited:
            heirs[earlier].append(place)

    def longest(place: int) -> float:
        return took[place] + max((longest(heir) for heir in heirs[place]), default=0.0)

    return [longest(place) for place in range(len(plan.jobs))]


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, list[int]]:
    """Graphs without circles, in an order that has nothing to do with their edges."""
    count = draw(st.integers(1, 9))
    edges = {n: sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [] for n in range(count)}
    return {n: edges[n] for n in draw(st.permutations(range(count)))}


@settings(deadline=None)
@given(graphs(), st.integers(1, 2), st.integers(0, 2**32))
def test_priorities_are_the_longest_paths(graph: dict[int, list[int]], lines: int, seed: int) -> None:
    plan = plan_of(graph, lines)
    took = [float(random.Random(seed + place).randrange(100)) for place in range(len(plan.jobs))]
    assert priorities(heirs_of(plan.edges), took) == oracle(plan, took)


def test_a_chain_of_any_depth():
    plan = plan_of({n: [n - 1] if n else [] for n in range(30_000)})
    found = priorities(heirs_of(plan.edges), [1.0] * 30_000)
    assert found[0] == 30_000 and found[-1] == 1


def test_circles_are_cut():
    plan = plan_of({0: [1], 1: [2], 2: [0, 3], 3: []})
    found = priorities(heirs_of(plan.edges), [1.0] * 4)
    assert len(found) == 4 and all(1 <= each <= 4 for each in found)
    assert found[3] == max(found)


def test_no_jobs_have_no_priorities():
    assert priorities(heirs_of(Plan().edges), []) == []
