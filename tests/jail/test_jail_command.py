"""The command itself: how it ends, what it prints, and that it gets exactly what the recipe had."""

import os
import threading
import time

import pytest
from jail.jailplace import Place

from dgcc.store.jail import (
    BadSpec,
    JailCancelled,
    JailDeadline,
    JailOutputLimit,
    JailRun,
)


@pytest.mark.parametrize("code", [0, 1, 42, 125, 127, 255])
def test_exit_code(place: Place, code: int) -> None:
    result = place.sh(f"exit {code}").result
    assert (result.exit_code, result.signal) == (code, 0)


@pytest.mark.parametrize("number", [1, 2, 6, 9, 11, 15])
def test_signal_ends_the_command_as_it_would_outside(place: Place, number: int) -> None:
    result = place.sh(f"kill -{number} $$; sleep 60").result
    assert (result.exit_code, result.signal) == (0, number)


def test_signals_have_their_default_action(place: Place) -> None:
    status = place.sh("grep -E '^Sig(Blk|Ign)' /proc/self/status").text.split()
    assert [int(mask, 16) for mask in status[1::2]] == [0, 0]


def test_missing_command_is_the_commands_fault(place: Place) -> None:
    outcome = place.do(place.spec("", program=b"no-such-compiler", argv=(b"no-such-compiler",)))
    assert outcome.result.exit_code == 127
    assert outcome.text == "no-such-compiler: No such file or directory\n"


def test_file_that_is_not_executable(place: Place) -> None:
    place.write("notes", "hello", 0o644)
    outcome = place.do(place.spec("", program=b"./notes", argv=(b"./notes",)))
    assert outcome.result.exit_code == 126
    assert outcome.text == "./notes: Permission denied\n"


def test_script_without_interpreter_line_is_run_by_the_shell(place: Place) -> None:
    place.write("tool", "echo ran $1", 0o755)
    assert place.do(place.spec("", program=b"./tool", argv=(b"./tool", b"well"))).text == "ran well\n"


def test_program_is_found_in_the_jobs_path(place: Place) -> None:
    place.write("bin/cc", "#!/bin/sh\necho mine $0", 0o755)
    path = b"PATH=" + place.inside + b"/bin:/usr/bin"
    outcome = place.do(place.spec("", program=b"cc", argv=(b"cc",), env=(path,)))
    assert outcome.text == f"mine {os.fsdecode(place.inside)}/bin/cc\n"


def test_merged_output_keeps_its_order(place: Place) -> None:
    outcome = place.sh("for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done")
    assert outcome.text == "".join(f"out {i}\nerr {i}\n" for i in range(1, 10))
    assert {stream for stream, _ in outcome.result.chunks} == {1}


def test_separate_streams(place: Place) -> None:
    chunks = place.sh("echo warning >&2; echo text; echo error >&2", merge=False).result.chunks
    assert b"".join(data for stream, data in chunks if stream == 1) == b"text\n"
    assert b"".join(data for stream, data in chunks if stream == 2) == b"warning\nerror\n"


def test_large_output_arrives_whole(place: Place) -> None:
    assert place.sh("seq 1 400000").text == "".join(f"{i}\n" for i in range(1, 400001))


def test_environment_is_exact(place: Place) -> None:
    environment = (b"A=1", b"EMPTY=", b"ODD= \n'\"$\xff=", b"A=twice")
    outcome = place.do(place.spec("", program=b"/usr/bin/env", argv=(b"env", b"-0"), env=environment))
    assert b"".join(data for _, data in outcome.result.chunks).split(b"\0")[:-1] == list(environment)


def test_arguments_are_exact_even_when_there_is_a_lot(place: Place) -> None:
    words = (b"", b" ", b"\xff\n", b"end", b"*" * 100_000, *(b"%d" % i for i in range(20_000)))
    argv = (b"printf", b"%s\\0", *words)
    result = place.do(place.spec("", program=b"/usr/bin/printf", argv=argv)).result
    assert b"".join(data for _, data in result.chunks).split(b"\0")[:-1] == list(words)


def test_nul_in_a_word_is_refused(place: Place) -> None:
    with pytest.raises(BadSpec, match="NUL"):
        place.do(place.spec("", argv=(b"sh", b"a\0b")))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
def test_umask(place: Place, umask: int) -> None:
    outcome = place.sh("umask; touch file; mkdir dir", umask=umask)
    assert int(outcome.text, 8) == umask
    assert outcome.change("file").mode == 0o666 & ~umask
    assert outcome.change("dir").mode == 0o777 & ~umask


def test_working_directory(place: Place) -> None:
    place.write("a b/c/file")
    assert place.sh("pwd; ls", cwd=place.inside + b"/a b/c").text == f"{place.inside.decode()}/a b/c\nfile\n"


def test_standard_input_is_empty_and_no_other_descriptor_is_open(place: Place) -> None:
    place.write("fds.py", "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:4])")
    assert place.sh("cat; /usr/bin/python3 fds.py").text == "[0, 1, 2, 3]\n"  # 3 is that of the listing


def test_limits(place: Place) -> None:
    limits = (("core", 0), ("nofile", 77), ("fsize", 1 << 20), ("nproc", 1 << 62))
    outcome = place.sh("ulimit -c; ulimit -n; ulimit -Hn; head -c 2000000 /dev/zero > big", rlimits=limits)
    assert outcome.text.splitlines()[:3] == ["0", "77", "77"]
    assert outcome.change("big").size == 1 << 20


def test_time_and_memory_count_all_processes(place: Place) -> None:
    burn = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"
    hog = "import time; data = bytearray(64 << 20)"
    result = place.sh(f'({burn}) & ({burn}) & wait; /usr/bin/python3 -c "{hog}"').result
    assert 0.02 < result.cpu_s < 60
    assert 64 << 20 < result.max_rss < 256 << 20
    assert 0 < result.wall_s < 60


def test_deadline(place: Place) -> None:
    start = time.monotonic()
    with pytest.raises(JailDeadline):
        JailRun(place.spec("sleep 60"), merge=True, deadline_s=0.1, max_output=1).run()
    assert time.monotonic() - start < 30


def test_output_limit(place: Place) -> None:
    with pytest.raises(JailOutputLimit):
        place.sh("yes", max_output=1 << 20)


def test_kill_from_another_thread(place: Place) -> None:
    jail = JailRun(place.spec("sleep 60"), merge=True, deadline_s=60, max_output=1)
    threading.Timer(0.05, jail.kill).start()
    with pytest.raises(JailCancelled):
        jail.run()
    jail.kill()  # too late, and harmless


def test_kill_before_run(place: Place) -> None:
    jail = JailRun(place.spec("echo x > made"), merge=True, deadline_s=60, max_output=1)
    jail.kill()
    with pytest.raises(JailCancelled):
        jail.run()


def test_kill_at_any_moment(place: Place) -> None:
    for step in range(12):
        jail = JailRun(place.spec("sleep 60"), merge=True, deadline_s=60, max_output=1)
        threading.Timer(step / 2000, jail.kill).start()
        with pytest.raises(JailCancelled):
            jail.run()


def test_many_at_once(place: Place) -> None:
    specs = [place.spec(f"echo {i} > out; cat out; exit {i}") for i in range(16)]
    codes: dict[int, tuple[int, str]] = {}

    def one(index: int) -> None:
        outcome = place.do(specs[index])
        codes[index] = (outcome.result.exit_code, outcome.text)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {i: (i, f"{i}\n") for i in range(16)}
