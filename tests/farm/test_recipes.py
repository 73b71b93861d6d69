"""What recipes of every kind do on a farm, compared with plain make."""

import os
import signal
import subprocess
from pathlib import Path

import farmkit
import pytest
from farmkit import BIN, Farm, differing, snapshot

from dgcc.master.expectations import Expectations
from dgcc.master.memory import Memory
from dgcc.master.recording import read
from dgcc.simulate.evaluate import farm as simulated
from dgcc.simulate.graph import graph_of
from dgcc.simulate.simulation import simulate


def write(place: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def compare(farm: Farm, project: Path, tmp_path: Path, *arguments: str) -> tuple[farmkit.Built, farmkit.Built]:
    """Build the same tree with plain make and on the farm; everything that a user sees must be equal."""
    pristine = tmp_path / "pristine"
    farmkit.fresh_copy(project, pristine)
    parallel = [] if "-j1" in arguments else ["-j4"]  # make -j says some things that plain make does not
    plain = farm.plain(project, *parallel, *arguments)
    wanted = snapshot(project)
    farmkit.fresh_copy(pristine, project)
    built = farm.master(project, *arguments)
    assert differing(wanted, snapshot(project)) == set()
    assert built.code == plain.code, built.err
    assert sorted(built.out.splitlines()) == sorted(plain.out.splitlines())
    said = [line for line in built.err.splitlines() if not line.startswith("dgcc: ")]
    assert sorted(said) == sorted(plain.err.splitlines())
    return plain, built


TWO_SOURCES = {
    "Makefile": "prog: a.o b.o\n\t$(CC) -o $@ $^\n%.o: %.c h.h\n\t$(CC) -g -O2 -Wall -c -o $@ $<\n",
    "h.h": "int b(void);\n",
    "a.c": '#include "h.h"\nint main(void) { int unused; return b(); }\n',
    "b.c": '#include "h.h"\nint b(void) { return 0; }\n',
}


def test_compiles_travel_and_everything_is_equal(two: Farm, project: Path, tmp_path: Path):
    write(project, TWO_SOURCES)
    _, built = compare(two, project, tmp_path)
    assert built.jobs == {"planned": 3, "remote": 2, "local": 1, "fallback": 0, "failed": 0}
    assert "unused variable" in built.err, "the compiler's warnings come home"
    assert set(built.report["slaves"]) == {"a", "b"}
    assert sum(s["jobs"] for s in built.report["slaves"].values()) == 2
    assert built.report["bytes_received"] > 1000 and built.report["exit_code"] == 0


def test_a_second_build_has_nothing_to_do_and_a_touched_header_rebuilds_what_make_would(
    two: Farm, project: Path, tmp_path: Path
):
    write(project, TWO_SOURCES)
    assert two.master(project).code == 0
    again = two.master(project)
    assert again.code == 0 and again.jobs["remote"] == again.jobs["local"] == 0
    assert "is up to date" in again.out
    (project / "h.h").touch()
    third = two.master(project)
    assert third.jobs["remote"] == 2 and third.jobs["local"] == 1


def test_a_generated_header_changed_between_two_remote_jobs_is_seen(two: Farm, project: Path, tmp_path: Path):
    write(project, {
        "Makefile": (
            "all: second.o\n"
            "gen.h:\n\techo '#define VALUE 1' > gen.h\n"
            "first.o: first.c gen.h\n\t$(CC) -c first.c\n"
            "second.o: second.c first.o\n"
            "\techo '#define VALUE 2222' > gen.h\n"
            "\t$(CC) -c second.c\n"
        ),
        "first.c": '#include "gen.h"\nint first = VALUE;\n',
        "second.c": '#include "gen.h"\nint second = VALUE;\n',
    })  # fmt: skip
    _, built = compare(two, project, tmp_path)
    assert built.jobs["remote"] == 2 and built.jobs["fallback"] == 0
    assert (2222).to_bytes(4, "little") in (project / "second.o").read_bytes()


def test_what_a_remote_job_deletes_makes_and_links_is_so_at_home(two: Farm, project: Path, tmp_path: Path):
    write(project, {
        "Makefile": (
            "all: ; $(CC) -c a.c && rm -f old.txt && mkdir -p out/deep && mv a.o out/deep/a.o"
            " && ln -s deep/a.o out/link && chmod 640 out/deep/a.o && touch -d 2001-01-01 out/old && rm -f lib.a\n"
        ),
        "a.c": "int a;\n", "old.txt": "old", "lib.a": "a linked product, not mirrored unless named",
    })  # fmt: skip
    _, built = compare(two, project, tmp_path)
    assert built.jobs["remote"] == 1
    assert not (project / "old.txt").exists()
    assert (project / "out/old").stat().st_mtime == 978307200 or (project / "out/old").stat().st_mtime < 1e9


def test_five_hundred_recipes(two: Farm, project: Path, tmp_path: Path):
    write(project, {
        "Makefile": (
            "all: $(foreach i,$(shell seq 500),f$i.o)\n"
            "f%.o:\n\t@echo '.globl s$*; .set s$*, $*' > f$*.s\n\t@$(CC) -c -o $@ f$*.s\n"
        ),
    })  # fmt: skip
    _, built = compare(two, project, tmp_path)
    assert built.jobs == {"planned": 1000, "remote": 500, "local": 500, "fallback": 0, "failed": 0}


BROKEN = {
    "Makefile": "all: good.o bad.o after.o\n%.o: %.c\n\t$(CC) -c $<\nafter.o: bad.o\n",
    "good.c": "int good;\n", "bad.c": "int bad = ;\n", "after.c": "int after;\n",
}  # fmt: skip


@pytest.mark.parametrize("arguments", [("-k",), ("-i",), ("-j1",), ("-n",), ("-B", "-k")])
def test_a_compile_error_is_make_s_own(two: Farm, project: Path, tmp_path: Path, arguments: tuple[str, ...]):
    write(project, BROKEN)
    plain, built = compare(two, project, tmp_path, *arguments)
    if "-n" not in arguments:
        assert "bad.c:1:11: error: expected expression" in built.err
        assert built.jobs["failed"] == 1 and built.jobs["fallback"] == 0
    assert plain.code == (2 if arguments[0] in ("-k", "-j1", "-B") else 0)


def test_special_targets_and_shells(two: Farm, project: Path, tmp_path: Path):
    write(project, {
        "Makefile": (
            "SHELL = /bin/bash\n.ONESHELL:\n.SHELLFLAGS = -euo pipefail -c\n"
            "all: a.o env.txt\n"
            "a.o: a.c\n\tx=(one two)\n\techo $${x[1]} > which.txt\n\t$(CC) -c a.c\n"
            "env.txt:\n\techo $$BASH_VERSION > /dev/null\n\tumask > $@\n"
        ),
        "a.c": "int a;\n",
    })  # fmt: skip
    compare(two, project, tmp_path)
    write(project, {"Makefile": (
        ".DELETE_ON_ERROR:\nall: half\nhalf:\n\t$(CC) -c a.c -o half && false\n"
    )})
    _, built = compare(two, project, tmp_path)
    assert not (project / "half").exists() and built.code == 2


def test_targets_with_odd_names(two: Farm, project: Path, tmp_path: Path):
    names = ["sp\\ ace", "quo'te", "dol$$lar", "\N{SNOWMAN}", "am&per", "st*r", "co,mma", "pl+us"]
    rules = "".join(f"{n}.o: a.c\n\t@$(CC) -c -o '$(subst ','\\'',$@)' a.c\n" for n in names)
    write(project, {"Makefile": f"all: {' '.join(n + '.o' for n in names)}\n{rules}", "a.c": "int a;\n"})
    _, built = compare(two, project, tmp_path)
    assert built.jobs["remote"] + built.jobs["local"] == len(names) and built.jobs["fallback"] == 0
    assert (project / "sp ace.o").exists() and (project / "dol$lar.o").exists()


def test_recursive_makes_with_and_without_the_variable(two: Farm, project: Path, tmp_path: Path):
    sub = "all: x.o\nx.o: x.c\n\t$(CC) -c x.c\n"
    write(project, {
        "Makefile": "all: one two three\none:\n\t$(MAKE) -C one\n"
                    "two:\n\tfor d in two; do MAKEFLAGS= make -C $$d || exit 1; done\n"
                    "three:\n\tcd three && ./build.sh\n.PHONY: one two three\n",
        "one/Makefile": sub, "one/x.c": "int one;\n", "two/Makefile": sub, "two/x.c": "int two;\n",
        "three/Makefile": sub, "three/x.c": "int three;\n", "three/build.sh": "#!/bin/sh\nexec make\n",
    })  # fmt: skip
    (project / "three/build.sh").chmod(0o755)
    _, built = compare(two, project, tmp_path)
    assert built.jobs["remote"] == 3


def test_nested_makes_never_starve_each_other(two: Farm, project: Path):
    write(project, {"Makefile": "all:\n\t@if [ $(N) -gt 0 ]; then $(MAKE) N=`expr $(N) - 1`; else echo bottom; fi\n"})
    built = two.master(project, "--local-jobs", "1", "N=6")
    assert built.code == 0 and "bottom" in built.out


def test_a_make_in_another_directory(two: Farm, project: Path):
    write(project, {f"src/{name}": text for name, text in TWO_SOURCES.items()})
    built = two.master(project, "-C", "src", "V=1", "prog")
    assert built.code == 0 and built.jobs["remote"] == 2, built.err


def test_the_environment_of_recipes_is_make_s(two: Farm, project: Path, tmp_path: Path):
    write(project, {
        "Makefile": "export GREETING = hi\nall: a.o\n\t@env | grep -v -e ^MAKEFLAGS= -e ^MFLAGS= | sort\n"
                    "a.o: a.c\n\t@$(CC) -c a.c && test \"$$GREETING\" = hi\n",
        "a.c": "int a;\n",
    })  # fmt: skip
    compare(two, project, tmp_path)


@pytest.mark.parametrize("driver", [["--driver", "ninja"], ["--driver", "cmake --build b"]])
def test_other_drivers(two: Farm, project: Path, driver: list[str]):
    write(project, {
        "build.ninja": "rule cc\n  command = cc -g -c $in -o $out\nbuild a.o: cc a.c\nbuild b.o: cc b.c\n",
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\nproject(p C)\nadd_library(p STATIC a.c b.c)\n",
        "a.c": "int a;\n", "b.c": "int b;\n",
    })  # fmt: skip
    if "ninja" not in driver:
        assert os.system(f"cd {project} && cmake -S . -B b -G 'Unix Makefiles' > /dev/null") == 0
    built = two.master(project, *driver)
    assert built.code == 0 and built.jobs["remote"] == 2 and built.jobs["fallback"] == 0, built.err + built.out


def test_what_writes_outside_the_roots_stays_at_home(two: Farm, project: Path, tmp_path: Path):
    write(project, {"Makefile": f"all:\n\t$(CC) -c a.c -o {tmp_path}/a.o\n", "a.c": "int x;\n"})
    built = two.master(project)
    assert built.code == 0 and built.jobs["local"] == 1 and built.jobs["remote"] == 0
    assert (tmp_path / "a.o").exists()


def test_a_directory_reached_through_a_symlink(two: Farm, project: Path, tmp_path: Path):
    """gcc -g writes $PWD where it leads to the working directory, so the way there must exist on the slave."""
    write(project, {"Makefile": "all:\n\t$(CC) -g -c a.c\n", "a.c": "int a;\n"})
    (tmp_path / "way").symlink_to(project)
    way = {"PWD": str(tmp_path / "way")}
    built = two.finish(two.start_master(tmp_path / "way", env=way))
    assert built.jobs["remote"] == 1, built.err
    remote = (project / "a.o").read_bytes()
    assert str(tmp_path / "way").encode() in remote
    subprocess.run(["make"], cwd=tmp_path / "way", env={**os.environ, **way}, check=True, stdout=subprocess.DEVNULL)
    assert (project / "a.o").read_bytes() == remote


def test_an_edit_during_the_build_is_seen_by_what_starts_after_it(two: Farm, project: Path):
    names = [f"f{i:02}" for i in range(16)]
    write(project, {"Makefile": f"all: {' '.join(n + '.o' for n in names)}\n%.o: %.c\n\t$(CC) -c $< && sleep 0.2\n"})
    write(project, {f"{n}.c": "int before;\n" for n in names})
    master = two.start_master(project)
    farmkit.wait_for(lambda: list(project.glob("*.o")), "an object")
    (project / f"{names[-1]}.c").write_text("int after;\n")
    assert two.finish(master).code == 0
    assert b"after" in (project / f"{names[-1]}.o").read_bytes()


def test_what_a_job_only_touches_keeps_an_edit_made_meanwhile(two: Farm, project: Path):
    write(project, {"Makefile": "all:\n\ttouch v.h && $(CC) -c a.c && sleep 2\n", "a.c": "int a;\n", "v.h": "old\n"})
    os.utime(project / "v.h", (1e9, 1e9))
    master = two.start_master(project)
    assert master.stdout is not None and master.stdout.readline()
    farmkit.wait_for(lambda: [p for p in farmkit.processes_with("sleep") if p.strip() == "sleep 2"], "the job is there")
    (project / "v.h").write_text("edited\n")
    os.utime(project / "v.h", (1e9, 1e9))
    built = two.finish(master)
    assert built.jobs["remote"] == 1, built.err
    assert (project / "v.h").read_text() == "edited\n" and (project / "v.h").stat().st_mtime > 1e9


def test_a_header_that_is_one_file_with_another_is_seen_changed(two: Farm, project: Path, tmp_path: Path):
    write(project, {
        "Makefile": "all: two.o\none.o: one.c\n\t$(CC) -c one.c\n"
                    "two.o: one.o\n\techo '#define V 222' > a/x.h\n\t$(CC) -Ib -c two.c\n",
        "one.c": "int one;\n", "two.c": '#include "x.h"\nint two = V;\n', "a/x.h": "#define V 111\n", "b/keep": "",
    })  # fmt: skip
    (project / "b/x.h").hardlink_to(project / "a/x.h")
    _, built = compare(two, project, tmp_path)
    assert built.jobs["remote"] == 2, built.err


def test_the_locale_of_recipes_is_the_caller_s(two: Farm, project: Path):
    write(project, {"Makefile": "all:\n\t@echo LC_CTYPE=$$LC_CTYPE\n"})
    clean = ["env", "-u", "LC_ALL", "-u", "LANG", "-u", "LC_CTYPE", f"XDG_CACHE_HOME={two.directory}/cache"]
    built = subprocess.run([*clean, str(farmkit.BIN / "dgcc-master"), "--naming", two.naming], cwd=project,
                           capture_output=True, text=True)  # fmt: skip
    assert built.stdout == "LC_CTYPE=\n"


def test_large_outputs_come_home_whole(two: Farm, project: Path, tmp_path: Path):
    write(project, {
        "Makefile": "all: big.o\nbig.o: big.s\n\t@$(CC) -c -o $@ $<\n",
        "big.s": "".join(f".section .s{i},\"a\"\n.fill 1500000,1,{i}\n" for i in range(8)),
    })  # fmt: skip
    _, built = compare(two, project, tmp_path)
    assert built.jobs["remote"] == 1 and (project / "big.o").stat().st_size > 12_000_000
    assert built.report["bytes_received"] > 12_000_000


def test_ctrl_c_ends_everything_at_once(two: Farm, project: Path):
    (project / "Makefile").write_text("all: slow\nslow:\n\t@echo started; sleep 77\n")
    master = two.start_master(project)
    assert master.stdout is not None
    assert master.stdout.readline() == b"started\n"
    os.killpg(master.pid, signal.SIGINT)
    built = two.finish(master, 10)
    assert built.code == -signal.SIGINT
    assert farmkit.processes_with(str(project)) == []
    assert not [p for p in farmkit.processes_with("sleep") if "77" in p]


def test_what_ran_is_recorded_and_can_be_replayed(two: Farm, project: Path, tmp_path: Path) -> None:
    write(project, {
        "Makefile": "all: prog sub\nprog: a.o b.o\n\tcc -o $@ a.o b.o\n\t@touch $@\n"
                    "sub:\n\t@$(MAKE) --no-print-directory -f sub.mk lib.a\n.PHONY: sub\n",
        "sub.mk": "lib.a: c.o d.o\n\tar rc $@ c.o d.o\n",
        "a.c": "int main(void) { return 0; }\n",
        **{f"{name}.c": f"int {name};\n" for name in "bcd"},
    })  # fmt: skip
    file = tmp_path / "build.jsonl.gz"
    built = two.master(project, "--local-jobs", "3", "--record", str(file))
    assert built.code == 0 and built.jobs["remote"] == 4, built.err
    recording = read(file)
    assert recording.command[0] == "make" and recording.home == 3 and set(recording.slots.values()) == {1}
    assert len(recording.jobs) == built.jobs["remote"] + built.jobs["local"]
    targets = {job.id: job.target for job in recording.jobs}
    by_target = {target: [job for job in recording.jobs if job.target == target] for target in targets.values()}
    for name in "abcd":
        (each,) = by_target[f"{name}.o"]
        assert each.remote and each.ran in ("a", "b") and each.wall_s > 0 and each.cpu_s > 0 and each.max_rss > 1 << 20
        assert each.bytes_out > 100 and each.directory == str(project)
    (sub,), (lib,), (link, touch) = (by_target[target] for target in ("sub", "lib.a", "prog"))
    assert not link.remote and link.wall_s > 0 and not link.ran
    assert [targets[need] for need in link.prerequisites] == ["a.o", "b.o"] and touch.prerequisites == (link.id,)
    assert [targets[need] for need in lib.prerequisites] == ["c.o", "d.o"]
    assert lib.above == by_target["c.o"][0].above == sub.id and lib.make != sub.make
    outcome = simulate(graph_of(recording), simulated(4, 64))
    assert 0 < outcome.bound.seconds <= outcome.makespan < recording.wall_s and not outcome.fallbacks


def test_a_recording_that_has_no_place_is_refused_before_make_starts(project: Path) -> None:
    command = [str(BIN / "dgcc-master"), "--record", str(project / "none" / "r"), "all"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == f"dgcc: --record {project}/none/r: its directory does not exist or cannot be written\n"
def test_a_second_build_knows_what_everything_takes_and_how_long_it_lasts(two: Farm, project: Path):
    burn = "b = bytearray(200 << 20)\nimport time\nwhile time.process_time() < 0.3: pass\nopen('heavy', 'w')\n"
    objects = " ".join(f"{n}.o" for n in range(6))
    write(project, {
        "Makefile": f"all: prog\nprog: {objects} heavy\n\ttouch $@\nheavy: burn.py\n\tpython3 burn.py\n"
                    "%.o: %.c\n\tsleep 0.5 && $(CC) -c -o $@ $<\n"
                    "clean:\n\t@rm -f *.o heavy prog\n",
        "burn.py": burn, **{f"{n}.c": f"int f{n};\n" for n in range(6)},
    })  # fmt: skip
    assert two.master(project).report["progress"] == []
    memory = Memory(two.directory / "cache" / "dgcc" / "builds.sqlite")
    known = Expectations.load(bytes(project), memory)
    where = os.fsencode(project)
    heavy = known.of(where, b"heavy")
    assert heavy.known and heavy.memory >= 200 << 20 and heavy.cpu_s >= 0.3 and heavy.wall_s >= 0.3
    remote = known.of(where, b"3.o")
    slowest = min([1.0, *(speed.wall for speed in known.hosts.values())])  # what is expected is for a speed of 1
    assert remote.known and remote.wall_s >= 0.5 * slowest and remote.memory > 0
    assert not known.of(where, b"prog").memory, "what uses little is not told of"
    two.plain(project, "clean")
    built = two.master(project)
    assert built.report["progress"], "time left is told from the second build on"
    assert {step["target"] for step in built.report["critical_path"]["jobs"]} & {"prog"}
    assert built.report["slots"]["most"] == 2 and max(built.report["slots"]["used"]) > 0.5
    assert len(built.report["slowest"]) == 5 and built.report["work_s"] > 0.3
