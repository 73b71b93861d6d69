"""Layers: what they hold, how versions count, pages, named files, cached digests, the master's writes."""

import os
import time
from pathlib import Path

import pytest
from store.treekit import Home, picture

from dgcc.store.cache import DigestCache, Remembered
from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import BadVersion
from dgcc.store.layer import Layer
from dgcc.store.selection import Selection
from dgcc.store.writeback import write_outputs


def _settle(root: Path) -> None:
    """Wait until nothing in the tree is so fresh that its times cannot be relied on."""
    newest = max(os.lstat(p).st_ctime_ns for p in (root, *root.rglob("*")))
    time.sleep(max(0.0, (newest + 30_000_000 - time.time_ns()) / 1e9))


def _paths(layer: Layer) -> set[bytes]:
    return {entry.path for entry in layer.entries()}


def _withheld(layer: Layer) -> set[bytes]:
    return {entry.path for entry in layer.entries() if entry.withheld}


def test_each_change_adds_one_and_a_page_has_the_newest_of_each_path(root: Path, home: Home) -> None:
    (root / "a").write_text("1")
    (root / "b").write_text("1")
    home.refresh()
    assert home.layer.version == 2
    (root / "a").write_text("22")
    home.refresh()
    assert home.layer.version == 3
    page = home.layer.changes(0)
    assert [entry.path for entry in page.entries] == [b"b", b"a"]
    assert (page.upto, page.latest) == (3, 3)
    assert [entry.size for entry in home.layer.changes(2).entries] == [2]
    assert home.layer.changes(3).entries == ()


def test_touch_is_a_change_with_the_same_digest(root: Path, home: Home) -> None:
    (root / "a").write_text("x")
    home.refresh()
    before = home.layer.get(b"a")
    os.utime(root / "a", ns=(5, 5))
    assert home.refresh()
    after = home.layer.get(b"a")
    assert before is not None and after is not None
    assert (after.mtime_ns, after.digest) == (5, before.digest)


def test_a_version_never_reached_is_refused(home: Home) -> None:
    with pytest.raises(BadVersion, match="no version 1"):
        home.layer.changes(1)


def test_pages_are_bounded_and_lead_to_the_newest_version(root: Path, home: Home) -> None:
    for number in range(500):
        (root / f"file{number:03}").write_text(str(number))
    home.refresh()
    since, seen = 0, []
    while True:
        page = home.layer.changes(since, limit_bytes=5000)
        assert sum(80 + len(e.path) for e in page.entries) <= 5000
        seen += [entry.path for entry in page.entries]
        since = page.upto
        if page.upto == page.latest:
            break
    assert seen == sorted(seen) or len(seen) == len(set(seen))
    assert set(seen) == _paths(home.layer)


def test_many_changes_of_few_paths_stay_readable_from_every_version(root: Path, home: Home) -> None:
    (root / "other").write_text("o")
    home.refresh()
    for number in range(3000):
        os.utime(root / "other", ns=(number, number))
        home.layer.check([b"other"])
    assert home.layer.version == 3001
    for since in (0, 1, 1500, 3000):
        page = home.layer.changes(since)
        assert [entry.mtime_ns for entry in page.entries] == [2999]


def test_a_removed_directory_leaves_a_tombstone_for_each_path(root: Path, home: Home) -> None:
    (root / "d").mkdir()
    (root / "d/f").write_text("x")
    home.refresh()
    version = home.layer.version
    (root / "d").rename(root.parent / "elsewhere")
    home.refresh()
    gone = {entry.path for entry in home.layer.changes(version).entries if entry.kind is Kind.GONE}
    assert gone == {b"d", b"d/f"}


def test_what_is_mirrored(root: Path, home: Home) -> None:
    for name in (
        "a.c",
        "lib.a",
        "x.o",
        "x.so",
        "x.so.1.2",
        "y.lo",
        "z.la",
        "m.ko",
        "w.exe",
        "v.obj",
        "p.gch",
        "soap.h",
    ):
        (root / name).write_text("text")
    (root / "program").write_bytes(b"\x7fELF and more")
    (root / "program").chmod(0o755)
    (root / "elf-without-x").write_bytes(b"\x7fELF and more")
    (root / "script").write_text("#!/bin/sh\n")
    (root / "script").chmod(0o755)
    for directory in (".git", ".hg", ".svn", "CVS", "dir.o"):
        (root / directory).mkdir()
        (root / directory / "inside").write_text("x")
    os.mkfifo(root / "fifo")
    (root / "libx.so").symlink_to("x.so")
    (root / ".dgcc-tmp-1-1").write_text("unfinished")
    os.truncate(root / "a.c", (64 << 20) - 4096)
    (root / "huge").touch()
    os.truncate(root / "huge", (64 << 20) + 1)
    home.refresh()
    wanted = {b"a.c", b"p.gch", b"soap.h", b"elf-without-x", b"script", b"dir.o", b"dir.o/inside", b"libx.so", b"huge"}
    assert _paths(home.layer) == wanted
    assert _withheld(home.layer) == {b"huge"}
    again = Layer(os.fsencode(root), "run/1")
    again.scan()
    assert _paths(again) == wanted


