"""Mirrors: path safety, what a session finds of the last one, content gone bad, following a moving layer."""

import hashlib
import logging
import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from store.treekit import Home, picture

from dgcc.store.blobs import BlobStore
from dgcc.store.entry import WITHHELD_MARK, Entry, Kind, Page
from dgcc.store.errors import BadDigest, BadPath, BadVersion, StoreBusy
from dgcc.store.mirror import Mirror
from dgcc.store.sync import follow


def _file(blobs: BlobStore, path: bytes, data: bytes = b"x", mode: int = 0o644) -> Entry:
    digest = hashlib.sha256(data).digest()
    blobs.put(digest, data)
    return Entry(path, Kind.FILE, mode, 1, len(data), digest)


@pytest.mark.parametrize("path", [b"", b"/etc/passwd", b"..", b"../x", b"a/../../x", b"a//b", b"a/", b"./a", b"a\0b"])
@pytest.mark.parametrize("kind", list(Kind))
def test_paths_that_lead_elsewhere_are_refused(path: bytes, kind: Kind, tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    with pytest.raises(BadPath, match="no path below a root"):
        mirror.apply([_file(blobs, b"fine"), Entry(path, kind)])
    assert picture(mirror.tree) == {}
    mirror.close()


@pytest.mark.parametrize("later", [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.GONE])
def test_a_link_is_never_followed(later: Kind, tmp_path: Path, blobs: BlobStore) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("keep")
    mirror = Mirror(tmp_path / "m", blobs)
    mirror.apply([Entry(b"d", Kind.SYMLINK, 0o777, 1, link=os.fsencode(outside))])
    entry = (
        _file(blobs, b"d/f")
        if later is Kind.FILE
        else Entry(b"d/f", later, 0o755, 1, link=b"x" * (later is Kind.SYMLINK))
    )
    mirror.apply([entry])
    assert (outside / "f").read_text() == "keep"
    assert os.listdir(outside) == ["f"]
    assert (mirror.tree / "d").is_symlink() == (later is Kind.GONE)
    mirror.close()


def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path: Path, blobs: BlobStore) -> None:
    (tmp_path / "victim").write_text("keep")
    mirror = Mirror(tmp_path / "m", blobs)
    mirror.apply([Entry(b"f", Kind.SYMLINK, 0o777, 1, link=os.fsencode(tmp_path / "victim"))])
    mirror.apply([_file(blobs, b"f", b"content")])
    assert (tmp_path / "victim").read_text() == "keep"
    assert (mirror.tree / "f").read_bytes() == b"content"
    mirror.close()


