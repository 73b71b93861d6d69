"""The cache of digests: what it keeps, and that nothing wrong with it can fail a build."""

import logging
import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from dgcc.store.cache import KEEP_S, DigestCache, Remembered, default_path
from dgcc.store.digests import Stamp

_STAMP = Stamp(1, 2, 3, 4)


def _row(number: int) -> Remembered:
    return Remembered(_STAMP._replace(inode=number), bytes([number]) * 32)


def test_keeps_by_root(tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "c.sqlite")
    cache.save(b"/p", {b"a": _row(1), b"d/b": _row(2), b"\xff\n": _row(3)})
    cache.save(b"/p2", {b"a": _row(4)})
    assert cache.load(b"/p") == {b"a": _row(1), b"d/b": _row(2), b"\xff\n": _row(3)}
    assert cache.load(b"/p/d") == {b"b": _row(2)}
    assert cache.load(b"/") == {b"p/a": _row(1), b"p/d/b": _row(2), b"p/\xff\n": _row(3), b"p2/a": _row(4)}
    cache.save(b"/p", {b"a": _row(5)}, gone=[b"d/b", b"never"])
    assert cache.load(b"/p") == {b"a": _row(5), b"\xff\n": _row(3)}


def test_trees_not_built_for_long_are_forgotten(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    cache = DigestCache(tmp_path / "c.sqlite", clock=lambda: now)
    cache.save(b"/old", {b"a": _row(1)})
    cache.save(b"/used", {b"a": _row(2)})
    now += KEEP_S - 10
    cache.load(b"/used")
    now += 20
    cache.save(b"/new", {b"a": _row(3)})
    assert cache.load(b"/old") == {}
    assert cache.load(b"/used") == {b"a": _row(2)}


@pytest.mark.parametrize("damage", [b"no database at all, but long enough to look like one" * 40, b""])
def test_a_damaged_cache_is_dropped_with_a_sentence(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(damage)
    cache = DigestCache(path)
    with caplog.at_level(logging.WARNING):
        assert cache.load(b"/p") == {}
    assert bool(damage) == ("is damaged and was dropped" in caplog.text)
    cache.save(b"/p", {b"a": _row(1)})
    assert cache.load(b"/p") == {b"a": _row(1)}


def test_damage_in_the_middle_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    cache = DigestCache(path)
    cache.save(b"/p", {b"file%d" % n: _row(n % 256) for n in range(5000)})
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    path.write_bytes(content)
    assert cache.load(b"/p") == {}
    cache.save(b"/p", {b"a": _row(1)})
    assert cache.load(b"/p") == {b"a": _row(1)}


def test_a_cache_of_another_format_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("CREATE TABLE digest (other)")
    db.close()
    assert DigestCache(tmp_path / "c.sqlite").load(b"/p") == {}
    assert "format 99" in caplog.text


def test_a_place_that_cannot_be_written_costs_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("x")
    cache = DigestCache(tmp_path / "file" / "c.sqlite")
    assert cache.load(b"/p") == {}
    cache.save(b"/p", {b"a": _row(1)})
    assert "is not used" in caplog.text


def _save_some(path: str, number: int) -> None:
    cache = DigestCache(Path(path))
    for round_ in range(5):
        cache.save(b"/p%d" % number, {b"f%d" % n: _row(round_) for n in range(200)})
        assert len(cache.load(b"/p%d" % number)) == 200


def test_several_masters_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    context = multiprocessing.get_context("spawn")
    masters = [context.Process(target=_save_some, args=(str(path), number)) for number in range(3)]
    for master in masters:
        master.start()
    for master in masters:
        master.join()
    assert [master.exitcode for master in masters] == [0, 0, 0]
    assert all(len(DigestCache(path).load(b"/p%d" % n)) == 200 for n in range(3))


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "dgcc" / "digests.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative is not allowed")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_path() == Path("/home/somebody/.cache/dgcc/digests.sqlite")
