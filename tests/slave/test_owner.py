"""A host whose owner is using it takes no new jobs; what jobs and the slave use is not the owner's."""

import os
import subprocess
from pathlib import Path

import pytest
from farmkit import farm, needs_root, wait_for
from slave.jobkit import Slave

from dgcc.slave.memory import Memory
from dgcc.slave.owner import Owner, read_kernel
from dgcc.store import niceness
from dgcc.store.jaillimits import Limits, host_memory


class Host:
    """A host of 4 CPUs, on whose clock an Owner looks once a second."""

    def __init__(self, bound: float | None = 0.5) -> None:
        self.now = self.user = self.total = self.own = 0.0
        self.owner = Owner(bound, lambda: self.now, lambda: (self.user, self.total, self.own))
        self.owner.look()

    def seconds(self, count: int, share: float, own: float = 0.0) -> list[bool]:
        """Whether he is using it, after each second in which he uses `share` of all CPUs, and the slave `own`."""
        seen = []
        for _ in range(count):
            self.now += 1.0
            self.total += 4.0
            self.user += 4.0 * (share + own)
            self.own += 4.0 * own
            was = self.owner.is_here
            assert self.owner.look() == (self.owner.is_here != was)
            seen.append(self.owner.is_here)
        return seen


def test_the_owner_is_seen_after_a_few_seconds_and_for_a_few_more():
    host = Host()
    assert host.seconds(30, 0.45) == [False] * 30
    host.seconds(20, 0.05)
    assert host.seconds(1, 1.0) == [False], "one busy second is no use of the host"
    host.seconds(20, 0.1)
    came = host.seconds(10, 0.9)
    assert not came[0] and came[-1] and came == sorted(came)
    assert host.seconds(30, 0.4) == [True] * 30, "a little less is not the end of it"
    left = host.seconds(15, 0.05)
    assert left[0] and not left[-1]


def test_what_the_slave_itself_uses_is_not_the_owners():
    host = Host()
    assert host.seconds(30, 0.1, own=0.8) == [False] * 30
    assert 0.09 < host.owner.share < 0.11
    never = Host(None)
    assert never.seconds(30, 1.0) == [False] * 30 and never.owner.share < 0


def test_the_kernel_tells_niced_work_from_other():
    code = "import os\nos.nice({})\nwhile os.times().user < 0.4: pass"
    for nice, counted in ((5, False), (0, True)):
        before = read_kernel()
        subprocess.run(["python3", "-c", code.format(nice)], check=True)
        used = read_kernel()[0] - before[0]
        assert not counted or used > 0.3, "un-niced work counts; so may that of others, at the same time"
    assert read_kernel()[2] <= os.times().user


def test_jobs_are_niced(top: Path, base: Path):
    slave = Slave(top, base, niceness=7)
    try:
        assert slave.sh("read -r line < /proc/self/stat && echo $line", b"/").text.split()[18] == "7"
    finally:
        slave.close()


def test_niceness_is_only_ever_raised():
    process = subprocess.Popen(["nice", "-n", "9", "sleep", "20"])
    try:
        wait_for(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == 9, "it is niced")
        niceness.lower(process.pid, 3)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 9
    finally:
        process.kill()
        process.wait()
    niceness.lower(process.pid, 3)  # it is gone


def test_memory_is_what_jobs_can_have(tmp_path: Path):
    gib = 1 << 30
    limits = Limits(4 * gib, memory_left=gib // 2)
    memory = Memory(2, limits, lambda: 100 * gib, tmp_path)
    assert memory.total == min(host_memory(), 8 * gib) and memory.free() == 8 * gib, "all its jobs may use no more"
    memory = Memory(2, limits, lambda: 3 * gib, tmp_path)
    assert memory.free() == 5 * gib // 2, "when less is left, jobs are ended"
    assert Memory(2, limits, lambda: 1, tmp_path).free() == 0
    (tmp_path / "memory.max").write_text(f"{6 * gib}\n")
    (tmp_path / "memory.current").write_text(f"{5 * gib}\n")
    (tmp_path / "memory.stat").write_text(f"anon {3 * gib}\ninactive_file {gib}\n")
    assert Memory(2, limits, lambda: 100 * gib, tmp_path).free() == 3 * gib // 2
    (tmp_path / "memory.max").write_text("max\n")
    assert Memory(2, limits, lambda: 3 * gib, tmp_path).free() == 5 * gib // 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--niceness", "20"], "--niceness must be a whole number from 0 to 19, not '20'"),
        (["--owner-load", "1.5"], "--owner-load must be a share of the CPUs above 0 and up to 1, such as 0.5, or off"),
        (["--niceness", "0", "--owner-load", "0.5"], "--owner-load needs niced jobs"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: list[str], said: str):
    with farm(tmp_path / "farm") as made:
        asked = made.run("dgcc-slave", "--naming", made.naming, *options)
    assert asked.returncode == 1 and said in asked.stderr and "Traceback" not in asked.stderr


def test_status_and_masters_are_told_that_the_owner_is_there(tmp_path: Path):
    """What else is going on here is the owner's, and there is at least this."""
    needs_root("a slave of root's")
    with farm(tmp_path / "farm") as made:
        made.start_slave("a", "--owner-load", "0.02", "-v", slots=2)
        busy = subprocess.Popen(["python3", "-c", "while True: pass"])
        try:
            wait_for(lambda: "is using it" in made.log("a"), "the slave sees him")
            said = made.run("dgcc", "status", "--naming", made.naming).stdout
            assert "takes no new jobs: its owner is using it" in said and "its owner uses" in said
        finally:
            busy.kill()
            busy.wait()
