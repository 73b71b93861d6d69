"""Every recipe of a make reaches the master with its target and directory; nothing else does."""

import shlex
from pathlib import Path

import pytest
from hook.hookrun import build, plain_environment, write


def test_every_recipe_line_with_target_and_directory(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: one two\none:\n\techo 1 > $@\n\t@echo 1 >> $@; true\ntwo:\n\ttouch two\n")
    outcome = build(tmp_path, "make")
    assert outcome.code == 0
    assert outcome.targets == ["one", "one", "two"]
    assert outcome.lines == ["echo 1 > one", "echo 1 >> one; true", "touch two"]
    assert {request.cwd for request in outcome.master.requests} == {bytes(tmp_path)}
    assert (tmp_path / "one").read_text() == "1\n1\n" and (tmp_path / "two").exists()
    assert sorted(outcome.master.local_ends) == sorted(outcome.master.pids)
    assert outcome.out == "echo 1 > one\ntouch two\n" and outcome.err == ""


def test_program_is_what_would_be_executed(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\ttrue with words\n\ttrue; true\n")
    direct, shell = build(tmp_path, "make").master.requests
    assert direct.program == b"/usr/bin/true" and direct.argv == (b"true", b"with", b"words")
    assert shell.program == b"/bin/sh" and shell.argv == (b"/bin/sh", b"-c", b"true; true")


@pytest.mark.parametrize("flags", [["-j1"], ["-j4"], ["-j4", "-O"]])
def test_shell_function_stays_in_make(tmp_path: Path, flags: list[str]) -> None:
    write(
        tmp_path,
        Makefile="A := $(shell echo a; true)\nB != echo b\nall: x y\nx:\n\t@echo $(A)$(B)$(shell echo c)\n"
        "y:\n\t@$(MAKE) -f Sub --no-print-directory\n",
        Sub="D := $(shell echo d)\nall:\n\t@echo $(D)$(shell echo e; true)\n",
    )
    outcome = build(tmp_path, "make", *flags)
    assert outcome.lines == ["echo abc", "echo de", "make -f Sub --no-print-directory"]
    assert sorted(outcome.out.split()) == ["abc", "de"]


def test_failing_shell_function_keeps_its_status(tmp_path: Path) -> None:
    write(tmp_path, Makefile="A := $(shell exit 3)\nall:\n\t@echo $(.SHELLSTATUS)\n")
    assert build(tmp_path, "make").out == "3\n"


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'quo"te', "dol$lar", "grün", "per%cent", "sub/x", "star*", "-dash", "x\\y"]
)
def test_targets_with_odd_names(tmp_path: Path, name: str) -> None:
    written = name.replace("$", "$$").replace(" ", "\\ ")
    rule = written.replace("%", "\\%")
    write(tmp_path, Makefile=f".PHONY: all\nall: {written}\n{rule}:\n\t@echo made\n")
    outcome = build(tmp_path, "make")
    assert (outcome.code, outcome.out) == (0, "made\n")
    assert outcome.targets == [name]


