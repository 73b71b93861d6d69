"""However a recipe comes to start another make, that one's recipes reach the master with their targets."""

from pathlib import Path

import pytest
from hook.hookrun import build, plain_environment, write

SUB = "all: x y\nx y:\n\t@echo $@ >> log\n"

WAYS = {
    "make": "$(MAKE) -C sub",
    "shell": "cd sub && $(MAKE)",
    "loop": "for d in sub; do $(MAKE) -C $$d || exit 1; done",
    "script": "./build.sh",
    "bash script": "./bash.sh",
    "function of a shell": "f() { (cd sub; $(MAKE)); }; f",
    "background": "$(MAKE) -C sub & wait",
    "exec": "exec $(MAKE) -C sub",
    "env": "env A=b nice $(MAKE) -C sub",
    "empty environment": "env -i PATH=\"$$PATH\" $(MAKE) -C sub",
    "no flags": "MAKEFLAGS= $(MAKE) -C sub",
    "flags unset": "unset MAKEFLAGS MFLAGS; $(MAKE) -C sub",
    "no overrides": "$(MAKE) -C sub MAKEOVERRIDES=",
    "without the variable": "env -u DGCC_TARGET $(MAKE) -C sub",
    "another variable": "$(MAKE) -C sub A=b 'C=d e'",
    "flags given by hand": "$(MAKE) $(MAKEFLAGS) -C sub",
    "xargs": "echo sub | xargs -n1 $(MAKE) -C",
    "find": "find . -maxdepth 1 -name sub -execdir $(MAKE) -C {} \\;",
    "python": "python3 -c 'import subprocess; subprocess.run([\"make\", \"-C\", \"sub\"], check=True)'",
    "system of python": "python3 -c 'import os; raise SystemExit(os.system(\"make -C sub\"))'",
    "perl": "perl -e 'system(\"make -C sub\") == 0 or die; system(\"true; make -C sub\") == 0 or die'",
    "timeout": "timeout 60 $(MAKE) -C sub",
    "cmake": "cmake -E env A=b $(MAKE) -C sub",
}


@pytest.mark.parametrize("way", WAYS)
def test_recipes_of_a_make_within(tmp_path: Path, way: str) -> None:
    write(
        tmp_path,
        Makefile=f"all:\n\t+@{WAYS[way]}\n",
        sub___Makefile=SUB,
        build__sh="#!/bin/sh\ncd sub\nmake\n",
        bash__sh="#!/usr/bin/env bash\n./build.sh\n",
    )
    outcome = build(tmp_path, "make", "--no-print-directory", "-j2", merge=True)
    assert outcome.code == 0, outcome.out
    seen = [(r.target, r.cwd) for r in outcome.master.requests if r.cwd.endswith(b"/sub")]
    assert sorted(set(seen)) == [(b"x", bytes(tmp_path / "sub")), (b"y", bytes(tmp_path / "sub"))]
    written = (tmp_path / "sub" / "log").read_text().split()
    assert len(written) == len(seen) and set(written) == {"x", "y"}


@pytest.mark.parametrize("line", ["MAKEOVERRIDES =", "MAKEFLAGS =", "MAKEFLAGS += -r", "export", "unexport"])
def test_makefile_that_meddles_with_its_flags(tmp_path: Path, line: str) -> None:
    write(tmp_path, Makefile=f"{line}\nall:\n\t@$(MAKE) -C sub\n", sub___Makefile=f"{line}\n{SUB}")
    assert build(tmp_path, "make", "--no-print-directory").targets == ["all", "x", "y"]


def test_make_that_has_lost_the_target_still_sends_its_recipes(tmp_path: Path) -> None:
    write(tmp_path, Makefile="unexport DGCC_TARGET\nall:\n\t@echo done\n")
    outcome = build(tmp_path, "make")
    assert outcome.targets == [""] and outcome.lines == ["echo done"]


def test_variables_of_the_command_line_reach_the_makes_within(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@$(MAKE) -C sub\n", sub___Makefile="all:\n\t@echo '$(A)' '$(B)'\n")
    outcome = build(tmp_path, "make", "--no-print-directory", "A=a $$ b", "B=c\\d", "-k")
    assert outcome.out == "a $ b c\\d\n"
    assert outcome.targets == ["all", "all"]


def test_three_levels_share_one_jobserver(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="all: a b\na b:\n\t@$(MAKE) -f Two N=$@\n",
        Two="all: $(N)1 $(N)2\n%1 %2:\n\t@$(MAKE) -f Three N=$@\n",
        Three="all:\n\t@echo $(N)\n",
    )
    outcome = build(tmp_path, "make", "-j3", "--no-print-directory", merge=True)
    assert sorted(outcome.out.split()) == ["a1", "b1"]
    assert "jobserver" not in outcome.out
    assert outcome.targets == ["a", "all", "all", "b"] or outcome.targets.count("all") == 2


def test_make_for_a_shell_function_runs_by_itself(tmp_path: Path) -> None:
    write(tmp_path, Makefile="A := $(shell $(MAKE) -C sub; true)\nall:\n\t@echo $(A)\n",
          sub___Makefile="all:\n\t@echo from sub\n")
    outcome = build(tmp_path, "make", "--no-print-directory")
    assert outcome.out.strip().endswith("from sub") or "from sub" in outcome.out
    assert outcome.targets == ["all"]


def test_other_programs_get_none_of_our_variables(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@sh -c 'awk \"BEGIN { for (v in ENVIRON) print v }\"'\n")
    outcome = build(tmp_path, "make", environment=plain_environment())
    assert "PATH" in outcome.out.split()
    assert [name for name in outcome.out.split() if "DGCC" in name or name == "LD_PRELOAD"] == []