def test_no_setuid_file_is_made(tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    mirror.apply([_file(blobs, b"f", mode=0o6755)])
    assert (mirror.tree / "f").stat().st_mode & 0o7777 == 0o755
    mirror.close()


def test_a_clean_end_is_taken_over_and_costs_no_content(
    root: Path, home: Home, tmp_path: Path, blobs: BlobStore
) -> None:
    (root / "d").mkdir()
    for number in range(20):
        (root / "d" / str(number)).write_text(str(number))
    (root / "link").symlink_to("d/1")
    mirror = Mirror(tmp_path / "m", blobs)
    assert follow(home, home.layer.name, mirror, 0).received > 0
    mirror.close()
    inodes = {p: os.lstat(p).st_ino for p in mirror.tree.rglob("*")}
    for digest in {entry.digest for entry in home.layer.entries()} - {b""}:
        blobs.discard(digest)
    (root / "d/0").unlink()
    (root / "d/1").write_text("changed")
    home.asked.clear()
    mirror = Mirror(tmp_path / "m", blobs)
    follow(home, home.layer.name, mirror, 0)
    assert picture(mirror.tree) == picture(root)
    changed = {p.name for p, inode in inodes.items() if not p.exists() or os.lstat(p).st_ino != inode}
    assert changed == {"0", "1"}
    mirror.close()


def test_a_crash_means_that_the_tree_is_laid_out_anew(root: Path, home: Home, tmp_path: Path, blobs: BlobStore) -> None:
    (root / "f").write_text("right")
    mirror = Mirror(tmp_path / "m", blobs)
    follow(home, home.layer.name, mirror, 0)
    (mirror.tree / "f").write_text("wrong")
    (mirror.tree / "stray").write_text("x")
    os.close(mirror._lock_fd)  # all that a killed process does
    mirror = Mirror(tmp_path / "m", blobs)
    assert mirror.entries() == {}
    assert follow(home, home.layer.name, mirror, 0).received == 0  # the content is in the store still
    assert picture(mirror.tree) == picture(root)
    mirror.close()


@pytest.mark.parametrize(
    "text", ["", "{}", "[1, 2]", '["dgcc-manifest-1", [["a"]]]', '["dgcc-manifest-1", [[1,2,3,4,5,6,7]]]']
)
def test_a_manifest_that_makes_no_sense_is_not_believed(text: str, tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    mirror.apply([_file(blobs, b"f")])
    mirror.close()
    (tmp_path / "m" / "manifest.json").write_text(text)
    mirror = Mirror(tmp_path / "m", blobs)
    assert mirror.entries() == {}
    assert picture(mirror.tree) == {}
    mirror.close()


def test_a_file_cut_short_by_a_power_loss_is_made_again(
    root: Path, home: Home, tmp_path: Path, blobs: BlobStore
) -> None:
    (root / "f").write_text("content")
    mirror = Mirror(tmp_path / "m", blobs)
    follow(home, home.layer.name, mirror, 0)
    mirror.close()
    os.truncate(mirror.tree / "f", 0)
    mirror = Mirror(tmp_path / "m", blobs)
    follow(home, home.layer.name, mirror, 0)
    assert picture(mirror.tree) == picture(root)
    mirror.close()


@pytest.mark.parametrize("moved", [False, True], ids=["as it was", "with another time at home"])
def test_a_file_edited_between_two_sessions_is_made_again(
    moved: bool, root: Path, home: Home, tmp_path: Path, blobs: BlobStore
) -> None:
    """Though its size and its time are as they were."""
    for name in ("one", "two"):
        (root / name).write_text(name)
    mirror = Mirror(tmp_path / "m", blobs)
    follow(home, "run/0", mirror, 0)
    mirror.close()
    time.sleep(0.02)  # longer than a tick of the clock by which files are stamped
    times = (mirror.tree / "one").stat().st_mtime_ns
    (mirror.tree / "one").write_text("eno")
    os.utime(mirror.tree / "one", ns=(times, times))
    if moved:
        os.utime(root / "one", ns=(5, 5))
    inode = (mirror.tree / "two").stat().st_ino
    mirror = Mirror(tmp_path / "m", blobs)
    follow(home, "run/0", mirror, 0)
    assert picture(mirror.tree) == picture(root)
    assert (mirror.tree / "two").stat().st_ino == inode
    mirror.close()


def test_content_gone_bad_in_the_store_is_fetched_again(
    root: Path, home: Home, tmp_path: Path, blobs: BlobStore
) -> None:
    (root / "f").write_text("content")
    (root / "g").write_bytes(os.urandom(400_000))
    home.refresh()
    first = Mirror(tmp_path / "one", blobs)
    follow(home, home.layer.name, first, 0)
    blobs.path(hashlib.sha256(b"content").digest()).write_text("rotten!")
    second = Mirror(tmp_path / "two", blobs)
    assert follow(home, home.layer.name, second, 0).received == len("content")
    assert picture(second.tree) == picture(root)
    first.close()
    second.close()


def test_a_file_that_never_rests_is_left_out_and_holds_up_nobody(
    root: Path, home: Home, tmp_path: Path, blobs: BlobStore, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "steady").write_text("x")
    log = open(root / "log", "w")  # noqa: SIM115
    home.refresh()
    changes = home.changes

    def changes_then_grows(layer: str, since: int) -> Page:
        page = changes(layer, since)
        log.write("more\n")
        log.flush()
        return page

    log.write("first\n")
    log.flush()
    home.layer.check([b"log"])
    home.changes = changes_then_grows  # type: ignore[method-assign]
    mirror = Mirror(tmp_path / "m", blobs)
    with caplog.at_level(logging.WARNING):
        version = follow(home, home.layer.name, mirror, 0, pause=lambda _: None).version
    assert "log keeps changing" in caplog.text
    assert sorted(picture(mirror.tree)) == [b"steady"]
    home.changes = changes  # type: ignore[method-assign]
    log.close()
    assert follow(home, home.layer.name, mirror, version).version == home.layer.version
    assert picture(mirror.tree) == picture(root)
    mirror.close()


def test_a_source_that_does_not_come_to_an_end_is_found_out(home: Home, tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    home.changes = lambda layer, since: Page(since, since + 1, ())  # type: ignore[method-assign]
    with pytest.raises(BadVersion, match="got a page up to 0 of 1"):
        follow(home, home.layer.name, mirror, 0)
    mirror.close()


def test_a_store_too_small_for_the_tree_still_lays_it_out(root: Path, home: Home, tmp_path: Path) -> None:
    for number in range(30):
        (root / str(number)).write_bytes(os.urandom(1000))
    tight = BlobStore(tmp_path / "tight", 2000)
    mirror = Mirror(tmp_path / "m", tight)
    follow(home, home.layer.name, mirror, 0)
    assert picture(mirror.tree) == picture(root)
    assert tight.total_bytes <= 2000
    mirror.close()
    tight.close()


def test_one_process_at_a_time(tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    with pytest.raises(StoreBusy):
        Mirror(tmp_path / "m", blobs)
    mirror.close()


def test_everything_belongs_to_the_owner(root: Path, home: Home, tmp_path: Path, blobs: BlobStore) -> None:
    (root / "d/e").mkdir(parents=True)
    (root / "d/e/f").write_text("x")
    (root / "link").symlink_to("d")
    owner = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())  # only root can give away
    mirror = Mirror(tmp_path / "m", blobs, owner=owner)
    follow(home, home.layer.name, mirror, 0)
    owners = {(os.lstat(p).st_uid, os.lstat(p).st_gid) for p in (mirror.tree, *mirror.tree.rglob("*"))}
    assert owners == {owner}
    mirror.close()


def _withheld(path: bytes, size: int = 5000, mtime_ns: int = 7) -> Entry:
    return Entry(path, Kind.FILE, 0o644, mtime_ns, size)


def test_a_withheld_file_is_a_marked_placeholder_that_nobody_can_read(tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    assert mirror.apply([_withheld(b"d/data", 10 << 30), _file(blobs, b"here")]) == []
    status = (mirror.tree / "d/data").stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns, status.st_size) == (0, 7, 10 << 30)
    assert status.st_blocks * 512 < 1 << 20
    with open(mirror.tree / "d/data", "rb") if os.geteuid() == 0 else nullcontext() as file:
        assert file is None or file.read(100) == WITHHELD_MARK + bytes(100 - len(WITHHELD_MARK))
    assert [mirror.withheld(path) for path in (b"d/data", b"here", b"d", b"nothing")] == [True, False, False, False]
    mirror.close()


def test_a_placeholder_gives_way_to_the_file_and_comes_back(tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    for entry in (_withheld(b"f"), _withheld(b"f", 4000, 8), _file(blobs, b"f", b"c" * 4000), _withheld(b"f", 4000, 8)):
        mirror.apply([entry])
        status = (mirror.tree / "f").stat()
        assert (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)
        assert status.st_mode & 0o777 == (0 if entry.withheld else 0o644)
        assert mirror.withheld(b"f") == entry.withheld
    assert os.listdir(tmp_path / "m" / "incoming") == []
    mirror.close()
    mirror = Mirror(tmp_path / "m", blobs)
    assert mirror.withheld(b"f")
    mirror.close()


def test_a_withheld_file_too_short_for_the_mark_is_refused(tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs)
    with pytest.raises(BadDigest, match="a/f is withheld, with a size for which there is no placeholder"):
        mirror.apply([_withheld(b"a/f", len(WITHHELD_MARK) - 1)])
    assert picture(mirror.tree) == {}
    mirror.close()


def test_content_is_moved_out_of_a_store_for_one_mirror(tmp_path: Path, blobs: BlobStore) -> None:
    mirror = Mirror(tmp_path / "m", blobs, moves=True)
    entries = [_file(blobs, b"a", b"same"), _file(blobs, b"b", b"same", 0o755), _file(blobs, b"c", b"other", 0o400)]
    assert mirror.apply([*entries, _withheld(b"d")]) == []
    assert (len(blobs), blobs.total_bytes) == (0, 0)
    assert [(mirror.tree / name).read_bytes() for name in "abc"] == [b"same", b"same", b"other"]
    seen = [
        (path.stat().st_mode & 0o777, path.stat().st_mtime_ns, path.stat().st_nlink)
        for path in (mirror.tree / name for name in "abc")
    ]
    assert seen == [(0o644, 1, 1), (0o755, 1, 1), (0o400, 1, 1)]
    assert mirror.apply([Entry(b"e", Kind.FILE, 0o644, 1, 4, entries[0].digest)]) != []
    mirror.close()
