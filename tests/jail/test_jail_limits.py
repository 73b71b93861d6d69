"""What a job may use: each bomb ends the job that it is, with a sentence, and nobody else's."""

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from jail.jailplace import Outcome, Place
from msgspec.structs import replace

from dgcc.store.jail import JailDeadline, JailError, JailLimit, Limits, probe
from dgcc.store.jaillimits import fitted, host_limits, size

MIB = 1 << 20
SMALL = Limits(memory=300 * MIB, output=200 * MIB, files=1500, processes=150, open_files=99, seconds=60)
PYTHON = "exec /usr/bin/python3 -c"

MEMORY, OUTPUT = "the job used more than 300 MiB of memory", "the job wrote more than 200 MiB"
BOMBS = {
    "memory": (f"{PYTHON} 'x = [bytearray(1 << 24) for _ in range(10**4)]'", MEMORY),
    "memory of many": (f"for i in 1 2 3 4 5 6; do ({PYTHON} 'import time; x = bytearray(90 << 20); time.sleep(9)') &"
                       " done; wait", MEMORY),
    "memory by a map": (f"{PYTHON} 'import mmap, time; m = mmap.mmap(-1, 1 << 30); m.write(bytes(1 << 29));"
                        " time.sleep(9)'", MEMORY),
    "/tmp": ("yes > /tmp/x; sleep 9", OUTPUT),
    "/dev/shm": ("for i in 1 2 3; do head -c 90M /dev/zero > /dev/shm/$i; done; sleep 9", OUTPUT),
    "one file": ("yes > x", OUTPUT),
    "a file without a name": ("exec 3>x; rm x; yes >&3", OUTPUT),
    "many small files": (f"{PYTHON} 'for i in range(9**9): open(str(i), \"w\")'", "the job made more than 1500 files"),
    "files in a closed directory": (
        f"{PYTHON} 'import os; os.mkdir(\"d\"); os.chdir(\"d\"); f = open(\"x\", \"wb\"); os.chmod(\".\", 0)\n"
        "while f.write(bytes(1 << 20)): pass'", OUTPUT),
    "deep": (f"{PYTHON} 'import os, time\nfor i in range(900): os.mkdir(\"d\"); os.chdir(\"d\")\ntime.sleep(9)'",
             "the job made directories more than 400 deep"),
    "fork": ("f() { f | f & }; f; sleep 9", "the job had more than 150 processes"),
    "threads": (f"{PYTHON} 'import threading, time\nfor i in range(200): threading.Thread(target=time.sleep,"
                " args=(9,)).start()'", "the job had more than 150 processes"),
}  # fmt: skip


def ends(place: Place, script: str, limits: Limits = SMALL, **changed: Any) -> str:
    """How a job ended that must not end well."""
    with pytest.raises(JailLimit) as caught:
        place.sh(script, limits=limits, **changed)
    return str(caught.value)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_that_job_alone(place: Place, bomb: str) -> None:
    neighbour: list[Outcome | JailError] = []
    spec = place.spec("sleep 0.3; i=0; while [ $i -lt 300 ]; do : > f$i; i=$((i+1)); done; echo well", limits=SMALL)

    def beside() -> None:
        try:
            neighbour.append(place.do(spec))
        except JailError as error:
            neighbour.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    script, said = BOMBS[bomb]
    try:
        assert ends(place, script) == said
    finally:
        thread.join()
    (other,) = neighbour
    assert isinstance(other, Outcome) and other.text == "well\n", other


def test_a_bomb_that_ends_by_itself_is_known_too(place: Place) -> None:
    """It saw that the disk is full, and would have blamed that on its source."""
    full = "head -c 400M /dev/zero > /tmp/x || exit 1"
    assert ends(place, full, replace(SMALL, memory=30 * MIB, output=40 * MIB)) in (
        "the job used more than 30 MiB of memory", "the job wrote more than 40 MiB")  # fmt: skip


def test_a_sleeper_meets_its_deadline(place: Place) -> None:
    start = time.monotonic()
    with pytest.raises(JailDeadline, match="^the job ran for more than 1 seconds$"):
        place.sh("sleep 50", limits=replace(SMALL, seconds=1))
    assert time.monotonic() - start < 30


def test_what_takes_no_room_is_not_counted(place: Place) -> None:
    """Sparse files, address space that is only reserved, memory that processes share, a file of many names."""
    outcome = place.sh(
        "truncate -s 1T sparse /tmp/sparse; head -c 20M /dev/zero > a; for i in $(seq 50); do ln a a$i; done;"
        "/usr/bin/python3 -c 'import mmap, os, time; y = mmap.mmap(-1, 1 << 40, 0x4022); x = bytearray(90 << 20)\n"
        "for i in range(8):\n    if not os.fork(): time.sleep(1.3); os._exit(0)\nfor i in range(8): os.wait()';"
        "rm sparse; echo well",
        limits=SMALL,
    )
    assert outcome.text == "well\n"


def test_pages_of_files_can_be_had_again(place: Place) -> None:
    """As a linker maps its inputs."""
    with (place.lower / "input").open("wb") as file:
        file.write(b"x" * (400 * MIB))
    script = "import mmap, os, time; m = mmap.mmap(os.open('input', 0), 0, prot=1); print(m.find(b'y')); time.sleep(.3)"
    assert place.sh(f'/usr/bin/python3 -c "{script}"', limits=SMALL).text == "-1\n"


def test_what_is_written_in_memory_is_memory(place: Place) -> None:
    with tempfile.TemporaryDirectory(prefix="dgcc-test-", dir="/dev/shm") as name:
        if probe(Path(name)) is None:  # elsewhere scratch directories lie on a disk
            scratch = Path(name) / "scratch"
            scratch.mkdir()
            limits = replace(SMALL, memory=100 * MIB)
            said = ends(place, "head -c 150M /dev/zero > x; sleep 9", limits, scratch=scratch)
            assert said == "the job used more than 100 MiB of memory"


def test_open_files(place: Place) -> None:
    script = "import os; print(sum(os.dup(1) > 0 for _ in range(99)))"
    outcome = place.sh(f'/usr/bin/python3 -c "{script}"; ulimit -n', limits=SMALL)
    assert "Too many open files" in outcome.text and outcome.text.endswith("\n99\n")


def test_space_is_not_taken_without_writing(place: Place) -> None:
    outcome = place.sh("for f in x /tmp/x; do fallocate -l 100M $f; done", limits=SMALL)
    assert outcome.text.count("Operation not supported") == 2 and outcome.result.exit_code == 1


def test_a_host_that_is_short(place: Place) -> None:
    assert ends(place, "sleep 9", replace(SMALL, memory_left=1 << 60)) == (
        "the job was ended because its host had less than 1073741824 GiB of memory")  # fmt: skip
    assert ends(place, "sleep 9", replace(SMALL, scratch_left=1 << 60)) == (
        "the job was ended because the disk of its host, where jobs write, was almost full")  # fmt: skip


def test_defaults_follow_the_host(top: Path) -> None:
    gib = 1 << 30
    assert [host_limits(slots, total * gib).memory / gib for slots, total in ((2, 24), (16, 32), (4, 4))] == [12, 4, 3]
    status = os.statvfs(top)
    assert fitted(replace(SMALL, scratch_left=1), top).scratch_left == 1
    whole = status.f_blocks * status.f_frsize
    assert 0 < fitted(replace(SMALL, scratch_left=1 << 60), top).scratch_left <= whole // 32
    assert [size(n) for n in (3 * gib // 2, 4 * gib, 300 * MIB, 5)] == ["1.5 GiB", "4 GiB", "300 MiB", "5 bytes"]
