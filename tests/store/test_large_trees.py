"""Large trees and roots of unusual shape: contents that wait until they are named, bounds, roots inside roots."""

import hashlib
import os
import time
from pathlib import Path

import pytest
from store.treekit import Home, picture

from dgcc.store.blobs import BlobStore
from dgcc.store.cache import DigestCache, Remembered
from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import TreeTooLarge
from dgcc.store.layer import Layer
from dgcc.store.mirror import Mirror
from dgcc.store.selection import Selection
from dgcc.store.sync import follow
from dgcc.store.writeback import write_outputs

_LARGE = Selection(whole_files=0)


def _paths(layer: Layer) -> set[bytes]:
    return {entry.path for entry in layer.entries()}


def _withheld(layer: Layer) -> set[bytes]:
    return {entry.path for entry in layer.entries() if entry.withheld}


def _write(root: Path, name: str, size: int = 100) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


@pytest.mark.parametrize(
    ("name", "size", "offered"),
    [
        ("a.c", 8000, False),
        ("a.c", 100, False),
        ("a.c", 20, True),  # too short for the mark
        ("a.c", 0, True),
        ("a.h", 200_000, True),
        ("deep/a.hpp", 200_000, True),
        ("table.inc", 9000, True),
        ("x.h.gch/O2", 70_000, True),  # a compiler takes it without being told
        ("Eigen/Dense", 9000, True),
        ("dump", 100_000, False),
        ("Kconfig.debug", 4000, True),
        ("data.bin", 5000, False),
        ("a.gcda", 5000, True),
        ("b.cc", 100, False),
        ("start.S", 100, False),
    ],
)
def test_what_a_large_tree_offers_unasked(root: Path, name: str, size: int, offered: bool) -> None:
    _write(root, name, size)
    home = Home(root, selection=_LARGE)
    assert _withheld(home.layer) == (set() if offered else {name.encode()})
    assert home.layer.totals == (1, size)
    home.close()


@pytest.mark.parametrize(
    ("files", "size", "large"), [(10, 100, False), (11, 100, True), (10, 1024, False), (10, 1025, True)]
)
def test_a_tree_is_large_by_its_files_or_their_bytes(root: Path, files: int, size: int, large: bool) -> None:
    for number in range(files):
        _write(root, f"{number}.c", size)
    home = Home(root, selection=Selection(whole_files=10, whole_bytes=10 * 1024))
    assert bool(_withheld(home.layer)) == large
    home.close()


def test_huge_files_do_not_make_a_tree_large(root: Path) -> None:
    _write(root, "a.c")
    _write(root, "image", 5000)
    home = Home(root, selection=Selection(max_size=4000, whole_bytes=4000))
    assert _withheld(home.layer) == {b"image"}
    home.close()


def test_content_offered_once_is_not_taken_back_when_the_tree_grows(root: Path) -> None:
    _write(root, "old.c")
    home = Home(root, selection=Selection(whole_files=5))
    for number in range(6):
        _write(root, f"new{number}.c")
    _write(root, "old.c", 200)
    home.refresh()
    assert _withheld(home.layer) == {b"new%d.c" % number for number in range(6)}
    home.close()


def test_a_named_file_s_content_comes_and_its_changes_too(root: Path, tmp_path: Path, blobs: BlobStore) -> None:
    _write(root, "src/a.c", 100)
    _write(root, "src/b.c", 100)
    home = Home(root, selection=_LARGE)
    mirror = Mirror(tmp_path / "m", blobs)
    first = follow(home, home.layer.name, mirror, 0)
    assert home.asked == [] and first.received == 0
    assert home.layer.include(b"src/a.c")
    assert not home.layer.include(b"src/a.c")
    second = follow(home, home.layer.name, mirror, first.version)
    assert second.version == first.version + 1
    assert (mirror.tree / "src/a.c").read_bytes() == b"x" * 100
    (root / "src/a.c").write_bytes(b"y" * 99)
    follow(home, home.layer.name, mirror, second.version)
    assert (mirror.tree / "src/a.c").read_bytes() == b"y" * 99
    (root / "src/b.c").write_bytes(b"y" * 99)
    assert home.refresh(), "a change of a withheld file is a new version"
    follow(home, home.layer.name, mirror, 0)
    assert picture(mirror.tree) == picture(root, withheld={b"src/b.c"})
    mirror.close()
    home.close()


