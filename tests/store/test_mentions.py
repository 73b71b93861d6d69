"""What sources mention: in their text, as part of their layer, and between builds."""

import os
import sqlite3
import time
from pathlib import Path

import pytest
from store.treekit import Home

from dgcc.store.cache import DigestCache, Remembered
from dgcc.store.digests import scan_file, stamp_of
from dgcc.store.entry import WITHHELD_MARK
from dgcc.store.layer import Layer
from dgcc.store.mentions import How, Mention, may_mention, mentions, packed, unpacked
from dgcc.store.selection import Selection

_MACRO = b""  # an operand that is not written out
_LARGE = Selection(whole_files=0)


def _asked(*operands: bytes) -> set[Mention]:
    return {Mention(How.ASKED, operand) for operand in operands}


def _taken(*operands: bytes) -> set[Mention]:
    return {Mention(How.TAKEN, operand) for operand in operands}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"int a;\n#include <a.h>\n", set()),
        (b'#if __has_include("/etc/x.h")\n', _asked(b"/etc/x.h")),
        (b"#if defined(__has_include) && __has_include ( <a/b.h> )\n", _asked(b"a/b.h")),
        (b'#if __has_include_next("x.h") || __has_include(<y>)\n', _asked(b"x.h", b"y")),
        (b'#if __has_include \\\n ("x.h")\n', _asked(b"x.h")),
        (b'#if __has_include(\\\r\n"x.h")\n', _asked(b"x.h")),
        (b"#if __has_include(NAME)\n", _asked(_MACRO)),
        (b"#ifdef __has_include\n#endif\n", set()),
        (b'#if __has_embed("x.bin" limit(1)) == 1\n', _asked(b"x.bin")),
        (b'#  embed "x.bin" limit(4)\n# embed <y.bin>\n', _asked(b"x.bin", b"y.bin")),
        (b"#embed NAME\n", _asked(_MACRO)),
        (b'/* embedded "x" */ int embed = 1;\n', set()),
        (b'\t.incbin "fw.bin"\n', _taken(b"fw.bin")),
        (b'\t.INCBIN\t"fw.bin",4,8\n', _taken(b"fw.bin")),
        (b'.include "x.inc"\n', _taken(b"x.inc")),
        (b'asm(".data; .incbin \\"fw.bin\\"");', _taken(b"fw.bin")),
        (b'asm(".incbin " "\\"fw.bin\\"\\n");', _taken(b"fw.bin")),
        (b'asm(".incbin \\"" "dir/"\n "fw.bin" "\\"\\n");', _taken(b"dir/fw.bin")),
        (b'#define G(f) asm(".incbin \\\n\\"fw.bin\\"")\n', _taken(b"fw.bin")),
        (b'asm(R"(.incbin "fw.bin")");', _taken(b"fw.bin")),
        (b'#define G(f) asm(".incbin \\"" f "\\"")\n', _taken(_MACRO)),
        (b'.incbin "\\path"\n', _taken(_MACRO)),
        (b'INCBIN(Icon, "icon.png");\n', _taken(b"icon.png")),
        (b"my.include = 3;\n", set()),
        (b'#include "../x.h"\n# include <a/../../y.h>\n#include "z.h"\n',
         {Mention(How.INCLUDED, b"../x.h"), Mention(How.INCLUDED, b"a/../../y.h")}),
        (b'#if __has_include("../x.h")\n#include "../x.h"\n#endif\n',
         {*_asked(b"../x.h"), Mention(How.INCLUDED, b"../x.h")}),
        (b"\xff\x00__has_include(\"\xe9.h\")", _asked(b"\xe9.h")),
    ],
)  # fmt: skip
def test_operands(text: bytes, expected: set[Mention]) -> None:
    found = mentions(text)
    assert set(found) == expected and len(found) == len(expected)
    assert unpacked(packed(found)) == found


@pytest.mark.parametrize("name", [b"a.c", b"d/a.h", b"vector", b"d/x.S", b"a.b.cpp", b"boot.asm", b"x.inc"])
def test_sources_are_looked_into(name: bytes) -> None:
    assert may_mention(name) and may_mention(b"/root.d/" + name)


@pytest.mark.parametrize("name", [b"a.o", b"d/x.png", b"a.tar.gz", b"a.py", b"notes.txt"])
def test_others_are_not(name: bytes) -> None:
    assert not may_mention(name)


