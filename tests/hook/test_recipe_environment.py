"""A recipe's commands see the environment that plain make gives them, to the byte."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from hook.hookrun import build, plain_environment, write

from dgcc.master.driver import HOOK

MAKEFILE = """
export FROM_FILE = a  b
LOCAL = x
all:
\t@env -0 | sort -z > shell.env
\t@/usr/bin/env -0 > direct.env
\t@bash -c 'env -0 | sort -z' > bash.env
\t@echo '$(MAKEFLAGS)' '$(MAKEOVERRIDES)' > flags.env
\t@ulimit -a > limits.env; umask >> limits.env; ls /proc/self/fd | wc -l >> limits.env
\t@$(MAKE) -f Sub --no-print-directory
"""
SUB = """
all:
\t@env -0 | sort -z > sub.env
\t@echo '$(MAKEFLAGS)' > subflags.env
"""


def written(directory: Path) -> dict[str, bytes]:
    """What the recipes have left, in an order that does not hang on the environment's. The jobserver of
    make 4.4 is named after its process."""
    left = {path.name: path.read_bytes().split(b"\0") for path in directory.glob("*.env")}
    return {name: re.sub(rb"GMfifo\d+", b"GMfifo", b"\0".join(sorted(data))) for name, data in left.items()}


@pytest.mark.parametrize(
    "arguments", [[], ["-j2"], ["-k", "-s"], ["V=1"], ["-j3", "A=b c", "D=$$x"], ["-r", "--", "X=y"]]
)
def test_as_plain_make_has_it(tmp_path: Path, arguments: list[str]) -> None:
    write(tmp_path, Makefile=MAKEFILE, Sub=SUB)
    environment = plain_environment(LD_LIBRARY_PATH="/nowhere")
    subprocess.run(["make", *arguments], cwd=tmp_path, env=environment, check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)
    plain = written(tmp_path)
    outcome = build(tmp_path, "make", *arguments, environment=environment)
    assert outcome.code == 0, outcome.err
    assert len(plain) == 7 and written(tmp_path) == plain


def test_environment_overrides(tmp_path: Path) -> None:
    """`make -e` exports its flags unexpanded: a reference to our variable stays, and comes to nothing."""
    write(tmp_path, Makefile="V = 0\n" + MAKEFILE, Sub="V = 0\nall:\n\t@echo $(V) '$(MAKEFLAGS)' > sub.env\n")
    environment = plain_environment(V="2")
    subprocess.run(["make", "-e"], cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    plain = written(tmp_path)
    assert build(tmp_path, "make", "-e", environment=environment).targets == ["all"] * 7
    after = {name: data.replace(b"e -- $(MAKEOVERRIDES)", b"e") for name, data in written(tmp_path).items()}
    for name in after:
        kept = [v for v in after[name].split(b"\0") if not v.startswith(b"MAKEOVERRIDES=")]
        assert b"\0".join(kept) == plain[name]


@pytest.mark.parametrize("flags", ["k", "-k", " -j2 V=1", "V=1", "k -- V=1"])
def test_flags_that_came_by_the_environment(tmp_path: Path, flags: str) -> None:
    write(tmp_path, Makefile=MAKEFILE, Sub=SUB)
    environment = plain_environment(MAKEFLAGS=flags)
    subprocess.run(["make"], cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    plain = written(tmp_path)
    build(tmp_path, "make", environment=environment)
    assert written(tmp_path) == plain


def test_shell_functions_have_it_too(tmp_path: Path) -> None:
    write(tmp_path, Makefile="A := $(shell env -0 | sort -z > a.env)\nB != env -0 > b.env\nall:\n\t@true\n")
    subprocess.run(["make"], cwd=tmp_path, env=plain_environment(), check=True)
    plain = written(tmp_path)
    build(tmp_path, "make")
    assert written(tmp_path) == plain


def test_request_holds_the_same_environment(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@/usr/bin/env -0 > direct.env\n\t@/usr/bin/env -0\n")
    outcome = build(tmp_path, "make")
    for request in outcome.master.requests:
        assert b"\0".join(request.environment) + b"\0" == outcome.out.encode()


def test_own_preloads_are_kept(tmp_path: Path) -> None:
    """As fakeroot needs it: in make itself, in the recipes, in a make within."""
    write(
        tmp_path,
        own__c="#include <stdio.h>\n#include <stdlib.h>\n#include <errno.h>\n"
        "static __attribute__((constructor)) void here(void) { FILE *f = fopen(getenv(\"OWN_LOG\"), \"a\");"
        " if (f) { fprintf(f, \"%s\\n\", program_invocation_short_name); fclose(f); } }\n",
        Makefile="all:\n\t@echo \"$$LD_PRELOAD\"\n\t@true\n\t@$(MAKE) -f Sub --no-print-directory\n",
        Sub="all:\n\t@echo \"$$LD_PRELOAD\"; true\n",
    )
    library = tmp_path / "own.so"
    compiler = ["cc", "-shared", "-fPIC", "-D_GNU_SOURCE"]
    subprocess.run([*compiler, "-o", library, "own.c"], cwd=tmp_path, check=True)
    environment = plain_environment(LD_PRELOAD=str(library), OWN_LOG=str(tmp_path / "log"))
    plain = subprocess.run(["make"], cwd=tmp_path, env=environment, check=True,
                           capture_output=True, text=True)
    log = (tmp_path / "log").read_text().splitlines()
    (tmp_path / "log").unlink()
    outcome = build(tmp_path, "make", environment=environment)
    assert outcome.out == plain.stdout == f"{library}\n{library}\n"
    assert (tmp_path / "log").read_text().splitlines() == log == ["make", "sh", "true", "make", "sh"]


def test_hook_without_a_master_does_nothing(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@env -0 | sort -z > a.env\n")
    environment = plain_environment(LD_PRELOAD=str(HOOK))
    subprocess.run(["make"], cwd=tmp_path, env=environment, check=True)
    seen = (tmp_path / "a.env").read_bytes().split(b"\0")
    assert os.fsencode(f"LD_PRELOAD={HOOK}") in seen and b"MAKEFLAGS=" in seen
