"""Broken frames on the client socket: each is refused, no recipe waits for ever, and the next client is served."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest
from fuzz.bytefuzz import ROUNDS, SEED, broken
from fuzz.vitals import Vitals
from hook.hookrun import Master, drive, write
from msgspec.structs import asdict

from dgcc.master import wire
from dgcc.master.clients import Client, ClientServer
from dgcc.master.verdict.decide import decide
from dgcc.master.verdict.rules import Rules
from dgcc.master.wire import Kind, Request

CONNECTIONS = 700
ANSWER_S = 10.0

COMPILE = Request(
    b"/usr/bin/cc",
    (b"cc", b"-O2", b"-c", b"f.c", b"-o", b"f.o"),
    (b"PATH=/usr/bin:/bin", b"MAKELEVEL=1"),
    b"/tmp",
    b"f.o",
    0o22,
    True,
    False,
    False,
)
GOOD = wire.encode(Kind.REQUEST, wire.encode_request(COMPILE))
FAILED = wire.encode(Kind.FAILED, b"\1\0" + (1).to_bytes(4, "little") + (256).to_bytes(4, "little"))
STATUS = wire.encode(Kind.STATUS, (256).to_bytes(4, "little"))


def _answer(client: Client, request: Request) -> None:
    """As the master does: a verdict by what the request says, then one of the three answers."""
    environ = dict(entry.partition(b"=")[::2] for entry in request.environment)
    verdict = decide(request.program, request.argv, request.cwd, environ, (b"/tmp",), Rules(), request.target)
    if verdict.remote:
        client.run_confirm()
    else:
        client.finish([(1, b"said"), (2, b"so")], 3, 0)


async def _send(path: Path, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), ANSWER_S)
    except (ConnectionResetError, BrokenPipeError):
        return b""
    finally:
        writer.close()


def test_broken_frames() -> None:
    dice = random.Random(SEED)
    mishaps: list[Any] = []

    async def body() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: mishaps.append(context))
        master = Master(_answer)
        server = ClientServer(master)
        await server.start()
        before = Vitals.of(os.getpid())
        for number in range(CONNECTIONS * ROUNDS):
            frames = dice.choice((GOOD, GOOD, GOOD + STATUS, FAILED, FAILED * 3, STATUS, GOOD + GOOD))
            data = broken(dice, frames)
            try:
                await _send(server.path, data)
            except TimeoutError:
                raise AssertionError(f"hung: DGCC_FUZZ_SEED={SEED}, number {number}: {data!r}") from None
            assert mishaps == [], f"DGCC_FUZZ_SEED={SEED}, number {number}: {data!r}"
        for _ in range(100):
            if not server.members:
                break
            await asyncio.sleep(0.02)
        # Whoever was asked to run a command has said how it ended, or is known to have gone.
        asked = {client for client in master.clients if client.state.value == "ended"}
        assert server.members == set() and asked == set(master.clients)
        assert len(master.gone) + len(master.confirmed) > 10
        assert await _send(server.path, GOOD) == wire.encode(Kind.CONFIRM)
        assert Vitals.of(os.getpid()).exceeds(before, 64 << 20, 5, 5) == ""
        await server.close()

    asyncio.run(body())


def test_a_status_of_nonsense_is_a_client_that_has_gone() -> None:
    async def body() -> None:
        master = Master(_answer)
        server = ClientServer(master)
        await server.start()
        for status in (b"\x7f\0\0\0", b"\xff\xff\xff\xff", b"\0\0\1\0", b"", b"\0" * 5):
            master.gone.clear()
            await _send(server.path, GOOD + wire.encode(Kind.STATUS, status))
            for _ in range(200):
                if master.gone:
                    break
                await asyncio.sleep(0.01)
            assert len(master.gone) == 1 and master.confirmed == [], status
        await server.close()

    asyncio.run(body())


@pytest.mark.parametrize("place", ["cwd", "target", "program", "argv", "environment"])
def test_no_string_of_a_request_has_a_nul(place: str) -> None:
    value: Any = (b"a\0b",) if place in ("argv", "environment") else b"a\0b"
    with pytest.raises(wire.WireError, match="NUL inside"):
        wire.decode_request(wire.encode_request(Request(**{**asdict(COMPILE), place: value})))


def test_a_build_beside_broken_frames(tmp_path: Path) -> None:
    """A real make's recipes are served while another process of this user sends rubbish."""
    write(tmp_path, Makefile="all: a b c\n%:\n\t@echo $@ > $@\n")
    dice = random.Random(SEED)

    def answer(client: Client, request: Request) -> None:
        client.run_local()

    async def rubbish(server: ClientServer) -> None:
        while True:
            await _send(server.path, broken(dice, GOOD))
            await asyncio.sleep(0.001)

    async def body() -> int:
        master = Master(answer)
        server = ClientServer(master)
        await server.start()
        nuisance = asyncio.create_task(rubbish(server))
        outcome = await drive(tmp_path, ["make", "-j3"], master, server)
        nuisance.cancel()
        await server.close()
        return outcome.code

    assert asyncio.run(body()) == 0
    assert {name: (tmp_path / name).read_text() for name in "abc"} == {name: f"{name}\n" for name in "abc"}
