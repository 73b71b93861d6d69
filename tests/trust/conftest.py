"""An authority and a farm with TLS, shared by the tests of this folder."""

import subprocess
from collections.abc import Iterator

import pytest
from farmkit import Farm, wait_for
from trust import trustkit


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> trustkit.Trust:
    """See trustkit.make_trust."""
    return trustkit.make_trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="session")
def farm(trust: trustkit.Trust, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm with TLS and the slave `one`."""
    with trustkit.farm(tmp_path_factory.mktemp("farm"), trust, "one") as made:
        yield made


@pytest.fixture(scope="module")
def desk(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """A master of that farm in the middle of its build, which ends well when the tests have."""
    project = tmp_path_factory.mktemp("project")
    going = project / "going"
    going.touch()
    (project / "Makefile").write_text("all:\n\twhile [ -e going ]; do sleep 0.1; done\n")
    before = farm.log("one").count("serving master")
    master = farm.start_master(project)
    wait_for(lambda: farm.log("one").count("serving master") > before, "the slave serves the master")
    yield master
    going.unlink()
    built = farm.finish(master)
    assert built.code == 0, built.err
