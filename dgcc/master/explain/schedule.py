"""What the Overseer goes by for one command: what it should take, what waits behind it, which hosts it prefers."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from dgcc.master.expectations import Basis, Expectations, Expected
from dgcc.master.foresight import Foreseen, foresee
from dgcc.master.late import LATE_FACTOR, LATE_S
from dgcc.master.likeness import likeness
from dgcc.master.plan.planned import Plan
from dgcc.master.priorities import longest_way

_SHOWN = 8  # targets of a path, and hosts


class Schedule(Struct, frozen=True):
    """Of one command. path_s: seconds from its start to the end of the build on hosts of speed 1, itself included.

    path: the targets on that way. repeatable: whether it may be run a second time, which it is after `late_s` seconds
    (on a host of speed 1) while a slot is idle; 0 where nothing is known of its like. speeds: of the hosts that are
    known, by wall time, the fastest first.
    """

    expected: Expected
    path_s: float
    path: tuple[bytes, ...]
    repeatable: bool
    late_s: float
    speeds: Mapping[str, float]


class Schedules:
    """Of the commands of one plan, by what earlier builds have taught."""

    def __init__(self, plan: Plan | None, expectations: Expectations) -> None:
        self._expectations = expectations
        self._foreseen: Foreseen | None = foresee(plan, expectations) if plan is not None else None
        found = self._foreseen
        self._lengths = [e.wall_s + b for e, b in zip(found.expected, found.behind, strict=True)] if found else []
        by_speed = sorted(expectations.hosts.items(), key=lambda item: (-item[1].wall, item[0]))
        self._speeds = {name: speed.wall for name, speed in by_speed}

    def of(self, directory: bytes, target: bytes, command: bytes, repeatable: bool) -> Schedule | None:
        """Return what is known of a planned command that would travel, as make prints it; None if it is not planned."""
        if self._foreseen is None:
            return None
        digest = likeness(command).command
        places = self._foreseen.plan.places(directory, target)
        place = next((p for p in places if self._foreseen.commands[p] == digest), None)
        if place is None:
            return None
        expected = self._foreseen.expected[place]
        known = expected.basis is not Basis.NOTHING
        late_s = max(LATE_FACTOR * expected.wall_s, expected.wall_s + LATE_S) if known else 0.0
        way = longest_way(self._foreseen.heirs, self._lengths, place)
        path = tuple(self._foreseen.plan.jobs[p].target for p in way)
        path_s = expected.wall_s + self._foreseen.behind[place]
        return Schedule(expected, path_s, tuple(dict.fromkeys(path)), repeatable, late_s, self._speeds)


def lines(schedule: Schedule) -> list[tuple[str, str]]:
    """Say it to people: a name and a text for each line."""
    expected = schedule.expected
    text = f"{expected.wall_s:.2f} s"
    if expected.memory:
        text += f", {expected.memory / 1e6:.0f} MB"
    said = [("expected", f"{text}, by {expected.basis.value}")]
    ends = _some([part.decode(errors="backslashreplace") for part in schedule.path[1:]])
    urgency = f"{schedule.path_s:.2f} s from its start to the build's end"
    said.append(("urgency", f"{urgency}, by {ends}" if ends else urgency))
    if schedule.speeds:
        said.append(("hosts", _some([f"{name} ({speed:.2f})" for name, speed in schedule.speeds.items()])))
    if not schedule.repeatable:
        late = "never: it is not known to be repeatable"
    elif schedule.late_s:
        late = f"once it has run for {schedule.late_s:.2f} s and a slot is idle"
    else:
        late = "once it has run twice as long as any before and a slot is idle"
    return [*said, ("second run", late)]


def _some(names: Sequence[str]) -> str:
    return " ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
