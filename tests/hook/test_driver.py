"""The driver's command line, environment, terminal, and end."""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from pathlib import Path

import psutil
import pytest
from hook.hookrun import Master, write

from dgcc.master import driver as driver_module
from dgcc.master.clients import ClientServer
from dgcc.master.driver import (
    CLIENT,
    HOOK,
    Driver,
    DriverError,
    driver_arguments,
    driver_environment,
    launch,
)


@pytest.mark.parametrize(
    ("given", "flags", "added"),
    [
        ([], "", True),
        (["all", "V=1"], "", True),
        (["-C", "j", "-f", "-j", "all"], "", True),
        (["-Cj", "-fjobs", "-Ij"], "", True),
        (["-kC", "j"], "", True),
        (["--directory=j", "--jobs-are-none"], "", True),
        (["-l", "2", "-Otarget"], "", True),
        (["--", "-j4"], "", True),
        (["-j4"], "", False),
        (["-j", "4"], "", False),
        (["-j"], "", False),
        (["-kj4"], "", False),
        (["--jobs"], "", False),
        (["--jobs=4"], "", False),
        (["--job", "4"], "", False),
        ([], "kj4", False),
        ([], "k", True),
        ([], " -j4 --jobserver-auth=3,4 -- V=1", False),
        ([], "j=1", True),
        ([], "V=-j", True),
        ([], "k -- j=-j3", True),
    ],
)
@pytest.mark.parametrize("command", ["make", "/usr/bin/gmake"])
def test_jobs_of_make_unless_the_user_chose(command: str, given: list[str], flags: str, added: bool) -> None:
    line = driver_arguments([command], given, {"MAKEFLAGS": flags}, 40)
    assert line == ([command, "-j40", *given] if added else [command, *given])


@pytest.mark.parametrize(
    ("given", "added"),
    [([], True), (["-C", "-j", "x"], True), (["-v"], True), (["-j3"], False), (["-vj", "3"], False)],
)
def test_jobs_of_ninja(given: list[str], added: bool) -> None:
    flag = ["-j9"] if added else []
    assert driver_arguments(["ninja"], given, {}, 9) == ["ninja", *flag, *given]


def environment(command: list[str], given: list[str], **ours: str) -> dict[str, str]:
    return driver_environment(
        command, given, ours, socket_path=Path("/s"), hook=Path("/h.so"), client=Path("/c"), jobs=7
    )


def test_environment_is_ours_and_the_hook_s() -> None:
    added = {"LD_PRELOAD": "/h.so", "DGCC_SOCKET": "/s", "DGCC_CLIENT": "/c"}
    assert environment(["make"], [], A="b") == {"A": "b", **added}
    assert environment(["make"], [], LD_PRELOAD="/own.so /two.so")["LD_PRELOAD"] == "/h.so:/own.so /two.so"


def test_jobs_of_cmake() -> None:
    level = "CMAKE_BUILD_PARALLEL_LEVEL"
    build = ["cmake", "--build", "b"]
    assert environment(build, [])[level] == "7"
    assert environment(build, ["--target", "x"])[level] == "7"
    assert environment(build, [], CMAKE_BUILD_PARALLEL_LEVEL="2")[level] == "2"
    for asked in (["-j4"], ["-j", "4"], ["--parallel", "4"], ["--parallel"]):
        assert level not in environment(build, asked)
    assert driver_arguments(build, ["-v"], {}, 7) == [*build, "-v"]
    assert level not in environment(["make"], [])


def run_driver(
    tmp_path: Path, command: list[str], *given: str, tty: bool = False
) -> tuple[int, bytes, Master]:
    """Start a driver in `tmp_path`; its exit code, what its terminal got, and the master."""

    async def run() -> tuple[int, bytes, Master]:
        master = Master()
        server = ClientServer(master)
        await server.start()
        try:
            driver = Driver(launch(command, list(given), server.path, 3, tty))
            got = await asyncio.to_thread(read_all, driver.terminal) if driver.terminal is not None else b""
            return await asyncio.wait_for(driver.wait(), 20), got, master
        finally:
            await server.close()

    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        return asyncio.run(run())
    finally:
        os.chdir(before)


def read_all(terminal: int) -> bytes:
    got = b""
    try:
        while piece := os.read(terminal, 4096):
            got += piece
    except OSError:
        return got
    finally:
        os.close(terminal)
    return got


