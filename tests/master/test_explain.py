"""`dgcc explain` tells what would become of a target, whether it is due or not, and changes nothing."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from farmkit import snapshot

from dgcc.master.durations import Durations, Run
from dgcc.master.explain import ExplainError, Recipe, as_json, as_text, ask, explain
from dgcc.master.explain.ask import Asked
from dgcc.master.history import HOME, History, Past
from dgcc.master.lacked import Lacked
from dgcc.master.likeness import likeness
from dgcc.master.memory import Memory
from dgcc.master.roots import working_directory
from dgcc.master.verdict.rules import Rule, Rules, Where

NO_RULES = Rules()

MAKEFILE = """\
CFLAGS := -O2
all: prog sub docs
prog: main.o util.o
\tcc -o $@ $^
%.o: %.c conf.h
\t@echo CC $@
\t@cc $(CFLAGS) \\
\t  -c $< -o $@
conf.h: ; echo '#define X 1' > $@
sub:
\t$(MAKE) -C sub
extra.o: main.c
\tcc -c main.c -o extra.o
docs: prog
.PHONY: all sub docs
"""
BASH = """\
SHELL := /bin/bash
export GCC_COMPARE_DEBUG := 1
a.o: a.c
\tcc -c a.c
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    top = tmp_path / "project"
    (top / "sub").mkdir(parents=True)
    (top / "Makefile").write_text(MAKEFILE)
    for name in ("main.c", "util.c", "sub/deep.c"):
        (top / name).write_text("int main(void) { return 0; }\n" if name == "main.c" else f"int {Path(name).stem};\n")
    (top / "sub/Makefile").write_text("all: deep.o\ndeep.o: deep.c\n\tcc -c deep.c\n")
    return top


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """One cache for all, so that the toolchain is read once."""
    return tmp_path_factory.mktemp("cache")


