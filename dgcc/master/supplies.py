"""Gives jobs what they were found to lack on a slave: at once, and in later builds. On the master's loop."""

import logging
import os
from collections.abc import Iterable

from msgspec.structs import replace

from dgcc.master.joblist import Job
from dgcc.master.lacked import Lacked
from dgcc.master.missing import lacking, search_directories, withheld
from dgcc.master.orders import environment_of
from dgcc.master.preparation import Preparation
from dgcc.master.trees import Trees
from dgcc.master.verdict.places import under
from dgcc.master.work import Work

log = logging.getLogger(__name__)


class Supplies:
    """What jobs lacked, in this build and in those before."""

    def __init__(self, trees: Trees, preparation: Preparation, lacked: Lacked) -> None:
        self._trees, self._preparation, self._lacked = trees, preparation, lacked
        self.found: dict[str, tuple[bytes, ...]] = {}
        """Of the jobs that were sent again in this build: what each lacked, by its label."""

    def recall(self, job: Job) -> None:
        """Add what the job lacked in an earlier build to what it needs."""
        self._give(job.work, self._lacked.of(job.directory, job.target or job.work.verdict.label.encode()))

    def add(self, job: Job, messages: bytes) -> bool:
        """Add what a failed job's messages say it lacked; whether that is anything."""
        work: Work = job.work
        request = work.request
        path = environment_of(request).get(b"PATH", b"").split(b":")

        def visible(absolute: bytes) -> bool:
            if under(absolute, self._trees.roots):
                return self._trees.offers(absolute)
            return self._preparation.has(work.needs, absolute)

        named = withheld(messages.decode(errors="surrogateescape"))
        if named and not self._trees.lists(named):
            return False  # a slave may ask for what was kept from it, not for any file of this machine
        found = (named,) if named else lacking(
            messages, request.cwd, search_directories(request.argv, work.inputs, request.cwd), path,
            os.path.lexists, visible,
        )  # fmt: skip
        if not found:
            return False
        log.info("%s lacked %s: it is sent again", job.label, ", ".join(os.fsdecode(each) for each in found))
        self._give(work, found)
        self._lacked.add(job.directory, job.target or work.verdict.label.encode(), found)
        self.found[job.label] = found
        return True

    def _give(self, work: Work, paths: Iterable[bytes]) -> None:
        inside = [path for path in paths if under(path, self._trees.roots)]
        outside = [path for path in paths if path not in inside]
        directories = tuple(path for path in outside if os.path.isdir(path))
        files = tuple(path for path in outside if path not in directories)
        work.inputs = (*work.inputs, *inside)
        if outside:
            needs = work.needs
            work.needs = replace(
                needs, programs=(*needs.programs, *files), paths=(*needs.paths, *directories)
            )