def test_output_goes_where_ours_goes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, Makefile="all:\n\t@echo out; echo err >&2; exit 3\n")
    code, _, master = run_driver(tmp_path, ["make"])
    assert code == 2 and len(master.requests) == 1
    assert capfd.readouterr() == ("out\n", "err\nmake: *** [Makefile:2: all] Error 3\n")


def test_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, Makefile="all:\n\t@test -t 1 && test -t 2 && stty size <&1; echo line; exit 1\n")
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
    with open(theirs, "w") as real:
        monkeypatch.setattr(driver_module.sys, "__stdout__", real)
        code, got, master = run_driver(tmp_path, ["make"], tty=True)
    os.close(ours)
    assert code == 2
    assert got == b"33 77\nline\nmake: *** [Makefile:2: all] Error 1\n"
    assert master.requests[0].out_tty and master.requests[0].err_tty and master.requests[0].same_file


def test_window_that_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, Makefile="all:\n\t@stty size <&1; read x < fifo; stty size <&1\n")
    os.mkfifo(tmp_path / "fifo")
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 10, 20, 0, 0))

    async def run() -> bytes:
        server = ClientServer(Master())
        await server.start()
        driver = Driver(launch(["make", "-C", str(tmp_path), "--no-print-directory"], [], server.path, 3, True))
        assert driver.terminal is not None
        first = await asyncio.to_thread(os.read, driver.terminal, 100)
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 30, 40, 0, 0))
        os.kill(os.getpid(), signal.SIGWINCH)
        await asyncio.sleep(0.05)
        (tmp_path / "fifo").write_text("\n")
        rest = await asyncio.to_thread(read_all, driver.terminal)
        assert await driver.wait() == 0
        await server.close()
        return first + rest

    with open(theirs, "w") as real:
        monkeypatch.setattr(driver_module.sys, "__stdout__", real)
        assert asyncio.run(run()).split() == [b"10", b"20", b"30", b"40"]
    os.close(ours)
    assert signal.getsignal(signal.SIGWINCH) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-driver"], "'no-such-driver' is not in PATH; install it, or name another with --driver"),
        (["./nothing/make"], "'./nothing/make' does not exist; name another with --driver"),
        (["/etc/passwd"], "'/etc/passwd' cannot be started: Permission denied; name another"),
    ],
)
@pytest.mark.parametrize("tty", [False, True])
def test_driver_that_is_not_there(tmp_path: Path, command: list[str], words: str, tty: bool) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(DriverError, match=words):
        run_driver(tmp_path, command, tty=tty)
    assert len(os.listdir("/proc/self/fd")) == before


def test_hook_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "HOOK", tmp_path / "libdgcc-hook.so")
    with pytest.raises(DriverError, match="libdgcc-hook.so is missing: .*; run 'pip install .' again"):
        run_driver(tmp_path, ["make"])


def test_hook_in_a_directory_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b:c").mkdir()
    (tmp_path / "a b:c" / HOOK.name).write_bytes(HOOK.read_bytes())
    write(tmp_path, Makefile="all:\n\t@true\n")
    monkeypatch.setattr(driver_module, "HOOK", tmp_path / "a b:c" / HOOK.name)
    assert CLIENT.exists()
    code, _, master = run_driver(tmp_path, ["make"])
    assert code == 0 and len(master.requests) == 1


def test_driver_ended_by_a_signal(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@kill -KILL $$PPID\n")
    assert run_driver(tmp_path, ["make"])[0] == -signal.SIGKILL


@pytest.mark.parametrize("line", ["sleep 1000", "trap '' TERM INT; sleep 1000 & sleep 1001; sleep 1002"])
def test_terminate_leaves_no_process(tmp_path: Path, line: str) -> None:
    write(tmp_path, Makefile=f"all: a b\na:\n\t@{line}\nb:\n\t@$(MAKE) c\nc:\n\t@{line}\n")

    async def run() -> tuple[int, list[psutil.Process]]:
        master = Master()
        server = ClientServer(master)
        await server.start()
        driver: Driver = Driver(launch(["make", "-s", "-C", str(tmp_path)], [], server.path, 3, False))
        async with asyncio.timeout(20):
            while len(master.requests) < 3:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        family = psutil.Process(driver.pid).children(recursive=True)
        code = await asyncio.wait_for(driver.terminate(signal.SIGTERM, 0.3), 20)
        await server.close()
        return code, family

    code, family = asyncio.run(run())
    assert code in (2, -signal.SIGTERM, -signal.SIGKILL) and len(family) >= 3
    _, alive = psutil.wait_procs(family, 5)
    assert alive == []
