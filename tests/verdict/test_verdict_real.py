"""Recipes as makefiles of real projects ran them, and the verdict on each, read over by a person.

real_recipes.txt holds for each a line `## PROJECT DIRECTORY remote` or `## PROJECT DIRECTORY local: REASON`, and
the shell line below it; the projects (busybox, bzip2, leveldb, redis, sqlite3, xz-utils, zlib) lay at /project.
"""

import re
from collections import Counter
from pathlib import Path

import pytest
from verdict.verdictkit import Machine, judge

from dgcc.master.verdict.decide import decide

_HEAD = re.compile(r"^## (\S+) (\S+) (remote|local: (.*))\n", re.MULTILINE)


def recipes() -> list[tuple[str, str, str | None, str]]:
    """Return project, directory, reason to stay at home (None: remote) and line of each."""
    text = (Path(__file__).parent / "real_recipes.txt").read_text()
    parts = _HEAD.split(text)[1:]
    return [
        (
            parts[i],
            parts[i + 1],
            None if parts[i + 2] == "remote" else parts[i + 3],
            parts[i + 4].removesuffix("\n"),
        )
        for i in range(0, len(parts), 5)
    ]


RECIPES = recipes()
WORLD = Machine(directories={cwd.encode() for _, cwd, _, _ in RECIPES})


@pytest.mark.parametrize(("project", "cwd", "reason", "line"), RECIPES)
def test_real_recipe(project: str, cwd: str, reason: str | None, line: str) -> None:
    verdict = judge(line, cwd=cwd.encode(), machine=WORLD)
    assert verdict.remote == (reason is None), (project, verdict.reason)
    if reason is not None:
        assert verdict.reason == reason


def test_every_project_has_compiles_and_other_recipes() -> None:
    remote = Counter(project for project, _, reason, _ in RECIPES if reason is None)
    local = Counter(project for project, _, reason, _ in RECIPES if reason is not None)
    assert len(RECIPES) > 200
    assert remote.keys() == local.keys() >= {"busybox", "bzip2", "leveldb", "redis", "sqlite", "xz", "zlib"}


def test_on_this_machine(tmp_path: Path) -> None:
    root = str(tmp_path.resolve()).encode()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.c").write_text("int a;\n")
    (tmp_path / "away").symlink_to("/usr/share")
    env = {b"PATH": b"/usr/local/bin:/usr/bin:/bin"}

    def here(line: bytes) -> tuple[bool, str]:
        verdict = decide(b"/bin/sh", (b"/bin/sh", b"-c", line), root, env, (root,))
        return verdict.remote, verdict.reason

    verdict = decide(b"/bin/sh", (b"sh", b"-c", b"cd sub && gcc -c a.c"), root, env, (root,))
    assert verdict.remote and verdict.inputs == (root + b"/sub/a.c",)
    assert [compiler.rpartition(b"/")[2] for compiler in verdict.compilers] == [b"gcc"]
    away = decide(b"gcc", (b"gcc", b"-Iaway/misc", b"-c", b"sub/a.c"), root, env, (root,))
    assert away.remote and away.needs.paths == ((b"/usr/share/misc",) if Path("/usr/share/misc").is_dir() else ())
    assert here(b"gcc -Iaway -c sub/a.c")[1].startswith("-I away (/usr/share) is too much")
    assert here(b"gcc -Inone -c sub/a.c && rm -f sub/none.o")[0]
    assert here(b"no-such-gcc -c a.c")[1] == "no-such-gcc is not a command that travels"
    assert here(b"riscv64-odd-elf-gcc -c a.c")[1] == "riscv64-odd-elf-gcc is not found"