def test_a_file_that_becomes_too_large_is_withheld(root: Path) -> None:
    small = Home(root, selection=Selection(max_size=40))
    (root / "f").write_text("short")
    small.refresh()
    assert _withheld(small.layer) == set()
    (root / "f").write_text("x" * 41)
    small.refresh()
    assert small.layer.changes(1).entries == (Entry(b"f", Kind.FILE, 0o644, (root / "f").stat().st_mtime_ns, 41),)
    small.close()


def test_a_named_file_is_mirrored_and_followed(root: Path, home: Home) -> None:
    (root / "lib").mkdir()
    (root / "lib/x.o").write_text("object")
    home.refresh()
    assert home.layer.get(b"lib/x.o") is None
    assert home.layer.include(b"lib/x.o")
    assert not home.layer.include(b"lib/x.o")
    (root / "lib/x.o").write_text("another object")
    home.refresh()
    entry = home.layer.get(b"lib/x.o")
    assert entry is not None and entry.size == len("another object")
    assert not home.layer.include(b"lib/missing.o")
    (root / "lib/missing.o").write_text("made later")
    home.refresh()
    assert home.layer.get(b"lib/missing.o") is not None


def test_a_file_that_is_named_again_is_looked_at(root: Path, home: Home) -> None:
    """Also without an event of it, as none comes from another machine that writes to a shared disk."""
    (root / "a.c").write_text("1")
    _settle(root)
    home.layer.include(b"a.c")
    assert not home.layer.include(b"a.c")
    (root / "a.c").write_text("22")
    assert home.layer.include(b"a.c")
    entry = home.layer.get(b"a.c")
    assert entry is not None and entry.size == 2
    (root / "a.c").unlink()
    assert home.layer.include(b"a.c") and home.layer.get(b"a.c") is None


def test_naming_a_link_names_what_it_points_to(root: Path, home: Home) -> None:
    (root / "libx.so.1").write_text("library")
    (root / "libx.so").symlink_to("libx.so.1")
    home.refresh()
    home.layer.include(b"libx.so")
    assert _paths(home.layer) == {b"libx.so", b"libx.so.1"}


def test_a_named_file_in_a_version_control_directory_comes_alone(root: Path, home: Home) -> None:
    (root / ".git").mkdir()
    (root / ".git/HEAD").write_text("ref: one")
    (root / ".git/config").write_text("private")
    home.layer.include(b".git/HEAD")
    assert _paths(home.layer) == {b".git", b".git/HEAD"}
    (root / ".git/HEAD").write_text("ref: another")
    home.refresh()
    entry = home.layer.get(b".git/HEAD")
    assert entry is not None and entry.size == len("ref: another")
    os.rename(root / ".git", root / "moved")
    home.refresh()
    assert home.layer.get(b".git/HEAD") is None


def test_check_sees_what_no_event_told(root: Path) -> None:
    layer = Layer(os.fsencode(root), "unwatched")
    layer.scan()
    (root / "new").mkdir()
    (root / "new/f").write_text("x")
    assert layer.check([b"new/f"])
    assert layer.get(b"new/f") is not None
    assert not layer.check([b"new/f", b"nothing/there"])
    (root / "new/f").unlink()
    assert layer.check([b"new/f"])
    assert layer.get(b"new/f") is None


def test_a_rewrite_within_one_tick_of_the_clock_is_seen(root: Path, home: Home) -> None:
    """Same size, same time, same inode: only the event tells."""
    path = root / "f"
    for number in range(50):
        path.write_text(f"{number:04}")
        os.utime(path, ns=(7, 7))
        home.refresh()
        entry = home.layer.get(b"f")
        assert entry is not None
        assert home.tree.blobs([entry.digest])[0].data == f"{number:04}".encode()


