"""Items in order of a key that changes: every operation takes logarithmic time."""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from sortedcontainers import SortedList

T = TypeVar("T")


class Ranking(Generic[T]):
    """Items, each once, by key; the least key first. Keys are tuples of numbers; no two items may have the same."""

    def __init__(self) -> None:
        self._keys: dict[T, tuple[Any, ...]] = {}
        self._order: SortedList[Any] = SortedList()

    def put(self, item: T, *key: float) -> None:
        """Add an item, or give it another key."""
        old = self._keys.get(item)
        if old is not None:
            if old[:-1] == key:
                return
            self._order.remove(old)
        entry = (*key, item)
        self._keys[item] = entry
        self._order.add(entry)

    def drop(self, item: T) -> None:
        """Take an item out, if it is there."""
        entry = self._keys.pop(item, None)
        if entry is not None:
            self._order.remove(entry)

    def first(self) -> T | None:
        """Return the item with the least key, or None."""
        return self._order[0][-1] if self._order else None

    def nth(self, place: int) -> float:
        """Return the first number of the key at `place`, from 0 on. Raises IndexError."""
        return float(self._order[place][0])

    def key(self, item: T, place: int) -> float:
        """Return the number at `place` of an item's key. Raises KeyError."""
        return float(self._keys[item][place])

    def __iter__(self) -> Iterator[T]:
        """All items in order. Nothing may be changed meanwhile."""
        return (entry[-1] for entry in self._order)

    def __contains__(self, item: T) -> bool:
        return item in self._keys

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
