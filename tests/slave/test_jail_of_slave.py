"""What a slave makes of jobs that go too far, and of what hostile ones leave for it to read."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from slave.jobkit import Done, Slave
from slave.systemkit import copy_in, with_libraries

from dgcc.corba import DGCC
from dgcc.slave.outputs import TooMuch, Written, collect
from dgcc.store.entry import Kind
from dgcc.store.jaillimits import Limits, host_limits

PROJECT = b"/home/someone/project"
MIB = 1 << 20
SMALL = replace(host_limits(2), memory=200 * MIB, output=100 * MIB, files=50, processes=100, seconds=3)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with what the scripts here use."""
    names = "sh cat chmod mkdir mkfifo ln rm sleep truncate yes"
    programs = with_libraries(*(f"/bin/{name}" for name in names.split()))
    return copy_in(tmp_path_factory.mktemp("tools") / "root", programs)


@pytest.fixture
def slave(top: Path, tools: Path) -> Iterator[Slave]:
    made = Slave(top, tools, limits=SMALL)
    project = top / "project"
    project.mkdir()
    (project / "a.c").write_text("int a;\n")
    made.layer(PROJECT, project)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 60", "the job ran for more than 3 seconds"),
        ("yes > x", "the job wrote more than 100 MiB"),
        ("yes > /tmp/x", "the job wrote more than 100 MiB"),
        ("truncate -s 101M sparse", "the job wrote more than 100 MiB"),
        ("i=0; while [ $i -lt 60 ]; do i=$((i+1)); > f$i; done", "the job made more than 50 files"),
        ("f() { f | f & }; f; sleep 9", "the job had more than 100 processes"),
        ("x=0123456789abcdef; while :; do x=$x$x; done", "the job used more than 200 MiB of memory"),
    ],
)
def test_a_limit_is_the_hosts_trouble(slave: Slave, script: str, said: str) -> None:
    neighbours: list[Done] = []
    neighbour = threading.Thread(target=lambda: neighbours.append(slave.sh("sleep 1; cat a.c", PROJECT)))
    neighbour.start()
    result = slave.sh(script, PROJECT).result
    neighbour.join()
    assert [(done.result.how, done.text) for done in neighbours] == [(DGCC.ENDED, "int a;\n")]
    assert result.how == DGCC.OVER_LIMIT and result.trouble == said, result.trouble
    assert not result.files
    done = slave.sh("cat a.c; echo > made", PROJECT)  # the next is none the worse
    assert (done.result.how, done.text, list(done.outputs)) == (DGCC.ENDED, "int a;\n", ["/home/someone/project/made"])


def test_the_masters_deadline_counts_if_it_is_shorter(slave: Slave) -> None:
    assert slave.sh("sleep 60", PROJECT, deadline_s=1).result.trouble == "the job ran for more than 1 seconds"


def test_what_cannot_be_brought_home_is_left(slave: Slave) -> None:
    """Pipes, links that lead elsewhere, closed directories and odd names; nothing is followed, nothing hangs."""
    done = slave.sh(
        "mkfifo pipe; ln -s /etc/passwd link; ln -s / root; mkdir -p shut/in; echo x > shut/in/file; echo y > closed;"
        "chmod 0 shut/in shut closed; echo z > \"$(printf 'odd\\n\\377 name')\"; rm a.c; mkdir a.c; echo w > a.c/file",
        PROJECT,
    )
    assert done.result.how == DGCC.ENDED and done.result.exit_code == 0, done.text
    project = os.fsdecode(PROJECT) + "/"
    kinds = {path.removeprefix(project): entry.kind for path, entry in done.outputs.items()}
    assert kinds == {
        "link": Kind.SYMLINK, "root": Kind.SYMLINK, "shut": Kind.DIRECTORY, "shut/in": Kind.DIRECTORY,
        "shut/in/file": Kind.FILE, "closed": Kind.FILE, os.fsdecode(b"odd\n\xff name"): Kind.FILE,
        "a.c": Kind.DIRECTORY, "a.c/file": Kind.FILE,
    }  # fmt: skip
    assert done.outputs[project + "closed"].mode == 0 and done.outputs[project + "link"].link == b"/etc/passwd"


def written(top: Path) -> Written:
    for name in ("tree", "upper"):
        (top / name).mkdir()
    return Written(PROJECT, top / "tree", top / "upper", lambda _: False)


def test_a_link_of_the_project_tells_nothing_of_the_slaves_files(top: Path) -> None:
    """Where the layer has a link, the job may make a directory. What lies behind the link is not compared with it."""
    layer = written(top)
    (top / "slaves").mkdir()
    (top / "slaves/secret").write_text("guessed")
    (top / "tree/dir").symlink_to(top / "slaves")
    (top / "tree/own").write_text("same")
    (top / "upper/dir").mkdir()
    (top / "upper/dir/secret").write_text("guessed")
    (top / "upper/own").write_text("same")
    files: list[Any] = []
    collect([layer], files)
    assert {output.what.path: output.touched for output in files if output.data or output.touched} == {
        b"dir/secret": False, b"own": True,
    }  # fmt: skip


def test_special_files_are_never_opened(top: Path) -> None:
    layer = written(top)
    os.mkfifo(top / "upper/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(top / "upper/socket"))
        if os.geteuid() == 0:
            os.mknod(top / "upper/disk", 0o600 | stat.S_IFBLK, os.makedev(7, 200))
        os.mkfifo(top / "tree/out")  # nor in the layer
        (top / "upper/out").write_text("x")
        files: list[Any] = []
        collect([layer], files)
    assert [(output.what.path, output.touched) for output in files] == [(b"out", False), (b"out", False)]


def test_more_than_fits_is_said_before_it_is_read(top: Path) -> None:
    layer = written(top)
    with (top / "upper/huge").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(TooMuch, match="^the job wrote more than 3 GiB$"):
        collect([layer], [], Limits(memory=1, output=3 << 30))