def test_what_a_job_wrote_is_offered_only_if_it_would_be_anyway(root: Path) -> None:
    home = Home(root, selection=_LARGE)
    _write(root, "sub/a.c")
    home.refresh()
    digest = hashlib.sha256(b"#" * 50).digest()
    names = (b"sub/a.c", b"sub/a.h")
    outputs = [Output(Entry(path, Kind.FILE, 0o644, 0, 50, digest), b"#" * 50) for path in names]
    for entry, stamp in write_outputs(os.fsencode(root), outputs):
        home.layer.written(entry, stamp)
    assert _withheld(home.layer) == {b"sub/a.c"}
    assert not home.refresh()
    assert home.layer.get(b"sub/a.c").size == 50  # type: ignore[union-attr]
    home.close()


def test_digests_of_named_files_are_kept_between_builds(root: Path, tmp_path: Path) -> None:
    path = _write(root, "big.bin", 5000)
    time.sleep(max(0.0, (path.stat().st_ctime_ns + 30_000_000 - time.time_ns()) / 1e9))
    cache = DigestCache(tmp_path / "digests.sqlite")
    first = Home(root, cache=cache, selection=_LARGE)
    first.layer.include(b"big.bin")
    first.layer.save()
    ((name, (stamp, *_)),) = cache.load(os.fsencode(root)).items()
    planted = bytes(32)  # shows that the file is not read again
    cache.save(os.fsencode(root), {name: Remembered(stamp, planted, ())})
    for _ in range(2):  # the second time, nobody has named it in between
        home = Home(root, cache=cache, selection=_LARGE)
        assert _withheld(home.layer) == {b"big.bin"}
        home.close()
    again = Home(root, cache=cache, selection=_LARGE)
    again.layer.include(b"big.bin")
    assert again.layer.get(b"big.bin").digest == planted  # type: ignore[union-attr]
    again.close()
    first.close()


def test_a_root_with_too_much_in_it_says_where_it_is_and_what_to_do(root: Path) -> None:
    for number in range(30):
        _write(root, f"cache/deep/{number}")
    for number in range(5):
        _write(root, f"src/{number}.c")
    layer = Layer(os.fsencode(root), "run/0")
    with pytest.raises(TreeTooLarge) as caught:
        layer.scan(max_files=20)
    text = str(caught.value)
    assert text.startswith(f"{root} holds too many files: 21 were counted") and str(root / "cache") in text
    assert "--root" in text and "ignore" in text and "dgcc.toml" in text
    layer = Layer(os.fsencode(root), "run/1", selection=Selection(ignored=(b"/cache/",)))
    layer.scan(max_files=20)
    assert layer.totals == (5, 500)


def test_the_largest_directories_are_told(root: Path, home: Home) -> None:
    for name, count in (("a", 3), ("b/c", 9), ("d", 1), ("e", 5)):
        for number in range(count):
            _write(root, f"{name}/{number}")
    _write(root, "top")
    home.refresh()
    assert home.layer.largest() == [(b"b", 10), (b"e", 5), (b"a", 3)]
    assert home.layer.totals == (19, 1900)
    (root / "top").unlink()
    (root / "d/0").write_bytes(b"")
    home.refresh()
    assert home.layer.totals == (18, 1700)


def test_a_root_inside_is_left_to_its_own_layer(root: Path) -> None:
    _write(root, "include/a.h")
    _write(root, "work/project/a.c")
    _write(root, "work/projects/b.c")
    inside = os.fsencode(root / "work/project")
    home = Home(root, selection=Selection(excluded=(inside, b"/elsewhere")))
    expected = {b"include", b"include/a.h", b"work", b"work/projects", b"work/projects/b.c"}
    assert _paths(home.layer) == expected
    watched = len(home.watch)
    _write(root, "work/project/new/b.c")
    os.utime(root / "work/project")
    assert not home.refresh()
    assert not home.layer.include(b"work/project/a.c")
    assert home.layer.ignored(b"work/project/a.c") and not home.layer.ignored(b"work/projects")
    assert (_paths(home.layer), len(home.watch)) == (expected, watched)
    home.close()


def test_a_layer_of_everything_has_products_and_programs(root: Path) -> None:
    for name in ("lib/libx.so.1", "lib/libx.a", "lib/crt1.o", "bin/tool"):
        _write(root, name).write_bytes(b"\x7fELF" + bytes(5000))
    (root / "bin/tool").chmod(0o755)
    _write(root, ".git/config")
    home = Home(root, selection=Selection(everything=True))
    assert {b"lib/libx.so.1", b"lib/libx.a", b"lib/crt1.o", b"bin/tool"} < _paths(home.layer)
    assert b".git" not in _paths(home.layer) and _withheld(home.layer) == set()
    home.close()
    _write(root, "share/data", 100_000)
    home = Home(root, selection=Selection(everything=True, whole_files=0))
    assert _withheld(home.layer) == {b"share/data"}
    home.close()
