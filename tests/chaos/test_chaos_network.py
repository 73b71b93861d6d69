"""Links that are cut, one way or both, slow, or lose packets, in the middle of jobs and of transfers."""

import time
from collections.abc import Iterator
from pathlib import Path

import farmkit
import pytest
from chaos.chaoskit import FULL, WAITS, Chaos, chaos, moving_project, slow_project
from chaos.network import Network, network
from farmkit import wait_for

from dgcc.naming.deadlines import Deadlines

MASTER, A, B = 1, 2, 3


@pytest.fixture
def net() -> Iterator[Network]:
    farmkit.needs_root("makes network namespaces with TUN devices")
    with network(3) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, net: Network) -> Iterator[Chaos]:
    with chaos(tmp_path, "a", "b", slots=2, net=net) as made:
        yield made


CUTS = {"both ways": [(MASTER, A), (A, MASTER)], "to the slave": [(MASTER, A)], "from the slave": [(A, MASTER)]}
DURING_JOBS = list(CUTS) if FULL else ["both ways", "from the slave"]
DURING_TRANSFERS = list(CUTS) if FULL else ["to the slave"]


@pytest.mark.parametrize("way", DURING_JOBS)
def test_a_link_that_is_cut_during_jobs(place: Chaos, net: Network, way: str):
    place.plan(slow_project, 24 if FULL else 12, 1.0)
    master = place.start()
    place.under_way(2)
    net.cut = frozenset(CUTS[way])
    built = place.farm.finish(master, 120)
    net.heal()
    place.survived(built, said=["lost: a"])
    assert place.farm.master(place.project, "-B", "S=0").report["slaves"]["a"]["jobs"] > 0, "it is of use again"


@pytest.mark.parametrize("way", DURING_TRANSFERS)
def test_a_link_that_is_cut_in_the_middle_of_a_transfer(place: Chaos, net: Network, way: str):
    """Of inputs, or of outputs: whatever is on its way."""
    place.plan(moving_project, 4, 8 << 20)
    before = net.carried
    net.delay_s = 0.02
    master = place.start()
    after = 12 << 20 if way == "both ways" else 30 << 20
    wait_for(lambda: net.carried - before > after, "a transfer is under way")
    net.cut = frozenset(CUTS[way])
    built = place.farm.finish(master, 180)
    net.heal()
    place.survived(built)


def test_a_link_that_comes_back_within_the_lease_costs_no_job(place: Chaos, net: Network):
    place.plan(slow_project, 12, 1.0)
    master = place.start()
    place.under_way(2)
    net.part(MASTER, A)
    time.sleep(WAITS.lease / 3)
    net.heal()
    built = place.farm.finish(master, 60)
    place.survived(built)
    assert built.jobs["remote"] == 12 and built.report["slaves"]["a"]["losses"] == 0, built.err


# Packets are delayed each way, so an answer takes half a second longer.
@pytest.mark.parametrize(
    ("delay", "loss"),
    [
        pytest.param(0.25, 0.0, id="half a second", marks=pytest.mark.full),
        pytest.param(0.0, 0.05, id="one packet in twenty"),
    ],
)
def test_a_bad_link_is_slow_and_right(tmp_path: Path, net: Network, delay: float, loss: float):
    with chaos(tmp_path, "a", "b", net=net, waits=Deadlines()) as place:
        place.plan(slow_project, 12 if FULL else 6, 0.2)
        net.delay_s, net.loss = delay, loss
        built = place.farm.master(place.project)
        net.heal()
        place.survived(built)
        assert built.jobs["remote"] > 0 and not any(s["losses"] for s in built.report["slaves"].values()), built.err


def test_a_slave_that_only_the_naming_service_reaches(place: Chaos, net: Network):
    """Cut off from its peer alone, a slave has all from the master."""
    net.part(A, B)
    place.plan(slow_project, 8, 0.2)
    built = place.farm.master(place.project)
    net.heal()
    place.survived(built)
    assert built.jobs["remote"] == 8 and WAITS.peer < 10
