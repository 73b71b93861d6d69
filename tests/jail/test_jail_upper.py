"""Upper directories made by hand, for what no job of a test makes; and the removal of awful trees."""

import os
from pathlib import Path

import pytest

from dgcc.store.entry import Kind
from dgcc.store.jail import Ignored, changes, remove_scratch

PREFIX = "trusted" if os.geteuid() == 0 else "user"


def tree(top: Path, *names: str) -> Path:
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(name)
    top.mkdir(exist_ok=True)
    return top


def brief(upper: Path, *lower: Path) -> list[tuple[str, Kind]]:
    return [(os.fsdecode(change.path), change.kind) for change in changes(upper, lower)]


def test_opaque_directory_over_several_layers(top: Path) -> None:
    one = tree(top / "one", "d/a", "d/sub/x")
    two = tree(top / "two", "d/b", "d/sub/y", "e")
    upper = tree(top / "upper", "d/b", "d/sub/")
    os.setxattr(upper / "d", f"{PREFIX}.overlay.opaque", b"y")
    assert brief(upper, one, two) == [
        ("d/a", Kind.GONE), ("d/b", Kind.FILE), ("d/sub/x", Kind.GONE), ("d/sub/y", Kind.GONE)]  # fmt: skip


def test_upper_lower_layer_hides_the_one_below(top: Path) -> None:
    one = tree(top / "one", "name")
    two = tree(top / "two", "name/x", "name/y")
    upper = tree(top / "upper", "name/x")
    assert brief(upper, one, two) == [
        ("name", Kind.GONE), ("name", Kind.DIRECTORY), ("name/x", Kind.FILE)]  # fmt: skip


@pytest.mark.parametrize("where", ["lower", "upper"])
def test_paths_too_long_for_the_kernel(top: Path, where: str) -> None:
    upper, lower = tree(top / "upper"), tree(top / "lower")
    start = os.open(top / where, os.O_RDONLY)
    here = start
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        here = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
    ignored: list[Ignored] = []
    found = changes(upper, [lower], ignored)
    if where == "upper":
        assert 10 < len(found) < 30
        assert [entry.reason for entry in ignored] == ["the path is too long"]
    else:
        assert found == []
    remove_scratch(top / where)
    assert not (top / where).exists()


def test_removal_of_deep_and_closed_trees(top: Path) -> None:
    scratch = tree(top / "scratch", "work-0/work/file", "upper-0/shut/in/file")
    os.chmod(scratch / "work-0/work", 0)
    os.chmod(scratch / "upper-0/shut/in", 0)
    os.chmod(scratch / "upper-0/shut", 0o500)
    os.symlink("/etc", scratch / "upper-0/etc")
    here = os.open(scratch, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    remove_scratch(scratch)
    assert not scratch.exists()
    assert os.path.exists("/etc/passwd")
    remove_scratch(scratch)  # once more does nothing
