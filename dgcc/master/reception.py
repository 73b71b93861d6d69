"""Receives what slaves say: registers them, keeps their leases, passes on their results. On the master's loop only."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from dgcc.corba import CORBA, DGCC
from dgcc.master.environment.environments import Environments
from dgcc.master.registry import SlaveLink, SlaveRegistry, unfit
from dgcc.master.shipping import Shipping
from dgcc.master.trees import Trees
from dgcc.naming.deadlines import deadlines
from dgcc.store.environment import key_of
from dgcc.store.errors import UnknownLayer
from dgcc.store.wire import page_to_wire

_MOST_TOLD = 20

log = logging.getLogger(__name__)


class Reception:
    """The handlers behind the servants (see servants.Handlers), and the watch over leases."""

    def __init__(self, loop: asyncio.AbstractEventLoop, registry: SlaveRegistry, shipping: Shipping, trees: Trees,
                 environments: Environments, note: Callable[[str], None]) -> None:  # fmt: skip
        """`note` is given sentences that the user is to see once."""
        self._note = note
        self._told: set[str] = set()
        self._loop = loop
        self._registry = registry
        self._shipping = shipping
        self._trees = trees
        self._environments = environments
        self.over = False  # the build is: nobody registers any more

    def _tell(self, text: str) -> None:
        """Say something of a slave that is of no use: each once, and not without end."""
        if len(self._told) < _MOST_TOLD:
            self._told.add(text)
            self._note(text)

    def knows(self, lease: int) -> bool:
        """Whether a lease is in force; on any thread."""
        return self._registry.get(lease) is not None

    def enlist(self, info: Any, ref: Any, bulk: Any) -> Any:
        """A slave registers. It gets jobs from its first `free` on, when it knows its own lease.

        Raises DGCC.Refused, and CORBA.OBJECT_NOT_EXIST at the end of the build.
        """
        if self.over:
            raise CORBA.OBJECT_NOT_EXIST(0, CORBA.COMPLETED_NO)
        before = self._registry.named(info.name)
        if before is not None:
            self._lose(before.lease, "has registered anew")
        try:
            link = self._registry.enlist(info, ref, bulk, time.monotonic())
        except DGCC.Refused as error:
            self._tell(f"refused: {error.reason}")
            raise
        log.info("slave %s has joined with %d slots", link.name, info.slots)
        return DGCC.Lease(link.lease, math.ceil(deadlines().lease))

    def unfit(self, slave: str, version: str, protocol: int) -> None:
        """A slave of another protocol stays away."""
        self._tell(f"of no use: {unfit(slave, version, protocol)}")

    def renew(self, lease: int, load: Any, held: list[int]) -> None:
        """A slave renews its lease, and tells which jobs it has."""
        link = self._registry.renew(lease, time.monotonic())
        link.load = load
        self._loop.call_soon(self._shipping.slave_share, link)
        self._loop.call_soon(self._shipping.slave_holds, link, set(held))

    def free(self, lease: int, slots: int) -> None:
        """A slave has idle slots."""
        if self._registry.get(lease) is not None:  # else it was lost a moment ago
            self._shipping.slave_free(self._registry.renew(lease, time.monotonic()))

    def leave(self, lease: int) -> None:
        """A slave goes."""
        link = self._registry.remove(lease, lost=False)
        if link is not None:
            log.info("slave %s has left", link.name)
            self._loop.call_soon(self._shipping.slave_left, link)

    def done(self, lease: int, result: Any) -> None:
        """A slave reports the end of a job."""
        if self._registry.get(lease) is not None:  # else it was lost a moment ago
            self._registry.renew(lease, time.monotonic())
            self._shipping.on_result(lease, result)

    def changes(self, layer: str, since: int) -> Any:
        """A slave reads a layer, or an environment."""
        if key_of(layer) is None:
            return self._trees.changes(layer, since)
        try:
            return page_to_wire(self._environments.changes(layer, since))
        except UnknownLayer as error:
            raise DGCC.UnknownLayer(layer) from error

    # ---- leases ----------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Lose the slaves whose leases have run out; ask those that are late whether they live. Call it often."""
        now = time.monotonic()
        for link in self._registry.expired(now):
            self._lose(link.lease, "does not renew its lease")
        for link in self._registry.late(now):
            link.probed = True
            link.fetcher.submit(self._probe, link)

    def _probe(self, link: SlaveLink) -> None:
        """On the slave's own thread: a process that is gone refuses at once, so its lease need not run out."""
        try:
            gone = link.ref._non_existent()
        except CORBA.SystemException as error:
            gone = not isinstance(error, CORBA.TIMEOUT)
        self._loop.call_soon_threadsafe(self._probed, link, gone)

    def _probed(self, link: SlaveLink, gone: bool) -> None:
        link.probed = False
        if gone:
            self._lose(link.lease, "is gone")

    def _lose(self, lease: int, why: str) -> None:
        link = self._registry.remove(lease, lost=True)
        if link is not None:
            log.info("slave %s %s: lost", link.name, why)
            self._shipping.slave_lost(link, why)
