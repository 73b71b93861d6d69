"""What a plan is made of: the jobs that make would run, and which of them await which."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

# A bound on what a makefile of a strange shape can cost; real graphs stay far below.
_MOST_EDGES = 2_000_000


_Key: TypeAlias = tuple[bytes, bytes]  # directory and target


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One recipe line that make would run.

    `directory` is absolute; `target` as make names it; `command` as make prints it, newlines included;
    `makefile` and `line` say where the recipe is (empty and 0 if make has it built in); `prerequisites` are
    the target's, order-only ones among them.
    """

    directory: bytes
    target: bytes
    command: bytes
    makefile: bytes = b""
    line: int = 0
    prerequisites: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All planned jobs in make's order, and the `prerequisites` of all (directory, target) that it knows.

    `within`: of jobs of a make that a recipe starts, by place, the place of the recipe's line.
    """

    jobs: tuple[PlannedJob, ...] = ()
    prerequisites: Mapping[tuple[bytes, bytes], tuple[bytes, ...]] = field(default_factory=dict)
    within: Mapping[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.jobs)

    @cached_property
    def _by_target(self) -> dict[_Key, tuple[int, ...]]:
        places: dict[_Key, list[int]] = {}
        for place, job in enumerate(self.jobs):
            places.setdefault((job.directory, job.target), []).append(place)
        return {key: tuple(found) for key, found in places.items()}

    def find(self, directory: bytes, target: bytes) -> tuple[PlannedJob, ...]:
        """Return the jobs of one target, in the order of its recipe's lines; empty if none is planned."""
        return tuple(self.jobs[place] for place in self.places(directory, target))

    def places(self, directory: bytes, target: bytes) -> tuple[int, ...]:
        """Return the places in `jobs` of those of one target, likewise."""
        return self._by_target.get((directory, target), ())

    @cached_property
    def edges(self) -> tuple[tuple[int, ...], ...]:
        """For each job, by its place in `jobs`, the places of those that must end before it starts.

        The lines of one recipe follow each other; its first line awaits the last lines of its prerequisites,
        where need be through targets without a recipe. A target's circular prerequisites are dropped, as
        make drops them. A line that runs another make stands for that make's end: it awaits all of its jobs, which
        await what the line's target does.
        """
        through: dict[_Key, tuple[int, ...]] = {}
        awaited: list[tuple[int, ...]] = [()] * len(self.jobs)
        left = _MOST_EDGES
        for key, places in self._by_target.items():
            for earlier, later in zip(places, places[1:], strict=False):
                awaited[later] = (earlier,)
            if left > 0:
                found = self._await(key, through)
                left -= len(found)
                awaited[places[0]] = found
        return tuple(self._nested(awaited) if self.within else awaited)

    def _nested(self, awaited: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        before = list(awaited)  # what a make's jobs await is what their line awaited itself
        inner: dict[int, set[int]] = {}  # the last jobs of each make, by the line that runs it
        for place, line in self.within.items():
            inner.setdefault(line, set()).add(place)
        # Lines come before their makes' jobs, so from the outermost make on.
        for place, line in sorted(self.within.items()):
            if not any(self.within.get(each) == line for each in awaited[place]):
                before[place] = tuple(dict.fromkeys((*awaited[place], *before[line])))
        result = list(before)
        for line, places in inner.items():
            last = places.difference(*(awaited[place] for place in places))
            result[line] = tuple(dict.fromkeys((*before[line], *sorted(last))))
        return result

    def _await(self, key: _Key, through: dict[_Key, tuple[int, ...]]) -> tuple[int, ...]:
        """Collect the last jobs of the prerequisites of `key`, also `through` those that have none."""
        directory = key[0]
        found: dict[int, None] = {}
        seen = {key}
        waiting = list(reversed(self.prerequisites.get(key, ())))
        while waiting:
            name = (directory, waiting.pop())
            if name in seen:
                continue
            seen.add(name)
            places = self._by_target.get(name)
            if places:
                found[places[-1]] = None
            elif name in through:
                found.update(dict.fromkeys(through[name]))
            else:
                waiting.extend(reversed(self.prerequisites.get(name, ())))
        result = tuple(found)
        if key not in self._by_target:
            through[key] = result
        return result
