"""The store over CORBA: a tree served by another process is followed here, with its errors and its values."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store.treekit import Home, picture

from dgcc.corba import DGCC
from dgcc.naming.orb import start_orb
from dgcc.store.blobs import BlobStore
from dgcc.store.entry import Entry, Kind
from dgcc.store.errors import UnknownBlob, UnknownLayer
from dgcc.store.mirror import Mirror
from dgcc.store.sync import follow
from dgcc.store.wire import RemoteSource, entry_from_wire, entry_to_wire, page_from_wire, page_to_wire

_TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def orb() -> Any:
    """The process's one ORB, which other tests use as well: it is not destroyed here."""
    return start_orb()[0]


@pytest.fixture
def remote(root: Path, orb: Any) -> Iterator[RemoteSource]:
    """The tree at `root`, served by another process as layer run/0."""
    peer = subprocess.Popen(
        [sys.executable, "-m", "store.source_peer", str(root)],
        cwd=_TESTS,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{_TESTS}:{_TESTS.parent}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert peer.stdout is not None
        yield RemoteSource(orb.string_to_object(peer.stdout.readline().strip())._narrow(DGCC.Source))
    finally:
        peer.communicate()
        assert peer.returncode == 0


def test_a_tree_is_followed_over_the_wire(root: Path, remote: RemoteSource, tmp_path: Path, blobs: BlobStore) -> None:
    (root / "d").mkdir(mode=0o750)
    for number in range(60):
        (root / "d" / str(number)).write_text(f"{number}\n" * number * 10)
    (root / os.fsdecode(b"\xff odd\n")).write_bytes(os.urandom(2_500_000))
    (root / "link").symlink_to(os.fsdecode(b"d/\xfe"))
    mirror = Mirror(tmp_path / "mirror", blobs)
    done = follow(remote, "run/0", mirror, 0)
    assert picture(mirror.tree) == picture(root)
    assert 2_500_000 < done.received < 2_600_000
    (root / "d/7").unlink()
    (root / "d/8").write_text("changed")
    again = follow(remote, "run/0", mirror, done.version)
    assert picture(mirror.tree) == picture(root)
    assert (again.received, again.version) == (7, done.version + 2)
    mirror.close()


def test_errors_keep_their_types(remote: RemoteSource) -> None:
    with pytest.raises(UnknownLayer, match="no layer other"):
        remote.changes("other", 0)
    for ask in (lambda: remote.blobs([b"\1" * 32]), lambda: remote.piece(b"\1" * 32, 0, 10)):
        with pytest.raises(UnknownBlob) as caught:
            ask()
        assert caught.value.digest == b"\1" * 32


def test_values_survive_the_way_there_and_back(root: Path, home: Home) -> None:
    (root / "f").write_text("x")
    (root / "l").symlink_to("f")
    (root / "d").mkdir()
    home.refresh()
    (root / "f").unlink()
    home.refresh()
    page = home.layer.changes(0)
    assert {entry.kind for entry in page.entries} == {Kind.GONE, Kind.SYMLINK, Kind.DIRECTORY}
    assert page_from_wire(page_to_wire(page)) == page
    entry = Entry(b"a/b", Kind.FILE, 0o7777, -5, 2**40, bytes(32))
    assert entry_from_wire(entry_to_wire(entry)) == entry
