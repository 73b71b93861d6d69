"""Files of options: read as the compiler itself reads them."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgcc.master.verdict.argumentfiles import expand, split_arguments
from dgcc.master.verdict.stayshome import StaysHome


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", []),
        (b" \n\t ", []),
        (b"-O2 -g\n-Wall\r\n", [b"-O2", b"-g", b"-Wall"]),
        (b"'a b' \"c d\"", [b"a b", b"c d"]),
        (b"-DX='a b'\"c\"d", [b"-DX=a bcd"]),
        (b"a\\ b \\'c \\\\", [b"a b", b"'c", b"\\"]),
        (b"\"a\\\"b\" 'a\\'b'", [b'a"b', b"a'b"]),
        (b"'' x", [b"", b"x"]),
        (b"# x", [b"#", b"x"]),
    ],
)
def test_words(text: bytes, words: list[bytes]) -> None:
    assert split_arguments(text) == words


@pytest.mark.parametrize("text", [b"'a", b'"', b"x 'y", b'"a\\"'])
def test_quotes_without_their_end(text: bytes) -> None:
    with pytest.raises(StaysHome, match="quote without its end"):
        split_arguments(text)


PIECES = st.sampled_from(
    [b"a", b"b", b" ", b"\n", b"\t", b"'", b'"', b"\\ ", b"\\'", b'\\"', b"\\\\", b"x=1", b"'c d'"]
)


@given(st.lists(PIECES, min_size=1, max_size=12).map(b"".join))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_compiler_reads_the_same(tmp_path: Path, text: bytes) -> None:
    try:
        words = split_arguments(text)
    except StaysHome:
        return
    (tmp_path / "options").write_bytes(text)
    # Every word is one that does not exist, which the compiler says of each in turn.
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    run = subprocess.run(["gcc", "-c", "@options"], cwd=tmp_path, capture_output=True, env=environment)
    said = re.findall(rb"error: (.*?): linker input file not found", run.stderr, re.DOTALL)
    named = [word for word in words if word]
    if not any(b":" in word or b"\n" in word for word in named):
        assert [word for word in said if word] == named


def test_files_within_files_and_their_bounds() -> None:
    files = {b"a": b"1 @b 2", b"b": b"'x y' @c", b"c": b"", b"loop": b"@loop", b"big": b"x " * 200_000}
    assert list(expand([b"-c", b"@a", b"@", b"z"], files.get)) == [b"-c", b"1", b"x y", b"2", b"@", b"z"]
    for name, fragment in ((b"@none", "cannot be read"), (b"@loop", "names itself"), (b"@big", "too many")):
        with pytest.raises(StaysHome, match=fragment):
            list(expand([name], files.get))
