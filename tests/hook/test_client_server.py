"""The master's end of the client socket: who may connect, what is refused, what is left behind."""

import asyncio
import logging
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from farmkit import needs_root
from hook.hookrun import Master, build, hooked, plain_environment, write

from dgcc.master import wire
from dgcc.master.clients import Client, ClientServer
from dgcc.master.driver import CLIENT
from dgcc.master.wire import Kind, Request

TRUE = Request(b"/bin/true", (b"true",), (), b"/", b"t", 0o22, False, False, False)
REQUEST = wire.encode(Kind.REQUEST, wire.encode_request(TRUE))


def serve(body: Callable[[ClientServer, Master], Awaitable[None]]) -> ClientServer:
    """Run `body` with an open server, and close that."""

    async def run() -> ClientServer:
        master = Master(lambda client, request: None)
        server = ClientServer(master)
        await server.start()
        try:
            await body(server, master)
        finally:
            await server.close()
        return server

    return asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def test_only_this_user_can_reach_the_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    async def body(server: ClientServer, master: Master) -> None:
        assert server.path.parent.parent == tmp_path
        assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700

    server = serve(body)
    assert not server.path.parent.exists() and list(tmp_path.iterdir()) == []


def connected(server: ClientServer) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(os.fspath(server.path))
    return client


def test_a_batch_has_only_what_was_there_when_it_began() -> None:
    async def body(server: ClientServer, master: Master) -> None:
        with connected(server) as first, connected(server) as second, connected(server) as third:
            first.sendall(REQUEST)
            second.sendall(REQUEST)
            third.sendall(REQUEST[:20])
            await until(lambda: len(master.requests) == 2)
            assert master.batches == [0]
            third.sendall(REQUEST[20:])
            await until(lambda: len(master.requests) == 3)
            with connected(server) as fourth:
                fourth.sendall(REQUEST)
                await until(lambda: len(master.requests) == 4)
            assert master.batches[:3] == [0, 2, 3]

    serve(body)


def test_a_slow_reader_gets_all_and_holds_nobody_up() -> None:
    said = os.urandom(1 << 20) * 5

    async def body(server: ClientServer, master: Master) -> None:
        with connected(server) as slow, connected(server) as other:
            slow.sendall(REQUEST)
            await until(lambda: len(master.requests) == 1)
            master.clients[0].finish([(1, said)], 0, 0)
            other.sendall(REQUEST)
            await until(lambda: len(master.requests) == 2)
            slow.setblocking(False)
            received = bytearray()
            while data := await server.loop.sock_recv(slow, 1 << 16):
                received += data
            assert received == wire.encode_output(1, said) + wire.encode_end(0, 0)
            assert master.gone == [] and master.clients[0] not in server.members

    serve(body)


def test_who_goes_while_it_is_told_its_end_is_forgotten() -> None:
    async def body(server: ClientServer, master: Master) -> None:
        with connected(server) as client:
            client.sendall(REQUEST)
            await until(lambda: len(master.requests) == 1)
            master.clients[0].finish([(1, bytes(5 << 20))], 0, 0)
        await until(lambda: not server.members)
        assert master.gone == []

    serve(body)


