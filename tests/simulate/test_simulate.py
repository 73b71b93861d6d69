"""Simulated builds: the same twice, never below the bound, whatever befalls the farm."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from simulate.simulatekit import RECORDINGS, graph

from dgcc.master.recording import read, write
from dgcc.simulate.bound import bound_of
from dgcc.simulate.deep import deep
from dgcc.simulate.evaluate import farm, usual_window
from dgcc.simulate.graph import Graph, graph_of
from dgcc.simulate.setting import Fault, Setting, Slave, equal_slaves
from dgcc.simulate.simulation import Outcome, simulate

ONE = Setting(equal_slaves(1, 1), home=1, latency_s=0.0, bandwidth=0.0)
NAMES = ("leveldb", "busybox", "deep")


def any_graph(seed: int) -> Graph:
    """Some jobs that await some others, with makes in recipes."""
    chance = random.Random(seed)
    jobs: list[dict[str, object]] = []
    above = 0
    for number in range(1, chance.randrange(2, 40)):
        if chance.random() < 0.1:
            jobs.append({"remote": False, "wall_s": 0.1})
            above = number
            continue
        inside = above if above and chance.random() < 0.5 else 0
        able = [n for n, job in enumerate(jobs, 1) if job.get("above", 0) == inside and n != inside]
        jobs.append({
            "remote": chance.random() < 0.7, "wall_s": round(chance.uniform(0.01, 3), 3), "above": inside,
            "make": inside, "prerequisites": tuple(sorted(chance.sample(able, min(len(able), chance.randrange(3))))),
            "bytes_in": chance.randrange(10**6),
        })  # fmt: skip
    return graph(*jobs)


def same(a: Outcome, b: Outcome) -> bool:
    return replace(a, overseer_s=0.0) == replace(b, overseer_s=0.0)


# ---- the arithmetic, by hand ---------------------------------------------------------------------------------------


def test_one_slot_does_one_after_another() -> None:
    outcome = simulate(graph({}, {}, {"remote": False, "wall_s": 2.5}), ONE)
    assert outcome.makespan == outcome.bound.seconds == 2.5 and outcome.bound.work == 2.0
    assert outcome.slot_use == pytest.approx(0.8) and not outcome.fallbacks and not outcome.twice


def test_time_on_the_way() -> None:
    # Order 0.5 s, asking for the input 0.5, 10 bytes in 1 s and 0.5, the job itself 1 s, 5 bytes in 0.5 s and 0.5 s.
    outcome = simulate(graph({"bytes_in": 10, "bytes_out": 5}), replace(ONE, latency_s=0.5, bandwidth=10.0))
    assert outcome.makespan == pytest.approx(4.5)


def test_speeds_and_chains_in_the_bound() -> None:
    shape = graph({"wall_s": 4.0}, {"prerequisites": (1,), "remote": False}, {"wall_s": 1.0}, {"wall_s": 1.0})
    setting = replace(ONE, slaves=(Slave("fast", 1, 2.0), Slave("slow", 2, 0.5)))
    bound = bound_of(shape, setting)
    assert (bound.path, bound.work, bound.home) == (3.0, 2.0, 1.0)
    assert [shape.jobs[place].id for place in bound.chain] == [1, 2]
    assert simulate(shape, setting).makespan >= 3.0


def test_what_awaits_a_recipe_awaits_all_that_its_makes_do() -> None:
    shape = graph(
        {"remote": False}, {"above": 1, "make": 1}, {"above": 1, "make": 1, "prerequisites": (2,)},
        {"prerequisites": (1,), "remote": False},
    )  # fmt: skip
    outcome = simulate(shape, ONE)
    assert outcome.makespan == outcome.bound.path == 4.0


def test_a_tight_bound_knows_of_a_late_start() -> None:
    # Nothing can run beside the first job; then four on two slots.
    shape = graph({}, *({"prerequisites": (1,)} for _ in range(4)))
    outcome = simulate(shape, replace(ONE, slaves=equal_slaves(2, 1)))
    assert outcome.bound.seconds == 2.5 and outcome.bound.tight == outcome.makespan == 3.0


# ---- what always holds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_the_bounds_are_bounds_and_runs_are_the_same_twice(seed: int) -> None:
    shape = any_graph(seed)
    chance = random.Random(-seed)
    slaves = tuple(Slave(f"s{n}", chance.randrange(1, 4), chance.choice((0.5, 1.0, 3.0))) for n in range(3))
    kinds = (("kill", 1.0), ("stop", 1.0), ("slow", 7.0))
    faults = tuple(Fault(s.name, chance.uniform(0, 5), *chance.choice(kinds)) for s in slaves if chance.random() < 0.4)
    setting = Setting(slaves, home=chance.randrange(1, 3), window=chance.randrange(1, 9), faults=faults,
                      prefetch=chance.randrange(3), by_path=chance.random() < 0.8, known=chance.random() < 0.8,
                      noise=chance.choice((0.0, 0.5)), seed=seed)  # fmt: skip
    outcome = simulate(shape, setting)
    assert same(outcome, simulate(shape, setting))
    assert outcome.bound.seconds <= outcome.bound.tight <= outcome.makespan * (1 + 1e-9)
    assert 0 <= outcome.slot_use <= 1 + 1e-9


@pytest.mark.parametrize("kind", ["kill", "stop"])
def test_a_build_ends_at_home_when_its_last_slave_is_gone(kind: str) -> None:
    shape = graph(*({"wall_s": 2.0} for _ in range(6)))
    outcome = simulate(shape, replace(ONE, faults=(Fault("s1", 3.0, kind),)))
    assert len(outcome.fallbacks) == 5 and outcome.makespan > 10.0 + 3.0


def test_a_build_without_slaves_is_done_at_home() -> None:
    outcome = simulate(graph({}, {}), replace(ONE, slaves=()))
    assert outcome.makespan == 2.0 and len(outcome.fallbacks) == 2


def test_a_slave_that_slows_down_takes_longer_from_then_on() -> None:
    outcome = simulate(graph({"wall_s": 4.0}), replace(ONE, faults=(Fault("s1", 1.0, "slow", 2.0),)))
    assert outcome.makespan == pytest.approx(7.0)


# ---- the bars ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_near_the_bound_and_never_behind_makes_own_order(name: str) -> None:
    # Where nothing can run beside the head or the tail of a build, as in busybox, nobody comes near the plain bound on
    # few slots: there the tight one counts. See docs/scheduling.md.
    shape = graph_of(read(RECORDINGS / f"{name}.jsonl.gz"), by_cpu=True)
    for slots in (4, 8, 16, 32, 64, 128, 256):
        setting = farm(slots, usual_window(slots))
        ours, make = simulate(shape, setting), simulate(shape, replace(setting, by_path=False))
        least = ours.bound.seconds if ours.bound.tight < 1.02 * ours.bound.seconds else ours.bound.tight
        assert ours.makespan <= 1.08 * least, slots
        assert ours.makespan <= make.makespan * 1.001, slots


def test_the_deep_recording_is_the_one_that_is_made() -> None:
    assert read(RECORDINGS / "deep.jsonl.gz") == deep(1500)


# ---- the command line ----------------------------------------------------------------------------------------------


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dgcc.simulate", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60)  # fmt: skip


def test_the_command_line(tmp_path: Path) -> None:
    file = RECORDINGS / "leveldb.jsonl.gz"
    shown = command(file, "--slots", "8", "--slaves", "2", "--fail", "s2@t=1:slow x3")
    assert shown.returncode == 0 and "8 slots on 2 slaves" in shown.stdout and "critical path" in shown.stdout
    more = ("--slave", "a:4:2", "--slave", "b:2", "--noise", "50", "--seed", "3", "--json")
    one, two = (json.loads(command(file, *more).stdout) for _ in range(2))
    assert one["slots"] == 6 and one["by path"]["ratio"] >= 1
    for each in (one, two):
        for name in ("by path", "make's order"):
            del each[name]["overseer"]["us_per_event"]
    assert one == two
    made = tmp_path / "deep.jsonl"
    arguments = [sys.executable, "-m", "dgcc.simulate.deep", str(made), "--jobs", "200"]
    assert subprocess.run(arguments, timeout=60).returncode == 0 and read(made) == deep(200)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slots", "0"], "--slots 0: there must be one at least"),
        (["--slots", "2", "--slaves", "3"], "2 slots cannot be shared by 3 slaves"),
        (["--slave", "a"], "slave 'a': it is written NAME:SLOTS:SPEED"),
        (["--slave", "a:2", "--slave", "a:1"], "two slaves have the name 'a'"),
        (["--speed", "0"], "--speed 0.0: it must be above 0"),
        (["--fail", "s1@t=3:explode"], "fault 's1@t=3:explode': it is written"),
        (["--fail", "s1@t=3:slow"], "fault 's1@t=3:slow': it is written"),
        (["--fail", "s9@t=3:kill"], "there is no slave 's9'; there are s1"),
        (["--window", "0"], "--window 0: it must be at least 1"),
        (["--latency", "-1"], "--latency -1.0: it must be at least 0"),
    ],
)
def test_a_command_line_that_makes_no_sense(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str],
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    from dgcc.simulate.__main__ import main

    monkeypatch.setattr(sys, "argv", ["simulate", str(RECORDINGS / "leveldb.jsonl.gz"), *arguments])
    assert main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dgcc.simulate: ") and said in line


def test_a_file_that_is_no_recording(tmp_path: Path) -> None:
    write(tmp_path / "r", deep(100))
    (tmp_path / "r").write_bytes((tmp_path / "r").read_bytes()[:-5])
    done = command(tmp_path / "r")
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and "cut short" in done.stderr
