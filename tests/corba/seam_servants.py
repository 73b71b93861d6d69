"""The servants that the tests call, in the tests' own process or in seam_peer.py."""

import os
import threading
import time
from typing import Any

import Seam
import Seam__POA
import Turns
import Turns__POA
from corba.seam_types import NAMES

from dgcc.corba import CORBA


def _turner(name: str) -> type:
    """A servant class for one interface of the round trips."""
    interface = getattr(Turns, name)

    class Turner(getattr(Turns__POA, name)):  # type: ignore[misc]
        def __init__(self) -> None:
            self.value: Any = None

        def _get_held(self) -> Any:
            return self.value

        def _set_held(self, value: Any) -> None:
            self.value = value

        def _get_seen(self) -> Any:
            return self.value

        def turn(self, first: Any, third: Any) -> Any:
            return first, third, first

        def turn_round(self, given: Any) -> Any:
            return given[::-1]

        def fail(self, one: Any, more: Any) -> None:
            raise interface.Carry(one, more)

        def post(self, value: Any) -> None:
            self.posted = value

    return Turner


TURNERS = {name: _turner(name) for name in NAMES}


class Both(Seam__POA.Both):
    """A diamond of interfaces in one servant."""

    def __init__(self) -> None:
        self.held = 0

    def _get_who(self) -> str:
        return "both"

    def twice(self, number: int) -> int:
        return 2 * number

    def left_hand(self) -> str:
        return "left"

    def right_hand(self) -> str:
        return "right"

    def _get_lambda(self) -> int:
        return self.held

    def _set_lambda(self, value: int) -> None:
        self.held = value

    def _class(self, number: int) -> int:
        return number + 1


class Echo(Seam__POA.Echo):
    """Answers as the IDL says."""

    def __init__(self) -> None:
        self._noted: list[str] = []
        self._lock = threading.Lock()
        self._naps = 0
        self._most = 0

    def _get_who(self) -> str:
        return "echo"

    def twice(self, number: int) -> int:
        return 2 * number

    def nothing(self) -> None:
        return None

    def text(self, words: str) -> str:
        return words

    def blob(self, data: Any) -> Any:
        return data

    def zeros(self, size: int) -> Any:
        return bytes(size)

    def add(self, a: int, b: int) -> int:
        return a + b

    def couple(self, two: Any) -> Any:
        return two

    def brief(self, words: str) -> str:
        return words

    def swap(self, a: str, b: int) -> tuple[int, str]:
        return b, a

    def same(self, anything: Any) -> Any:
        return anything

    def pick(self, every: Any, which: int) -> Any:
        return every[which]

    def same_base(self, given: Any) -> Any:
        return given

    def back(self, who: Any, depth: int) -> int:
        return sum(who.called(number) for number in range(depth))

    def cry(self, why: str) -> None:
        if not why:
            raise Seam.Empty()
        raise Seam.Sad(why, len(why))

    def undeclared(self) -> None:
        raise KeyError("nobody declared this")

    def leave(self) -> None:
        raise SystemExit(4)

    def raise_system(self, minor: int, completed: int) -> None:
        raise CORBA.NO_RESOURCES(minor, [CORBA.COMPLETED_YES, CORBA.COMPLETED_NO, CORBA.COMPLETED_MAYBE][completed])

    def answer_with(self, what: str) -> Any:
        return {"str": "text", "none": None, "big": 1 << 40, "tuple": (1, 2)}[what]

    def nap(self, seconds: float) -> None:
        with self._lock:
            self._naps += 1
            self._most = max(self._most, self._naps)
        time.sleep(seconds)
        with self._lock:
            self._naps -= 1

    def most_naps(self) -> int:
        return self._most

    def note(self, words: str) -> None:
        self._noted.append(words)

    def notes(self) -> list[str]:
        return self._noted

    def die(self) -> None:
        os._exit(3)


class Callback(Seam__POA.Callback):
    """Remembers with what it was called."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def called(self, number: int) -> int:
        self.numbers.append(number)
        return number * 10
