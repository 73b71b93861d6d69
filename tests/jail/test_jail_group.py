"""Control groups for jobs: a slave that was given its own, as by systemd, uses it; any other leaves all as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jail.jailplace import Place

from dgcc.store import jailgroup
from dgcc.store.jail import JailFailed
from dgcc.store.jailgroup import Groups

SLAVE = """
import dataclasses, os, sys, threading
from pathlib import Path
sys.path[:0] = {path!r}
from jail.jailplace import Place
from dgcc.store.jail import JailError, Limits
from dgcc.store.jailgroup import Groups

group = Path({group!r})
(group / "cgroup.procs").write_text(str(os.getpid()))
groups = Groups.find()
place = Place(Path({top!r}))
limits = Limits(memory=100 << 20, output=1 << 30, processes=60)

def job(script):
    spec = replace(place.spec(script, limits=limits), group=groups.make(limits))
    try:
        said = place.do(spec).text
    except JailError as error:
        said = str(error)
    finally:
        groups.remove(spec.group)
    print(said.strip(), flush=True)

thread = threading.Thread(target=job, args=("sleep 2; cat /proc/self/cgroup | grep -c slave; echo well",))
thread.start()
# What was touched and let go: no process has it mapped, and nobody but the group counts it.
job('''exec /usr/bin/python3 -c "
import mmap
m = mmap.mmap(-1, 1 << 29)
while True:
    m.write(bytes(1 << 20)); m.madvise(mmap.MADV_DONTNEED)
"''')
job("i=0; while [ $i -lt 90 ]; do sleep 9 & i=$((i+1)); done; wait")
thread.join()
print(sorted(path.name for path in group.iterdir() if path.is_dir()))
"""


def delegated() -> Path | None:
    """A group of version 2 as systemd gives one to a service; None where this process can make none."""
    own = jailgroup._own_group()
    group = own / f"dgcc-test-{os.getpid()}" if own else None
    try:
        if group is None:
            return None
        group.mkdir()
        if {"memory", "pids"} <= set((group / "cgroup.controllers").read_text().split()):
            os.setxattr(group, "trusted.delegate", b"1")
            return group
        group.rmdir()
    except OSError:
        pass
    return None


def test_a_group_of_ones_own_limits_each_job(top: Path) -> None:
    group = delegated()
    if group is None:  # as in most containers: then there are none, and the jail's own watch is all there is
        assert Groups.find() is None
        return
    path = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    code = SLAVE.format(path=path, group=str(group), top=str(top))
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    finally:
        for inner in (group / "slave", group):
            inner.rmdir()
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == [
        "0", "['slave']", "the job had more than 60 processes", "the job used more than 100 MiB of memory", "well",
    ]  # fmt: skip


def test_a_group_that_is_not_there_is_a_failure_of_the_host(place: Place) -> None:
    with pytest.raises(JailFailed, match="cannot open the control group /no/such: No such file"):
        place.sh("true", group=Path("/no/such"))


def test_what_is_not_ours_is_left_alone(top: Path) -> None:
    """Not said to be ours, not alone in it, or without the controllers."""
    files = {"cgroup.controllers": "cpu memory pids", "cgroup.procs": f"{os.getpid()}\n"}
    for name, content in files.items():
        (top / name).write_text(content)
    assert jailgroup._given(top) == (os.geteuid() != 0)
    os.setxattr(top, "user.delegate", b"1")
    assert jailgroup._given(top)
    (top / "cgroup.procs").write_text(f"{os.getpid()}\n1\n")
    assert not jailgroup._given(top)
    (top / "cgroup.procs").write_text(files["cgroup.procs"])
    (top / "cgroup.controllers").write_text("cpu pids")
    assert not jailgroup._given(top)
