"""The dry run as the master makes it: in a jail, in which nothing is written for real."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from plan.plankit import write

from dgcc.master.plan.planned import Plan
from dgcc.master.plan.planner import Planner


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory below /tmp, with the environment of no make."""
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(prefix="dgcc-test-", dir="/tmp") as name:
        yield Path(name)


def planned(build: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(build)
    planner = Planner(["make"], [], (os.fsencode(build),))
    with ThreadPoolExecutor() as pool:
        plan = asyncio.run(planner.read(pool))
    assert plan is not None
    return plan


def test_sources_beside_the_project_in_tmp_are_seen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(place, {"source/a.c": "int a;\n", "build/Makefile": "all: a.o\na.o: ../source/a.c\n>cc -c $<\n"})
    assert [job.target for job in planned(place / "build", monkeypatch).jobs] == [b"a.o"]


def test_what_make_really_runs_in_a_dry_run_is_written_nowhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(place, {"beside": "old\n",
                  "build/Makefile": f"all:\n>+echo new > {place}/beside; echo new > made\n>echo $$(cat made)\n"})
    assert len(planned(place / "build", monkeypatch).jobs) == 2
    assert (place / "beside").read_text() == "old\n" and not (place / "build/made").exists()
