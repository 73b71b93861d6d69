"""The way from the ORB's threads onto the master's loop."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from dgcc.corba import CORBA
from dgcc.naming.deadlines import deadlines

_MOST_POSTED = 256
_MOST_AT_ONCE = 256

log = logging.getLogger(__name__)


class _Turn:
    """A call that its thread waits for."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function, self._arguments = function, arguments
        self._value: Any = None
        self._error: BaseException | None = None
        self._given_up = False
        self._over = threading.Lock()
        self._over.acquire()

    def __call__(self) -> None:
        if self._given_up:
            return
        try:
            self._value = self._function(*self._arguments)
        except BaseException as error:
            self._error = error
        self._over.release()

    def wait(self, seconds: float) -> Any:
        """Return, or raise, what the function did. Raises CORBA.TRANSIENT if its turn does not come in time."""
        if not self._over.acquire(timeout=seconds):
            self._given_up = True
            raise CORBA.TRANSIENT(0, CORBA.COMPLETED_MAYBE)
        if self._error is not None:
            raise self._error
        return self._value


class Gate:
    """Calls of other threads run on the loop in the order in which they come, as many as there are each time that it is
    woken: to wake it costs more than most of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: deque[Callable[[], Any]] = deque()
        self._woken = False

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run `function` on the loop and return what it returns, or raise what it raises.

        Raises CORBA.TRANSIENT where the loop is too busy to answer, CORBA.OBJECT_NOT_EXIST where it has ended.
        """
        turn = _Turn(function, arguments)
        self._hand_over(turn)
        return turn.wait(deadlines().answer)

    def post(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have `function` run on the loop, and go on; where much waits for the loop already, wait as `call` does."""
        if len(self._queue) >= _MOST_POSTED:
            self.call(function, *arguments)
        else:
            self._hand_over(partial(_alone, function, *arguments))

    def _hand_over(self, turn: Callable[[], Any]) -> None:
        if self._loop.is_closed():
            raise CORBA.OBJECT_NOT_EXIST(0, CORBA.COMPLETED_NO)
        self._queue.append(turn)
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._run)
            except RuntimeError as error:  # closed in this moment
                raise CORBA.OBJECT_NOT_EXIST(0, CORBA.COMPLETED_NO) from error

    def _run(self) -> None:
        self._woken = False  # first: what comes from now on wakes the loop again, or is found below
        for _ in range(_MOST_AT_ONCE):
            if not self._queue:
                return
            self._queue.popleft()()
        self._loop.call_soon(self._run)  # recipes have their turn as well


def _alone(function: Callable[..., Any], *arguments: Any) -> None:
    """Run what nobody waits for."""
    try:
        function(*arguments)
    except Exception:
        log.exception("a mistake of the master's over a slave's call")
