"""What the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.chaoskit import Chaos, chaos


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Chaos]:
    """A farm with the slaves `a` and `b`, two slots each, and the means to see what trouble leaves behind."""
    with chaos(tmp_path, "a", "b", slots=2) as made:
        yield made
