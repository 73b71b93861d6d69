"""Speeds of hosts found from the same commands on different hosts."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.speeds import MOST_WEIGHT, Measured, Pair, measure


def builds(true: dict[str, float], rounds: int, seed: int = 1, noise: float = 0.2) -> dict[str, Measured]:
    """What is known after some builds in which each job ran on two of the hosts, with noise and outliers."""
    chance = random.Random(seed)
    known: dict[str, Measured] = {}
    for _ in range(rounds):
        pairs = []
        for _ in range(30):
            first, second = chance.sample(sorted(true), 2)
            work = chance.uniform(0.1, 5)
            took = [work / true[host] * math.exp(chance.gauss(0, noise)) for host in (first, second)]
            if chance.random() < 0.05:
                took[0] *= 30
            pairs.append(Pair(first, second, *took))
        known = measure(known, pairs)
    return known


@settings(deadline=None)
@given(st.lists(st.floats(0.2, 5), min_size=2, max_size=6), st.integers(0, 99))
def test_relative_speeds_are_found(speeds: list[float], seed: int) -> None:
    true = {f"host{place}": speed for place, speed in enumerate(speeds)}
    found = builds(true, 16, seed)
    for host in true:
        wanted = true[host] / true["host0"]
        assert found[host].speed / found["host0"].speed == pytest.approx(wanted, rel=0.35)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.builds(Measured, st.floats(-2, 2), st.floats(0, 300))),
       st.lists(st.builds(Pair, st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"),
                          st.floats(0, 100), st.floats(0, 100)), max_size=30))  # fmt: skip
def test_the_mean_stays_at_one(known: dict[str, Measured], pairs: list[Pair]) -> None:
    found = measure(known, pairs)
    assert found.keys() >= known.keys()
    inside = all(abs(each.log) < 3.9 for each in found.values())
    if found and inside:
        assert math.prod(each.speed for each in found.values()) == pytest.approx(1.0)
    assert all(each.weight <= MOST_WEIGHT and math.isfinite(each.log) for each in found.values())


def test_two_hosts_that_measure_each_other_do_not_overshoot() -> None:
    found: dict[str, Measured] = {}
    for _ in range(20):
        found = measure(found, [Pair("slow", "fast", 2.0, 1.0)] * 10)
        assert 1 <= found["fast"].speed / found["slow"].speed <= 2.001
    assert found["fast"].speed / found["slow"].speed == pytest.approx(2, rel=0.02)


def test_a_host_that_becomes_slower_is_seen_to() -> None:
    known = builds({"a": 1.0, "b": 1.0, "c": 1.0}, 20)
    for _ in range(10):
        known = measure(known, [Pair("a", other, 3.0, 1.0) for other in "bc"] * 20)
    assert known["a"].speed / known["b"].speed == pytest.approx(1 / 3, rel=0.2)


def test_one_measurement_of_a_new_host_is_not_believed_whole() -> None:
    found = measure({"a": Measured(0.0, 100)}, [Pair("new", "a", 20.0, 1.0)])
    assert found["a"].speed / found["new"].speed < 5
    assert measure({}, []) == {}
