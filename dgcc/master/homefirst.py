"""Jobs that run at home because no slave has joined yet: the first half second of a build need not be idle.

The rule: while no slave has ever joined in this build, a compile that make has released runs at home if a home slot is
free; from then on such jobs travel. They count as local, not as fallbacks, as nobody has failed them. What a rule of
dgcc.toml sends is not touched: its author may want it to run there.
"""

from collections.abc import Callable

from dgcc.master.joblist import Job, State

REASON = "no slave had joined yet"


class HomeFirst:
    """Says which jobs run at home before there is a farm."""

    def __init__(self, most: int, running: Callable[[], int], joined: Callable[[], bool]) -> None:
        """`most` of all kinds may run at home at once for one to be added. `running` tells how many do.

        `joined` tells whether there is a slave.
        """
        self._most = most
        self._running = running
        self._joined = joined

    @property
    def over(self) -> bool:
        """Whether it takes none from here on: there is a slave, or none is to run at home for that."""
        if self._most and self._joined():
            self._most = 0  # for good: a slave that is lost later is replaced by others, or waited for
        return not self._most

    def takes(self, job: Job) -> bool:
        """Whether a job that was found fit to travel, and has not been sent, is to run at home now."""
        return not self.over and self._running() < self._most and job.state is State.READY and not job.work.verdict.rule
