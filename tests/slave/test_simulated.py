"""`dgcc-slave --simulate`: real registration, leases and results; jobs that sleep; nobody takes it for real."""

import gzip
import json
import os
import platform
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import farmkit
import pytest
from farmkit import Farm, wait_for

from dgcc.corba import DGCC
from dgcc.master.registry import SIMULATED, SlaveRegistry
from dgcc.slave.durations import DEFAULT_S, BadRecording, Cost, Durations


@pytest.fixture(scope="module")
def naming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm without slaves, in which masters do not wait long for those that they have refused."""
    directory = tmp_path_factory.mktemp("simulated")
    settings = directory / ".config" / "dgcc" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[deadlines]\nconnect = 0.5\nprobe = 0.5\n")
    with farmkit.farm(directory) as made:
        yield made


@pytest.fixture
def farm(naming: Farm) -> Iterator[Farm]:
    """The same, without the slaves of an earlier test."""
    yield naming
    for name in list(naming.slaves):
        naming.stop_slave(name)


def _project(place: Path, *commands: str) -> Path:
    place.mkdir()
    targets = [f"t{number}" for number in range(len(commands))]
    rules = "".join(f"{target}:\n\t@{command}\n" for target, command in zip(targets, commands, strict=True))
    (place / "Makefile").write_text(f"all: {' '.join(targets)}\n{rules}")
    (place / "dgcc.toml").write_text('[[rule]]\ncommand = "sleep"\nwhere = "remote"\n')
    return place


def _simulate(farm: Farm, name: str, slots: int, *more: str) -> None:
    farm.start_slave(name, "--simulate", *more, slots=slots, warm=False)


def test_hundreds_of_jobs_sleep_at_once_on_few_threads(farm: Farm, tmp_path: Path):
    _simulate(farm, "sim", 200)
    project = _project(tmp_path / "p", *["sleep 1.5"] * 200)
    built = farm.master(project, "--simulate", "-j200")
    assert built.code == 0 and built.jobs["remote"] == 200 and not built.report["fallbacks"]
    # One after the other on two CPUs they would take minutes.
    assert built.report["wall_s"] < 60 and "SIMULATION: what travelled was not run" in built.err
    assert "SIMULATION: no job will be run here" in farm.log("sim")
    wait_for(lambda: "200 jobs, 300.000 s of slots" in farm.log("sim"), "it tells what it did")
    threads = len(os.listdir(f"/proc/{farm.slaves['sim'].pid}/task"))
    assert threads < 50


def test_several_slaves_share_the_work_from_one_process(farm: Farm, tmp_path: Path):
    _simulate(farm, "many", 2, "--simulated-slaves", "3")
    built = farm.master(_project(tmp_path / "p", *["sleep 0.3"] * 18), "--simulate")
    assert built.jobs["remote"] == 18
    assert {name for name, tally in built.report["slaves"].items() if tally["jobs"]} == {"many-1", "many-2", "many-3"}


def test_a_build_that_is_given_up_frees_its_slots(farm: Farm, tmp_path: Path):
    _simulate(farm, "sim", 4)
    master = farm.start_master(_project(tmp_path / "p", *["sleep 600"] * 8), "--simulate")
    wait_for(lambda: "0 of 4 slots free" in farm.run("dgcc", "status", "--naming", farm.naming).stdout, "all are taken")
    os.killpg(master.pid, signal.SIGINT)
    farm.finish(master, 20)
    wait_for(lambda: "4 of 4 slots free" in farm.run("dgcc", "status", "--naming", farm.naming).stdout, "all are free")


def test_a_build_takes_nothing_from_a_slave_that_simulates(farm: Farm, tmp_path: Path):
    _simulate(farm, "sim", 4)
    built = farm.master(_project(tmp_path / "p", "sleep 0.1"))
    assert built.code == 0 and (built.jobs["remote"], built.jobs["fallback"]) == (0, 1)
    why = "the slave 'sim' only simulates, this master builds: start both with --simulate, or neither"
    assert any(why in note for note in built.report["notes"]) and why in farm.log("sim")


def test_a_simulation_takes_no_slave_that_runs_jobs():
    real = DGCC.SlaveInfo("real", "1", DGCC.PROTOCOL, platform.machine(), 2, 1 << 30, [])
    with pytest.raises(DGCC.Refused) as caught:
        SlaveRegistry(SIMULATED).enlist(real, None, None, 0.0)
    assert "the slave 'real' does not simulate, this master does" in caught.value.reason
    assert SlaveRegistry().enlist(real, None, None, 0.0).name == "real"


@pytest.mark.parametrize("wrong", [["--simulated-slaves", "2"], ["--simulate", "--once"],
                                   ["--simulate", "--simulated-slaves", "0"], ["--simulate", "nothing-there"],
                                   ["--simulate", "--slots", "5000"]], ids=" ".join)  # fmt: skip
def test_bad_options_get_one_line(farm: Farm, wrong: list[str]):
    said = farm.run("dgcc-slave", "--naming", farm.naming, "--name", "x", *wrong)
    assert said.returncode == 1 and said.stderr.startswith("dgcc-slave: ") and said.stderr.count("\n") == 1


def test_a_master_simulates_in_a_farm_only(farm: Farm, tmp_path: Path):
    said = subprocess.run([farmkit.BIN / "dgcc-master", "--simulate"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=30, check=False)  # fmt: skip
    assert said.returncode == 2 and "--simulate needs a farm of slaves that simulate" in said.stderr


# ---- how long jobs take --------------------------------------------------------------------------------------


def _recording(place: Path) -> Path:
    jobs = [
        {"directory": "/old/p", "target": "sub/a.o", "wall_s": 2.5, "cpu_s": 2.0, "max_rss": 1000, "later": "key"},
        {"directory": "/old/p", "target": "b.o", "wall_s": 0.5, "cpu_s": 0.25, "max_rss": 0},
    ]
    lines = "\n".join(json.dumps(each) for each in ({"dgcc_recording": 1}, *jobs)).encode()
    place.write_bytes(gzip.compress(lines) if place.suffix == ".gz" else lines)
    return place


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_a_recording_says_how_long_a_target_takes(tmp_path: Path, name: str):
    durations = Durations(_recording(tmp_path / name))
    here = durations.of([b"cc", b"-c", b"a.c", b"-o", b"a.o"], b"/old/p/sub")
    assert here == Cost(2.5, 2.0, 1000)
    assert durations.of([b"/bin/sh", b"-c", b"cc -c ../b.c -o x/b.o"], b"/new/p") == Cost(0.5, 0.25, 0)
    assert durations.of([b"cc", b"-o", b"c.o", b"c.c"], b"/old/p") == Cost(DEFAULT_S)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("sleep 2", 2.0), ("/bin/sleep 0.25", 0.25), ("echo x; sleep 3 && y", 3.0), ("true x", 0.0), ("/bin/true", 0.0),
     ("asleep 3", DEFAULT_S)],
)  # fmt: skip
def test_sleep_and_true_say_it_themselves(line: str, seconds: float):
    assert Durations().of(line.encode().split(), b"/") == Cost(seconds)
    if "true" not in line:
        assert Durations().of([b"/bin/sh", b"-c", line.encode()], b"/") == Cost(seconds)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", b"{}\n[]\n", b"{}\nx\n", b'{}\n{"directory": "/", "target": "t"}\n',
     b'{}\n{"directory":"/","target":"t","wall_s":-1,"cpu_s":0,"max_rss":0}\n'],
)  # fmt: skip
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "r").write_bytes(content)
    with pytest.raises(BadRecording, match="r(, line 2)? (is not|has no)"):
        Durations(tmp_path / "r")
