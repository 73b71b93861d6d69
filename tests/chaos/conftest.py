"""What the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.chaoskit import FULL, Chaos, chaos


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long cases to `make chaos`."""
    long = [] if FULL else [item for item in items if item.get_closest_marker("full")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Chaos]:
    """A farm with the slaves `a` and `b`, two slots each, and the means to see what trouble leaves behind."""
    with chaos(tmp_path, "a", "b", slots=2) as made:
        yield made
