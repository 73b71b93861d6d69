"""The point of it all: a compiler in the jail makes the very file that it makes outside."""

import os
import subprocess

import pytest
from jail.jailplace import Place

from dgcc.store.entry import Kind
from dgcc.store.jail import Overlay, changes, remove_scratch, run

SOURCE = """
#include <stdio.h>
#include "part.h"
int main(void) { printf("%s %s %d\\n", __FILE__, PART, __LINE__); return 0; }
"""


@pytest.mark.parametrize("flags", ["-O2", "-g -O0", "-g3 -O2 -MMD -fPIC", "-S -fverbose-asm"])
def test_object_is_byte_identical(place: Place, flags: str) -> None:
    place.write("src/main.c", SOURCE)
    place.write("include/part.h", '#define PART "the part"')
    command = f"gcc {flags} -Iinclude -Wall -c src/main.c -o main.o"
    subprocess.run(command.split(), cwd=place.lower, check=True)
    expected = {path.name: path.read_bytes() for path in place.lower.iterdir() if path.is_file()}
    assert "main.o" in expected
    for name in expected:
        (place.lower / name).unlink()

    inside = os.fsencode(place.lower)
    spec = place.spec(command, cwd=inside, overlays=(Overlay(inside, (inside,)),))
    result = run(spec, merge=True, deadline_s=60, max_output=1 << 16)
    assert (result.exit_code, result.chunks) == (0, ())
    made = {os.fsdecode(c.path): (spec.upper(0) / os.fsdecode(c.path)).read_bytes()
            for c in changes(spec.upper(0), [place.lower]) if c.kind is Kind.FILE}  # fmt: skip
    remove_scratch(spec.scratch)
    assert made == expected


def test_diagnostics_are_the_compilers_own(place: Place) -> None:
    place.write("bad.c", "int main(void) { return x; }\n")
    inside = os.fsencode(place.lower)
    outside = subprocess.run(
        ["gcc", "-c", "bad.c"], cwd=place.lower, capture_output=True, env={"PATH": "/usr/bin"}
    )
    outcome = place.sh("exec gcc -c bad.c", cwd=inside, overlays=(Overlay(inside, (inside,)),))
    assert (outcome.result.exit_code, outcome.text, outcome.changes) == (1, outside.stderr.decode(), [])
