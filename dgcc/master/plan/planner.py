"""Asks GNU make what it would do, in a jail in which nothing is written for real, while the build runs already."""

import asyncio
import logging
import os
import threading
from concurrent.futures import Executor

from dgcc.master.plan.command import DRY_RUNS, plan_command
from dgcc.master.plan.drylayers import dry_layers
from dgcc.master.plan.parse import parse
from dgcc.master.plan.planned import Plan
from dgcc.naming.ownplace import OwnPlace
from dgcc.store import jail
from dgcc.store.errors import StoreError

_DEADLINE_S = 120.0
_END_S = 3.0
_GATHER_S = 0.002  # make writes line by line: this thread would wake for each, in the way of the loop's
_MOST_OUTPUT = 512 << 20  # bytes; git's own database is 15 MB

log = logging.getLogger(__name__)


class Planner:
    """One dry run of make; `cancel` ends it from the loop's thread."""

    def __init__(self, driver: list[str], arguments: list[str], roots: tuple[bytes, ...]) -> None:
        self._command = plan_command(driver, arguments)
        self._roots = roots
        self._run: jail.JailRun | None = None
        self._cancelled = False
        self._clean = threading.Event()  # no file or process of a dry run is left
        self._clean.set()

    async def read(self, pool: Executor) -> Plan | None:
        """Return what make would do, or None where it cannot be asked: the plan is advice, never needed."""
        if self._command is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(pool, self._ask, self._command)

    def cancel(self) -> None:
        """End the dry run if it is under way, or keep it from starting; returns when nothing of it is left."""
        self._cancelled = True
        if self._run is not None:
            self._run.kill()
        self._clean.wait(_END_S)

    def _ask(self, command: list[str]) -> Plan | None:
        self._clean.clear()
        try:
            if self._cancelled:
                return None
            printed = self._dry_run(command)
        except (StoreError, OSError) as error:
            log.info("no plan: %s", error)
            return None
        finally:
            self._clean.set()
        return parse(printed.splitlines(keepends=True), os.getcwdb())

    def _dry_run(self, command: list[str]) -> bytes:
        with OwnPlace(DRY_RUNS, "/var/tmp", jail.remove_scratch) as scratch:
            environment = {**os.environb, b"LC_ALL": b"C"}  # its messages are to be read
            spec = jail.JailSpec(
                scratch=scratch, program=os.fsencode(command[0]), argv=tuple(os.fsencode(c) for c in command),
                env=tuple(name + b"=" + value for name, value in environment.items()), cwd=os.getcwdb(),
                inside_uid=os.getuid(), inside_gid=os.getgid(), binds=(), host_root=True,
                overlays=dry_layers(self._roots),
            )  # fmt: skip
            self._run = jail.JailRun(spec, merge=False, deadline_s=_DEADLINE_S, max_output=_MOST_OUTPUT,
                                    gather_s=_GATHER_S)  # fmt: skip
            if self._cancelled:
                self._run.kill()
            return b"".join(data for fd, data in self._run.run().chunks if fd == 1)
