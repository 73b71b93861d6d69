"""The hook in ninja, and in what `cmake --build` starts."""

import subprocess
from pathlib import Path

import pytest
from hook.hookrun import build, plain_environment, write

NINJA = """
rule run
  command = $how
  description = RUN $out
rule one
  command = env -0 | sort -z > $out
  pool = console
build a: run
  how = echo a > a && echo done
build b: run a
  how = cp a b
build c.env: one
"""

CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(p LANGUAGES NONE)
add_custom_command(OUTPUT made.txt COMMAND ${CMAKE_COMMAND} -E touch made.txt COMMAND echo made)
add_custom_target(everything ALL DEPENDS made.txt)
"""


def test_ninja_s_commands_travel(tmp_path: Path) -> None:
    write(tmp_path, build__ninja=NINJA)
    subprocess.run(["ninja"], cwd=tmp_path, check=True, env=plain_environment(), capture_output=True)
    plain = (tmp_path / "c.env").read_bytes()
    subprocess.run(["ninja", "-t", "clean"], cwd=tmp_path, check=True, capture_output=True)
    outcome = build(tmp_path, "ninja", "-j1")
    assert outcome.code == 0, outcome.out
    assert outcome.lines == ["cp a b", "echo a > a && echo done", "env -0 | sort -z > c.env"]
    assert outcome.targets == ["", "", ""]
    assert {request.cwd for request in outcome.master.requests} == {bytes(tmp_path)}
    assert "[1/3] RUN a\ndone\n" in outcome.out
    assert (tmp_path / "c.env").read_bytes() == plain


def test_ninja_s_failures(tmp_path: Path) -> None:
    write(tmp_path, build__ninja="rule r\n  command = exit $out\nbuild 3: r\nbuild 4: r\n")
    outcome = build(tmp_path, "ninja", "-j1", "-k0")
    assert outcome.code == 1 and outcome.out.count("FAILED:") == 2
    pids = dict(zip(outcome.lines, sorted(outcome.master.pids), strict=True))
    assert sorted(outcome.master.failed) == sorted([(pids["exit 3"], 3 << 8), (pids["exit 4"], 4 << 8)])


def test_ninja_remote_output_is_shown_as_its_own(tmp_path: Path) -> None:
    write(tmp_path, build__ninja="rule r\n  command = touch $out\nbuild x: r\n")
    outcome = build(
        tmp_path, "ninja", answer=lambda client, request: client.finish([(1, b"o\n"), (2, b"e\n")], 7, 0)
    )
    assert outcome.out.startswith("[1/1] touch x\nFAILED: x \ntouch x\no\ne\n")
    assert outcome.master.requests[0].same_file


@pytest.mark.parametrize("generator", ["Unix Makefiles", "Ninja"])
def test_cmake_build(tmp_path: Path, generator: str) -> None:
    write(tmp_path, CMakeLists__txt=CMAKE)
    subprocess.run(["cmake", "-S", ".", "-B", "b", "-G", generator], cwd=tmp_path, check=True,
                   env=plain_environment(), capture_output=True)
    outcome = build(tmp_path, "cmake", "--build", "b")
    assert outcome.code == 0, outcome.out
    made = [request for request in outcome.master.requests if any(b"made" in word for word in request.argv)]
    assert made and all(request.cwd == bytes(tmp_path / "b") for request in made)
    assert (tmp_path / "b" / "made.txt").exists()
    if generator == "Unix Makefiles":
        assert "CMakeFiles/everything.dir/all" in outcome.targets
        assert b"made.txt" in {request.target for request in made}


def test_make_below_ninja_and_ninja_below_make(tmp_path: Path) -> None:
    write(tmp_path, build__ninja="rule r\n  command = make -f Sub\nbuild x: r\n",
          Makefile="all:\n\t@ninja\n", Sub="x:\n\t@echo sub\n")
    outcome = build(tmp_path, "make")
    assert outcome.code == 0, outcome.err
    assert [(r.target, r.argv[-1]) for r in outcome.master.requests] == [
        (b"all", b"ninja"), (b"", b"make -f Sub"), (b"x", b"sub")
    ]
