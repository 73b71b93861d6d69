"""What a client does with the master's verdict, and without one."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hook.hookrun import Master, build, drive, hooked, plain_environment, write

from dgcc.master.clients import Client, ClientServer
from dgcc.master.driver import CLIENT
from dgcc.master.wire import Request

Answer = Callable[[Client, Request], None]


def finish(*chunks: tuple[int, bytes], code: int = 0, number: int = 0) -> Answer:
    return lambda client, request: client.finish(chunks, code, number)


def confirm(client: Client, request: Request) -> None:
    client.run_confirm()


def test_remote_end_brings_output_and_leaves_the_command_alone(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@echo here > file\n")
    outcome = build(tmp_path, "make", answer=finish((1, b"out\n"), (2, b"err\n"), (1, b"more\n")))
    assert (outcome.code, outcome.out, outcome.err) == (0, "out\nmore\n", "err\n")
    assert not (tmp_path / "file").exists()


def test_output_order_where_both_are_one_file(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@true\n")
    chunks = [(1 + n % 2, b"%d\n" % n) for n in range(200)]
    outcome = build(tmp_path, "make", answer=finish(*chunks), merge=True)
    assert outcome.out.split() == [str(n) for n in range(200)]
    assert outcome.master.requests[0].same_file
    assert not build(tmp_path, "make").master.requests[0].same_file


@pytest.mark.parametrize("code", [1, 2, 77, 255])
def test_exit_codes(tmp_path: Path, code: int) -> None:
    write(tmp_path, Makefile="all:\n\t@true\n")
    outcome = build(tmp_path, "make", answer=finish(code=code))
    assert (outcome.code, outcome.err) == (2, f"make: *** [Makefile:2: all] Error {code}\n")


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGTERM, "Terminated"), (signal.SIGSEGV, "Segmentation fault"), (signal.SIGKILL, "Killed")],
)
@pytest.mark.parametrize("confirmed", [False, True])
def test_signals_without_a_core(tmp_path: Path, number: int, words: str, confirmed: bool) -> None:
    write(tmp_path, Makefile=f"all:\n\t@ulimit -c 0; kill -{number} $$$$\n")
    outcome = build(tmp_path, "make", answer=confirm if confirmed else finish(number=number))
    assert (outcome.code, outcome.err) == (2, f"make: *** [Makefile:2: all] {words}\n")
    assert [status for _, status in outcome.master.failed] == [number]
    if confirmed:
        assert outcome.master.confirmed == outcome.master.failed
    assert not list(tmp_path.glob("core*"))


def test_confirmed_command_runs_here_and_its_status_is_told(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: a b\na:\n\t@echo a\nb:\n\t@echo b >&2; exit 5\n")
    outcome = build(tmp_path, "make", "-j1", answer=confirm)
    assert (outcome.code, outcome.out) == (2, "a\n")
    assert outcome.err == "b\nmake: *** [Makefile:5: b] Error 5\n"
    assert [status for _, status in outcome.master.confirmed] == [0, 5 << 8]
    assert outcome.master.local_ends == [] and outcome.master.gone == []


def test_local_command_takes_the_client_s_place(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@echo $$$$; echo $$PPID; umask; pwd\n")
    outcome = build(tmp_path, "make")
    pid, parent, mask, directory = outcome.out.split()
    assert [int(pid)] == outcome.master.pids == outcome.master.local_ends
    assert int(mask, 8) == outcome.master.requests[0].umask
    assert Path(directory) == tmp_path and parent != str(os.getpid())


def test_large_output_and_a_slow_reader(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@true\n")
    data = os.urandom(3 << 19).hex().encode()
    outcome = build(tmp_path, "make", answer=finish((1, data), (2, data[:100_000])))
    assert outcome.out.encode() == data and outcome.err.encode() == data[:100_000]


def test_stdout_that_does_not_block(tmp_path: Path) -> None:
    """A full pipe with O_NONBLOCK on it (some terminals' wrappers set that) loses nothing."""
    write(tmp_path, Makefile="all:\n\t@true\n")

    async def run() -> bytes:
        server = ClientServer(Master(finish((1, b"x" * 1_000_000))))
        await server.start()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        environment = plain_environment(DGCC_SOCKET=str(server.path))
        client = await asyncio.create_subprocess_exec(
            CLIENT, "/bin/true", "true", env=environment, stdout=writer
        )
        os.close(writer)
        await asyncio.sleep(0.05)
        with open(reader, "rb") as pipe:
            got = await asyncio.to_thread(pipe.read)
        assert await client.wait() == 0
        await server.close()
        return got

    assert asyncio.run(run()) == b"x" * 1_000_000


def test_closed_stdout_does_not_hang_the_client(tmp_path: Path) -> None:
    async def run() -> int:
        server = ClientServer(Master(finish((1, b"x" * 100_000), code=3)))
        await server.start()
        reader, writer = os.pipe()
        os.close(reader)
        environment = plain_environment(DGCC_SOCKET=str(server.path))
        client = await asyncio.create_subprocess_exec(
            CLIENT, "/bin/true", "true", env=environment, stdout=writer, restore_signals=True
        )
        os.close(writer)
        code = await asyncio.wait_for(client.wait(), 20)
        await server.close()
        return code

    assert asyncio.run(run()) == -signal.SIGPIPE


def test_master_gone_before_the_build(tmp_path: Path) -> None:
    makefile = "all: x\nx:\n\techo x > x; echo $(A)\n\t@$(MAKE) -f Sub\n"
    write(tmp_path, Makefile=makefile, Sub="all:\n\t@echo sub\n")
    outcome = subprocess.run(
        ["make", "--no-print-directory", "A=b"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env=hooked(plain_environment(), tmp_path / "none"),
    )
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "echo x > x; echo b\nb\nsub\n", "")
    assert (tmp_path / "x").read_text() == "x\n"


def test_master_that_goes_takes_the_recipes_that_wait_along(tmp_path: Path) -> None:
    """They would else all start at once on this machine, as many as a whole farm was to run."""
    write(tmp_path, Makefile="all: a b c d\na b c d:\n\t@echo $@\n")

    async def run() -> str:
        master = Master()
        server = ClientServer(master)
        await server.start()

        def go(client: Client, request: Request) -> None:
            if len(master.requests) == 3:
                asyncio.get_running_loop().create_task(server.close())

        master.answer = go
        outcome = await drive(tmp_path, ["make", "-j3"], master, server)
        assert outcome.code == 2 and outcome.err.count("Terminated") == 3, outcome.err
        assert master.gone == []
        return outcome.out

    assert asyncio.run(run()) == ""


def test_master_that_makes_no_sense(tmp_path: Path) -> None:
    """A client that reads what it does not know runs its command."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        client = subprocess.Popen(
            [CLIENT, "/bin/echo", "echo", "done"], stdout=subprocess.PIPE,
            env=plain_environment(DGCC_SOCKET=str(path)),
        )
        connection, _ = listener.accept()
        connection.sendall(b"\x00\x00\x00\x00\xff")
        assert client.communicate(timeout=20)[0] == b"done\n"
        connection.close()


def test_directory_that_is_gone(tmp_path: Path) -> None:
    makefile = "all:\n\t@mkdir d; cd d; rmdir ../d; $(MAKE) -f $(CURDIR)/Sub\n"
    write(tmp_path, Makefile=makefile, Sub="all:\n\t@echo sub\n")
    outcome = build(tmp_path, "make", "--no-print-directory", merge=True)
    assert "sub" in outcome.out.split() and outcome.code == 0
    assert [r.cwd for r in outcome.master.requests] == [bytes(tmp_path), b""]


def test_interrupt_ends_everything(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: remote local confirmed\nremote local confirmed:\n\t@exec sleep 1000\n")

    async def run() -> None:
        def answer(client: Client, request: Request) -> None:
            if request.target == b"local":
                client.run_local()
            elif request.target == b"confirmed":
                client.run_confirm()

        master = Master(answer)
        server = ClientServer(master)
        await server.start()
        make = await asyncio.create_subprocess_exec(
            "make", "-j3", cwd=tmp_path, env=hooked(plain_environment(), server.path), process_group=0,
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )
        while len([p for p in psutil.Process(make.pid).children(recursive=True) if p.name() == "sleep"]) < 2:
            await asyncio.sleep(0.01)
        while len(master.requests) < 3:
            await asyncio.sleep(0.01)
        os.killpg(make.pid, signal.SIGINT)
        _, err = await asyncio.wait_for(make.communicate(), 20)
        assert make.returncode in (-signal.SIGINT, 2)  # make's own handler races with its wait()
        assert err.count(b"Interrupt") in (2, 3)
        while len(master.local_ends) + len(master.gone) + len(master.confirmed) < 3:
            await asyncio.sleep(0.01)
        assert len(master.local_ends) == len(master.gone) == 1
        assert [status for _, status in master.confirmed] == [signal.SIGINT]
        with pytest.raises(ProcessLookupError):
            os.killpg(make.pid, 0)
        await server.close()

    asyncio.run(run())


def test_terminate_reaches_a_confirmed_command(tmp_path: Path) -> None:
    """make ends its children by SIGTERM to them alone: the command behind the client must get it."""
    script = "trap 'echo cleaned > log; exit 9' TERM; echo up > log; while :; do sleep 0.02; done"
    write(tmp_path, Makefile=f"all:\n\t@{script}\n")

    async def run() -> None:
        master = Master(confirm)
        server = ClientServer(master)
        await server.start()

        async def end() -> None:
            while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
                await asyncio.sleep(0.01)
            os.kill(master.pids[0], signal.SIGTERM)

        task = asyncio.create_task(end())
        outcome = await drive(tmp_path, ["make"], master, server)
        await task
        assert outcome.code == 2 and [status for _, status in master.confirmed] == [9 << 8]
        assert (tmp_path / "log").read_text() == "cleaned\n"
        await server.close()

    asyncio.run(run())


def test_started_by_hand_it_says_so() -> None:
    outcome = subprocess.run([CLIENT], capture_output=True, text=True)
    assert outcome.returncode == 2 and "dgcc-master" in outcome.stderr
