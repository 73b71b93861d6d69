"""What all farms have in common for a benchmark: daemons on either side, and builds whose CPU is counted by side."""

import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from dgcc.bench import processes
from dgcc.bench.processes import Tree
from dgcc.bench.setting import BenchFailed
from dgcc.bench.site import Site

_LIFE_S = 3 * 3600.0
_UP_S = 30.0
#: make's -j beyond the slots of the builder, so that it has always something to do.
SPARE = 2


class Build(Struct, frozen=True):
    """One build. cpu_s: what the developer's machine spent. builder_cpu_s: the builder. remote: jobs that it did."""

    cpu_s: float
    builder_cpu_s: float
    wall_s: float
    remote: int


class Farm(ABC):
    """A farm with one builder; a context manager that starts and ends its daemons."""

    name: str
    needs: tuple[str, ...] = ()  # programs

    def __init__(self, site: Site, slots: int) -> None:
        self.site, self.slots = site, slots
        self._builder: list[Tree] = []  # daemons of the builder
        self._developer: list[Tree] = []  # daemons that a developer's machine has to run
        self._open = ExitStack()
        self._builds = 0

    @abstractmethod
    def start(self) -> None:
        """Start what runs for ever. Raises BenchFailed."""

    @abstractmethod
    def command(self, arguments: Sequence[str]) -> list[str]:
        """What a developer types to run make with these arguments."""

    def environment(self) -> dict[str, str]:
        """What the developer's build sees."""
        return self.site.environment()

    def remote(self) -> int:
        """The number of jobs that the builder has done so far, from its own log."""
        return 0

    def daemon(self, name: str, command: Sequence[str], environment: dict[str, str], up: Callable[[], bool]) -> Tree:
        """Start a daemon and wait until `up()`. Raises BenchFailed."""
        tree = self._open.enter_context(Tree(command, self.site.log(name), _LIFE_S, env=environment))
        until = time.monotonic() + _UP_S
        while not up():
            if tree.ended() or time.monotonic() > until:
                raise BenchFailed(f"{self.name}: {name} does not come up; {tree.last_words()}")
            time.sleep(0.05)
        return tree

    def build(self, cwd: Path, arguments: Sequence[str], seconds: float) -> Build:
        """Run make with `arguments` in `cwd`. Raises BenchFailed if that fails or takes longer than `seconds`."""
        self._builds += 1
        remote, developer, builder = self.remote(), _spent(self._developer), _spent(self._builder)
        ended = processes.run(
            self.site.developer.on(self.command(arguments)), self.site.log(f"build-{self._builds}"), seconds,
            cwd=cwd, env=self.environment(),
        )  # fmt: skip
        return Build(
            ended.cpu_s + _spent(self._developer) - developer, _spent(self._builder) - builder, ended.wall_s,
            self.remote() - remote,
        )  # fmt: skip

    def said(self) -> Path:
        """The log of the last build."""
        return self.site.log(f"build-{self._builds}")

    def __enter__(self) -> Self:
        missing = [program for program in self.needs if not shutil.which(program)]
        if missing:
            raise BenchFailed(f"{self.name}: not installed: {', '.join(missing)}")
        self.site.directory.mkdir(parents=True, exist_ok=True)
        try:
            self.start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self._open.close()


def started(
    kinds: Sequence[type[Farm]], site: Callable[[str], Site], slots: int, stack: ExitStack
) -> tuple[dict[str, Farm], dict[str, str]]:
    """Start a farm of each kind until `stack` closes: those that run, and why the others do not, by name."""
    farms: dict[str, Farm] = {}
    failed: dict[str, str] = {}
    for kind in kinds:
        try:
            farms[kind.name] = stack.enter_context(kind(site(kind.name), slots))
        except BenchFailed as error:
            failed[kind.name] = str(error)
    return farms, failed


def _spent(daemons: list[Tree]) -> float:
    return sum(daemon.cpu_s() for daemon in daemons)


def count(log: Path, words: str) -> int:
    """How often `words` stand in a log."""
    try:
        return log.read_text(errors="replace").count(words)
    except FileNotFoundError:
        return 0