@pytest.mark.parametrize("directory", ["", "relative", "/no/such", "/etc/passwd", "/tmp/" + "x" * 90])
def test_a_runtime_directory_of_no_use_is_passed_by(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", directory)

    async def body(server: ClientServer, master: Master) -> None:
        assert server.path.parent.parent == Path("/tmp")

    serve(body)


def test_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from the other side: for a master of another user, we are the stranger."""

    async def body(server: ClientServer, master: Master) -> None:
        monkeypatch.setattr(os, "getuid", lambda: 4242)
        reader, writer = await asyncio.open_unix_connection(server.path)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            writer.write(REQUEST)
            assert await reader.read() == b""
            raise ConnectionResetError
        writer.close()
        monkeypatch.undo()
        assert master.requests == [] and server.refused == 1

    serve(body)


def test_a_real_other_user_is_refused(tmp_path: Path) -> None:
    """The socket is 0600 in a directory that is 0700, and were both open, whoever comes is looked at."""
    needs_root("becomes another user")

    async def body(server: ClientServer, master: Master) -> None:
        assert (server.path.stat().st_mode & 0o777, server.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert await _as_stranger(server.path) == "PermissionError"
        server.path.parent.chmod(0o755)
        assert await _as_stranger(server.path) == "PermissionError"
        server.path.chmod(0o666)
        assert await _as_stranger(server.path) in ("b''", "ConnectionResetError", "BrokenPipeError")
        assert master.requests == [] and server.refused == 1

    serve(body)


async def _as_stranger(path: Path) -> str:
    """What another user gets who sends a request: an answer, or the error's name."""
    program = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX)\n"
        "try:\n s.connect(sys.argv[1]); s.sendall(bytes.fromhex(sys.argv[2])); print(s.recv(9))\n"
        "except OSError as error: print(type(error).__name__)"
    )
    process = await asyncio.create_subprocess_exec(
        "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "/usr/bin/python3", "-c", program, str(path),
        REQUEST.hex(), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    return out.decode().strip()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n" + bytes(100),
        b"\xff\xff\xff\xff\x01",
        wire.encode(Kind.REQUEST, b""),
        wire.encode(Kind.REQUEST, b"\x02" + wire.encode(Kind.REQUEST)[1:]),
        wire.encode(Kind.STATUS, bytes(4)),
        wire.encode(Kind.FAILED, bytes(3)),
        wire.encode(Kind.USAGE, b"\1" + bytes(12)),
        wire.encode(Kind.LOCAL),
        REQUEST + REQUEST,
        REQUEST + wire.encode(Kind.STATUS, bytes(4)),
    ],
    ids=["other protocol", "too long", "empty", "version", "status", "failed", "usage", "local", "twice", "unasked"],
)
def test_what_makes_no_sense_is_refused_counted_and_logged_once(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(server: ClientServer, master: Master) -> None:
        for times in (1, 2):
            reader, writer = await asyncio.open_unix_connection(server.path)
            writer.write(sent)
            await until(lambda times=times: server.refused == times)  # type: ignore[misc]
            writer.close()
        await until(lambda: not server.members)

    with caplog.at_level(logging.DEBUG):
        serve(body)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1 and f"process {os.getpid()}" in warnings[0].getMessage()
    assert warnings[0].exc_info is None


def test_request_in_single_bytes() -> None:
    async def body(server: ClientServer, master: Master) -> None:
        reader, writer = await asyncio.open_unix_connection(server.path)
        for byte in REQUEST:
            writer.write(bytes([byte]))
            await writer.drain()
        await until(lambda: len(master.requests) == 1)
        assert master.requests[0].argv == (b"true",) and master.clients[0].pid == os.getpid()
        writer.close()
        await until(lambda: len(master.gone) == 1)

    serve(body)


def test_client_that_goes_while_it_waits_is_told_of_once() -> None:
    async def body(server: ClientServer, master: Master) -> None:
        environment = plain_environment(DGCC_SOCKET=str(server.path))
        process = await asyncio.create_subprocess_exec(CLIENT, "/bin/true", "true", env=environment)
        await until(lambda: len(master.clients) == 1)
        client = master.clients[0]
        assert client.pid == process.pid
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await until(lambda: master.gone == [client])
        client.finish([(1, b"late")], 0, 0)
        client.run_local()
        client.run_confirm()
        assert master.gone == [client] and not server.members

    serve(body)


def test_client_that_dies_before_its_verdict_is_read() -> None:
    """Stopped, then killed: the verdict is on its way to nobody."""

    async def body(server: ClientServer, master: Master) -> None:
        end: Callable[[Client], None] = lambda client: client.finish([(1, b"x")], 0, 0)  # noqa: E731
        for verdict in (Client.run_local, Client.run_confirm, end):
            master.clients.clear()
            environment = plain_environment(DGCC_SOCKET=str(server.path))
            process = await asyncio.create_subprocess_exec(CLIENT, "/bin/true", "true", env=environment)
            await until(lambda: len(master.clients) == 1)
            process.send_signal(signal.SIGSTOP)
            verdict(master.clients[0])
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await until(lambda: not server.members)
        assert len(master.local_ends) == 1 and len(master.gone) == 1 and master.confirmed == []

    serve(body)


def test_a_client_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    async def body(server: ClientServer, master: Master) -> None:
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(REQUEST)
        await until(lambda: len(master.clients) == 1)
        master.clients[0].finish([(1, bytes(20 << 20))], 0, 0)
        environment = plain_environment(DGCC_SOCKET=str(server.path))
        process = await asyncio.create_subprocess_exec(CLIENT, "/bin/true", "true", env=environment)
        await until(lambda: len(master.clients) == 2)
        master.clients[1].finish([], 4, 0)
        assert await process.wait() == 4
        writer.close()

    serve(body)


def test_a_verdict_before_the_request_is_a_mistake_of_the_caller() -> None:
    async def body(server: ClientServer, master: Master) -> None:
        _, writer = await asyncio.open_unix_connection(server.path)
        await until(lambda: len(server.members) == 1)
        (client,) = server.members
        with pytest.raises(RuntimeError, match="no verdict is due while connected"):
            client.run_local()
        writer.close()

    serve(body)


def test_no_descriptor_is_left_after_many_recipes(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: $(shell seq 60)\n%:\n\t@exit $$(($@ % 2))\n")
    before = len(os.listdir("/proc/self/fd"))
    outcome = build(tmp_path, "make", "-j8", "-k")
    assert len(outcome.master.local_ends) == 60 and len(outcome.master.failed) == 30
    assert len(os.listdir("/proc/self/fd")) == before


def test_out_of_descriptors_a_local_recipe_is_watched_by_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(pid: int, flags: int = 0) -> int:
        raise OSError(24, "Too many open files")

    write(tmp_path, Makefile="all:\n\t@exit 3\n")
    real = os.pidfd_open
    monkeypatch.setattr(os, "pidfd_open", full)

    def answer(client: Client, request: Request) -> None:
        client.run_local()
        monkeypatch.setattr(os, "pidfd_open", real)

    outcome = build_by_subprocess(tmp_path, answer)
    assert [status for _, status in outcome.confirmed] == [3 << 8] and outcome.local_ends == []


def build_by_subprocess(directory: Path, answer: Callable[[Client, Request], None]) -> Master:
    """Build with a driver that asyncio does not watch, as it needs a pidfd for that in later Pythons."""

    async def run() -> Master:
        master = Master(answer)
        server = ClientServer(master)
        await server.start()
        make = subprocess.Popen(["make"], cwd=directory, env=hooked(plain_environment(), server.path),
                                stderr=subprocess.DEVNULL)
        await until(lambda: make.poll() is not None)
        await server.close()
        return master

    return asyncio.run(run())
