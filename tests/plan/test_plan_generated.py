"""The plan against makefiles that another program wrote: CMake's, which recurse without saying where."""

import subprocess
from pathlib import Path

from plan.plankit import build, environment, plan_of, targets, write

LISTS = """
cmake_minimum_required(VERSION 3.10)
project(sample C)
add_library(base STATIC base/one.c base/two.c)
add_executable(tool tool.c)
target_link_libraries(tool base)
add_custom_command(OUTPUT gen.h COMMAND ${CMAKE_COMMAND} -E touch gen.h)
add_custom_target(header DEPENDS gen.h)
add_dependencies(base header)
"""


def test_cmakes_makefiles(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "CMakeLists.txt": LISTS,
            "base/one.c": "int one(void) { return 1; }\n",
            "base/two.c": "int two;\n",
            "tool.c": "int one(void);\nint main(void) { return one() - 1; }\n",
        },
    )
    tree = tmp_path / "b"
    subprocess.run(["cmake", "-S", tmp_path, "-B", tree], env=environment(), check=True, capture_output=True)
    plan = plan_of(tree)
    planned, built = set(targets(plan)), set(build(tree))
    # A dry run cannot know what depends on a file that another makefile would have made.
    assert planned <= built
    assert built - planned <= {b"libbase.a", b"tool"}
    (compile_one,) = [
        job.command for job in plan.jobs if job.target.endswith(b"one.c.o") and b" -c " in job.command
    ]
    assert compile_one.startswith(b"/usr/bin/cc ") or b"/cc " in compile_one
    assert all(job.directory == bytes(tree) for job in plan.jobs)