def test_large_sources_are_scanned_whole(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_bytes(b"/**/\n" * 500_000 + b'asm(".incbin \\"fw.bin\\"");')
    assert set(scan_file(os.fsencode(tmp_path / "a.c"))) == _taken(b"fw.bin")
    assert scan_file(os.fsencode(tmp_path / "none.c")) == ()


def _write(root: Path, name: str, text: str = "x") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _has(home: Home, path: bytes) -> bool:
    entry = home.layer.get(path)
    return entry is not None and bool(entry.digest)


def test_products_that_are_asked_about_are_part_of_the_layer(root: Path) -> None:
    _write(root, "src/a.c", '#if __has_include("prod.o") || __has_include("lib/x.a")\n#endif\n')
    for name in ("src/prod.o", "other/prod.o", "lib/x.a", "x.a", "src/unasked.o"):
        _write(root, name)
    home = Home(root)
    try:
        there = {name for name in (b"src/prod.o", b"other/prod.o", b"lib/x.a", b"x.a", b"src/unasked.o")
                 if _has(home, name)}  # fmt: skip
        assert there == {b"src/prod.o", b"other/prod.o", b"lib/x.a"}
        _write(root, "new/prod.o")
        (root / "lib/x.a").unlink()
        home.refresh()
        assert _has(home, b"new/prod.o") and home.layer.get(b"lib/x.a") is None
    finally:
        home.close()


def test_a_question_that_comes_later_is_answered(root: Path) -> None:
    for name in ("prod.o", "sub/data.o"):
        _write(root, name)
    _write(root, "a.c")
    home = Home(root)
    try:
        assert home.layer.get(b"prod.o") is None
        _write(root, "a.c", '#if __has_include("prod.o")\n')
        home.refresh()
        assert _has(home, b"prod.o") and home.layer.get(b"sub/data.o") is None
        _write(root, "b.s", '.incbin "data.o"\n')
        home.refresh()
        assert _has(home, b"sub/data.o")
    finally:
        home.close()


def test_version_control_that_is_asked_about_is_part_of_the_layer_as_it_changes(root: Path) -> None:
    _write(root, "src/a.c", '#if __has_include("../.git/HEAD")\n#endif\n#if __has_include(".git/index")\n#endif\n')
    _write(root, ".git/HEAD")
    _write(root, ".git/config")
    home = Home(root)
    try:
        assert _has(home, b".git/HEAD")
        assert home.layer.get(b".git/config") is None and home.layer.get(b".git/index") is None
        _write(root, ".git/index")
        (root / ".git/HEAD").unlink()
        home.refresh()
        assert _has(home, b".git/index") and home.layer.get(b".git/HEAD") is None
    finally:
        home.close()


def test_withheld_files_that_an_assembler_takes_come_with_their_content(root: Path) -> None:
    size = len(WITHHELD_MARK) + 5000
    _write(root, "a.c", 'asm(".incbin \\"fw.bin\\"");' + " " * size)
    for name in ("one/fw.bin", "two/fw.bin", "two/other.bin"):
        _write(root, name, "x" * size)
    home = Home(root, selection=_LARGE)
    try:
        assert not any(_has(home, name) for name in (b"a.c", b"one/fw.bin", b"two/fw.bin"))
        home.layer.include(b"a.c")  # a job names it: what it mentions goes with the same job
        assert _has(home, b"one/fw.bin") and _has(home, b"two/fw.bin") and not _has(home, b"two/other.bin")
        _write(root, "three/fw.bin", "y" * size)
        home.refresh()
        assert _has(home, b"three/fw.bin")
    finally:
        home.close()


def test_what_is_ignored_stays_out(root: Path) -> None:
    _write(root, "a.c", '#if __has_include(".git/HEAD") || __has_include("priv/x.o")\n')
    _write(root, ".git/HEAD")
    _write(root, "priv/x.o")
    home = Home(root, selection=Selection(ignored=(b".git/**", b"priv/**")))
    try:
        assert {entry.path for entry in home.layer.entries() if entry.digest} == {b"a.c"}
    finally:
        home.close()


def test_what_was_mentioned_is_known_to_the_next_build_without_reading(root: Path, tmp_path: Path) -> None:
    _write(root, "a.c", '#if __has_include("prod.o")\n')
    _write(root, "prod.o")
    _settle(root)
    cache = DigestCache(tmp_path / "digests.sqlite")
    place = os.fsencode(root)
    Layer(place, "1", cache=cache).scan()
    row = cache.load(place)[b"a.c"]
    assert row.mentions == (Mention(How.ASKED, b"prod.o"),)
    planted = bytes(32)  # shows that the file is not read again
    cache.save(place, {b"a.c": row._replace(digest=planted)})
    second = Layer(place, "2", cache=cache)
    second.scan()
    assert second.get(b"a.c").digest == planted and second.get(b"prod.o") is not None  # type: ignore[union-attr]


def test_a_digest_that_is_known_from_elsewhere_does_not_hide_what_is_mentioned(root: Path, tmp_path: Path) -> None:
    _write(root, "a.c", '#if __has_include("prod.o")\n')
    _write(root, "prod.o")
    _settle(root)
    cache = DigestCache(tmp_path / "digests.sqlite")
    place = os.fsencode(root)
    Layer(place, "1", cache=cache).scan()
    row = cache.load(place)[b"a.c"]
    cache.save(place, {b"a.c": Remembered(row.stamp, row.digest)})
    second = Layer(place, "2", cache=cache)
    second.scan()
    assert second.get(b"prod.o") is not None
    assert cache.load(place)[b"a.c"] == row


def test_a_cache_of_an_older_format_is_dropped_quietly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        db.executescript(
            "CREATE TABLE digest (path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, inode INTEGER,"
            " digest BLOB) WITHOUT ROWID; CREATE TABLE root (path BLOB PRIMARY KEY, used INTEGER) WITHOUT ROWID;"
            "INSERT INTO digest VALUES (CAST('/p/a' AS BLOB), 1, 2, 3, 4, x'00'); PRAGMA user_version = 1"
        )
    db.close()
    cache = DigestCache(tmp_path / "c.sqlite")
    assert cache.load(b"/p") == {} and not caplog.text
    status = os.stat(tmp_path)
    row = Remembered(stamp_of(status), bytes(32), (Mention(How.TAKEN, b"x"), Mention(How.ASKED, b"")))
    cache.save(b"/p", {b"a": row, b"b": row._replace(mentions=()), b"c": row._replace(mentions=None)})
    assert [cache.load(b"/p")[name].mentions for name in (b"a", b"b", b"c")] == [row.mentions, (), None]


def _settle(root: Path) -> None:
    newest = max(path.stat().st_ctime_ns for path in root.rglob("*"))
    time.sleep(max(0.0, (newest + 30_000_000 - time.time_ns()) / 1e9))
