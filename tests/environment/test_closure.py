"""Paths are taken in as the kernel walks them, and nothing that headers happen to lead to."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dgcc.master.environment import closure
from dgcc.master.environment.closure import Closure
from dgcc.master.environment.parts import Parts
from dgcc.master.environment.trouble import EnvironmentTrouble
from dgcc.master.environment.watching import Watching
from dgcc.store.entry import Kind


@pytest.fixture
def watching() -> Iterator[Watching]:
    one = Watching()
    yield one
    one.close()


def below(closed: Closure, place: Path) -> dict[str, Kind]:
    """What a closure holds in a directory, by relative path."""
    prefix = os.fsencode(place) + b"/"
    return {os.fsdecode(p[len(prefix) :]): what.kind for p, what in closed.found.items() if p.startswith(prefix)}


def built(place: Path, commands: str) -> bytes:
    subprocess.run(["sh", "-ec", commands], cwd=place, check=True)
    return os.fsencode(place)


F, D, L = Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("d/f", {"d": D, "d/f": F}),
        ("l/f", {"l": L, "d": D, "d/f": F}),
        ("l/./..//d/f", {"l": L, "d": D, "d/f": F}),
        ("deep/up/../f", {"deep": D, "deep/up": L, "d": D, "d/e": D, "d/f": F}),
        ("absolute", {"absolute": L, "d": D, "d/f": F}),
        ("chain", {"chain": L, "deep": D, "deep/one": L, "absolute": L, "d": D, "d/f": F}),
        ("dangling", {"dangling": L}),
        ("loop", {"loop": L}),
        ("d/nothing", {"d": D}),
        ("d/f/g", {"d": D, "d/f": F}),
        ("d/pipe", {"d": D}),
        ("kernel", {"kernel": L}),
    ],
)
def test_everything_on_the_way_is_kept(
    name: str, expected: dict[str, Kind], tmp_path: Path, watching: Watching
) -> None:
    place = built(
        tmp_path,
        "mkdir -p d/e deep; echo > d/f; ln -s d l; ln -s ../d/e deep/up; ln -s $PWD/d/f absolute; ln -s deep/one chain;"
        "ln -s ../absolute deep/one; ln -s nowhere dangling; ln -s loop loop; mkfifo d/pipe; ln -s /proc/self kernel",
    )
    closed = Closure(Parts(files=frozenset((place + b"/" + name.encode(),))), watching)
    assert below(closed, tmp_path) == expected
    # The way to the place itself is there, too.
    assert all(os.fsencode(str(parent)) in closed.found for parent in tmp_path.parents if str(parent) != "/")
    assert closed.unchanged()


def test_a_tree_with_what_it_links_to(tmp_path: Path, watching: Watching) -> None:
    place = built(
        tmp_path,
        "mkdir -p inc/sub 'inc/odd name' other/x single; echo > inc/sub/a.h; echo > 'inc/odd name/.hidden';"
        "echo > inc/~; ln -s ../other inc/other; echo > other/x/o.h; echo > single/s.h; echo > single/not-this;"
        "ln -s ../../single/s.h inc/sub/s.h; ln -s other/x/o.h inc/again.h",
    )
    closed = Closure(Parts(trees=frozenset((place + b"/inc/sub/..", place + b"/inc/sub"))), watching)
    held = below(closed, tmp_path)
    assert {name for name, kind in held.items() if kind is F} == {
        *("inc/sub/a.h", "inc/odd name/.hidden", "inc/~", "other/x/o.h", "single/s.h")
    }
    assert closed.complete == {place + b"/inc", place + b"/other"}


def test_a_link_to_the_system_is_not_walked(tmp_path: Path, watching: Watching) -> None:
    place = built(
        tmp_path,
        "mkdir -p around/inc around/private; echo > around/private/x; ln -s / around/inc/all;"
        "ln -s .. around/inc/up; ln -s /usr around/inc/usr; ln -s . around/inc/self; ln -s /proc around/inc/proc",
    )
    closed = Closure(Parts(trees=frozenset((place + b"/around/inc",))), watching)
    assert closed.complete == {place + b"/around/inc"}
    assert "around/private" not in below(closed, tmp_path)
    assert closed.found[b"/usr"].kind is D
    assert b"/usr/bin" not in closed.found


def test_an_unreasonable_tree_is_refused(tmp_path: Path, watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closure, "MAX_FILES", 20)
    place = built(tmp_path, "mkdir big; for n in $(seq 30); do echo > big/$n; done")
    with pytest.raises(EnvironmentTrouble, match="big', where the compiler looks for headers, leads to more than 20"):
        Closure(Parts(trees=frozenset((place + b"/big",))), watching)


def test_only_what_is_below_must_be_quiet(tmp_path: Path, watching: Watching) -> None:
    place = built(tmp_path, "mkdir inc bin; echo > inc/a; echo > bin/cc")
    parts = Parts(frozenset((place + b"/bin/cc",)), frozenset((place + b"/inc",)), frozenset((place + b"/bin/as",)))
    closed, before = Closure(parts, watching), watching.changes()
    built(tmp_path, "echo > bin/other; echo > beside")
    assert watching.changes() == before
    assert closed.unchanged()
    built(tmp_path, "echo > bin/as")
    assert watching.changes() > before
    assert not closed.unchanged()
