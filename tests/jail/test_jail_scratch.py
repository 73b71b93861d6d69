"""Memory for scratch directories where it will do, the disk where it will not."""

import os
from pathlib import Path

import pytest
from jail.jailplace import OUTSIDE

from dgcc.store import jail, scratch
from dgcc.store.scratch import MEMORY, scratch_directory


def test_memory_is_taken_where_it_can_be_an_upper_layer(top: Path) -> None:
    chosen = scratch_directory(top / "jobs", outside=OUTSIDE)
    try:
        assert chosen == scratch_directory(top / "jobs", outside=OUTSIDE)
        assert chosen == top / "jobs" or chosen.parent == MEMORY
        assert chosen.parent == top or chosen.stat().st_mode & 0o777 == 0o700
        assert list(chosen.iterdir()) == []
        assert jail.probe(chosen, outside=OUTSIDE) is None
    finally:
        chosen.rmdir()


def test_each_store_has_its_own(top: Path) -> None:
    one, two = (scratch_directory(top / name, outside=OUTSIDE, memory=top) for name in ("a", "b"))
    assert one != two
    assert one.name.startswith(f"dgcc-{os.geteuid()}-")


def test_disk_where_there_is_no_such_memory(top: Path) -> None:
    assert scratch_directory(top / "jobs", memory=top / "absent") == top / "jobs"
    assert (top / "jobs").is_dir()


def test_disk_where_memory_is_short(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_LEAST_FREE", 1 << 60)
    assert scratch_directory(top / "jobs", memory=top) == top / "jobs"


def test_disk_where_memory_is_no_upper_layer(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "BINARY", Path("/no/such/dgcc-jail"))
    assert scratch_directory(top / "jobs", memory=top) == top / "jobs"
    assert [path.name for path in top.iterdir()] == ["jobs"]


def test_a_name_taken_by_somebody_else_is_not_followed(top: Path) -> None:
    chosen = scratch_directory(top / "jobs", outside=OUTSIDE, memory=top)
    assert chosen.parent == top
    chosen.rmdir()
    chosen.symlink_to("/etc")
    assert scratch_directory(top / "jobs", outside=OUTSIDE, memory=top) == top / "jobs"
