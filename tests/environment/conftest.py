"""Environments for tests: the answers and digests of a whole run are shared, as they are between builds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.environmentkit import FakeCompiler, Make, environments_in

from dgcc.master.environment.environments import Environments


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where digests and answers are kept."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def make(kept: Path) -> Iterator[Make]:
    """Makes Environments, with a clock and variables of one's own if wanted; ends them."""
    made: list[Environments] = []

    def start(clock: Callable[[], float] | None = None, **environ: str) -> Environments:
        made.append(environments_in(kept, clock, **environ))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def fake(tmp_path: Path) -> FakeCompiler:
    return FakeCompiler(tmp_path / "fake")
