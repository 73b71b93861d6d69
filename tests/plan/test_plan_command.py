"""The command that asks for a plan, and the cases in which none can be asked for."""

import pytest

from dgcc.master.plan import plan_command

ASK = ["make", "-n", "-p", "-k", "-w", "--trace", "-j1"]


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ("", ""),
        ("all V=1", "all V=1"),
        ("-C src -j8 V=1 all", "-C src V=1 all"),
        ("-j 8 all", "all"),
        ("-j all", "all"),
        ("--jobs=4 x", "x"),
        ("--jobs 4 x", "x"),
        ("--jobs", ""),
        ("-j4k", "-k"),
        ("-kj4", "-k"),
        ("-kj 4 x", "-k x"),
        ("-s x", "x"),
        ("-ks x", "-k x"),
        ("--silent --quiet x", "x"),
        ("-d x", "x"),
        ("--debug=b x", "x"),
        ("-O x", "x"),
        ("-Oline x", "x"),
        ("--output-sync=target", ""),
        ("--no-print-directory x", "x"),
        ("--trace", ""),
        ("-f n.mk x", "-f n.mk x"),
        ("-fn.mk", "-fn.mk"),
        ("-kf n.mk", "-kf n.mk"),
        ("--file n", "--file n"),
        ("--directory=n", "--directory=n"),
        ("-I n -o p -W q", "-I n -o p -W q"),
        ("-B -i -k", "-B -i -k"),
        ("--eval x=n", "--eval x=n"),
        ("-- -n", "-- -n"),
        ("CFLAGS=-n", "CFLAGS=-n"),
        ("-w -r -R", "-w -r -R"),
        ("-l 2 x", "-l 2 x"),
        ("-C", "-C"),
    ],
)
def test_arguments_kept(arguments: str, kept: str) -> None:
    assert plan_command(["make"], arguments.split()) == [*ASK, *kept.split()]


@pytest.mark.parametrize(
    "argument",
    [
        "-n",
        "-q",
        "-t",
        "-v",
        "-h",
        "-p",
        "-kn",
        "-sjn",
        "--just-print",
        "--dry-run",
        "--recon",
        "--question",
        "--touch",
        "--version",
        "--help",
        "--print-data-base",
        "--dry",
        "--vers",
    ],
)
def test_no_build_no_plan(argument: str) -> None:
    assert plan_command(["make"], ["all", argument]) is None


def test_drivers() -> None:
    assert plan_command(["ninja"], []) is None
    assert plan_command(["cmake", "--build", "b"], []) is None
    assert plan_command([], []) is None
    assert plan_command(["/opt/bin/gmake", "-f", "x.mk", "-j9"], ["all"]) == [
        "/opt/bin/gmake",
        *ASK[1:],
        "-f",
        "x.mk",
        "all",
    ]
    assert plan_command(["make", "-n"], []) is None