def test_digests_are_kept_between_builds(root: Path, tmp_path: Path) -> None:
    for number in range(5):
        (root / f"f{number}").write_text(str(number))
    _settle(root)
    cache = DigestCache(tmp_path / "cache" / "digests.sqlite")
    first = Layer(os.fsencode(root), "1", cache=cache)
    first.scan()
    remembered = cache.load(os.fsencode(root))
    digests = {path: row.digest for path, row in remembered.items()}
    assert {entry.path: entry.digest for entry in first.entries()} == digests
    assert len(remembered) == 5
    # A digest planted in the cache shows that a file is not read again; with another stamp it is no use.
    planted = bytes(32)
    cache.save(
        os.fsencode(root),
        {
            b"f0": Remembered(remembered[b"f0"].stamp, planted, ()),
            b"f1": Remembered(remembered[b"f1"].stamp._replace(inode=1), planted, ()),
        },
    )
    (root / "f2").unlink()
    second = Layer(os.fsencode(root), "2", cache=cache)
    second.scan()
    assert second.get(b"f0").digest == planted  # type: ignore[union-attr]
    assert second.get(b"f1") == first.get(b"f1")
    assert b"f2" not in cache.load(os.fsencode(root))


def test_a_fresh_file_is_not_remembered(root: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "digests.sqlite")
    (root / "f").write_text("x")
    status = os.lstat(root / "f")
    layer = Layer(os.fsencode(root), "1", cache=cache, clock_ns=lambda: status.st_ctime_ns + 1_000_000)
    layer.scan()
    assert layer.get(b"f") is not None
    assert cache.load(os.fsencode(root)) == {}


def test_a_file_the_master_wrote_is_not_read_again(root: Path, home: Home) -> None:
    planted = bytes(32)  # a digest that reading would never give
    output = Output(Entry(b"f", Kind.FILE, 0o644, 0, 3), b"abc")
    ((entry, stamp),) = write_outputs(os.fsencode(root), [output])
    written = Entry(b"f", Kind.FILE, entry.mode, entry.mtime_ns, entry.size, planted)
    home.layer.written(written, stamp)
    assert home.layer.get(b"f") == written
    assert not home.refresh()
    assert home.layer.get(b"f") == written
    (root / "f").write_text("xyz")
    assert home.refresh()
    assert home.layer.get(b"f").digest != planted  # type: ignore[union-attr]


def test_a_file_the_master_wrote_is_read_if_somebody_wrote_it_too(root: Path, home: Home) -> None:
    ((entry, stamp),) = write_outputs(os.fsencode(root), [Output(Entry(b"f", Kind.FILE, 0o644, 7, 3), b"abc")])
    home.layer.written(Entry(b"f", Kind.FILE, entry.mode, entry.mtime_ns, entry.size, bytes(32)), stamp)
    (root / "f").write_text("xyz")
    os.utime(root / "f", ns=(7, 7))
    home.refresh()
    assert home.layer.get(b"f").digest != bytes(32)  # type: ignore[union-attr]


def test_five_thousand_files(root: Path, tmp_path: Path) -> None:
    for directory in range(50):
        (root / f"d{directory}").mkdir()
        for number in range(100):
            (root / f"d{directory}" / f"f{number}.c").write_text(f"int x{directory}_{number};\n")
    cache = DigestCache(tmp_path / "digests.sqlite")
    _settle(root)
    first = Home(root, cache=cache)
    second = Home(root, cache=cache)
    assert first.layer.version == second.layer.version == 5050
    assert sorted(first.layer.entries(), key=lambda e: e.path) == sorted(second.layer.entries(), key=lambda e: e.path)
    assert set(picture(root)) == _paths(first.layer)
    first.close()
    second.close()


def test_what_a_killed_master_left_is_swept_away(root: Path) -> None:
    (root / "d").mkdir()
    for name, age_s in ((".dgcc-tmp-1-1", 7200), (".dgcc-tmp-1-2", 10), ("dgcc-tmp-of-the-user", 7200)):
        (root / "d" / name).write_text("half")
        os.utime(root / "d" / name, (time.time() - age_s,) * 2)
    Layer(os.fsencode(root), "run/0").scan()
    assert sorted(os.listdir(root / "d")) == [".dgcc-tmp-1-2", "dgcc-tmp-of-the-user"]
