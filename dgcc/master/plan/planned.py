"""What a plan is made of: the jobs that make would run, and which of them await which."""

from collections.abc import Mapping
from functools import cached_property
from typing import TypeAlias

from msgspec import Struct, field

# A bound on what a makefile of a strange shape can cost; real graphs stay far below.
_MOST_EDGES = 2_000_000


_Key: TypeAlias = tuple[bytes, bytes]  # directory and target
_Made: TypeAlias = tuple[int, bytes]  # make and target


class PlannedJob(Struct, frozen=True):
    """One recipe line that make would run.

    `directory` is absolute; `target` as make names it; `command` as make prints it, newlines included;
    `makefile` and `line` say where the recipe is (empty and 0 if make has it built in); `prerequisites` are
    the target's, order-only ones among them. `make` numbers the makes that take part, and `above` is the place of
    the job whose recipe line runs this one's, None for the build's own.
    """

    directory: bytes
    target: bytes
    command: bytes
    makefile: bytes = b""
    line: int = 0
    prerequisites: tuple[bytes, ...] = ()
    make: int = 0
    above: int | None = None


class Plan(Struct, frozen=True, dict=True):
    """All planned jobs in make's order, and the `prerequisites` of all (directory, target) that it knows.

    `needs` has the same by (make, target): several makes may work in one directory, and know different things of it.
    """

    jobs: tuple[PlannedJob, ...] = ()
    prerequisites: Mapping[tuple[bytes, bytes], tuple[bytes, ...]] = field(default_factory=dict)
    needs: Mapping[tuple[int, bytes], tuple[bytes, ...]] = field(default_factory=dict)

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
        where need be through targets without a recipe. Whoever awaits a line that runs a make awaits the last jobs of
        that make, too. A target's circular prerequisites are dropped, as make drops them.
        """
        lines: dict[_Made, list[int]] = {}
        for place, job in enumerate(self.jobs):
            lines.setdefault((job.make, job.target), []).append(place)
        through: dict[_Made, tuple[int, ...]] = {}
        awaited: list[tuple[int, ...]] = [()] * len(self.jobs)
        left = _MOST_EDGES
        for key, places in lines.items():
            for earlier, later in zip(places, places[1:], strict=False):
                awaited[later] = (earlier,)
            if left > 0:
                found = self._await(key, lines, through)
                left -= len(found)
                awaited[places[0]] = found
        return self._with_ends(awaited, left)

    @cached_property
    def gates(self) -> tuple[tuple[int, ...], ...]:
        """As `edges`, for who asks when a job may start: a make's first jobs await what the line that runs it did."""
        found = list(self.edges)
        for place, job in enumerate(self.jobs):  # a line comes before the jobs of its makes
            if job.above is not None and not found[place]:
                found[place] = found[job.above]
        return tuple(found)

    def _await(self, key: _Made, lines: Mapping[_Made, list[int]],
               through: dict[_Made, tuple[int, ...]]) -> tuple[int, ...]:  # fmt: skip
        """Collect the last jobs of the prerequisites of `key`, also `through` those that have none."""
        make = key[0]
        found: dict[int, None] = {}
        seen = {key}
        waiting = list(reversed(self.needs.get(key, ())))
        while waiting:
            name = (make, waiting.pop())
            if name in seen:
                continue
            seen.add(name)
            places = lines.get(name)
            if places:
                found[places[-1]] = None
            elif name in through:
                found.update(dict.fromkeys(through[name]))
            else:
                waiting.extend(reversed(self.needs.get(name, ())))
        result = tuple(found)
        if key not in lines:
            through[key] = result
        return result

    def _with_ends(self, awaited: list[tuple[int, ...]], left: int) -> tuple[tuple[int, ...], ...]:
        """Add to what each job awaits the last jobs of makes that run in it; at most `left` edges more."""
        inner = {(self.jobs[place].above, need) for place, needs in enumerate(awaited) for need in needs}
        ends: dict[int, list[int]] = {}  # by the line that runs makes: the last jobs in it, at any depth
        for place in range(len(self.jobs) - 1, -1, -1):
            above = self.jobs[place].above
            if above is not None and (above, place) not in inner:
                ends.setdefault(above, []).extend([place, *ends.get(place, ())])
        if not ends:
            return tuple(awaited)
        whole = []
        for place, needs in enumerate(awaited):
            more = [end for need in needs for end in ends.get(need, ()) if end < place] if left > 0 else []
            left -= len(more)
            whole.append(tuple(dict.fromkeys((*needs, *more))) if more else needs)
        return tuple(whole)
