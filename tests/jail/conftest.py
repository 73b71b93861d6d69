"""Fixtures for tests of the jail: the compiled program, and a place to run jobs in."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jail.jailplace import Place

from dgcc.store.jail import BINARY, remove_scratch


@pytest.fixture(scope="session", autouse=True)
def _native_part() -> None:
    """Without dgcc-jail no test here can mean anything."""
    assert BINARY.exists(), "dgcc-jail is not compiled: run 'pip install -e .' first"


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory on a disk, which /tmp may not be, and where only its owner may enter."""
    path = Path(tempfile.mkdtemp(prefix="dgcc-test-", dir="/var/tmp"))
    yield path
    remove_scratch(path)


@pytest.fixture
def place(top: Path) -> Place:
    return Place(top)
