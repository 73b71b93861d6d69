"""Slaves and masters of another version: told in one line on both sides, and the others build on."""

import sys
from pathlib import Path

import pytest
from chaos.chaoskit import WAITS, Chaos, chaos, slow_project

from dgcc.corba import DGCC

_OTHERWISE = str(Path(__file__).with_name("otherwise.py"))
_OURS = int(DGCC.PROTOCOL)


@pytest.fixture
def place(tmp_path: Path):
    """A farm in which everybody looks for others often."""
    with chaos(tmp_path, "a", slots=2, waits=WAITS.changed({"look": 0.5})) as made:
        yield made


def start(place: Chaos, name: str, *changed: str) -> None:
    """Start a slave in which something is otherwise."""
    place.farm.on[name] = [sys.executable, _OTHERWISE, *changed, "--"]
    place.farm.start_slave(name, slots=2)


@pytest.mark.parametrize("theirs", [pytest.param(_OURS - 1, marks=pytest.mark.full), _OURS + 1])
def test_a_slave_of_another_protocol(place: Chaos, theirs: int):
    """Beside it one of another version, and the same protocol, is as good as any."""
    start(place, "other", f"protocol={theirs}", "version=7.8")
    start(place, "newer", "version=99.0")
    place.plan(slow_project, 8, 0.7)
    built = place.farm.finish(place.start(), 60)
    said = f"of no use: the slave 'other' (DGCC 7.8) speaks protocol {theirs}, this master {_OURS}: "
    place.survived(built, said=[said])
    assert built.err.count("of no use: ") == 1 and built.jobs["fallback"] == 0
    assert built.report["slaves"]["newer"]["jobs"] > 0
    log = place.farm.log("other")
    assert log.count(f"speaks protocol {_OURS}, this slave {theirs}: ") == log.count("protocol") == 1, log


@pytest.mark.full
def test_a_master_of_another_protocol(place: Chaos):
    place.plan(slow_project, 6, 0.5)
    place.farm.on["master"] = [sys.executable, _OTHERWISE, f"protocol={_OURS + 1}", "--"]
    master = place.start("--local-jobs", "1")
    del place.farm.on["master"]
    built = place.farm.finish(master, 60)
    place.survived(built, said=["of no use: the slave 'a' (DGCC ", "fallback: f0.o: no slave in the farm"])
    assert built.err.count("of no use: ") == 1
    assert place.farm.log("a").count("protocol") == 1, place.farm.log("a")
    for path in place.outputs:
        path.unlink()
    again = place.farm.master(place.project)
    assert again.code == 0 and again.jobs["remote"] == 6, "one of its own version finds it ready"
