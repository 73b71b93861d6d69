"""Calls to a peer that begin before the answers of earlier ones are there: what a long way costs is paid once, not
for each.

Answers come in the order of the calls. How many calls are under way follows from how long they take: over a long way
they take a while however few there are, so there are more of them, and their time is well used; over a narrow one they
take the longer the more there are, so there are few, and none comes near its deadline; over a short way one at a time
is as good as many. Each has a connection of its own: the ORB has one call under way on each.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

MOST = 8
"""Calls under way for one caller at a time, and answers held for it."""

_AIM_S = 1.0  # all that are under way are to take so long
_SHORT_S = 0.01  # calls that take no longer need no company
# Of all callers in this process, besides one for each: an answer may be PIECE bytes.
_further = threading.BoundedSemaphore(32)

_T = TypeVar("_T")


def ahead(
    calls: Iterable[Callable[[], _T]], clock: Callable[[], float] = time.monotonic
) -> Generator[_T, None, None]:
    """Make `calls`, each on any thread, and yield what they return, in their order.

    `calls` is read as they begin, on any thread, by one at a time. Raises what a call raises, in its place; later ones
    may have been made by then. Close it if it is left early: no call begins after that. `clock`: seconds.
    """
    way = _Way(calls, clock)
    try:
        while way.more():
            yield way.answer()
    finally:
        way.close()


class _Way(Generic[_T]):
    """The calls of one caller, who makes those itself that nobody has begun when it needs them."""

    def __init__(self, calls: Iterable[Callable[[], _T]], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed = threading.Condition()  # guards the rest
        self._calls = iter(calls)
        self._next_call = next(self._calls, None)
        self._answers: dict[int, tuple[_T | None, BaseException | None]] = {}
        self._begun = 0  # this many calls have been begun, the first ones
        self._wanted = 0  # the number of the one whose answer is taken next
        self._under_way = 0
        self._width = 1  # so many may be under way, or answered and not taken
        self._threads = 0
        self._over = False

    def more(self) -> bool:
        """Whether there are answers to be taken."""
        with self._changed:
            return self._wanted < self._begun or self._next_call is not None

    def answer(self) -> _T:
        """Take the next answer."""
        with self._changed:
            number = self._wanted
            call = self._begin() if self._begun == number else None
        if call is not None:
            self._make(number, call)
        with self._changed:
            while number not in self._answers:
                self._changed.wait()
            value, error = self._answers.pop(number)
            self._wanted += 1
            self._changed.notify_all()
        if error is not None:
            raise error
        return value  # type: ignore[return-value]

    def close(self) -> None:
        """Begin no further call; nobody waits for those under way."""
        with self._changed:
            self._over = True
            self._answers.clear()
            self._changed.notify_all()

    def _begin(self) -> Callable[[], _T]:
        call = self._next_call
        assert call is not None
        self._next_call = next(self._calls, None)
        self._begun += 1
        self._under_way += 1
        return call

    def _make(self, number: int, call: Callable[[], _T]) -> None:
        began = self._clock()
        value, error = None, None
        try:
            value = call()
        except BaseException as raised:
            error = raised
        took = self._clock() - began
        with self._changed:
            few = took < _SHORT_S
            self._width = 1 if few else max(1, min(MOST, round(self._under_way * _AIM_S / took)))
            self._under_way -= 1
            if self._over:
                return
            self._answers[number] = value, error
            if error is not None:
                self._next_call = None  # nobody wants what comes behind it
            while self._next_call and self._threads < self._width - 1 and self._add_thread():
                pass
            self._changed.notify_all()

    def _add_thread(self) -> bool:
        if not _further.acquire(blocking=False):
            return False
        try:
            threading.Thread(target=self._help, name="ahead", daemon=True).start()
        except RuntimeError:  # the system has no room for more
            _further.release()
            return False
        self._threads += 1
        return True

    def _help(self) -> None:
        try:
            while (begun := self._next()) is not None:
                self._make(*begun)
        finally:
            _further.release()

    def _next(self) -> tuple[int, Callable[[], _T]] | None:
        """Begin the next call as soon as there is room for its answer. None: there is none, or too many do that."""
        with self._changed:
            while not self._over and self._next_call and self._threads < self._width:
                if self._begun < self._wanted + self._width:
                    return self._begun, self._begin()
                self._changed.wait()
            self._threads -= 1
            return None
