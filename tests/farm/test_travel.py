"""What travels besides the project: headers elsewhere, whole recipes by rule, what jobs turn out to lack."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import farmkit
import pytest
from anybody import as_user
from farmkit import BIN, Built, Farm, differing, snapshot


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Two slaves for all tests of this file."""
    with farmkit.farm(tmp_path_factory.mktemp("farm"), "a", "b") as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def write(place: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)


def equal(farm: Farm, project: Path, *arguments: str, **more: object) -> Built:
    """Build with plain make and on the farm, from the same files at the same path: all is equal. The farm's."""
    pristine = project.with_name("pristine")
    farmkit.fresh_copy(project, pristine)
    plain = farm.plain(project, *arguments)
    wanted = snapshot(project)
    farmkit.fresh_copy(pristine, project)
    built = farm.master(project, *arguments, **more)
    assert built.code == plain.code, built.err
    assert differing(wanted, snapshot(project)) == set(), built.err
    assert built.jobs["fallback"] == 0, built.err
    return built


def test_headers_outside_the_project_travel_and_are_followed(two: Farm, project: Path, tmp_path: Path):
    sdk = tmp_path / "sdk-1.0/include"
    write(sdk, {"sdk.h": '#include "sub/more.h"\n', "sub/more.h": "#define V 1\n"})
    (tmp_path / "sdk").symlink_to("sdk-1.0")
    write(project, {"Makefile": f"all: a.o\n%.o: %.c\n\t$(CC) -g -I{tmp_path}/sdk/include -c $<\n",
                    "a.c": "#include <sdk.h>\nint v = V;\n"})  # fmt: skip
    assert equal(two, project).jobs["remote"] == 1
    first = (project / "a.o").read_bytes()
    write(sdk, {"sub/more.h": "#define V 2\n"})
    built = equal(two, project, "-B")
    assert built.jobs["remote"] == 1 and (project / "a.o").read_bytes() != first


def test_an_edit_outside_the_project_is_seen_by_the_next_job(two: Farm, project: Path, tmp_path: Path):
    write(tmp_path / "sdk", {"sdk.h": "#define V 1\n"})
    write(project, {
        "Makefile": "all: b.o\na.o: a.c\n\t$(CC) -I../sdk -c a.c\n"
                    "b.o: b.c a.o\n\t@echo '#define V 2' > ../sdk/sdk.h\n\t$(CC) -I../sdk -c b.c\n",
        "a.c": "#include <sdk.h>\nint v = V;\n", "b.c": "#include <sdk.h>\nint v = V;\n",
    })  # fmt: skip
    pristine = project.with_name("sdk.was")
    shutil.copytree(tmp_path / "sdk", pristine)
    built = two.master(project)
    remote = {name: (project / name).read_bytes() for name in ("a.o", "b.o")}
    assert built.code == 0 and built.jobs["remote"] == 2 and built.jobs["fallback"] == 0, built.err
    shutil.copy(pristine / "sdk.h", tmp_path / "sdk/sdk.h")
    assert two.plain(project, "-B").code == 0
    assert remote == {name: (project / name).read_bytes() for name in remote}


def test_an_out_of_tree_build_takes_its_source_along(two: Farm, tmp_path: Path):
    write(tmp_path, {"source/lib/a.c": '#include "../common/x.h"\nint v = V;\n', "source/common/x.h": "#define V 7\n",
                     "build/Makefile": "all: a.o\na.o:\n\t$(CC) -g -c ../source/lib/a.c\n"})  # fmt: skip
    built = two.master(tmp_path / "build")
    assert built.code == 0 and built.jobs["remote"] == 1 and built.jobs["fallback"] == 0, built.err
    remote = (tmp_path / "build/a.o").read_bytes()
    assert two.plain(tmp_path / "build", "-B").code == 0
    assert remote == (tmp_path / "build/a.o").read_bytes()


