"""The plan against real make: made Makefiles, planned and then built."""

from pathlib import Path

from plan.plankit import build, commands, plan_of, targets, write

FLAT = """
all: prog extra
prog: a.o b.o
> cat a.o b.o > $@
%.o: %.c defs.h
> cp $< $@
defs.h:
> @echo '#define X' > $@
> -@echo y >> $@; \\
> true
extra: | out
> touch out/x
> touch $@
out:
> mkdir $@
.PHONY: all
"""


def test_flat_makefile_is_planned_as_it_is_built(tmp_path: Path) -> None:
    write(tmp_path, {"Makefile": FLAT, "a.c": "a\n", "b.c": "b\n"})
    plan = plan_of(tmp_path)
    here = bytes(tmp_path)
    assert not (tmp_path / "defs.h").exists()
    assert {job.directory for job in plan.jobs} == {here}
    assert commands(plan, b"defs.h") == [b"echo '#define X' > defs.h", b"echo y >> defs.h; \\\n true"]
    assert commands(plan, b"a.o") == [b"cp a.c a.o"]
    assert commands(plan, b"extra") == [b"touch out/x", b"touch extra"]
    (job,) = plan.find(here, b"prog")
    assert (job.makefile, job.line, job.prerequisites) == (b"Makefile", 4, (b"a.o", b"b.o"))
    assert plan.prerequisites[here, b"all"] == (b"prog", b"extra")
    assert plan.prerequisites[here, b"extra"] == (b"out",)
    assert plan.prerequisites[here, b"a.o"] == (b"a.c", b"defs.h")
    assert targets(plan) == build(tmp_path)
    assert len(plan_of(tmp_path)) == 0


def test_edges_follow_prerequisites_and_lines(tmp_path: Path) -> None:
    write(tmp_path, {"Makefile": FLAT, "a.c": "a\n", "b.c": "b\n"})
    plan = plan_of(tmp_path)
    waits = {
        (job.target, job.command.split()[-1]): {plan.jobs[place].target for place in plan.edges[at]}
        for at, job in enumerate(plan.jobs)
    }
    assert waits[b"prog", b"prog"] == {b"a.o", b"b.o"}
    assert waits[b"a.o", b"a.o"] == {b"defs.h"}
    assert waits[b"extra", b"out/x"] == {b"out"}
    assert waits[b"extra", b"extra"] == {b"extra"}
    assert waits[b"out", b"out"] == set()
    assert all(place < at for at, places in enumerate(plan.edges) for place in places)


def test_edges_pass_through_targets_without_recipe(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"Makefile": "all: mid\n> touch $@\nmid: low\nlow: x y\nx y:\n> touch $@\n.PHONY: mid low\n"},
    )
    plan = plan_of(tmp_path)
    last = len(plan) - 1
    assert [plan.jobs[place].target for place in plan.edges[last]] == [b"x", b"y"]


def test_recursive_make_has_its_directories(tmp_path: Path) -> None:
    sub = "all: one.o below\none.o:\n> touch $@\nbelow:\n> $(MAKE) -C deep\n> touch $@\n"
    write(
        tmp_path,
        {
            "Makefile": "all:\n> $(MAKE) -C sub\n> for d in other; do $(MAKE) -C $$d; done\n> touch last\n",
            "sub/Makefile": sub,
            "sub/deep/Makefile": "all: one.o\none.o:\n> touch $@\n",
            "other/Makefile": "one.o:\n> touch $@\n",
        },
    )
    plan = plan_of(tmp_path)
    here = bytes(tmp_path)
    assert {job.directory for job in plan.jobs if job.target == b"one.o"} == {
        here + b"/sub",
        here + b"/sub/deep",
        here + b"/other",
    }
    assert [job.command for job in plan.find(here + b"/sub", b"below")] == [b"make -C deep", b"touch below"]
    assert [job.command for job in plan.find(here, b"all")][-1] == b"touch last"
    assert targets(plan) == list(dict.fromkeys(build(tmp_path)))


def test_directories_without_make_saying_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "Makefile": "MAKEFLAGS += --no-print-directory\n"
            "all: top.o\n> $(MAKE) -C sub\ntop.o:\n> touch $@\n",
            "sub/Makefile": "all: x.o y.o\nx.o y.o:\n> touch $@\n",
        },
    )
    plan = plan_of(tmp_path)
    here = bytes(tmp_path)
    assert {(job.directory, job.target) for job in plan.jobs} == {
        (here, b"top.o"),
        (here, b"all"),
        (here + b"/sub", b"x.o"),
        (here + b"/sub", b"y.o"),
    }
    assert plan.prerequisites[here + b"/sub", b"all"] == (b"x.o", b"y.o")


def test_c_option_and_working_directory(tmp_path: Path) -> None:
    write(tmp_path, {"sub/Makefile": "x:\n> touch $@\n"})
    assert plan_of(tmp_path, "-C", "sub").find(bytes(tmp_path) + b"/sub", b"x")
    assert plan_of(tmp_path, "-Csub", "-j8", "-s").find(bytes(tmp_path) + b"/sub", b"x")


def test_oneshell_recipe_is_one_job(tmp_path: Path) -> None:
    write(tmp_path, {"Makefile": ".ONESHELL:\nx:\n> @a=1\n> echo $$a > $@\n> true\n"})
    plan = plan_of(tmp_path)
    assert commands(plan, b"x") == [b"a=1\necho $a > x\ntrue"]


def test_output_of_lines_that_really_run_is_no_job(tmp_path: Path) -> None:
    write(tmp_path, {"Makefile": "x:\n> +@printf 'noise\\nmore noise\\n'\n> touch $@\ny: x\n> +echo hello\n"})
    plan = plan_of(tmp_path, "y")
    assert len(commands(plan, b"x")) == 2
    assert commands(plan, b"y") == [b"echo hello"]


