"""What asks for this machine's processor becomes words that any machine understands the same: with real compilers."""

import shutil
import subprocess
from pathlib import Path

import pytest
from verdict.verdictkit import ROOT, TREE, Machine, judge, judge_argv

from dgcc.master.verdict.decide import decide
from dgcc.master.verdict.native import WORDS, apply, is_wrapper, native

SOURCE = (
    "#include <stdio.h>\nint f(int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * 3; return s; }\n"
    "int main(int n, char **v) { printf(\"%d %s\\n\", f(&n, n), v[0]); return 0; }\n"
)
DRIVERS = [name for name in ("gcc", "g++", "clang") if shutil.which(name)]
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


def made(words: list[bytes], directory: Path) -> bytes:
    run = subprocess.run(words, cwd=directory, capture_output=True)
    assert run.returncode == 0, run.stderr
    return (directory / "x.o").read_bytes()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "options",
    [
        "-march=native -O2 -g",
        "-mtune=native -O2 -g",
        "-O2 -m64 -march=native -mtune=native -g",
        "-march=native -O3 -flto -g",
    ],
)
def test_the_object_is_the_same_to_the_byte(driver: str, options: str, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(SOURCE)
    root = bytes(tmp_path.resolve())
    seed = ["-frandom-seed=1"] if driver != "clang" else []
    line = [driver, *options.split(), *seed, "-c", "a.c", "-o", "x.o"]
    argv = tuple(word.encode() for word in line)
    environment = {name.encode(): value.encode() for name, value in PATH.items()}
    verdict = decide(argv[0], argv, root, environment, (root,))
    if driver == "clang" and not verdict.remote:
        # clang has no option that says what -mtune=native does, so it stays at home.
        assert "-mtune=native" in options and "depends on this machine's processor" in verdict.reason
        return
    assert verdict.remote and verdict.remote_argv is not None, verdict.reason
    assert not WORDS & set(verdict.remote_argv)
    assert made([*argv], tmp_path) == made([*verdict.remote_argv], tmp_path)
    text = " ".join(line).replace("a.c", "'a.c'").encode()
    shell = decide(b"/bin/sh", (b"/bin/sh", b"-c", b"set -e; " + text), root, environment, (root,))
    assert shell.remote_argv is not None and b"=native" not in shell.remote_argv[2], shell.reason
    assert made([*argv], tmp_path) == made([*shell.remote_argv], tmp_path)


def test_the_wrapper_is_known_again_and_no_other(tmp_path: Path) -> None:
    edits = native(shutil.which("gcc").encode(), (b"-mtune=native",))  # type: ignore[union-attr]
    assert edits is not None
    for word in apply((b"-mtune=native",), edits):
        assert not word.startswith(b"/bin/sh") or is_wrapper(word)
    assert not is_wrapper(b"/bin/sh,-c,rm -rf x") and not is_wrapper(b"gdb,--args")


def test_what_is_no_compiler_has_no_answer(tmp_path: Path) -> None:
    assert native(b"/nowhere/gcc", (b"-march=native",)) is None
    assert native(b"/bin/false", (b"-march=native",)) is None
    assert native(b"/bin/true", (b"-march=native",)) is None


EXPANDED = (b"-march=big", b"-mfast")
MACHINE = Machine(
    TREE.files, TREE.directories, natives={
        (b"-march=native",): ((b"-march=native", EXPANDED),),
        (b"-march=native", b"-mtune=native"): ((b"-march=native", EXPANDED), (b"-mtune=native", ())),
    },
    texts={ROOT + b"/data/table.txt": b"-O2 -march=native"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("gcc -march=native -c foo.c", "gcc -march=big -mfast -c foo.c"),
        ("gcc -c foo.c -march=native", "gcc -c foo.c -march=big -mfast"),
        ("gcc -march=native -mtune=native -c foo.c", "gcc -march=big -mfast  -c foo.c"),
        ("echo -march=native; gcc -march=native -c foo.c", "echo -march=native; gcc -march=big -mfast -c foo.c"),
        ("F='-O2 -march=native'; gcc $F -c foo.c", "F='-O2 -march=big -mfast'; gcc $F -c foo.c"),
        ("F=-march=native; gcc $F -c foo.c", None),
        ("gcc -march=native -c foo.c && gcc -march=native -c bar.c",
         "gcc -march=big -mfast -c foo.c && gcc -march=big -mfast -c bar.c"),
        ("set -e; gcc -march=native -c foo.c; scripts/fixdep x 'gcc -march=native -c foo.c' > y",
         "set -e; gcc -march=big -mfast -c foo.c; scripts/fixdep x 'gcc -march=native -c foo.c' > y"),
        ("for i in foo bar; do gcc -march=native -c $i.c || exit 1; done",
         "for i in foo bar; do gcc -march=big -mfast -c $i.c || exit 1; done"),
        ("./libtool --mode=compile gcc -march=native -c foo.c",
         "./libtool --mode=compile gcc -march=big -mfast -c foo.c"),
        ("ccache gcc -march=native -c foo.c", "ccache gcc -march=big -mfast -c foo.c"),
        ("gcc $FLAGS -c foo.c", None),
        ('gcc "-march=native" -c foo.c', None),
        ("gcc @data/table.txt -c foo.c", None),
        ("gcc -march=native -mno-avx -c foo.c", None),
    ],
)  # fmt: skip
def test_where_the_words_stand(line: str, changed: str | None) -> None:
    verdict = judge(line, machine=MACHINE, env={b"FLAGS": b"-march=native"})
    if changed is None:
        assert not verdict.remote and verdict.remote_argv is None and "processor" in verdict.reason
    else:
        assert verdict.remote_argv == (b"/bin/sh", b"-c", changed.encode()), verdict.reason


def test_without_a_shell_words_are_replaced_by_words() -> None:
    verdict = judge_argv("gcc", "-march=native", "-c", "foo.c", machine=MACHINE)
    assert verdict.remote_argv == (b"gcc", *EXPANDED, b"-c", b"foo.c")
    assert judge_argv("gcc", "-c", "foo.c", machine=MACHINE).remote_argv is None
