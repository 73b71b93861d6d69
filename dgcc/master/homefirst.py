"""Jobs that run at home although they could travel, because the farm would make the build no quicker.

Two rules. While no slave has ever joined in this build, a compile that make has released runs at home if a home slot is
free: the first half second of a build need not be idle. And where the farm is this machine alone, a command that a
slave has run in an earlier build runs at home: the jail would show nothing new, and no other CPU is there; what is new
waits a moment for a home slot before a slave is started for it. So a farm of one rehearses what is new, where that is
much, and costs little more than make. Such jobs count as local, not as fallbacks, as nobody has
failed them. What a rule of dgcc.toml sends is not touched: its author may want it to run there.
"""

from collections.abc import Callable

from dgcc.master.joblist import Job, State

NONE_YET = "no slave had joined yet"
PATIENCE_S = 0.25
"""So long, in seconds, jobs wait at least for a home slot before the slave of a farm of one is started for them."""

REHEARSED = "a slave has run it in an earlier build, and the farm is this machine alone"


class HomeFirst:
    """Says which jobs run at home before there is a farm, or where there is none but this machine."""

    def __init__(
        self, most: int, running: Callable[[], int], joined: Callable[[], bool], *, alone: bool = False,
        travelled: Callable[[Job], bool] = lambda job: False,
    ) -> None:  # fmt: skip
        """`most` of all kinds may run at home at once for one to be added; 0: none runs at home for these reasons.

        `running` tells how many do. `joined` tells whether there is a slave. `alone`: the farm is this machine.
        `travelled` tells whether a slave has run a job's command in an earlier build.
        """
        self._most = most
        self._running = running
        self._joined = joined
        self._travelled = travelled
        self.alone = alone and most > 0

    @property
    def over(self) -> bool:
        """Whether no slave is missed from here on: there is one, or none is to be waited for that way."""
        if self._most and self._joined():
            self._most = 0  # for good: a slave that is lost later is replaced by others, or waited for
        return not self._most

    def takes(self, job: Job) -> bool:
        """Whether a job that was found fit to travel, and has not been sent, is to run at home now."""
        return not self.over and self._running() < self._most and job.state is State.READY and not job.work.verdict.rule

    def keeps(self, job: Job) -> bool:
        """Whether a job that was found fit to travel is to wait for a home slot instead."""
        return self.alone and not job.work.verdict.rule and self._travelled(job)
