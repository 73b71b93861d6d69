"""CPU is counted by process tree: all that comes of a command, and nothing else; every child has an end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from farmkit import processes_with, wait_for

from dgcc.bench import processes
from dgcc.bench.processes import Tree
from dgcc.bench.setting import BenchFailed

BURN_S = 0.2
# Burns so much CPU itself, whatever else the machine does.
BURN = f"""
import os, sys, time
def burn():
    while time.process_time() < {BURN_S}: pass
"""
# Leaves a process behind that has no parent, no session and no standard output in common with it.
DAEMON = (
    BURN
    + """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        burn()
        open(sys.argv[1], "w").close()
        time.sleep(60)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""
)


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", program, *arguments]


def test_a_burner_is_counted(tmp_path: Path):
    ended = processes.run(python(BURN + "burn()"), tmp_path / "log", 30)
    assert BURN_S <= ended.cpu_s < BURN_S + 0.3
    assert ended.left == ()


def test_children_that_were_waited_for_are_counted(tmp_path: Path):
    program = BURN + "import subprocess\nfor _ in range(2): subprocess.run([sys.executable, '-S', '-c', sys.argv[1]])"
    ended = processes.run(python(program, BURN + "burn()"), tmp_path / "log", 30)
    assert 2 * BURN_S <= ended.cpu_s < 2 * BURN_S + 0.3


def test_a_daemonised_grandchild_is_counted_and_named_and_ended(tmp_path: Path):
    word = str(tmp_path / "burnt")
    ended = processes.run(python(DAEMON, word), tmp_path / "log", 30)
    assert BURN_S <= ended.cpu_s < BURN_S + 0.3
    assert len(ended.left) == 1
    assert processes_with(word) == []


def test_a_server_is_counted_apart_from_its_client(tmp_path: Path):
    served = tmp_path / "served"
    os.mkfifo(tmp_path / "asked")
    server = BURN + "open(sys.argv[1]).read()\nburn()\nopen(sys.argv[2], 'w').close()\ntime.sleep(60)"
    client = "open(sys.argv[1], 'w').close()\nwhile not os.path.exists(sys.argv[2]): time.sleep(.01)"
    client = f"import os, sys, time\n{client}"
    names = (str(tmp_path / "asked"), str(served))
    with Tree(python(server, *names), tmp_path / "server.log", 60) as running:
        before = running.cpu_s()
        ended = processes.run(python(client, *names), tmp_path / "client.log", 30)
        assert running.cpu_s() - before >= BURN_S - 0.1
        assert ended.cpu_s < BURN_S
        assert not running.ended()
    assert processes_with(names[0]) == []


def test_what_the_bench_itself_spends_is_not_counted(tmp_path: Path):
    with Tree(["sleep", "60"], tmp_path / "log", 60) as running:
        before = time.process_time()
        while time.process_time() - before < BURN_S:
            pass
        assert running.cpu_s() < 0.1


@pytest.mark.parametrize("command, said", [
    (["sleep", "60"], "sleep 60 had not ended after 0 s"),
    (["sh", "-c", "echo no such thing >&2; exit 3"], r"failed \(3\); it said: no such thing"),
    (["sh", "-c", "kill -9 $$"], r"failed \(-9\); it said nothing"),
    (["/no/such/program"], "cannot be started"),
])  # fmt: skip
def test_a_command_that_fails_is_one_line(tmp_path: Path, command: list[str], said: str):
    with pytest.raises(BenchFailed, match=said) as failed:
        processes.run(command, tmp_path / "log", 0.3 if command[0] == "sleep" else 30)
    assert "\n" not in str(failed.value)


def test_no_directory_is_one_line(tmp_path: Path):
    with pytest.raises(BenchFailed, match="cannot be started"):
        processes.run(["true"], tmp_path / "log", 30, cwd=tmp_path / "nowhere")


def test_a_daemon_that_ends_by_itself_is_told(tmp_path: Path):
    with Tree(["sh", "-c", "echo port taken; exit 1"], tmp_path / "log", 30) as running:
        wait_for(running.ended, "it has ended")
        with pytest.raises(BenchFailed, match="has ended; it said: port taken"):
            running.cpu_s()


def test_nothing_outlives_a_bench_that_is_killed(tmp_path: Path):
    word = str(tmp_path / "word")
    program = (
        "from pathlib import Path\nfrom dgcc.bench.processes import Tree\nimport sys, time\n"
        "tree = Tree(['sh', '-c', 'sleep 60; :', sys.argv[1]], Path(sys.argv[1]), 60)\n"
        "print(tree.cpu_s(), flush=True)\ntime.sleep(60)"
    )
    with Tree([sys.executable, "-c", program, word], tmp_path / "log", 60) as bench:
        log = tmp_path / "log"
        wait_for(lambda: log.exists() and log.read_text(), "the inner tree is up")
        assert len(processes_with(word)) >= 3
        (inner,) = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _is_bench(pid, program)]
        os.kill(inner, signal.SIGKILL)
        assert bench.wait().code == -signal.SIGKILL
    wait_for(lambda: not processes_with(word), "all have ended")


def _is_bench(pid: str, program: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    return words[1:3] == ["-c", program]
