"""Finds out whether a slave's compiler is, by content, the master's. On the master's loop; waits nowhere on it."""

import asyncio
import logging
from concurrent.futures import Executor

from dgcc.master.registry import SlaveLink
from dgcc.store.compiler import identity
from dgcc.store.errors import CompilerError

log = logging.getLogger(__name__)


class CompilerCheck:
    """Compares compilers, each of the master's own read once."""

    def __init__(self, pool: Executor) -> None:
        """`pool` reads the master's own compilers."""
        self._pool = pool
        self._mine: dict[bytes, asyncio.Future[bytes | None]] = {}

    async def fits(self, link: SlaveLink, compiler: bytes) -> bool | None:
        """Whether the slave has this compiler, an absolute path; None if it does not say.

        The slave tells its own owner where it has not.
        """
        loop = asyncio.get_running_loop()
        if compiler not in self._mine:
            self._mine[compiler] = asyncio.ensure_future(loop.run_in_executor(self._pool, _identity, compiler))
        mine = await asyncio.shield(self._mine[compiler])
        if mine is None:
            return False

        def ask() -> str:
            return str(link.bulk.compare_compiler(link.lease, compiler, mine))

        shown = compiler.decode(errors="backslashreplace")
        try:
            difference = await loop.run_in_executor(link.fetcher, ask)
        except Exception as error:
            log.info("slave %s does not say what its %s is: %s", link.name, shown, error)
            return None
        if difference:
            log.info("slave %s gets no job that needs %s: %s", link.name, shown, difference)
        return not difference


def _identity(compiler: bytes) -> bytes | None:
    try:
        return identity(compiler)
    except (CompilerError, OSError) as error:
        log.warning("nothing that needs it travels: %s", error)
        return None
