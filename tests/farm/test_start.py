"""Make runs before most of the master is there: what happens to it, and to signals, until then."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from farmkit import BIN, processes_with, wait_for

# As dgcc-master, but the rest of the master takes a while to load, or cannot be loaded.
_SLOW = """
import sys, time, types
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "dgcc.master.build":
            {what}
sys.meta_path.insert(0, Finder())
sys.argv[0] = "dgcc-master"
from dgcc.cli.master import command
command()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    (place / "Makefile").write_text("$(shell touch parsed)\nall:\n\ttouch made\n")
    return place


def start(project: Path, what: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "HOME": str(project.parent), "XDG_CACHE_HOME": str(project.parent / "cache")}
    return subprocess.Popen([sys.executable, "-c", _SLOW.format(what=what)], cwd=project, env=environment, text=True,
                            stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip


def test_make_reads_its_makefiles_meanwhile_and_its_recipes_wait(project: Path):
    master = start(project, "time.sleep(1.5)")
    wait_for((project / "parsed").exists, "make has read the makefile", 1.4)
    assert master.poll() is None and not (project / "made").exists()
    assert master.communicate(timeout=30) and master.returncode == 0 and (project / "made").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_meanwhile_ends_the_build_as_later(project: Path, number: int):
    master = start(project, "time.sleep(1)")
    wait_for((project / "parsed").exists, "make has read the makefile")
    if number == signal.SIGINT:
        os.killpg(master.pid, number)  # as from a terminal
    else:
        master.send_signal(number)
    _, said = master.communicate(timeout=30)
    assert master.returncode == -number and "Traceback" not in said, said
    assert not (project / "made").exists() and not processes_with(str(project.parent))


def test_a_master_that_cannot_be_loaded_takes_make_with_it(project: Path):
    master = start(project, "raise OSError(f'no {name}')")
    _, said = master.communicate(timeout=30)
    assert (master.returncode, said.strip().rpartition("\n")[2]) == (2, "dgcc: no dgcc.master.build")
    time.sleep(0.2)
    assert not (project / "made").exists() and not processes_with(str(project.parent))


def test_an_unreachable_farm_is_told_before_make_starts(project: Path):
    done = subprocess.run([str(BIN / "dgcc-master"), "--naming", "127.0.0.1:1"], cwd=project, text=True,
                          stderr=subprocess.PIPE, timeout=60)  # fmt: skip
    assert done.returncode == 2 and "127.0.0.1:1" in done.stderr and not (project / "parsed").exists()
