"""The comparison notices what it is there to notice, and the table keeps the rows that a run did not make."""

from pathlib import Path

import pytest
from farmkit import Built
from fidelity import table
from fidelity.compare import Comparison, Plain, Tree, compare

from dgcc.bench.projects import DRILL, PROJECTS, Project

PROJECT = Project("demo", "demo-source", "plain Makefile", explained={"source/*.log": "it holds the hour"})

SAID = """dgcc: a.o: remote: it compiles
dgcc: b.o: local: the shell line has a case
dgcc: b.o: local: it compiles nothing
dgcc: lib.o: local: ar is not a command that travels
dgcc: all: local: it runs another build (make)
dgcc: all: local: it runs another build (make)
"""


def built(remote: int = 1, fallback: int = 0) -> Built:
    fallbacks = [{"target": "c.o", "reason": "no slave"}] * fallback
    jobs = {"remote": remote, "local": 5, "fallback": fallback, "failed": 0, "planned": 0}
    return Built(0, "", SAID, {"jobs": jobs, "fallbacks": fallbacks, "notes": [], "wall_s": 1.5})


def tree_of(top: Path, files: dict[str, str]) -> Tree:
    tree = Tree(PROJECT, top / "work", top / "pristine")
    for name, text in files.items():
        path = tree.place / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tree


def comparison(top: Path, **more: int) -> Comparison:
    tree = tree_of(top, {"a.o": "object"})
    return compare(tree, Plain(tree.snapshot(), set(), 1.0), built(**more))


@pytest.mark.parametrize("change", [
    lambda source: (source / "a.o").write_text("objecT"),
    lambda source: (source / "a.o").chmod(0o600),
    lambda source: (source / "a.o").unlink(),
    lambda source: (source / "more").touch(),
    lambda source: (source / "more").mkdir(),
    lambda source: (source / "a.o").rename(source / "b") and (source / "a.o").symlink_to("b"),
])  # fmt: skip
def test_every_difference_is_noticed(tmp_path: Path, change):
    tree = tree_of(tmp_path, {"a.o": "object"})
    plain = Plain(tree.snapshot(), set(), 1.0)
    assert compare(tree, plain, built()).unexplained == set()
    change(tree.place / "source")
    assert compare(tree, plain, built()).unexplained


def test_differences_are_told_apart(tmp_path: Path):
    tree = tree_of(tmp_path, {"a.o": "1", "build.log": "1", "date.h": "1"})
    plain = Plain(tree.snapshot(), {"source/date.h"}, 1.0)
    tree_of(tmp_path, {"a.o": "2", "build.log": "2", "date.h": "2"})
    made = compare(tree, plain, built())
    assert made.own == {"source/date.h"} and made.unexplained == {"source/a.o"}
    assert made.explained == {"source/build.log": "it holds the hour"}


def test_only_compiles_count_for_the_remote_share(tmp_path: Path):
    made = comparison(tmp_path)
    assert made.objects_home == ["b.o"] and made.remote_share == 0.5
    assert made.homely["it runs another build (make)"] == 2
    assert comparison(tmp_path, remote=2, fallback=1).remote_share == 0.5


def test_a_run_replaces_its_own_rows_only(tmp_path: Path):
    path, versions, order = tmp_path / "fidelity.md", {"one": "1.0", "two": "2.0"}, ["one", "two"]
    both = [comparison(tmp_path), comparison(tmp_path, fallback=1)]
    named = [
        Comparison(**{**vars(made), "project": Project(row, row, "make")})
        for row, made in zip(order, both, strict=True)
    ]
    table.write(path, named[::-1], versions, order)
    before = path.read_text()
    assert before.index("| one | 1.0 |") < before.index("| two | 2.0 |") and "`c.o`: no slave" in before
    table.write(path, named[:1], {"one": "1.1"}, order)
    after = path.read_text()
    assert after == before.replace("| one | 1.0 |", "| one | 1.1 |")


def test_every_project_has_a_row_of_its_own():
    rows = [project.row for project in (*PROJECTS, *DRILL)]
    assert len(rows) == len(set(rows))
