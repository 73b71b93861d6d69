"""Ignored files: what the patterns mean, and that nothing of what they match gets out, or is written by jobs."""

import os
from pathlib import Path

import pytest
from store.treekit import Home

from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import BadPattern, WriteBackError
from dgcc.store.ignore import compiled
from dgcc.store.selection import Selection
from dgcc.store.writeback import set_attributes, write_outputs


@pytest.mark.parametrize(
    ("pattern", "path", "directory", "matches"),
    [
        (b"private/**", b"private/a/b", False, True),
        (b"private/**", b"sub/private/a", False, False),
        (b"**/private/**", b"sub/private/a", False, True),
        (b"*.key", b"my.key", False, True),
        (b"*.key", b"deep/down/my.key", False, True),
        (b"*.key", b"my.key/inside", False, True),
        (b"*.key", b"my.keys", False, False),
        (b"/only", b"only", False, True),
        (b"/only", b"sub/only", False, False),
        (b"dir/", b"sub/dir", True, True),
        (b"dir/", b"sub/dir", False, False),
        (b"dir/", b"sub/dir/x", False, True),
        (b"a?c", b"abc", False, True),
        (b"a?c", b"a/c", False, False),
        (b"*.key", b"line\nbreak/x.key", False, True),
        (b"caf\xc3\xa9", b"caf\xc3\xa9/x", False, True),
        (b"odd\xff", b"odd\xff", False, True),
        (b"# a comment", b"# a comment", False, False),
        (b"a.c", b"abc", False, False),
    ],
)
def test_patterns(pattern: bytes, path: bytes, directory: bool, matches: bool) -> None:
    ignores = compiled([pattern, b"", b"never-seen"])
    assert ignores is not None and ignores(path, directory) == matches


def test_without_patterns_there_is_nothing_to_ask() -> None:
    assert compiled([]) is None and compiled([b"", b"# comment"]) is None


@pytest.mark.parametrize("pattern", [b"!keep", b"trailing\\", b"[z-a]"])
def test_a_pattern_that_makes_no_sense_is_named(pattern: bytes) -> None:
    with pytest.raises(BadPattern, match="the ignore pattern '"):
        Selection(ignored=(pattern,))


def test_ignored_files_are_neither_listed_nor_read_nor_watched(root: Path) -> None:
    for name in ("a.c", "secret/a/b.c", "sub/my.key", "sub/build/x.c", "build"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "link.c").symlink_to("sub/my.key")
    home = Home(root, selection=Selection(ignored=(b"/secret", b"*.key", b"build/")))
    expected = {b"a.c", b"sub", b"build", b"link.c"}
    assert {entry.path for entry in home.layer.entries()} == expected
    assert len(home.watch) == 2
    (root / "sub/my.key").write_text("another")
    (root / "sub/other.key").write_text("another")
    (root / "build").unlink()
    (root / "build").mkdir()
    (root / "build/y.c").write_text("y")
    home.refresh()
    for path in (b"sub/my.key", b"secret/a/b.c", b"link.c", b"build/y.c", b"build"):
        home.layer.include(path)
    home.layer.check([b"sub/my.key", b"secret/a/b.c"])
    assert {entry.path for entry in home.layer.entries()} == expected - {b"build"}
    asked = [b"secret", b"secret/a", b"sub/my.key", b"build", b"sub/build", b"a.c", b"sub", b"link.c"]
    assert [home.layer.ignored(path) for path in asked] == [True] * 5 + [False] * 3
    (root / "sub/shown").mkdir()
    (root / "secret/a").rename(root / "sub/shown/a")
    home.refresh()
    assert home.layer.get(b"sub/shown/a/b.c") is not None
    (root / "sub/shown").rename(root / "sub/hidden.key")
    home.refresh()
    assert {entry.path for entry in home.layer.entries()} == expected - {b"build"}
    home.close()


def test_jobs_do_not_write_what_is_ignored(root: Path) -> None:
    selection = Selection(ignored=(b"*.key",))
    (root / "d").mkdir()
    (root / "d/my.key").write_text("secret")
    output = Output(Entry(b"d/my.key", Kind.FILE, 0o644, 0, 3), b"abc")
    for attempt in (
        lambda: write_outputs(os.fsencode(root), [output], selection),
        lambda: write_outputs(os.fsencode(root), [Output(Entry(b"d", Kind.GONE))], selection),
        lambda: set_attributes(os.fsencode(root), Entry(b"d/my.key", Kind.FILE, 0o600, 1), selection),
    ):
        with pytest.raises(WriteBackError, match="d(/my.key)?: "):
            attempt()
    assert (root / "d/my.key").read_text() == "secret"
