"""What the master tells its slaves: run this, forget that. Each call leaves the loop by the slave's own sender."""

import asyncio
import itertools
import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from dgcc.corba import DGCC
from dgcc.master.joblist import Job
from dgcc.master.registry import SlaveLink, SlaveRegistry
from dgcc.master.results import is_large
from dgcc.master.roots import links_on_the_way
from dgcc.master.trees import Trees
from dgcc.master.verdict.rules import Rules, travelling
from dgcc.master.wire import Request
from dgcc.master.work import Work
from dgcc.naming.deadlines import deadlines

_MOST_PEERS = 3

log = logging.getLogger(__name__)


def environment_of(request: Request) -> Mapping[bytes, bytes]:
    """The environment of a recipe by name; of a name given twice the last, as getenv in shells has it."""
    return _by_name(request.environment)


# A build's recipes have few environments, and each is asked for several times.
@lru_cache(maxsize=32)
def _by_name(environment: tuple[bytes, ...]) -> Mapping[bytes, bytes]:
    pairs = (entry.partition(b"=") for entry in environment)
    return MappingProxyType({name: value for name, _, value in pairs})


class Orders:
    """Makes the calls to slaves."""

    def __init__(self, loop: asyncio.AbstractEventLoop, registry: SlaveRegistry, trees: Trees, rules: Rules,
                 window: Callable[[], tuple[int, int]]) -> None:  # fmt: skip
        """`window` tells the columns and rows of the terminal that recipes write to, where they do."""
        self._loop = loop
        self._registry = registry
        self._trees = trees
        self._rules = rules
        self._window = window

    def send(self, job: Job, lease: int, failed: Callable[[str], None]) -> None:
        """Send a job to a slave; `failed` is told, on the loop, why the slave did not take it."""
        work: Work = job.work
        request, sent = work.request, work.sent[lease]
        prepared = sent.prepared
        environments = [DGCC.EnvironmentNeed(key, self._peers(key, lease)) for key in prepared.environments]
        columns, rows = self._window() if request.out_tty or request.err_tty else (0, 0)
        links = [DGCC.PathLink(*each) for each in (*prepared.links, *self._links(request))]
        order = DGCC.Job(
            job.id, request.program, list(work.verdict.remote_argv or request.argv), request.cwd,
            list(travelling(request.environment, self._rules)), request.umask, *self._trees.owner,
            request.same_file, request.out_tty, request.err_tty, columns, rows,
            math.ceil(deadlines().job),
            sent.layers, environments, links,
        )  # fmt: skip
        self._call(lease, lambda link: link.ref.run(link.lease, order), failed)

    def _peers(self, key: bytes, lease: int) -> list[Any]:
        """Other slaves that have an environment, for this one to pull it from."""
        link = self._registry.get(lease)
        if link is None or key in link.environments:
            return []
        others = (v.store for v in self._registry if v is not link and key in v.environments and v.store is not None)
        return list(itertools.islice(others, _MOST_PEERS))

    def know(self, link: SlaveLink, keys: Iterable[bytes]) -> None:
        """A slave has these environments: others may pull them from it."""
        link.environments.update(keys)
        if link.environments and link.store is None and not link.asked_for_store:
            link.asked_for_store = True
            self._call(link.lease, self._ask_for_store, None)

    def _ask_for_store(self, link: SlaveLink) -> None:
        store = link.ref._get_store()
        self._loop.call_soon_threadsafe(setattr, link, "store", store)

    def withdraw(self, job_id: int, lease: int) -> None:
        """Have a slave forget a job."""
        self._call(lease, lambda link: link.ref.cancel(link.lease, [job_id]), None)

    def release(self, link: SlaveLink, result: Any) -> None:
        """Have a slave drop the outputs that it keeps for a result (a DGCC.Result) which nobody waits for."""
        if any(is_large(file) for file in result.files):
            self._call(link.lease, lambda link: link.ref.release(link.lease, result.id), None)

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

        link.sender.post(run)

    def _links(self, request: Request) -> list[tuple[bytes, bytes]]:
        """The links by which $PWD leads to the working directory, where it does and is another path."""
        named = environment_of(request).get(b"PWD", b"")
        if named == request.cwd or not named.startswith(b"/") or not _leads_to(named, request.cwd):
            return []
        return links_on_the_way(named, self._trees.roots)


def _leads_to(path: bytes, directory: bytes) -> bool:
    """Whether `directory`, absolute and without links, is what an absolute path leads to."""
    try:
        if not os.path.samestat(os.stat(path), os.stat(directory)):
            return False  # as under `make -C`, where $PWD is make's own: realpath would look at each part of it
    except OSError:
        return False
    return os.path.realpath(path) == directory