def test_target_of_a_pattern_rule_and_of_an_archive_member(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: a.y l.a(b)\n%.y: %.x\n\t@true\nl.a(b):\n\t@true\n", a__x="")
    assert build(tmp_path, "make").targets == ["a.y", "l.a"]


def test_oneshell_and_another_shell(tmp_path: Path) -> None:
    shell = ".ONESHELL:\nSHELL = /bin/bash\n.SHELLFLAGS = -e -c\n"
    write(tmp_path, Makefile=shell + "all:\n\t@a=(1 2)\n\techo $${a[1]}\n")
    outcome = build(tmp_path, "make")
    (request,) = outcome.master.requests
    assert request.argv == (b"/bin/bash", b"-e", b"-c", b"a=(1 2)\necho ${a[1]}")
    assert request.target == b"all" and outcome.out == "2\n"


def test_dry_run_starts_only_what_make_would(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\ttouch x\n\t+touch y\n\t$(MAKE) -f Sub\n", Sub="all:\n\ttouch z\n")
    outcome = build(tmp_path, "make", "-n", "--no-print-directory")
    assert outcome.out == "touch x\ntouch y\nmake -f Sub\ntouch z\n"
    assert outcome.lines == ["make -f Sub", "touch y"]
    assert not (tmp_path / "x").exists() and (tmp_path / "y").exists() and not (tmp_path / "z").exists()


def test_keep_going_and_ignore(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: a b c\na:\n\t@exit 3\nb:\n\t@echo b\nc:\n\t-@exit 4\n")
    stop, on, ignore = (build(tmp_path, "make", *flags) for flags in (["-j1"], ["-j1", "-k"], ["-j1", "-i"]))
    assert (stop.code, stop.targets) == (2, ["a"])
    assert stop.err == "make: *** [Makefile:3: a] Error 3\n"
    assert (on.code, on.targets) == (2, ["a", "b", "c"])
    assert "[Makefile:7: c] Error 4 (ignored)" in on.err
    assert (ignore.code, ignore.targets) == (0, ["a", "b", "c"])


def test_failures_are_reported_with_pid_and_status(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: a b c\na:\n\t@exit 3\nb:\n\t@true\nc:\n\t@kill -KILL $$$$\n")
    master = build(tmp_path, "make", "-j1", "-k").master
    pids = {request.target: pid for request, pid in zip(master.requests, master.pids, strict=True)}
    assert sorted(master.failed) == sorted([(pids[b"a"], 3 << 8), (pids[b"c"], 9)])


def test_always_make_and_nothing_to_do(tmp_path: Path) -> None:
    write(tmp_path, Makefile="x:\n\ttouch x\n")
    assert build(tmp_path, "make").targets == ["x"]
    assert build(tmp_path, "make").targets == []
    assert build(tmp_path, "make", "-B").targets == ["x"]


def test_command_that_does_not_exist_is_make_s_own_trouble(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: a b\na:\n\t@no-such-command --here\nb:\n\t@./directory\n")
    (tmp_path / "directory").mkdir()
    outcome = build(tmp_path, "make", "-j1", "-k", environment=plain_environment(PATH="/usr/bin:/bin"))
    assert outcome.code == 2 and outcome.master.requests == []
    assert outcome.err.splitlines()[0] == "make: no-such-command: No such file or directory"
    assert outcome.err.splitlines()[2] == "make: ./directory: Permission denied"


def test_script_without_interpreter_line_goes_to_the_shell(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@./script word\n", script="echo $1 $0\n")
    (tmp_path / "script").chmod(0o755)
    outcome = build(tmp_path, "make")
    assert (outcome.code, outcome.out, outcome.targets) == (0, "word ./script\n", ["all"])


def test_makefile_that_is_remade(tmp_path: Path) -> None:
    write(tmp_path, Makefile="include part\nall:\n\t@echo $(X)\npart:\n\t@echo 'X = new' > part\n")
    outcome = build(tmp_path, "make")
    assert outcome.targets == ["all", "part"] and outcome.out == "new\n"


def test_five_hundred_recipes(tmp_path: Path) -> None:
    write(tmp_path, Makefile="N := $(shell seq 500)\nall: $(N:%=f%)\nf%:\n\t@echo $* > $@\n")
    outcome = build(tmp_path, "make", "-j32")
    assert outcome.code == 0
    assert outcome.targets == sorted(f"f{n}" for n in range(1, 501))
    assert all((tmp_path / f"f{n}").read_text() == f"{n}\n" for n in range(1, 501))


def test_output_sync_keeps_recipes_together(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: a b c\na b c:\n\t@for i in 1 2 3; do echo $@; sleep 0.01; done\n")
    words = build(tmp_path, "make", "-j3", "-O").out.split()
    assert [words[0:3], words[3:6], words[6:9]] == [[words[0]] * 3, [words[3]] * 3, [words[6]] * 3]
    assert sorted(words) == sorted("abc" * 3)


def test_arguments_near_the_kernel_s_limit(tmp_path: Path) -> None:
    words = " ".join(["x" * 999] * 120)
    write(tmp_path, Makefile=f"all:\n\t@true {words}\n\t@echo done '{shlex.quote('y')}'\n")
    outcome = build(tmp_path, "make", environment=plain_environment(LARGE="z" * 100_000))
    assert outcome.code == 0 and len(outcome.master.requests[0].argv) == 121


def test_only_recipes_that_used_much_are_told_of(tmp_path: Path) -> None:
    burn = "import time\nb = bytearray(150 << 20)\nwhile time.process_time() < 0.2: pass\n"
    (tmp_path / "burn.py").write_text(burn)
    write(tmp_path, Makefile="all: cheap heavy bad\ncheap:\n\t@true\nheavy:\n\t@python3 burn.py\nbad:\n\t@-exit 3\n")
    large = b"x" * (250 << 20)  # what started make had more than the recipe, and that does not count for it
    master = build(tmp_path, "make").master
    del large
    pids = dict(zip((request.target for request in master.requests), master.pids, strict=True))
    ((pid, cpu_s, memory),) = master.usage
    assert pid == pids[b"heavy"] and 0.2 <= cpu_s < 5 and 150 << 20 <= memory < 250 << 20
    assert [pid for pid, _ in master.failed] == [pids[b"bad"]]
