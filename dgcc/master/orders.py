"""What the master tells its slaves: run this, forget that. Each call leaves the loop by the slave's own sender."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from dgcc.corba import DGCC
from dgcc.master.joblist import Job
from dgcc.master.registry import SlaveLink, SlaveRegistry
from dgcc.master.roots import links_on_the_way
from dgcc.master.trees import Trees
from dgcc.master.wire import Request

# A job that has not ended by then is killed by its slave and tried elsewhere.
JOB_DEADLINE_S = 1800

log = logging.getLogger(__name__)


def environment_of(request: Request) -> Mapping[bytes, bytes]:
    """The environment of a recipe by name; of a name given twice the last, as getenv in shells has it."""
    pairs = (entry.partition(b"=") for entry in request.environment)
    return {name: value for name, _, value in pairs}


class Orders:
    """Makes the calls to slaves."""

    def __init__(self, loop: asyncio.AbstractEventLoop, registry: SlaveRegistry, trees: Trees) -> None:
        self._loop = loop
        self._registry = registry
        self._trees = trees

    def send(self, job: Job, lease: int, failed: Callable[[str], None]) -> None:
        """Send a job to a slave; `failed` is told, on the loop, why the slave did not take it."""
        work = job.work
        request: Request = work.request
        order = DGCC.Job(
            job.id, request.program, list(request.argv), request.cwd, list(request.environment), request.umask,
            *self._trees.owner, request.same_file, False, False, 0, 0, JOB_DEADLINE_S, work.needs,
            [], self._links(request),
        )  # fmt: skip
        self._call(lease, lambda link: link.ref.run(link.lease, order), failed)

    def withdraw(self, job_id: int, lease: int) -> None:
        """Have a slave forget a job."""
        self._call(lease, lambda link: link.ref.cancel(link.lease, [job_id]), None)

    def _call(self, lease: int, call: Callable[[SlaveLink], Any], failed: Callable[[str], None] | None) -> None:
        link = self._registry.get(lease)
        if link is None:
            if failed is not None:
                self._loop.call_soon(failed, "has left")
            return

        def run() -> None:
            try:
                call(link)
            except Exception as error:  # whatever it is, the job must go on
                text = getattr(error, "reason", "") or f"does not take it ({type(error).__name__})"
                log.debug("slave %s: %s", link.name, error)
                if failed is not None:
                    self._loop.call_soon_threadsafe(failed, text)

        link.sender.submit(run)

    def _links(self, request: Request) -> list[Any]:
        """The links by which $PWD leads to the working directory, where it does and is another path."""
        named = environment_of(request).get(b"PWD", b"")
        if named == request.cwd or not named.startswith(b"/") or os.path.realpath(named) != request.cwd:
            return []
        return [DGCC.PathLink(path, link) for path, link in links_on_the_way(named, self._trees.roots)]
