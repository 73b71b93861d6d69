"""The system calls that a job may make: what it may not ask, asked from inside; and that real programs run."""

import os
import platform
import signal
import subprocess
from pathlib import Path

import pytest
from jail.jailplace import Place

from dgcc.native.filter import FilterError, write_filter
from dgcc.store.jail import JailRun, Terminal, remove_scratch

X86 = platform.machine() == "x86_64"


@pytest.fixture
def attempts(place: Place) -> Place:
    """A place whose project holds the program that tries."""
    source = Path(__file__).parent / "attempts.c"
    subprocess.run(["gcc", "-O1", "-Wall", "-o", place.lower / "attempts", source], check=True)
    return place


@pytest.mark.parametrize("uid", [1000, 0])
def test_calls_that_no_job_needs(attempts: Place, uid: int) -> None:
    outcome = attempts.sh("./attempts", inside_uid=uid, inside_gid=uid)
    refused, absent = (part.split("\n") for part in outcome.text.rstrip().split("\nabsent:\n"))
    assert len(refused) > 60 and {line.split()[1] for line in refused} == {"EPERM"}, refused
    assert len(absent) > 5 and {line.split()[1] for line in absent} == {"ENOSYS"}, absent


def test_the_filter_covers_the_other_ways_into_the_kernel(attempts: Place) -> None:
    if X86:  # 32-bit calls have the same list, but no sockets; x32 is no way at all
        outcome = attempts.sh("./attempts 32")
        assert outcome.text == "getpid 1 unshare -1 socket -38 socketcall -38\n"
        assert attempts.sh("exec ./attempts x32").result.signal == signal.SIGSYS


def test_the_filter_cannot_be_taken_off(place: Place) -> None:
    place.write(
        "off.py",
        """
import ctypes
prctl = ctypes.CDLL(None, use_errno=True).prctl
print(prctl(22, 0, 0, 0, 0), prctl(38, 0, 0, 0, 0))  # PR_SET_SECCOMP to none, PR_SET_NO_NEW_PRIVS to 0
""",
    )
    outcome = place.sh("/usr/bin/python3 off.py; grep -E 'Seccomp:|NoNewPrivs' /proc/self/status")
    assert outcome.text.split() == ["-1", "-1", "NoNewPrivs:", "1", "Seccomp:", "2"]


def test_a_terminal_takes_no_input_from_the_job(attempts: Place) -> None:
    spec = attempts.spec("test -t 1 && ./attempts")
    result = JailRun(spec, merge=True, deadline_s=60, max_output=1 << 20, terminal=Terminal(True, True)).run()
    remove_scratch(spec.scratch)
    text = b"".join(data for _, data in result.chunks).decode()
    assert text.count("terminal-input EPERM\n") == text.count("terminal-input-in-64-bits EPERM\n") == 1


def test_the_hosts_crash_handler_gets_nothing(place: Place) -> None:
    """A core limit of 0 would let the kernel start it; of 1 it does not, and a job cannot set another."""
    script = "import resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); print(r.getrlimit(r.RLIMIT_CORE))"
    outcome = place.sh(f"/usr/bin/python3 -c '{script}'; ulimit -c 0; exec /usr/bin/python3 -c '{script}'")
    assert outcome.text == "(1, 1)\n(1, 1)\n"


def test_nothing_in_proc_can_be_set(place: Place) -> None:
    outcome = place.sh(
        "for f in self/oom_score_adj self/uid_map sys/kernel/shmmax sys/net/ipv4/ip_forward sysrq-trigger self/comm; do"
        " (echo 0 > /proc/$f) 2>/dev/null && echo $f; done; touch /dev/null 2>/dev/null && echo touched; echo end",
        inside_uid=0,
        inside_gid=0,
    )
    assert outcome.text == "end\n"


def test_no_control_group_of_the_host_is_named(place: Place) -> None:
    lines = place.sh("cat /proc/self/cgroup").text.splitlines()
    assert all(line.endswith(":/") for line in lines), lines


# ---- What must go on working ---------------------------------------------------------------------------------

SANITIZED = """
#include <pthread.h>
#include <stdlib.h>
static void *run(void *what) { return what; }
int main(int argc, char **argv)
{
    pthread_t thread;
    char *volatile memory = malloc(10);
    pthread_create(&thread, 0, run, 0);
    pthread_join(thread, 0);
    (void)argv;
    if (argc > 1)
        memory = 0;
    else
        free(memory);
    return 0;
}
"""


