"""Fixtures of the store's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store.treekit import Home

from dgcc.store.blobs import BlobStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty project directory."""
    path = tmp_path / "project"
    path.mkdir()
    return path


@pytest.fixture
def home(root: Path) -> Iterator[Home]:
    """The master's half over `root`, which is empty still."""
    made = Home(root)
    yield made
    made.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[BlobStore]:
    """A slave's blob store with room enough."""
    store = BlobStore(tmp_path / "blobs", 1 << 30)
    yield store
    store.close()
