"""Tasks that run beside everything else on the loop, kept while they run: the loop alone would forget them."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskSet:
    """Running tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` on the running loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