@pytest.mark.parametrize("kind", ["address", "undefined", "thread"])
def test_sanitizers(place: Place, kind: str) -> None:
    place.write("a.c", SANITIZED)
    outcome = place.sh(f"gcc -g -fsanitize={kind} a.c -o a -pthread && ./a && echo well; ./a leak")
    assert outcome.text.startswith("well\n")
    assert ("10 byte(s) leaked" in outcome.text) == (kind == "address")


def test_compilers_and_their_tools(place: Place) -> None:
    place.write("a.cc", "#include <iostream>\nint f(int);\nint main() { std::cout << f(20) << std::endl; }\n")
    place.write("f.cc", "int f(int n) { return n * 2 + 2; }\n")
    place.write("Makefile", "all: a.o f.o\n\tg++ -flto=auto $^ -o out\n%.o: %.cc\n\tg++ -O2 -flto -c $< -o $@\n")
    outcome = place.sh("make -s -j4 && ./out && ar rc lib.a a.o f.o && ld.gold -r a.o -o r.o && strip out && ./out")
    assert (outcome.text, outcome.result.exit_code) == ("42\n42\n", 0)


def test_build_tools(place: Place) -> None:
    place.write("tree/file", "text\n")
    place.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.10)\nproject(P C)\nadd_executable(p p.c)\n")
    place.write("p.c", "int main(void) { return 0; }\n")
    outcome = place.sh(
        "set -e; tar cf a.tar tree; mkdir x; tar xf a.tar -C x; cmake -E copy_directory tree y; cmp x/tree/file y/file;"
        "export GIT_CONFIG_GLOBAL=/dev/null HOME=/tmp; git init -q r; cd r; echo > f; git add f;"
        "git -c user.name=a -c user.email=b commit -qm c; git describe --always --dirty | tail -c 1 | wc -l; cd ..;"
        "perl -e 'print join(\",\", map { $_ * 2 } 1..3), \"\\n\"'; bash -c 'wait < <(echo piped); echo bash';"
        "setarch -R true; cmake -G Ninja -B b >/dev/null; ninja -C b >/dev/null; b/p; echo all"
    )
    assert outcome.text == "1\n2,4,6\nbash\nall\n"


def test_python_with_processes_threads_and_sockets(place: Place) -> None:
    place.write(
        "work.py",
        """
import asyncio, concurrent.futures as futures, mmap, multiprocessing, os, socket, subprocess, tempfile

def double(n):
    return 2 * n

async def main():
    made = await asyncio.create_subprocess_exec("echo", "hello", stdout=-1)
    return (await made.communicate())[0]

if __name__ == "__main__":
    with futures.ProcessPoolExecutor(2) as pool, futures.ThreadPoolExecutor(2) as threads:
        print(sum(pool.map(double, range(9))), sum(threads.map(double, range(9))))
    one, other = socket.socketpair()
    one.send(b"x"); print(other.recv(1), asyncio.run(main()))
    with tempfile.TemporaryFile() as file:
        file.truncate(4096); os.posix_fallocate(file.fileno(), 0, 65536); print(os.fstat(file.fileno()).st_size)
        mmap.mmap(file.fileno(), 0)[:1] = b"x"
    print(socket.getaddrinfo("127.0.0.1", 80)[0][0].name, len(socket.if_nameindex()))
""",
    )
    outcome = place.sh("/usr/bin/python3 work.py")
    assert outcome.text.splitlines() == ["72 72", "b'x' b'hello\\n'", "65536", "AF_INET 1"]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
def test_the_filter_can_be_made_for(machine: str, top: Path) -> None:
    write_filter([os.environ.get("CC", "cc")], top, machine)
    made = (top / "filter_programs.h").read_text()
    wide = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "riscv64": 0xC00000F3}[machine]
    assert f"0x{wide:08x}" in made and "filter_arguments[]" in made
    assert 400 < made.count("{0x") < 4096  # the most instructions that a kernel takes


def test_a_machine_without_a_list_is_told_so(top: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FilterError, match="^dgcc: the jail's filter of system calls cannot be made for vax$"):
        write_filter([os.environ.get("CC", "cc")], top, "vax")
    assert "known are x86_64 aarch64 " in capfd.readouterr().err
