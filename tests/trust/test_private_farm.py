"""The farm of one is for its user alone: no port, and sockets that nobody else reaches."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from anybody import as_user
from farmkit import BIN, Farm, needs_root, wait_for
from trust.trustkit import Trust, knock, listening, port_of

STRANGER = 54321
TRY = """
import os, socket, sys
for path in sys.argv[1:]:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print("connected to", path)
    except PermissionError:
        print("refused")
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory with a short path, open to all, for everything that a master keeps."""
    with tempfile.TemporaryDirectory(prefix="dgcc-t-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def alone(top: Path, *options: str, until: str = "has joined") -> Iterator[subprocess.Popen[bytes]]:
    """A master with a farm of one, in the middle of its build, with all that it makes below `top`."""
    project = top / "project"
    project.mkdir()
    (project / "going").touch()
    (project / "a.c").write_text("int a;\n")
    (project / "Makefile").write_text("all: a.o\n\twhile [ -e going ]; do sleep 0.1; done\n")
    environment = dict(os.environ, TMPDIR=str(top), HOME=str(top), XDG_CACHE_HOME=str(top / "cache"))
    environment.pop("XDG_RUNTIME_DIR", None)
    with (top / "log").open("wb") as log:
        master = subprocess.Popen([str(BIN / "dgcc-master"), "-v", "--home-first", "0", *options], cwd=project,
                                  env=environment, stderr=log, stdin=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_for(lambda: until in (top / "log").read_text(), "its slave has joined")
        yield master
    finally:
        (project / "going").unlink(missing_ok=True)
        if master.poll() is None:
            master.terminate()
        master.wait(20)


def family(master: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """Master, naming service and slave, by name."""
    own = {"master": psutil.Process(master.pid), "names": child(master, "omniNames")}
    return own | {"slave": child(master, "dgcc-slave")}


def child(parent: subprocess.Popen[bytes], word: str) -> psutil.Process:
    """The child that has `word` in its command line."""
    found = []
    for process in psutil.Process(parent.pid).children():
        with contextlib.suppress(psutil.Error):  # it ends just now
            found += [process] if word in " ".join(process.cmdline()) else []
    assert len(found) == 1, found
    return found[0]


def test_nothing_of_it_listens_on_a_port(short: Path):
    with alone(short) as master:
        for name, process in family(master).items():
            assert listening(process.pid) == set(), name


def test_no_other_user_gets_at_it(short: Path):
    needs_root("becomes another user")
    with alone(short) as master:
        (directory,) = short.glob("dgcc-farm-*")
        sockets = sorted(path for path in directory.iterdir() if path.is_socket())
        assert len(sockets) == 3  # of names, master and slave
        assert directory.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in sockets} == {0o600}
        command = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "/usr/bin/python3", "-c"]
        tried = subprocess.run([*command, TRY, *map(str, sockets)], capture_output=True, text=True, check=True)
        assert tried.stdout == "refused\n" * 3
        # Nor by our own commands.
        (directory / "names").chmod(0o777)
        command = [*as_user(STRANGER), str(BIN / "dgcc-slave"), "--naming", f"unix:{directory}", "--store", "/nowhere"]
        joined = subprocess.run(command, env={"HOME": "/"}, capture_output=True, text=True)
        assert joined.returncode == 1 and "is not for this user alone" in joined.stderr, joined.stderr
        assert master.poll() is None


def test_its_sockets_go_with_it(short: Path):
    with alone(short) as master:
        (short / "project" / "going").unlink()
        assert master.wait(20) == 0
    assert [path.name for path in short.iterdir() if path.name.startswith("dgcc-")] == []


def test_its_sockets_go_with_a_master_that_is_killed(short: Path):
    with alone(short) as master:
        members = family(master)
        master.kill()
        for name in ("names", "slave"):
            wait_for(lambda n=name: not members[n].is_running(), f"the end of {name}")
        assert [list(left.iterdir()) for left in short.glob("dgcc-farm-*")] == []


def test_keys_are_no_part_of_a_project(farm: Farm, trust: Trust, short: Path):
    """Somebody's whole home directory may be the project, with an authority, and with the certificate in use."""
    shutil.copytree(trust.place / "desk", short / "mine")
    for name in ("ca", "tls"):
        (short / ".config" / "dgcc" / name).mkdir(parents=True)
        (short / ".config" / "dgcc" / name / "key.pem").write_text("secret")
    (short / "seen.pem").write_text("no secret")
    (short / "Makefile").write_text("list:\n\tfind . -name '*.pem' > list\n")
    (short / "dgcc.toml").write_text('[[rule]]\ntarget = "list"\nwhere = "remote"\n')
    trusted, farm.trust = farm.trust, None
    try:
        built = farm.master(short, "--tls", str(short / "mine"), env={"HOME": str(short)})
    finally:
        farm.trust = trusted
    assert built.code == 0 and built.jobs["remote"] == 1, built.err
    assert (short / "list").read_text() == "./seen.pem\n"


def test_many_calls_at_once_find_room(short: Path):
    """omniORB's own unix sockets have room for five callers that wait; a slave with many CPUs has more."""
    with alone(short) as master:
        (path,) = (p for p in short.glob("dgcc-farm-*/p*") if p.name == f"p{master.pid}")
        os.kill(master.pid, signal.SIGSTOP)
        try:
            waiting = []
            for _ in range(100):
                one = socket.socket(socket.AF_UNIX)
                one.setblocking(False)
                one.connect(os.fspath(path))  # raises BlockingIOError where there is no room
                waiting.append(one)
        finally:
            os.kill(master.pid, signal.SIGCONT)
            for one in waiting:
                one.close()


def test_a_long_temporary_directory(short: Path):
    """A socket's path has room for 107 bytes; there is a shorter place."""
    deep = short / ("d" * 100)
    deep.mkdir()
    with alone(deep) as master:
        family(master)
        assert list(deep.glob("dgcc-farm-*")) == []


def test_a_local_slave_in_a_shared_farm(farm: Farm, trust: Trust, short: Path):
    """It uses the farm's TLS, and the certificate of its master, which must be for both."""
    certificate = trust.issue("both", "master", "slave")
    options = ["--naming", farm.naming, "--tls", str(certificate), "--local-slave", "1"]
    with alone(short, *options, until="slave both has joined") as master:
        wait_for(lambda: "slave one has joined" in (short / "log").read_text(), "the other slave has joined")
        for port in (port_of(master.pid), port_of(child(master, "dgcc.cli.slave").pid)):
            assert knock(port, certificate) == b"GIOP" and knock(port, plain=True) == b""