def test_a_link_out_of_the_project_leads_to_the_same_header(two: Farm, project: Path, tmp_path: Path):
    write(project, {"Makefile": "all:\n\t$(CC) -Ii1 -Ii2 -c a.c\n", "a.c": '#include "x.h"\nint a = V;\n',
                    "i1/keep": "", "i2/x.h": "#define V 2\n"})  # fmt: skip
    write(tmp_path, {"elsewhere/x.h": "#define V 1\n"})
    (project / "i1/x.h").symlink_to(tmp_path / "elsewhere/x.h")
    assert equal(two, project).jobs["remote"] == 1


def test_a_link_out_of_a_directory_outside_leads_to_the_same_header(two: Farm, project: Path, tmp_path: Path):
    write(tmp_path, {"elsewhere/x.h": "#define V 1\n", "sdk/keep": "", "sdk2/x.h": "#define V 2\n"})
    (tmp_path / "sdk/x.h").symlink_to(tmp_path / "elsewhere/x.h")
    write(project, {"Makefile": "all:\n\t$(CC) -I../sdk -I../sdk2 -c a.c\n", "a.c": '#include "x.h"\nint a = V;\n'})
    assert equal(two, project).jobs["remote"] == 1


def test_what_a_job_lacks_is_found_sent_and_remembered(two: Farm, project: Path):
    """A linked product that nobody names is not mirrored."""
    write(project, {"Makefile": "all: a.o\na.o: a.c\n\t$(CC) -c a.c\n", "a.c": '#include "odd.so"\n',
                    "odd.so": "int a;\n"})  # fmt: skip
    built = equal(two, project)
    assert built.jobs["remote"] == 1 and "a.o lacked" in built.err and "odd.so: it is sent again" in built.err
    (project / "a.o").unlink()
    again = two.master(project)
    assert again.jobs["remote"] == 1 and "lacked" not in again.err


def test_a_compile_that_asks_for_what_is_not_mirrored_gets_the_answer_of_home(two: Farm, project: Path):
    (project / "big.h").write_bytes(b"#define V 3\n" + b" " * (65 << 20))
    write(project, {"Makefile": "all:\n\t$(CC) -c a.c\n",
                    "a.c": '#if __has_include("big.h")\n#include "big.h"\nint v = V;\n#endif\n'})  # fmt: skip
    assert equal(two, project).jobs["remote"] == 1


def test_whole_recipes_travel_where_a_rule_says_so(two: Farm, project: Path):
    """An archive, a link, a code generator that reads an undeclared file, a test of the program."""
    write(project, {
        "dgcc.toml": '[[rule]]\ncommand = "ar"\nwhere = "remote"\n'
                     '[[rule]]\ntarget = "prog"\nwhere = "remote"\n'
                     '[[rule]]\ntarget = "gen.h"\nwhere = "remote"\ninputs = ["data/*.txt"]\n'
                     '[[rule]]\ntarget = "check"\nwhere = "remote"\n',
        "Makefile": "all: prog check\nlibx.a: x.o\n\tar rcs $@ $^\n"
                    "prog: main.o libx.a\n\t$(CC) -o $@ main.o libx.a -lm\n"
                    "gen.h: gen.sh\n\t./gen.sh > $@\nmain.o: gen.h\n%.o: %.c\n\t$(CC) -g -c -o $@ $<\n"
                    "check: prog\n\t./prog > prog.out\n\ttest -s prog.out\n",
        "gen.sh": "#!/bin/sh\necho \"#define NAME \\\"$(cat data/name.txt)\\\"\"\n", "data/name.txt": "world\n",
        "x.c": "#include <math.h>\ndouble x(double a) { return sin(a); }\n",
        "main.c": '#include <stdio.h>\n#include "gen.h"\ndouble x(double);\n'
                  'int main(int c, char **v) { printf("hello " NAME " %f\\n", x(c)); return 0; }\n',
    })  # fmt: skip
    built = equal(two, project)
    assert built.jobs["remote"] >= 6, built.err
    assert (project / "prog.out").read_text().startswith("hello world")


