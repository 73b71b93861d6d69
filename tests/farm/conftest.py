"""Farms shared by the tests of this folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import farmkit
import pytest


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[farmkit.Farm]:
    """A farm with the slaves `a` and `b`, a slot each."""
    with farmkit.farm(tmp_path_factory.mktemp("farm"), "a", "b") as farm:
        yield farm


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project directory."""
    place = tmp_path / "project"
    place.mkdir()
    return place


@pytest.fixture
def shared_directory() -> Iterator[Path]:
    """An empty directory that every user can enter, unlike pytest's own."""
    # Not dgcc-farm-: what dead farms of one have left under that name, the next one removes.
    with tempfile.TemporaryDirectory(prefix="dgcctest-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
