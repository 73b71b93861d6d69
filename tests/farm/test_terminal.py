"""A build on a terminal: make's output and compilers' colours as at home, and one status line."""

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import farmkit
import pytest
from farmkit import Farm

_STATUS = r"\rdgcc: \d/\d done, \d remote, \d local, [012] slaves?(, \d fetching the toolchain)?\x1b\[K"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Two slaves for all tests of this file."""
    with farmkit.farm(tmp_path_factory.mktemp("farm"), "a", "b") as made:
        yield made


def on_terminal(farm: Farm, project: Path, command: list[str], columns: int = 80) -> str:
    """What a command shows on a terminal of that width, without an input."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    environment = {**os.environ, "XDG_CACHE_HOME": str(farm.directory / "cache"), "TERM": "xterm-256color"}
    process = subprocess.Popen(command, cwd=project, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env=environment, start_new_session=True)  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO at its end
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    assert process.wait(30) == 0, shown
    return shown.decode()


def test_a_terminal_shows_one_status_line_and_make_s_output(two: Farm, tmp_path: Path):
    (tmp_path / "Makefile").write_text("prog: a.o b.o\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -g -O2 -Wall -c -o $@ $<\n")
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "b.c").write_text("int b;\n")
    text = on_terminal(two, tmp_path, [str(farmkit.BIN / "dgcc-master"), "--naming", two.naming])
    assert re.search(_STATUS, text), text
    for line in ("cc -g -O2 -Wall -c -o a.o a.c", "cc -o prog a.o b.o"):
        assert re.search(rf"(^|\n|\x1b\[K){re.escape(line)}\r\n", text), text
    assert "dgcc: 3 jobs in" in text


def test_warnings_have_the_colours_that_they_have_at_home(two: Farm, tmp_path: Path):
    (tmp_path / "Makefile").write_text("all: a.o\n%.o: %.c\n\t@$(CC) -Wall -c -o $@ $<\n")
    (tmp_path / "a.c").write_text('int a(char *s) { int unused_one; return s == "x"; }\n')
    wanted = on_terminal(two, tmp_path, ["make", "-B"])
    text = on_terminal(two, tmp_path, [str(farmkit.BIN / "dgcc-master"), "--naming", two.naming, "-B"])
    assert "\x1b[01;35m\x1b[Kwarning: " in wanted and "1 remote" in text
    shown = re.sub(_STATUS, "", text).replace("\r\x1b[K", "")
    assert shown.startswith(wanted), (shown, wanted)