def test_compiling_and_linking_in_one_command_travels(two: Farm, project: Path):
    """With a library of the project, which is no input of the mirror unasked, and one of the system."""
    write(project, {
        "Makefile": "all: prog\nx.o: x.c\n\t$(CC) -g -c x.c\nlib/libx.a: x.o\n\tmkdir -p lib && ar rcs $@ $^\n"
                    "prog: main.c lib/libx.a\n\t$(CC) -g -O2 -o $@ main.c -Llib -lx -lm\n",
        "x.c": "#include <math.h>\ndouble x(double a) { return sin(a); }\n",
        "main.c": "double x(double);\nint main(int c, char **v) { return x(c) > 2; }\n",
    })  # fmt: skip
    assert equal(two, project).jobs["remote"] == 2
    assert subprocess.run([project / "prog"], check=False).returncode == 0


def test_ignored_files_never_travel(two: Farm, project: Path):
    write(project, {"dgcc.toml": 'ignore = ["private/**"]\n', "private/key.c": "int key;\n", "a.c": "int a;\n",
                    "Makefile": "all: a.o key.o\na.o:\n\t$(CC) -c a.c\n"
                                "key.o:\n\t$(CC) -c private/key.c\n"})  # fmt: skip
    built = two.master(project)
    assert built.code == 0 and built.jobs["remote"] == 1 and built.jobs["local"] == 1 and built.jobs["fallback"] == 0
    assert not list(two.directory.glob("store/*/mirrors/*/tree/private/key.c"))


def test_a_home_directory_may_be_the_project(shared_directory: Path):
    """The slave of a farm of one keeps its copies in the user's home directory: they are no part of the project."""
    write(shared_directory, {"Makefile": "all: a.o b.o\n%.o: %.c\n\t$(CC) -c $< -o $@\n", "a.c": "int a;\n",
                             "b.c": "int b;\n"})  # fmt: skip
    user = as_user(54321) if os.geteuid() == 0 else []
    if user:
        os.chown(shared_directory, 54321, 54321)
    environment = dict(os.environ, HOME=str(shared_directory))
    environment.pop("XDG_CACHE_HOME", None)
    for _ in range(2):
        built = subprocess.run(
            [*user, str(BIN / "dgcc-master"), "-B", "--local-slave", "1", "--home-first", "0"], cwd=shared_directory,
            capture_output=True, text=True, env=environment, timeout=120, check=False,
        )  # fmt: skip
        assert built.returncode == 0 and "2 remote" in built.stderr, built.stderr
    assert list(shared_directory.glob(".cache/dgcc/slave/*/mirrors/*/tree/a.c"))


def test_secrets_of_the_environment_stay_at_home(two: Farm, project: Path):
    write(project, {"dgcc.toml": '[[rule]]\ntarget = "out"\nwhere = "remote"\n', "show": "#!/bin/sh\nenv\n",
                    "Makefile": "out:\n\t./show > out\n"})  # fmt: skip
    built = two.master(project, env={"DEPLOY_TOKEN": "hush", "HARMLESS": "1"})
    assert built.code == 0 and built.jobs["remote"] == 1, built.err
    text = (project / "out").read_text()
    assert "HARMLESS=1" in text and "hush" not in text


def test_compare_finds_what_differs(two: Farm, project: Path):
    write(project, {"dgcc.toml": '[[rule]]\ntarget = "stamp"\nwhere = "remote"\n', "a.c": "int a;\n",
                    "Makefile": "all: a.o stamp\na.o:\n\t$(CC) -g -c a.c\nstamp:\n\t./stamp.sh > stamp\n",
                    "stamp.sh": "#!/bin/sh\ncat /proc/sys/kernel/random/uuid\n"})  # fmt: skip
    built = two.master(project, "--compare", "a.o")
    assert built.code == 0 and "compared: 1 job, all equal" in built.err, built.err
    built = two.master(project, "--compare")
    assert built.code == 3, built.err
    assert built.report["compared"]["jobs"] == 1
    assert [each["target"] for each in built.report["compared"]["different"]] == ["stamp"]
    assert "stamp" in built.err.splitlines()[-1]


