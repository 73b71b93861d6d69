"""Files that change under a build: edits during jobs, links in the place of sources and directories.

What comes out in the race is what one order of events would give; and make sees afterwards what is out of date.
"""

import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
from chaos.chaoskit import Chaos, family
from farmkit import Built, differing, snapshot, wait_for


def edited_project(place: Path, count: int, seconds: float = 1.0) -> None:
    """Sources in `src`, objects in `out`, a header in `inc`; each job sleeps behind its compile."""
    for name in ("src", "out", "inc"):
        (place / name).mkdir(parents=True)
    objects = " ".join(f"out/f{number}.o" for number in range(count))
    (place / "Makefile").write_text(
        f"S = {seconds}\nall: {objects}\n"
        "out/%.o: src/%.c inc/h.h\n\t$(CC) -g -Iinc -c -o $@ $< && sleep $(S)\n"
    )
    (place / "inc/h.h").write_text("#define H 1\n")
    for number in range(count):
        (place / f"src/f{number}.c").write_text(f'#include "h.h"\nint f{number}(void) {{ return H; }}\n')


def compiled(place: Chaos) -> list[psutil.Process]:
    """The jobs that have compiled and sleep now, on the slaves."""
    sleeping = []
    for slave in place.farm.slaves.values():
        for process in family(slave):
            try:
                if process.name() == "sleep":
                    sleeping.append(process)
            except psutil.Error:
                continue
    return sleeping


def build_with(place: Chaos, change: str) -> Built:
    """Build, and have a shell change the project while the first jobs are between their compile and their end."""
    (place.top / "beyond").mkdir(exist_ok=True)
    master = place.start()
    wait_for(lambda: compiled(place), "a job that has compiled")
    subprocess.run(["sh", "-ec", change], cwd=place.project, check=True)
    return place.farm.finish(master, 60)


def comes_right(place: Chaos, *, rebuilt: bool) -> None:
    """make sees whether something is out of date, and the next build makes what a plain one makes from nothing."""
    assert place.farm.plain(place.project, "-q").code == int(rebuilt)
    again = place.farm.master(place.project, "S=0")
    assert again.code == 0, again.err
    assert place.farm.plain(place.project, "-q").code == 0
    built = snapshot(place.project)
    assert place.farm.plain(place.project, "-B", "S=0").code == 0
    assert differing(built, snapshot(place.project)) == set()
    place.slots_are_free()


MANY = (
    "echo 'int changed;' > src/f0.c; "
    "echo 'int changed;' > src/.new; mv src/.new src/f1.c; "
    "echo 'int elsewhere;' > ../beyond/f2.c; ln -sf ../../beyond/f2.c src/f2.c; "
    "echo 'int changed;' > src/f5.c"  # whose job waits
)
HEADER = "echo '#define H 2' > inc/h.h"
DIRECTORY = "cp -r src ../beyond/src; echo 'int elsewhere;' > ../beyond/src/f0.c; mv src old; ln -s ../beyond/src src"


@pytest.mark.parametrize("change", [
    pytest.param(MANY, id="sources"),
    pytest.param(HEADER, id="a header", marks=pytest.mark.full),
    pytest.param(DIRECTORY, id="their directory", marks=pytest.mark.full),
])  # fmt: skip
def test_what_is_edited_during_the_job_is_compiled_next_time(place: Chaos, change: str):
    edited_project(place.project, 6)
    built = build_with(place, change)
    assert built.code == 0 and not built.jobs["failed"], built.err
    comes_right(place, rebuilt=True)


@pytest.mark.full
def test_a_source_edited_while_its_job_is_under_way_time_and_again(place: Chaos):
    """Whatever the moment, at no time is there an object that make takes for newer than a source that it lacks."""
    edited_project(place.project, 4, 0.2)
    source, obj = place.project / "src/f0.c", place.project / "out/f0.o"
    for number in range(4):
        master = place.start()
        wait_for(lambda ended=master.poll: compiled(place) or ended() is not None, "jobs", 30)
        for step in range(3):
            source.write_text(f"char edit_{number}_{step}[] = \"edit {number} {step}\";\n")
            os.sched_yield()
        assert place.farm.finish(master, 60).code == 0
        if place.farm.plain(place.project, "-q").code == 0:
            assert f"edit {number} 2".encode() in obj.read_bytes()
    comes_right(place, rebuilt=place.farm.plain(place.project, "-q").code == 1)


def test_outputs_are_not_written_through_a_link_that_came_meanwhile(place: Chaos):
    """The command itself, run at home as make would, follows it, as the user will have meant."""
    edited_project(place.project, 4)
    built = build_with(place, "mv out old; ln -s ../beyond out")
    assert built.code == 0, built.err
    reasons = [each["reason"] for each in built.report["fallbacks"]]
    assert any("it would be reached through something that is not a directory" in reason for reason in reasons)
    assert "trouble: " not in built.err, "no slave is to blame"
    assert sorted(os.listdir(place.top / "beyond")) == [f"f{number}.o" for number in range(4)]
    assert not list(place.top.rglob(".dgcc-tmp-*"))
    comes_right(place, rebuilt=False)


@pytest.mark.full
def test_a_directory_that_is_removed_fails_as_with_make(place: Chaos):
    edited_project(place.project, 4)
    built = build_with(place, "rm -r out")
    shutil.rmtree(place.project / "out", ignore_errors=True)
    plain = place.farm.plain(place.project, "S=0")
    assert built.code == plain.code == 2
    words = "can't create out/f0.o: No such file or directory"
    assert words in plain.err and words in built.err
    (place.project / "out").mkdir()
    comes_right(place, rebuilt=True)
