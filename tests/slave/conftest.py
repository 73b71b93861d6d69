"""Fixtures for tests of the slave: a small system, made once, and a directory to keep things in."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from slave.environmentkit import make
from slave.systemkit import copy_in, with_libraries

from dgcc.store.jail import remove_scratch


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with a shell and a few tools."""
    tools = "/bin/sh /bin/cat /bin/ls /bin/chmod /bin/mv /bin/rm /usr/bin/find /usr/bin/stat /usr/bin/id"
    return copy_in(tmp_path_factory.mktemp("base") / "root", with_libraries(*tools.split()))


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory on a disk, which /tmp may not be."""
    path = Path(tempfile.mkdtemp(prefix="dgcc-test-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    remove_scratch(path)


@pytest.fixture
def system(top: Path) -> Path:
    """A small system with all that an environment can hold."""
    return make(top / "system")
