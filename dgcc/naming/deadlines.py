"""How long DGCC waits for another process, in one place: no wait on another machine is without such a bound.

All are seconds. `[deadlines]` in the user's configuration file changes them for the processes that read it.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import fields, replace


class Deadlines(Struct, frozen=True):
    """The bounds of one process. A slave takes the length of its lease from the master that grants it."""

    connect: float = 4.0
    """For a connection to be made."""
    call: float = 20.0
    """For the answer to a call, where nothing shorter is said."""
    bulk: float = 120.0
    """For a piece of a large output: a slave's disk may be busy."""
    probe: float = 3.0
    """For a process to say that it lives."""
    peer: float = 3.0
    """For another slave to give content that the master has as well."""
    answer: float = 15.0
    """For the master's loop to answer a slave's call."""
    lease: float = 12.0
    """A slave that has not renewed for so long is lost."""
    late: float = 4.0
    """A slave that has not renewed for so long is asked whether it lives; it does so every sixth of its lease."""
    look: float = 10.0
    """From one look into the Naming Service to the next."""
    goodbye: float = 1.0
    """For slaves to hear that the build is over."""
    job: float = 1800.0
    """For one job, on its slave. One that was sent to a slave is given up after twice that and a lease."""

    def changed(self, settings: Mapping[str, Any]) -> "Deadlines":
        """Return these with some changed. Raises ValueError, with a sentence, for an unknown name or a bad value."""
        known = {field.name for field in fields(self)}
        for name, value in settings.items():
            if name not in known:
                raise ValueError(f"unknown deadline '{name}'; known are {', '.join(sorted(known))}")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.1 <= value <= 1_000_000:
                raise ValueError(f"the deadline '{name}' must be a number of seconds from 0.1 on, not {value!r}")
        return replace(self, **{name: float(value) for name, value in settings.items()})

    @property
    def sent_job(self) -> float:
        """How long a job may be with a slave: it may wait there for one other."""
        return 2 * self.job + self.lease


_current = Deadlines()


def deadlines() -> Deadlines:
    """The bounds of this process."""
    return _current


def set_deadlines(chosen: Deadlines) -> None:
    """Set the bounds of this process, once, before anything waits."""
    global _current
    _current = chosen


def milliseconds(seconds: float) -> int:
    """A bound as the ORB counts it."""
    return max(1, round(seconds * 1000))
