"""A farm in trouble: slaves that die, stop or leave, builds that are interrupted, peers that do not fit."""

import ctypes
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import farmkit
import pytest
from farmkit import Farm, processes_with, wait_for

SLOW = 'int f(void) { return __LINE__; }\n'


def slow_project(place: Path, count: int, seconds: float = 0.5) -> None:
    """Compiles that take a while, so that trouble finds them under way."""
    place.mkdir(exist_ok=True)
    names = [f"f{i}" for i in range(count)]
    (place / "Makefile").write_text(
        f"all: {' '.join(n + '.o' for n in names)}\n%.o: %.c\n\t$(CC) -g -c -o $@ $< && sleep {seconds}\n"
    )
    for name in names:
        (place / f"{name}.c").write_text(SLOW)


@pytest.fixture
def farm(tmp_path: Path):
    with farmkit.farm(tmp_path / "farm", "a", "b", slots=2) as made:
        yield made


def test_a_slave_that_starts_late_is_used(farm: Farm, project: Path, tmp_path: Path):
    slow_project(project, 24)
    master = farm.start_master(project)
    wait_for(lambda: list(project.glob("*.o")), "an object")
    farm.start_slave("late", slots=2)
    built = farm.finish(master, 60)
    assert built.code == 0 and built.report["slaves"]["late"]["jobs"] > 0, built.err


def test_two_masters_at_the_same_time(farm: Farm, tmp_path: Path):
    trees = [tmp_path / "one", tmp_path / "two"]
    for tree in trees:
        slow_project(tree, 6, 0.2)
    second = farmkit.Farm(farm.names, tmp_path / "other")
    second.directory.mkdir()
    masters = [farm.start_master(trees[0]), second.start_master(trees[1])]
    for place, master in zip((farm, second), masters, strict=True):
        built = place.finish(master, 60)
        assert built.code == 0 and built.jobs["remote"] == 6 and built.jobs["fallback"] == 0, built.err


def test_ctrl_c_in_the_middle_of_remote_jobs_leaves_nothing(farm: Farm, project: Path):
    slow_project(project, 8, 30)
    master = farm.start_master(project)
    wait_for(lambda: [p for p in processes_with("sleep") if "30" in p], "jobs under way on the slaves")
    began = time.monotonic()
    os.killpg(master.pid, signal.SIGINT)
    built = farm.finish(master, 20)
    assert time.monotonic() - began < 5
    assert built.code == -signal.SIGINT
    assert not list(project.glob("*.o")) and not list(project.glob(".dgcc*"))
    wait_for(lambda: not [p for p in processes_with("sleep") if "30" in p], "the jobs are gone", 10)
    listed = subprocess.run(["nameclt", "-ORBInitRef", f"NameService=corbaloc::{farm.naming}/NameService", "list",
                             "dgcc/masters"], capture_output=True, text=True)  # fmt: skip
    assert listed.returncode == 0 and listed.stdout.strip() == ""
    assert farm.master(project, "SHELL=/bin/sh", "-n").code == 0, "the farm is still of use"


def test_a_remote_failure_that_home_does_not_share_is_counted(farm: Farm, project: Path, tmp_path: Path):
    """The source includes a file of this machine's /dev, which no slave is ever given."""
    with tempfile.NamedTemporaryFile("w", dir="/dev/shm", prefix="dgcc-test-", suffix=".h") as odd:
        (project / "Makefile").write_text("all: a.o\na.o: a.c\n\t$(CC) -c a.c\n")
        (project / "a.c").write_text(f'#include "{odd.name}"\n')
        built = farm.master(project)
    assert built.code == 0, built.err
    assert built.jobs["remote"] == 0 and built.jobs["fallback"] == 1 and built.jobs["failed"] == 0
    [fallback] = built.report["fallbacks"]
    assert fallback["target"] == "a.o"
    assert "failed with exit code 1 on " in fallback["reason"] and "but succeeded at home" in fallback["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--naming", "127.0.0.1:1"], "no naming service answers at 127.0.0.1:1"),
        (["--naming", "no.such.host.invalid"], "cannot reach the naming host 'no.such.host.invalid'"),
        (["--naming", "a:b"], "'a:b' is not a naming service's address"),
        (["--root", "/no/such"], "root '/no/such' is not a directory"),
        (["--driver", "/no/such/make"], "/no/such/make"),
        (["--local-jobs", "0"], "--local-jobs must be at least 1"),
    ],
)
def test_bad_settings_are_told_in_one_line(project: Path, tmp_path: Path, arguments: list[str], said: str):
    (project / "Makefile").write_text("all:\n\ttouch made\n")
    ended = subprocess.run([str(farmkit.BIN / "dgcc-master"), *arguments], cwd=project, capture_output=True, text=True,
                           timeout=60)  # fmt: skip
    assert ended.returncode == 2
    assert said in ended.stderr and len(ended.stderr.strip().splitlines()) == 1
    assert not (project / "made").exists()


def test_a_slave_of_the_master_s_own_joins_the_farm(farm: Farm, project: Path):
    slow_project(project, 12, 0.3)
    built = farm.master(project, "--local-slave", "1")
    assert built.code == 0 and built.jobs["remote"] == 12, built.err
    own = [name for name in built.report["slaves"] if name.startswith("local-")]
    assert len(own) == 1 and built.report["slaves"][own[0]]["jobs"] > 0
    again = farm.master(project, "-B")
    assert set(again.report["slaves"]) == {"a", "b"}, "it has gone with its master"


def test_a_slave_ends_whichever_of_its_threads_a_signal_meets(farm: Farm):
    """The kernel may give it to any, and Python runs a handler only when the first one wakes."""
    slave = farm.slaves["a"]
    last = max(map(int, os.listdir(f"/proc/{slave.pid}/task")))
    assert last != slave.pid and ctypes.CDLL(None).tgkill(slave.pid, last, signal.SIGTERM) == 0
    assert slave.wait(10) == 0


def test_once_serves_one_master_and_ends(farm: Farm, project: Path):
    slow_project(project, 4, 0)
    once = farm.start_slave("once", "--once", slots=2)
    assert farm.master(project).code == 0
    assert once.wait(20) == 0 and "master" in farm.log("once")
    assert farm.slaves["a"].poll() is None


def test_a_slave_without_a_farm_says_so():
    for arguments, said in [(["--naming", "127.0.0.1:1"], "no naming service answers"), ([], "which farm?")]:
        environment = {k: v for k, v in os.environ.items() if k != "DGCC_NAMING"}
        command = [str(farmkit.BIN / "dgcc-slave"), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert ended.returncode == 1 and said in ended.stderr and "Traceback" not in ended.stderr


def test_a_host_that_cannot_run_jobs_says_so_and_builds_at_home(project: Path, tmp_path: Path):
    """Without a slave's store the farm of one has no slave: the build does not wait for it."""
    slow_project(project, 3, 0)
    alone = farmkit.Farm(None, tmp_path / "alone")  # type: ignore[arg-type]
    (alone.directory / ".config/dgcc").mkdir(parents=True)
    (alone.directory / ".config/dgcc/config.toml").write_text('store = "/proc/no-store"\n')
    began = time.monotonic()
    built = alone.master(project, "--home-first", "0", naming=False)
    assert built.code == 0 and built.jobs["fallback"] == 3, built.err
    assert time.monotonic() - began < 12
    assert "/proc/no-store" in built.err and "the slave on this host has ended" in built.report["notes"]
