"""Jobs whose output is a terminal at home: they find one, and every byte they print arrives as it is."""

import os
import subprocess
import sys

import pytest
from jail.jailplace import Place

from dgcc.store.jail import JailDeadline, JailFailed, JailRun, JailSpec, Terminal, remove_scratch

TTYS = "for fd in 0 1 2; do test -t $fd && echo $fd is; done >&%d"


def printed(spec: JailSpec, terminal: Terminal, *, merge: bool = True, deadline_s: float = 60) -> dict[int, bytes]:
    """What a job prints, by stream."""
    try:
        run = JailRun(spec, merge=merge, deadline_s=deadline_s, max_output=1 << 22, terminal=terminal)
        streams: dict[int, bytes] = {}
        for stream, data in run.run().chunks:
            streams[stream] = streams.get(stream, b"") + data
        return streams
    finally:
        remove_scratch(spec.scratch)


def test_one_terminal_for_both_keeps_their_order(place: Place) -> None:
    script = "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done;" + TTYS % 2
    lines = "".join(f"out {i}\nerr {i}\n" for i in range(1, 6)) + "1 is\n2 is\n"
    assert printed(place.spec(script), Terminal(True, True)) == {1: lines.encode()}


@pytest.mark.parametrize(("out", "err"), [(True, False), (False, True), (True, True)])
def test_streams_that_are_two(place: Place, out: bool, err: bool) -> None:
    script = "echo text; echo warning >&2;" + TTYS % 1
    found = printed(place.spec(script), Terminal(out, err), merge=False)
    assert found == {1: b"text\n" + b"1 is\n" * out + b"2 is\n" * err, 2: b"warning\n"}


def test_every_byte_passes_and_none_is_added(place: Place) -> None:
    place.write("print.py", "import os\nos.write(1, bytes(range(256)) * 400)\n")
    outcome = printed(place.spec("exec /usr/bin/python3 print.py"), Terminal(True, True))
    assert outcome == {1: bytes(range(256)) * 400}


def test_large_output_arrives_whole(place: Place) -> None:
    expected = "".join(f"{i}\n" for i in range(1, 100001)).encode()
    assert printed(place.spec("seq 1 100000"), Terminal(True, True)) == {1: expected}


def test_size(place: Place) -> None:
    place.write("size.py", "import os\nsize = os.get_terminal_size(2)\nprint(size.columns, size.lines)\n")
    for columns, rows in ((132, 43), (0, 0)):
        spec = place.spec("exec /usr/bin/python3 size.py")
        assert printed(spec, Terminal(False, True, columns, rows), merge=False)[1] == b"%d %d\n" % (columns, rows)


def test_it_can_be_opened_by_name(place: Place) -> None:
    assert printed(place.spec("echo named > /dev/stderr; echo more"), Terminal(True, True)) == {1: b"named\nmore\n"}


def test_what_stays_behind_does_not_hold_it_up(place: Place) -> None:
    assert printed(place.spec("sleep 300 & echo done"), Terminal(True, True)) == {1: b"done\n"}


def test_deadline(place: Place) -> None:
    with pytest.raises(JailDeadline):
        printed(place.spec("echo; exec sleep 300"), Terminal(True, True), deadline_s=0.3)


def test_no_terminal_to_be_had(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "openpty", none)
    with pytest.raises(JailFailed, match="no terminal can be made for a job: No such .* devpts mounted on /dev/pts"):
        printed(place.spec("true"), Terminal(True, True))


def test_a_compiler_prints_what_it_prints_at_home(place: Place) -> None:
    long = "int a_rather_long_name_for_something = " + " + ".join(f"undeclared_{i}" for i in range(12)) + ";\n"
    place.write("bad.c", f"#include <stdio.h>\n{long}int f(void) {{ int unused; printf(\"%d\\n\", 1.5); }}\n")
    command = ["/usr/bin/gcc", "-Wall", "-c", "bad.c"]
    environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    spec = place.spec("", program=command[0].encode(), argv=tuple(word.encode() for word in command),
                      env=tuple(f"{k}={v}".encode() for k, v in environment.items()))  # fmt: skip
    remote = printed(spec, Terminal(True, True, 70, 30))
    assert b"\x1b[01;35m" in remote[1] and b"undeclared_0" in remote[1]

    # At home, on a terminal that adds nothing either.
    code = (
        "import os, subprocess, sys, tty; ours, theirs = os.openpty(); tty.setraw(theirs);"
        "import fcntl, struct, termios; fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('4H', 30, 70, 0, 0));"
        "p = subprocess.Popen(sys.argv[1:], stdout=theirs, stderr=theirs); os.close(theirs)\n"
        "try:\n while data := os.read(ours, 4096): os.write(1, data)\n"
        "except OSError: pass"
    )
    home = subprocess.run([sys.executable, "-c", code, *command], cwd=place.lower, env=environment, capture_output=True)
    assert remote == {1: home.stdout}
