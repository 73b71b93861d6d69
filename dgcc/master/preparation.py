"""Has what a job needs outside the project made ready: its environments, and layers of other directories.

On the master's loop; what takes time runs on a worker thread, one thing at a time.
"""

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import Executor

from msgspec import Struct
from msgspec.structs import replace

from dgcc.master.environment.environments import Environments
from dgcc.master.mentions import Outside
from dgcc.master.roots import links_on_the_way
from dgcc.master.trees import Trees
from dgcc.master.verdict.needs import Needs
from dgcc.master.verdict.places import under
from dgcc.store.errors import StoreError

# What is read for a job may mention more, and lead to more.
_ROUNDS = 5


class Prepared(Struct, frozen=True):
    """What a job is sent with: keys of environments, topmost first; names of layers; links (path, target) to them."""

    environments: tuple[bytes, ...]
    extras: tuple[str, ...]
    links: tuple[tuple[bytes, bytes], ...] = ()


class Preparation:
    """Answers from what is known, or finds out."""

    def __init__(self, loop: asyncio.AbstractEventLoop, trees: Trees, environments: Environments,
                 worker: Executor) -> None:  # fmt: skip
        self._loop, self._trees, self._environments, self._worker = loop, trees, environments, worker
        self._one = asyncio.Lock()
        self._refused: dict[bytes, str] = {}  # directories outside the project that cannot be taken, and why
        self._mentioned = Outside()  # as of the last question

    def ready(self, needs: Needs, inputs: Iterable[bytes] = ()) -> Prepared | None:
        """Return what a job with these needs is sent with now; None if that must be found out first.

        `inputs`: what it needs of the project by name, absolute paths.
        """
        outside = self._mentioned = self._trees.mentioned(inputs)
        return None if _hindered(needs, outside) else self._known(_whole(needs, outside))

    def _known(self, needs: Needs) -> Prepared | None:
        keys = self._environments.current(needs)
        if keys is None:
            return None
        names: dict[str, None] = {}
        links: dict[bytes, bytes] = {}
        for path, real in self._outside(needs):
            name = self._trees.extras.having(real)
            if name is None:
                return None
            names[name] = None
            if path != real:
                links.update(links_on_the_way(path, self._trees.roots))
        return Prepared(keys, tuple(names), tuple(links.items()))

    async def prepare(self, needs: Needs, inputs: Iterable[bytes] = ()) -> None:
        """Have everything found out that `ready` lacks. Raises StoreError, OSError with a sentence."""
        inputs = tuple(inputs)
        async with self._one:
            for _ in range(_ROUNDS):
                outside = self._mentioned = self._trees.mentioned(inputs)
                if _hindered(needs, outside):
                    raise StoreError(outside.hindrance)
                whole = _whole(needs, outside)
                if self._known(whole) is not None:
                    return
                await self._find_out(whole)

    async def _find_out(self, needs: Needs) -> None:
        await self._loop.run_in_executor(self._worker, self._environments.prepare, needs)
        for _, real in list(self._outside(needs)):
            if self._trees.extras.having(real) is None:
                if real in self._refused:
                    raise StoreError(self._refused[real])
                try:
                    extra = await self._loop.run_in_executor(self._worker, self._trees.extras.read, real)
                except StoreError as error:
                    self._refused[real] = str(error)  # to read it again for every job would take too long
                    raise
                self._trees.add_extra(extra)

    def has(self, needs: Needs, path: bytes) -> bool:
        """Whether a job with these needs sees an absolute path outside the project."""
        name = self._trees.extras.having(path)
        if name is None:
            return self._environments.covers(_whole(needs, self._mentioned), path)
        return self._trees.offers(path)

    def _outside(self, needs: Needs) -> Iterable[tuple[bytes, bytes]]:
        """The paths that no environment covers, as written and without symbolic links."""
        for path in dict.fromkeys((*needs.paths, *self._trees.led_out())):
            real = os.path.realpath(path)
            if not self._environments.covers(needs, path) and not under(real, self._trees.roots):
                yield path, real


def _hindered(needs: Needs, outside: Outside) -> bool:
    return bool(outside.hindrance and needs.toolchains)


def _whole(needs: Needs, outside: Outside) -> Needs:
    """A job's needs, with the files that sources mention."""
    return replace(needs, programs=(*needs.programs, *outside.files)) if outside.files else needs
