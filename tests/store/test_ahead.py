"""Calls that begin ahead of their turn: in order, few at a time, and more of them the longer the way."""

import threading
import time
from collections.abc import Callable

import pytest

from dgcc.store.ahead import MOST, ahead


class Far:
    """A peer `way_s` seconds away, with room for `room` calls at a time without making them slower."""

    def __init__(self, way_s: float, room: int = 1000) -> None:
        self.way_s, self.room = way_s, room
        self.most = self.now = self.made = 0
        self._lock = threading.Lock()

    def call(self, number: int) -> Callable[[], int]:
        def make() -> int:
            with self._lock:
                self.now += 1
                self.made += 1
                self.most = max(self.most, self.now)
                wait = self.way_s * max(1, self.now / self.room)
            time.sleep(wait)
            with self._lock:
                self.now -= 1
            return number

        return make

    def calls(self, count: int) -> list[Callable[[], int]]:
        return [self.call(number) for number in range(count)]


def test_a_long_way_is_paid_for_a_few_times_only():
    far = Far(0.05)
    assert list(ahead(far.calls(33))) == list(range(33))
    assert MOST // 2 < far.most <= MOST


def test_a_short_way_is_gone_alone():
    near = Far(0.0)
    assert list(ahead(near.calls(200), lambda: 0.0)) == list(range(200)) and near.most == 1


def test_a_narrow_way_is_not_crowded():
    """Calls that take the longer the more there are must not come near their deadlines."""
    now = [0.0]
    narrow = Far(0.0)

    def clock() -> float:  # each call takes two seconds, by its own thread's clock
        now[0] += 1.0
        return now[0]

    assert list(ahead(narrow.calls(20), clock)) == list(range(20)) and narrow.most == 1


def test_few_answers_are_held_for_a_caller_who_is_busy():
    far = Far(0.02)
    answers = ahead(far.calls(100))
    for _ in range(5):
        next(answers)
    time.sleep(0.2)
    assert 5 < far.made <= 5 + MOST
    answers.close()
    time.sleep(0.05)
    made = far.made
    time.sleep(0.1)
    assert far.made == made, "nobody wants more"


def test_an_error_comes_in_its_turn_and_ends_it():
    far = Far(0.02)

    def fail() -> int:
        raise LookupError("the tenth")

    calls = far.calls(1000)
    calls[10] = fail
    got = []
    with pytest.raises(LookupError, match="the tenth"):
        for answer in ahead(calls):
            got.append(answer)
    assert got == list(range(10)) and far.made <= 10 + MOST
    assert list(ahead([])) == []
    time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
