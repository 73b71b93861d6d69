"""Reading a dry run's output: other wordings, garbage, size."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.plan import PlannedJob, parse

WORDS = st.sampled_from(
    [
        b"Makefile:3: target 'x' does not exist",
        b"Makefile:4: update target 'y' due to: x",
        b"cc -c x.c",
        b"a \\",
        b"# Files",
        b"make[1]: Entering directory '/t/s'",
        b"make[1]: Leaving directory '/t/s'",
        b"# make: Entering directory '/t'",
        b"# GNU Make 4.3",
        b"CURDIR := /t/q",
        b"x: y z | w",
        b"# Not a target:",
        b"\techo hi",
        b"",
        b"define a",
        b"endef",
        b"# files hash-table stats:",
        b"# Finished Make data base on x",
        b".ONESHELL:",
        b"<builtin>: update target 'z' due to: w",
        b"\xff\xfe: x",
        b"make: *** [Makefile:3: x] Error 1",
    ]
)


@given(st.lists(st.one_of(WORDS, st.binary(max_size=40)), max_size=60))
@settings(max_examples=400, deadline=None)
def test_garbage_gives_a_plan_all_the_same(lines: list[bytes]) -> None:
    plan = parse([line + b"\n" for line in lines], b"/t")
    assert len(plan) == len(plan.jobs) == len(plan.edges)
    assert all(
        job.directory[:1] == b"/" or job.directory == b"" or b"CURDIR" not in job.directory
        for job in plan.jobs
    )
    assert sum(len(plan.find(*key)) for key in {(job.directory, job.target) for job in plan.jobs}) == len(
        plan
    )


def test_nothing() -> None:
    assert len(parse([], b"/t")) == 0
    assert len(parse([b"hello\n"] * 10, b"/t")) == 0


def test_wording_of_make_4_4() -> None:
    lines = [
        b"make: Entering directory '/t'\n",
        b"Makefile:8: update target 'c' due to: target does not exist\n",
        b"echo c\n",
        b"sub dir/x.mk:12: target 'd' does not exist\n",
        b"echo d\n",
        b"make: Leaving directory '/t'\n",
    ]
    assert parse(lines, b"/t").jobs == (
        PlannedJob(b"/t", b"c", b"echo c", b"Makefile", 8),
        PlannedJob(b"/t", b"d", b"echo d", b"sub dir/x.mk", 12),
    )


def test_backslashes_at_the_end_of_a_line() -> None:
    head = b"Makefile:1: target 'x' does not exist\n"
    assert [
        job.command for job in parse([head, b"echo \\\n", b"a\n", b"echo \\\\\n", b"echo b\n"], b"/t").jobs
    ] == [
        b"echo \\\na",
        b"echo \\\\",
        b"echo b",
    ]


def test_a_command_for_which_make_runs_nothing() -> None:
    assert len(parse([b"Makefile:1: target 'x' does not exist\n", b":\n", b"\n"], b"/t")) == 0


def test_circles_have_edges_too() -> None:
    lines = [
        b"M:1: target 'a' does not exist\n",
        b"one\n",
        b"M:1: target 'b' does not exist\n",
        b"two\n",
        b"# GNU Make 4.3\n",
        b"# Files\n",
        b"a: c\n",
        b"\n",
        b"c: c b a\n",
        b"\n",
        b"b: d\n",
        b"\n",
        b"d: b\n",
        b"# Finished Make data base\n",
    ]
    assert parse(lines, b"/t").edges == ((1,), ())


def test_a_large_database() -> None:
    def lines() -> "list[bytes]":
        found = [b"# make: Entering directory '/t'\n"]
        for i in range(2000):
            found += [
                b"Makefile:9: target 'd/%d.o' does not exist\n" % i,
                b"cc -c -o d/%d.o d/%d.c\n" % (i, i),
            ]
        found += [b"# GNU Make 4.3\n", b"# Variables\n", b"CURDIR := /t\n", b"# Files\n"]
        headers = b" ".join(b"include/h%d.h" % i for i in range(50))
        for i in range(2000):
            found += [
                b"d/%d.o: d/%d.c %b\n" % (i, i, headers),
                b"#  Implicit rule search has been done.\n",
                b"#  recipe to execute (from 'Makefile', line 9):\n",
                b"\t$(CC) -c -o $@ $<\n",
                b"\n",
            ]
        return [*found, b"# files hash-table stats:\n", b"# Finished Make data base on x\n"]

    plan = parse(lines(), b"/t")
    assert len(plan) == 2000
    assert all(len(job.prerequisites) == 51 and job.directory == b"/t" for job in plan.jobs)
    # One object for each name, however often it occurs.
    assert plan.jobs[0].prerequisites[5] is plan.jobs[1999].prerequisites[5]
