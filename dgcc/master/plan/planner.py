"""Asks GNU make what it would do, in a jail in which nothing is written for real, while the build runs already."""

import asyncio
import logging
import os
import tempfile
from concurrent.futures import Executor
from pathlib import Path

from dgcc.master.plan.command import plan_command
from dgcc.master.plan.parse import parse
from dgcc.master.plan.planned import Plan
from dgcc.store import jail
from dgcc.store.errors import StoreError

_DEADLINE_S = 120.0
_MOST_OUTPUT = 512 << 20  # bytes; git's own database is 15 MB

log = logging.getLogger(__name__)


class Planner:
    """One dry run of make; `cancel` ends it from the loop's thread."""

    def __init__(self, driver: list[str], arguments: list[str], roots: tuple[bytes, ...]) -> None:
        self._command = plan_command(driver, arguments)
        self._roots = roots
        self._run: jail.JailRun | None = None
        self._cancelled = False

    async def read(self, pool: Executor) -> Plan | None:
        """Return what make would do, or None where it cannot be asked: the plan is advice, never needed."""
        if self._command is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(pool, self._ask, self._command)

    def cancel(self) -> None:
        """End the dry run if it is under way, or keep it from starting."""
        self._cancelled = True
        if self._run is not None:
            self._run.kill()

    def _ask(self, command: list[str]) -> Plan | None:
        scratch = Path(tempfile.mkdtemp(prefix="dgcc-plan-", dir="/var/tmp"))
        try:
            spec = jail.JailSpec(
                scratch=scratch, program=os.fsencode(command[0]), argv=tuple(os.fsencode(c) for c in command),
                env=tuple(os.environb[k].join((k + b"=", b"")) for k in os.environb if k != b"LC_ALL")
                + (b"LC_ALL=C",),
                cwd=os.getcwdb(), inside_uid=os.getuid(), inside_gid=os.getgid(), binds=(),
                overlays=tuple(jail.Overlay(root, (root,)) for root in self._roots), host_root=True,
            )  # fmt: skip
            self._run = jail.JailRun(spec, merge=False, deadline_s=_DEADLINE_S, max_output=_MOST_OUTPUT)
            if self._cancelled:
                return None
            result = self._run.run()
            lines = b"".join(data for fd, data in result.chunks if fd == 1).splitlines(keepends=True)
            return parse(lines, os.getcwdb())
        except (StoreError, OSError) as error:
            log.info("no plan: %s", error)
            return None
        finally:
            jail.remove_scratch(scratch)
