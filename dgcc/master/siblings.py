"""Durations of commands that are not known, from those of their like: the same kind, in the same directory if possible.

For each group of siblings a straight line is kept: so many seconds, and so many more for each byte of source. A compile
of C++ hardly depends on the size of its source, one of C mostly does; the line fits both.
"""

from collections.abc import Iterable

from msgspec import Struct

_FEW = 3  # siblings that say more than all of their kind in other directories
_ENOUGH = 4  # measurements for a line; below, their mean
_FAR = 8.0  # times the mean so far: what took longer counts for so much only


class Group(Struct):
    """Sums over the siblings: of sizes in bytes, durations in seconds, memory in bytes."""

    count: int = 0
    size: float = 0.0
    wall_s: float = 0.0
    size2: float = 0.0
    size_wall: float = 0.0
    least_s: float = 0.0
    most_s: float = 0.0
    memory: float = 0.0

    def add(self, size: float, wall_s: float, memory: float) -> None:
        """One more sibling has ended."""
        if self.count >= _ENOUGH:
            wall_s = min(wall_s, _FAR * self.wall_s / self.count)
        self.add_group(Group(1, size, wall_s, size * size, size * wall_s, wall_s, wall_s, memory))

    def add_group(self, other: "Group") -> None:
        """Add all that another group has."""
        self.least_s = min(self.least_s, other.least_s) if self.count else other.least_s
        self.most_s = max(self.most_s, other.most_s)
        self.count += other.count
        self.size += other.size
        self.wall_s += other.wall_s
        self.size2 += other.size2
        self.size_wall += other.size_wall
        self.memory += other.memory

    def expect(self, size: float) -> float:
        """How long one of this size should take, seconds; `size` 0: not known."""
        mean_size, mean_s = self.size / self.count, self.wall_s / self.count
        variance = self.size2 / self.count - mean_size * mean_size
        if not size or self.count < _ENOUGH or variance <= 1e-6 * mean_size * mean_size:
            return mean_s
        slope = max(0.0, (self.size_wall / self.count - mean_size * mean_s) / variance)
        start = mean_s - slope * mean_size
        if start < 0:  # a line through zero
            start, slope = 0.0, self.size_wall / self.size2
        return max(self.least_s / 2, min(2 * self.most_s, start + slope * size))


class Guess(Struct, frozen=True):
    """wall_s: seconds. memory: bytes. near: from the same directory."""

    wall_s: float
    memory: int
    near: bool


class Siblings:
    """All groups of one project, by directory and kind (see likeness.py)."""

    def __init__(self, groups: Iterable[tuple[bytes, str, Group]] = ()) -> None:
        self._near: dict[tuple[bytes, str], Group] = {}
        self._all: dict[str, Group] = {}
        for directory, kind, group in groups:
            self._near[directory, kind] = group
            self._all.setdefault(kind, Group()).add_group(group)

    def add(self, directory: bytes, kind: str, size: int, wall_s: float, memory: int) -> None:
        """A command has ended."""
        self._near.setdefault((directory, kind), Group()).add(size, wall_s, memory)
        self._all.setdefault(kind, Group()).add(size, wall_s, memory)

    def guess(self, directory: bytes, kind: str, size: int) -> Guess | None:
        """What a command should take; None where none of its kind has ended yet."""
        near, every = self._near.get((directory, kind)), self._all.get(kind)
        group = near if near is not None and near.count >= _FEW else every
        if group is None:
            return None
        return Guess(group.expect(size), int(group.memory / group.count), group is near)