def test_explain_tells_what_happened_last_time(two: Farm, project: Path):
    write(project, {"Makefile": "all: a.o\na.o: a.c\n\t$(CC) -g -c a.c\n", "a.c": "int a;\n"})
    assert two.master(project).jobs["remote"] == 1
    told = subprocess.run(
        [str(BIN / "dgcc"), "explain", "a.o"], cwd=project, capture_output=True, text=True, check=False,
        env=dict(os.environ, HOME=str(two.directory), XDG_CACHE_HOME=str(two.directory / "cache")),
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "-g -c a.c" in told.stdout and "remote" in told.stdout and "it compiles a.o" in told.stdout
    assert " a" in told.stdout or " b" in told.stdout
    wrong = subprocess.run([str(BIN / "dgcc"), "explain", "b.o"], cwd=project, capture_output=True, text=True)
    assert wrong.returncode == 2 and "a.o" in wrong.stderr and "Traceback" not in wrong.stderr


def test_a_compiler_that_is_upgraded_in_the_middle_of_a_build_is_noticed(two: Farm, project: Path, tmp_path: Path):
    """A wrapper stands for the compiler. Jobs are waiting when it is changed, and go with what it is then."""
    wrapper = '#!/bin/sh\nexec gcc -DV=%d "$@"\n'
    write(tmp_path, {"opt/gcc": wrapper % 1, "opt/next": wrapper % 2})
    names = [f"f{i}" for i in range(8)]
    write(project, {
        "Makefile": f"CC = {tmp_path}/opt/gcc\nall: {' '.join(n + '.o' for n in names)}\n"
                    "first.o: v.c\n\t$(CC) -g -c v.c -o $@\n"
                    f"new: first.o\n\tmv {tmp_path}/opt/next {tmp_path}/opt/gcc\n\ttouch new\n"
                    "f%.o: f%.c new\n\t$(CC) -g -c $< -o $@\n",
        "v.c": "int v = V;\n", **{f"{name}.c": "int v = V;\n" for name in names},
    })  # fmt: skip
    built = two.master(project)
    assert built.code == 0 and built.jobs["remote"] == 9 and built.jobs["fallback"] == 0, built.err
    remote = {path.name: path.read_bytes() for path in project.glob("*.o")}
    write(tmp_path, {"opt/gcc": wrapper % 1, "opt/next": wrapper % 2})
    (project / "new").unlink()
    assert two.plain(project, "-B").code == 0
    assert remote == {path.name: path.read_bytes() for path in project.glob("*.o")}
    assert remote["first.o"] != remote["f1.o"]


def test_two_compilers_are_used_at_the_same_time_on_the_same_slaves(two: Farm, tmp_path: Path):
    """Two projects, each with a compiler of its own at the same path name of another directory."""
    places = [tmp_path / "one", tmp_path / "two"]
    for number, place in enumerate(places):
        write(place, {"bin/gcc": f'#!/bin/sh\nexec gcc -DV={number} "$@"\n', "p/v.c": "int v = V;\n",
                      "p/Makefile": "all: a.o b.o\na.o b.o: v.c\n"
                                    "\t../bin/gcc -c v.c -o $@ && sleep 0.3\n"})  # fmt: skip
    masters = [two.start_master(place / "p") for place in places]
    for master, place in zip(masters, places, strict=True):
        built = two.finish(master)
        assert built.code == 0 and built.jobs["remote"] == 2 and built.jobs["fallback"] == 0, built.err
        remote = (place / "p/a.o").read_bytes()
        assert two.plain(place / "p", "-B").code == 0 and remote == (place / "p/a.o").read_bytes()


def test_a_slave_on_another_kind_of_machine_is_refused(two: Farm, project: Path):
    write(project, {"Makefile": "all:\n\t$(CC) -c a.c\n", "a.c": "int a;\n"})
    log = two.directory / "odd.log"
    odd = subprocess.Popen(
        ["setarch", "i686", str(BIN / "dgcc-slave"), "--naming", two.naming, "--name", "odd",
         "--store", str(two.directory / "store/odd")], stderr=log.open("wb"),
    )  # fmt: skip
    try:
        farmkit.wait_for(lambda: "offers" in log.read_text(), "the odd slave is up")
        built = two.master(project)
        assert built.code == 0 and built.jobs["remote"] == 1 and "odd" not in built.report["slaves"]
        assert "is a machine of the kind i686, this master's is x86_64" in log.read_text()
    finally:
        odd.terminate()
        odd.wait(20)
