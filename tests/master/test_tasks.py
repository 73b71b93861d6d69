"""Tasks beside the build: their mistakes are told, and none outlives it."""

import asyncio

from dgcc.master.tasks import TaskSet


def test_a_mistake_is_told_and_the_others_go_on(caplog):
    ended = []

    async def broken() -> None:
        raise ValueError("no such thing")

    async def waiting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("waiting")

    async def build() -> None:
        tasks = TaskSet()
        tasks.start(waiting())
        tasks.start(broken())
        await asyncio.sleep(0.01)
        assert "no such thing" in caplog.text and not ended
        await tasks.end()
        assert ended == ["waiting"]

    asyncio.run(build())
    assert caplog.text.count("a mistake of the master's") == 1, "what is cancelled is none"
