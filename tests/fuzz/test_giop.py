"""Broken GIOP messages to a live slave and a live master: both go on working, and take no more of their hosts.

The full form is `make fuzz`. DGCC_FUZZ_SEED repeats a run.
"""

import os
from collections.abc import Iterator

import pytest
from fuzz.siege import Siege, check_build, siege

MESSAGES = 1500
SEED = int(os.environ.get("DGCC_FUZZ_SEED", "1"))


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with siege(tmp_path_factory.mktemp("siege"), SEED) as made:
        yield made


def test_a_slave_and_a_master_outlast_broken_messages(besieged: Siege) -> None:
    print(f"DGCC_FUZZ_SEED={SEED}")
    intruder = besieged.intruder
    at_slave, at_master = intruder.against_slave("a"), intruder.against_master()
    for target in (at_slave, at_master):
        assert len(target.breaker.operations) >= 9
        for whole in target.breaker.whole():  # what is not broken gets an answer, unless it is oneway
            assert intruder.send(target.address, whole) <= 1
        assert intruder.send(target.address, target.breaker.answered()) == 1
    for target, pid in ((at_slave, besieged.slave_pid), (at_master, besieged.master.pid)):
        assert besieged.assault(target, pid, MESSAGES) == ""
        assert besieged.besiege(target, pid, 600) == ""
    check_build(besieged.relieve(), all_remote=False)
    again = besieged.farm.master(besieged.project, "-B")
    check_build(again, all_remote=True)
    assert "Traceback" not in besieged.farm.log("a")
