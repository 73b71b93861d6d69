"""What sources ask about silently is answered on a slave as at home."""

import os
from pathlib import Path

import farmkit
import pytest
from farmkit import Built, Farm, differing, snapshot


def write(place: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)


def equal(farm: Farm, project: Path, *arguments: str) -> Built:
    """Build with plain make and on the farm, from the same files at the same path: all is equal. The farm's."""
    pristine = project.with_name("pristine")
    farmkit.fresh_copy(project, pristine)
    plain = farm.plain(project, *arguments)
    wanted = snapshot(project)
    farmkit.fresh_copy(pristine, project)
    built = farm.master(project, *arguments)
    assert built.code == plain.code == 0, built.err
    assert differing(wanted, snapshot(project)) == set(), built.err
    return built


def asking(*operands: str) -> str:
    """A source with a variable for each of these that is there."""
    return "".join(f'#if __has_include("{name}")\nint v{number};\n#endif\n' for number, name in enumerate(operands))


MAKEFILE = "objects := $(patsubst %.c,%.o,$(wildcard *.c)) $(patsubst %.s,%.o,$(wildcard *.s))\nall: $(objects)\n"


def test_questions_about_files_that_jobs_would_not_see(two: Farm, project: Path, tmp_path: Path):
    """Outside the project, products, version control: what is there, and what is not."""
    write(tmp_path, {"outside/x.h": "int outside;\n", "beside.h": "", "sub.h": ""})
    write(project, {
        "Makefile": MAKEFILE + "%.o: %.c\n\t$(CC) -Isub -c $< -o $@\n",
        "absolute.c": asking(f"{tmp_path}/outside/x.h", f"{tmp_path}/outside/y.h", "/etc/hostname-of-nobody"),
        "relative.c": asking("../beside.h", "../none.h", "../../sub.h", "../outside/x.h"),
        "product.c": asking("prod.o", "prod.a", "none.o", "lib/deep.so", "deep.so", "prog"),
        "vcs.c": asking(".git/HEAD", ".git/none", "sub/.git/HEAD"),
        "plain.c": '#include "../outside/x.h"\n',
        "sub/outside/x.h": "int inside;\n", "sub/sub/keep": "", "sub/deep.so": "", "lib/deep.so": "",
        "prod.o": "x", "prod.a": "x", "prog": "\x7fELF", ".git/HEAD": "ref: x\n", "outside/x.h": "int wrong;\n",
    })  # fmt: skip
    (project / "prog").chmod(0o755)
    built = equal(two, project)
    assert built.jobs["remote"] == 5 and built.jobs["fallback"] == 0, built.err


def test_data_that_an_assembler_takes_from_the_first_directory(two: Farm, project: Path):
    """gas passes over what it cannot open, and takes the next file of the name."""
    write(project, {
        "Makefile": MAKEFILE + "%.o: %.c\n\t$(CC) -Ione -Itwo -c $< -o $@\n%.o: %.s\n\t$(CC) -Ione -Itwo -c $< -o $@\n",
        "string.c": 'asm(".data; .incbin \\"fw.bin\\",0,16");\n',
        "product.c": 'asm(".data\\n\\t.incbin " "\\"fw.o\\"\\n");\n',
        "direct.s": '.data\n.incbin "fw.o"\n.include "more.a"\n',
        "two/fw.bin": "small and wrong, but long enough", "one/fw.o": "right", "one/more.a": ".byte 1\n",
        "two/more.a": ".byte 2\n",
    })  # fmt: skip
    (project / "one/fw.bin").write_bytes(b"the right one, which is large" + bytes(65 << 20))
    built = equal(two, project)
    assert built.jobs["remote"] == 3 and built.jobs["fallback"] == 0, built.err


def test_a_source_that_is_read_only_when_it_is_compiled(two: Farm, project: Path, tmp_path: Path):
    """In a large tree sources are withheld until a job names them: their questions are answered in that job."""
    size = " " * 5000
    write(project, {"large/1.bin": "", "large/2.bin": ""})
    for name in ("large/1.bin", "large/2.bin"):
        os.truncate(project / name, 40 << 20)
    write(tmp_path, {"beside.h": ""})
    write(project, {
        "Makefile": MAKEFILE + "%.o: %.c\n\t$(CC) -Ione -Itwo -c $< -o $@\n",
        "a.c": asking("../beside.h", "prod.o") + size, "b.c": 'asm(".data; .incbin \\"fw.bin\\",0,16");' + size,
        "prod.o": "", "one/fw.bin": "right" + size, "two/fw.bin": "wrong",
    })  # fmt: skip
    built = equal(two, project)
    assert built.jobs["remote"] == 2 and built.jobs["fallback"] == 0, built.err


def test_what_appears_changes_and_goes_during_the_build_is_noticed(two: Farm, project: Path, tmp_path: Path):
    question = '#if __has_include("../late.h")\n#include "../late.h"\nint v = V;\n#endif\n' + asking("made.o")
    steps = ["rm -f ../late.h made.o", "echo '#define V 1' > ../late.h",
             "echo '#define V 2' > ../late.h; echo > made.o", "rm ../late.h made.o"]  # fmt: skip
    rules = "".join(f"{n}.o: {n}.c {n - 1 if n else 'none'}.o\n\t@{step}\n\t$(CC) -c {n}.c\n" for n, step in
                    enumerate(steps))  # fmt: skip
    write(project, {"Makefile": f"all: {len(steps) - 1}.o\nnone.o:\n" + rules,
                    **{f"{n}.c": question for n in range(len(steps))}})  # fmt: skip
    built = equal(two, project)
    assert built.jobs["remote"] == 4 and built.jobs["fallback"] == 0, built.err


@pytest.mark.parametrize("operand", ["/proc/self/status", "../private.h", "ignored/x.h"])
def test_what_is_not_sent_keeps_compiles_at_home(operand: str, two: Farm, project: Path, tmp_path: Path):
    write(tmp_path, {"private.h": ""})
    (tmp_path / "private.h").chmod(0o600)
    write(project, {"Makefile": MAKEFILE, "a.c": asking(operand), "b.c": "int b;\n", "ignored/x.h": "",
                    "dgcc.toml": 'ignore = ["ignored/**"]\n'})  # fmt: skip
    built = equal(two, project)
    assert built.jobs["remote"] == 0 and built.jobs["fallback"] == 2, built.err
    assert "a.c' asks for '" in built.err and operand.rpartition("/")[2] in built.err