def test_several_lines_out_of_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"Makefile": "define body\necho a > $@\necho b >> $@\nendef\nx:\n> $(body)\n> $(call body)\n"},
    )
    assert commands(plan_of(tmp_path), b"x") == [b"echo a > x", b"echo b >> x"] * 2


def test_odd_names(tmp_path: Path) -> None:
    names = ["with space", "quo'te", "a:b", "do$lar", "naïve", "due to: x"]
    rules = "".join(
        f"{name.replace('$', '$$').replace(' ', chr(92) + ' ').replace(':', chr(92) + ':')}:\n"
        f"> touch '{'x' if chr(39) in name else name.replace('$', '$$')}'\n"
        for name in names
    )
    wanted = " ".join(name.replace("$", "$$").replace(" ", "\\ ").replace(":", "\\:") for name in names)
    write(tmp_path, {"Makefile": f"all: {wanted}\n{rules}"})
    plan = plan_of(tmp_path)
    assert targets(plan) == [name.encode() for name in names]
    assert all(len(commands(plan, name.encode())) == 1 for name in names)


def test_builtin_rules_and_included_makefiles(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "Makefile": "CC = touch $@; :\nall: x.o\ninclude gen.mk\ngen.mk: src\n> cp $< $@\n",
            "src": "V = 1\n",
            "x.c": "",
        },
    )
    plan = plan_of(tmp_path)
    (job,) = plan.find(bytes(tmp_path), b"x.o")
    assert (job.makefile, job.line) == (b"", 0)
    assert b"x.c" in job.prerequisites


def test_a_target_without_rule_leaves_the_rest_planned(tmp_path: Path) -> None:
    write(tmp_path, {"Makefile": "all: a none b\na b:\n> touch $@\n"})
    assert targets(plan_of(tmp_path)) == [b"a", b"b"]


def test_make_that_fails_gives_an_empty_plan(tmp_path: Path) -> None:
    assert len(plan_of(tmp_path)) == 0
    write(tmp_path, {"Makefile": "all\n"})
    assert len(plan_of(tmp_path)) == 0


def test_touching_one_file_plans_what_it_makes_due(tmp_path: Path) -> None:
    write(tmp_path, {"Makefile": FLAT, "a.c": "a\n", "b.c": "b\n"})
    build(tmp_path)
    plan = plan_of(tmp_path, "-W", "a.c")
    assert targets(plan) == [b"a.o", b"prog"]
    assert len(plan_of(tmp_path, "-B")) == 8


def test_a_larger_tree(tmp_path: Path) -> None:
    objects = " ".join(f"o/{i}.o" for i in range(500))
    rules = "\n".join(f"o/{i}.o: s{i}.c h{i % 7}.h\n> touch $@" for i in range(500))
    write(
        tmp_path,
        {
            "Makefile": f"all: {objects}\n> touch $@\n{rules}\n%.h:\n> touch $@\n"
        },
    )
    write(tmp_path, {f"s{i}.c": "" for i in range(500)} | {"o/.keep": ""})
    plan = plan_of(tmp_path, "-j4")
    assert len(plan) == 508
    assert len(plan.edges[-1]) == 500
    assert set(targets(plan)) == set(build(tmp_path, "-j4"))


def test_several_makes_in_one_directory_know_different_things_of_it(tmp_path: Path) -> None:
    # As kbuild does it: the first make knows that lib.a comes after `lib`, the second what it is made of.
    write(
        tmp_path,
        {
            "Makefile": "MAKEFLAGS += --no-print-directory\nprog: lib.a\n> touch $@\nlib.a: lib\n"
            "lib: first\n> echo lib\n> $(MAKE) -f lib.mk lib.a\nfirst:\n> touch $@\n.PHONY: lib\n",
            "lib.mk": "lib.a: x.o y.o\n> touch $@\nx.o y.o:\n> touch $@\n",
        },
    )
    plan = plan_of(tmp_path)
    awaited = {
        (job.target, job.command): [(plan.jobs[place].target, plan.jobs[place].command) for place in places]
        for job, places in zip(plan.jobs, plan.edges, strict=True)
    }
    runs = (b"lib", b"make -f lib.mk lib.a")
    touch = {name: (name, b"touch " + name) for name in (b"first", b"x.o", b"y.o", b"lib.a", b"prog")}
    assert awaited == {
        touch[b"first"]: [],
        (b"lib", b"echo lib"): [touch[b"first"]],
        runs: [(b"lib", b"echo lib")],
        touch[b"x.o"]: [],
        touch[b"y.o"]: [],
        touch[b"lib.a"]: [touch[b"x.o"], touch[b"y.o"]],
        touch[b"prog"]: [runs, touch[b"lib.a"]],  # what the second make makes ends before the line that runs it
    }
    gated = {job.target: {plan.jobs[place].command for place in plan.gates[n]} for n, job in enumerate(plan.jobs)}
    assert gated[b"x.o"] == gated[b"y.o"] == {b"echo lib"}, "their make does not run before"
    above = {job.target: job.above and plan.jobs[job.above].command for job in plan.jobs}
    assert above[b"x.o"] == above[b"lib.a"] == runs[1] and above[b"prog"] is None


def test_variables_of_a_target_are_no_prerequisites(tmp_path: Path) -> None:
    makefile = "a.o: CFLAGS := -O2 -g\na.o: private X = a b\na.o: a.c\n> touch $@\na.c:\n> touch $@\n"
    write(tmp_path, {"Makefile": makefile})
    plan = plan_of(tmp_path)
    assert plan.find(bytes(tmp_path), b"a.o")[0].prerequisites == (b"a.c",)
    assert plan.edges == ((), (0,))
