"""How calls of other threads come onto the loop: in order, several at a time, bounded, and never for ever."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dgcc.corba import CORBA
from dgcc.master import gate as gates
from dgcc.master.gate import Gate
from dgcc.naming import deadlines


def _on_thread(function: Callable[[], Any]) -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().run_in_executor(None, function)


def test_calls_give_what_the_function_gives_or_raises():
    async def body() -> None:
        gate = Gate(asyncio.get_running_loop())
        assert await _on_thread(lambda: gate.call(lambda a, b: (a + b, threading.get_ident()), 1, 2)) == (
            3, threading.get_ident())  # fmt: skip
        with pytest.raises(ZeroDivisionError):
            await _on_thread(lambda: gate.call(lambda: 1 / 0))

    asyncio.run(body())


def test_what_is_posted_runs_in_order_with_calls_and_its_errors_stay_here(caplog: pytest.LogCaptureFixture):
    async def body() -> None:
        gate = Gate(asyncio.get_running_loop())
        seen: list[int] = []

        def slave() -> int:
            for number in range(1000):
                gate.post(seen.append, number)
            gate.post(lambda: 1 / 0)
            return gate.call(lambda: len(seen))

        assert await _on_thread(slave) == 1000
        assert seen == list(range(1000))

    asyncio.run(body())
    assert "a mistake of the master's over a slave's call" in caplog.text


def test_who_posts_much_waits_for_the_loop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gates, "_MOST_POSTED", 3)

    async def body() -> None:
        gate = Gate(asyncio.get_running_loop())
        posted: list[int] = []
        over = threading.Event()

        def slave() -> None:
            for number in range(5):
                gate.post(lambda: None)
                posted.append(number)
            over.set()

        thread = threading.Thread(target=slave)
        thread.start()
        assert not over.wait(0.2)  # the loop stands still meanwhile
        assert posted == [0, 1, 2]
        await _on_thread(thread.join)
        assert over.is_set()

    asyncio.run(body())


def test_a_loop_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gates, "deadlines", lambda: deadlines.Deadlines(answer=0.1))

    async def body() -> list[str]:
        gate = Gate(asyncio.get_running_loop())
        ran: list[str] = []
        caught: list[BaseException] = []

        def slave() -> None:
            try:
                gate.call(ran.append, "late")
            except CORBA.TRANSIENT as error:
                caught.append(error)

        thread = threading.Thread(target=slave)
        thread.start()
        thread.join()  # on the loop, which stands still
        assert len(caught) == 1
        await asyncio.sleep(0.05)
        return ran

    assert asyncio.run(body()) == []  # nobody waits for it any more


def test_a_loop_that_has_ended_is_told_at_once():
    async def body() -> Gate:
        return Gate(asyncio.get_running_loop())

    gate = asyncio.run(body())
    for function in (gate.call, gate.post):
        with pytest.raises(CORBA.OBJECT_NOT_EXIST):
            function(print)
