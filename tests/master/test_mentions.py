"""What sources ask about outside the trees: what of it jobs are given, and what keeps them at home."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dgcc.master.mentions import LARGEST, Mentions, Outside
from dgcc.store.layer import Layer
from dgcc.store.selection import Selection
from dgcc.store.watch import Watch


class Tree:
    """A project with one layer, in a directory with things outside it."""

    def __init__(self, place: Path, name: str = "project", selection: Selection | None = None) -> None:
        self.root = place / name
        self.root.mkdir()
        self.watch = Watch()
        self.layer = Layer(os.fsencode(self.root), name, watch=self.watch, selection=selection)
        self.layer.scan()

    def write(self, name: str, text: str = "") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.refresh()

    def refresh(self) -> None:
        self.layer.refresh(self.watch.drain())

    def asks(self, *operands: object, file: str = "a.c") -> None:
        self.write(file, "".join(f'#if __has_include("{operand}")\n#endif\n' for operand in operands))


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """An empty project."""
    made = Tree(tmp_path)
    yield made
    made.watch.close()


def _public(path: Path, text: str = "") -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return os.fsencode(path)


def test_files_outside_are_given_as_long_as_they_exist(tree: Tree, tmp_path: Path):
    mentions, late = Mentions(), tmp_path / "late.h"
    here = _public(tmp_path / "x.h")
    tree.asks("../x.h", late, "../none.h", tmp_path / "x.h", "/dev/null", tmp_path)
    assert mentions.look((tree.layer,)) == Outside((here,))
    _public(late)
    assert set(mentions.look((tree.layer,)).files) == {here, os.fsencode(late)}
    late.unlink()
    assert mentions.look((tree.layer,)) == Outside((here,))


def test_a_file_that_asks_no_more_counts_no_more(tree: Tree, tmp_path: Path):
    mentions = Mentions()
    here = _public(tmp_path / "x.h")
    tree.asks("../x.h")
    assert mentions.look((tree.layer,)).files == (here,)
    tree.write("a.c", "int a;\n")
    assert mentions.look((tree.layer,)).files == ()
    tree.asks("../x.h", file="d/b.c")
    assert mentions.look((tree.layer,)).files == (here,)  # with -I.
    (tree.root / "d/b.c").unlink()
    tree.refresh()
    assert mentions.look((tree.layer,)).files == ()


def test_every_directory_of_the_project_may_be_searched(tree: Tree, tmp_path: Path):
    near, far = _public(tmp_path / "x.h"), _public(tmp_path.parent / f"{tmp_path.name}.h")
    try:
        tree.asks("../x.h", f"../../../{tmp_path.name}.h", file="deep/er/a.c")
        assert set(Mentions().look((tree.layer,)).files) == {near, far}
    finally:
        os.unlink(far)


def test_a_plain_include_counts_from_where_it_stands(tree: Tree, tmp_path: Path):
    here = _public(tmp_path / "x.h")
    tree.write("sub/a.c", '#include "../x.h"\n')
    assert Mentions().look((tree.layer,)) == Outside()
    tree.write("b.c", '#include "../x.h"\n')
    assert Mentions().look((tree.layer,)).files == (here,)


def test_what_an_absolute_path_names_in_the_project_is_part_of_it(tree: Tree):
    tree.write("prod.o")
    tree.asks(tree.root / "prod.o")
    assert Mentions().look((tree.layer,)) == Outside()
    assert tree.layer.get(b"prod.o") is not None


def test_what_lies_in_a_directory_that_only_some_jobs_see_is_given_to_all(tree: Tree, tmp_path: Path):
    extra = Tree(tmp_path, "sdk", Selection(everything=True))
    try:
        here = _public(extra.root / "x.h")
        extra.refresh()
        tree.asks(extra.root / "x.h")
        extra.asks("x.h", extra.root / "x.h", tree.root / "a.c", file="own.h")
        assert Mentions().look((tree.layer,), (extra.layer,)).files == (here,)
        extra.asks("../y.h", file="own.h")
        other = _public(tmp_path / "y.h")
        assert Mentions().look((tree.layer,), (extra.layer,)).files == (here, other)
    finally:
        extra.watch.close()


def test_what_is_not_sent_is_a_hindrance_that_names_both_files(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    private, large, hidden, pipe = (tmp_path / name for name in ("p.h", "l.h", ".config/h.h", "pipe"))
    _public(private)
    private.chmod(0o640)
    _public(large)
    os.truncate(large, LARGEST + 1)
    _public(hidden)
    os.mkfifo(pipe)
    for path, why in ((private, "is private"), (large, "has 64 MiB"), (hidden, "is private"),
                      (pipe, "is no ordinary file"), ("/proc/self/status", "is no ordinary file")):  # fmt: skip
        tree.asks(path)
        answer = Mentions().look((tree.layer,))
        assert answer.files == ()
        assert f"'{tree.root}/a.c' asks for '{path}', which {why}" in answer.hindrance
    tree.write("a.c")
    assert Mentions().look((tree.layer,)) == Outside()


def test_what_the_project_ignores_is_a_hindrance(tmp_path: Path):
    tree = Tree(tmp_path, selection=Selection(ignored=(b"private/**",)))
    try:
        tree.asks("private/x.h")
        assert Mentions().look((tree.layer,)) == Outside()
        tree.write("private/x.h")
        assert "is ignored by dgcc.toml" in Mentions().look((tree.layer,)).hindrance
    finally:
        tree.watch.close()


def test_very_many_are_looked_at_now_and_then(tree: Tree, tmp_path: Path):
    now = 0.0
    mentions = Mentions(clock=lambda: now)
    tree.asks(*(f"../n{number}.h" for number in range(200)))
    assert mentions.look((tree.layer,)) == Outside()
    here = _public(tmp_path / "n7.h")
    assert mentions.look((tree.layer,)) == Outside()
    now += 1.0
    assert mentions.look((tree.layer,)).files == (here,)


def test_a_name_may_be_found_in_another_tree(tree: Tree, tmp_path: Path):
    other = Tree(tmp_path, "other")
    try:
        other.write("one/fw.o")
        other.write("fw.o.bak.o")
        tree.write("a.s", '.incbin "fw.o"\n')
        assert Mentions().look((tree.layer, other.layer)) == Outside()
        assert other.layer.get(b"one/fw.o") is not None and other.layer.get(b"fw.o.bak.o") is None
    finally:
        other.watch.close()