def run(project: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command itself."""
    left = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
    environment = {name: value for name, value in os.environ.items() if name not in left}
    environment |= {"XDG_CACHE_HOME": str(cache), "XDG_CONFIG_HOME": str(project.parent / "config")}
    command = [sys.executable, "-m", "dgcc.cli.dgcc", "explain", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=60)


def told(
    project: Path, target: str, *arguments: str, start: Path | None = None, rules: Rules = NO_RULES
) -> list[dict]:
    """The same without a new process and without environments."""
    with contextlib.chdir(start or project):
        directory = working_directory(list(arguments), os.getcwdb())
        roots = (os.fsencode(project),)
        asked = ask(target.encode(), arguments, roots, directory)
        explained = explain(asked, roots, rules, memory=Memory(project.parent / "builds.sqlite"))
        assert as_text(explained, os.getcwdb()).endswith("\n")
        return json.loads(as_json(explained))


def build(project: Path) -> None:
    subprocess.run(["make", "-s"], cwd=project, check=True, capture_output=True)


def test_a_target_is_explained_in_plain_text(project, cache):
    ended = run(project, cache, "main.o")
    assert (ended.returncode, ended.stderr) == (0, "")
    shown = re.sub(r"environment  [0-9a-f]{12}, \d+ entries, \d+ MB\n", "environment  X\n", ended.stdout)
    assert shown == f"""\
main.o, in {project}
  project      {project}
  made from    main.c conf.h
  recipe at    Makefile:6

  command      echo CC main.o
  verdict      local: it compiles nothing

  command      cc -O2 \\
                 -c main.c -o main.o
  verdict      remote: it compiles main.o
  compiler     /usr/bin/cc
  inputs       main.c
  outputs      main.o
  environment  X
  environment  X
  expected     0.05 s, by nothing but its size
  urgency      0.07 s from its start to the build's end, by prog
  second run   once it has run twice as long as any before and a slot is idle

  last time    dgcc-master has not built it yet, or it is long ago
"""


def test_json_has_the_same(project, cache):
    ended = run(project, cache, "-C", "sub", "--json", "deep.o", "CFLAGS=-g")
    [deep] = json.loads(ended.stdout)
    [command] = deep["commands"]
    assert [len(layer["key"]) for layer in command["environments"]] == [64, 64] and command["trouble"] == ""
    assert command["compilers"] == [{"driver": "/usr/bin/cc", "options": []}]
    del command["environments"]
    [without] = told(project, "deep.o", "-C", "sub", "CFLAGS=-g")
    assert without["commands"][0].pop("environments") == []
    # The command looks for the root itself: without version control that is where it was started.
    assert deep == without


def test_what_is_up_to_date_is_explained_as_well_and_left_alone(project):
    before_build = told(project, "main.o")
    build(project)
    before = snapshot(project)
    assert told(project, "main.o") == before_build
    [deep] = told(project, "deep.o")
    assert (deep["directory"], deep["target"]) == (str(project / "sub"), "deep.o")
    assert [c["command"] for c in deep["commands"]] == ["cc -c deep.c"]
    assert told(project, "sub/deep.o") == [deep] and told(project, "deep.o", "-C", "sub") == [deep]
    assert told(project, "deep.o", "-C", "..", start=project / "sub") == [deep]
    assert told(project, "main.o", "CFLAGS=-Os")[0]["commands"][1]["command"] == "cc -Os \\\n  -c main.c -o main.o"
    assert snapshot(project) == before


def test_targets_beside_the_default_goal_and_those_without_a_recipe(project):
    assert told(project, "extra.o")[0]["commands"][0]["remote"] is True
    build(project)
    assert told(project, "extra.o")[0]["commands"][0]["remote"] is True
    [docs] = told(project, "docs")
    assert docs["commands"] == [] and docs["prerequisites"] == ["prog"]
    [sub] = told(project, "sub")
    assert not sub["commands"][0]["remote"] and "another build" in sub["commands"][0]["reason"]


def test_make_s_shell_and_exported_variables_count(project):
    (project / "my.mk").write_text(BASH)
    (project / "a.c").write_text("int a;\n")
    [a] = told(project, "a.o", "-f", "my.mk")
    plain = told(project, "a.o", "-f", "my.mk", "GCC_COMPARE_DEBUG=")
    assert not a["commands"][0]["remote"] and "GCC_COMPARE_DEBUG" in a["commands"][0]["reason"]
    assert plain[0]["commands"][0]["remote"]


def test_rules_are_named(project):
    rules = Rules((Rule(Where.LOCAL, target=b"util.o", origin="dgcc.toml, rule 1"),))
    [util] = told(project, "util.o", rules=rules)
    assert [(c["remote"], c["rule"]) for c in util["commands"]][-1] == (False, "dgcc.toml, rule 1")
    [main] = told(project, "main.o", rules=rules)
    assert [(c["remote"], c["rule"]) for c in main["commands"]][-1] == (True, "")


def test_a_rule_that_is_wrong_is_one_clear_error(project, cache):
    (project / "dgcc.toml").write_text('[[rule]]\ntarget = "main.o"\nwhere = "local"\n\n[[rule]]\n')
    ended = run(project, cache, "main.o")
    assert ended.returncode == 2 and "rule" in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_the_last_build_is_told(project):
    memory = Memory(project.parent / "builds.sqlite")
    directory = os.fsencode(project)
    when = time.mktime((2026, 3, 4, 5, 6, 7, 0, 0, -1))
    History(directory, memory).record([
        Past(directory, b"main.o", "SH", False, "it compiles nothing", HOME, "", None, 0.0, 0.0, when),
        Past(directory, b"main.o", "CC main.o", True, "it compiles main.o", "one", "", 0, 1.5, 1.25, when,
             (b"\xab" * 32, b"\xcd" * 32)),
        Past(directory, b"main.o", "CC main.o", True, "it compiles main.o", HOME, "one was lost", 1, 2.0, 0.0, when),
    ])  # fmt: skip
    lacked = Lacked(directory, memory)
    lacked.add(directory, b"main.o", (directory + b"/util.c",))
    lacked.save()
    [main] = told(project, "main.o")
    assert main["lacked"] == [str(project / "util.c")]
    found = [(row["ran"], row["exit_code"], row["wall_s"]) for row in main["last"]]
    assert found == [("home", None, 0.0), ("one", 0, 1.5), ("home", 1, 2.0)]
    recipe = Recipe(directory, b"main.o", ())
    text = as_text(explain(Asked((recipe,), (), {}), (directory,), Rules(), memory=memory), directory)
    assert "  also needs   util.c (found missing in an earlier build)\n" in text
    first, second, third = (line for line in text.splitlines() if "last time" in line)
    assert first.endswith("SH ran at home, with an unknown exit code, 0.00 s; it compiles nothing")
    assert first.startswith("  last time    2026-03-04 05:06:07")
    assert second.endswith(
        "CC main.o ran on one, exit code 0, 1.50 s (1.25 s of CPU); environments abababababab, cdcdcdcdcdcd"
    )
    assert third.endswith("CC main.o ran at home, exit code 1, 2.00 s; one was lost")


def test_what_the_overseer_goes_by_is_told(project):
    memory = Memory(project.parent / "builds.sqlite")
    directory = os.fsencode(project)
    compile_, link = (likeness(text) for text in (b"cc -O2 -c main.c -o main.o", b"cc -o prog main.o util.o"))
    seen = [Run(directory, b"main.o", compile_.command, compile_.kind, 37, host, 3.0, 2.5, 50_000_000)
            for host in ("one", "two")]  # fmt: skip
    Durations(directory, memory).save([*seen, Run(directory, b"prog", link.command, link.kind, 0, "home", 0.5)])
    [main] = told(project, "main.o")
    schedule = main["commands"][1]["schedule"]
    assert main["commands"][0]["schedule"] is None, "it stays at home"
    assert (schedule["wall_s"], schedule["path_s"], schedule["path"]) == (3.0, 3.5, ["main.o", "prog"])
    assert schedule["repeatable"] and schedule["late_s"] == 6.0 and schedule["basis"] == "the target's own history"
    assert schedule["speeds"].keys() >= {"one", "two"}
    rules = Rules((Rule(Where.REMOTE, target=b"main.o", origin="dgcc.toml, rule 1"),))
    [main] = told(project, "main.o", rules=rules)
    assert main["commands"][1]["schedule"]["repeatable"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mani.o"], "make knows no target 'mani.o'; close names are main.o"),
        (["main.c"],
         "make knows no target 'main.c': that file is there, and nothing makes it; close names are main.o"),
        (["elsewhere/deep.o"], "make knows no target 'elsewhere/deep.o'; close names are deep.o"),
        (["zzz", "-f", "none.mk"], "make knows no target 'zzz' (make: *** No rule to make target 'none.mk'.)"),
        (["main.o", "-n"], "make's arguments ask for no build; leave out -n, -q, -t, -p and their like"),
    ],
)
def test_what_cannot_be_explained_has_one_clear_reason(project, arguments, message):
    with pytest.raises(ExplainError) as caught:
        told(project, *arguments)
    assert str(caught.value) == message


def test_an_error_goes_to_stderr(project, cache):
    ended = run(project, cache, "--root", "/nowhere", "main.o")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "dgcc: root '/nowhere' is not a directory\n")
    ended = run(project, cache, "mani.o")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "dgcc: make knows no target 'mani.o'; close names are main.o\n"


def test_the_command_explains_itself(project, cache):
    ended = run(project, cache, "--help")
    assert ended.returncode == 0 and "dgcc explain [options] TARGET [make's own arguments]" in ended.stdout
    assert run(project, cache).returncode == 2
