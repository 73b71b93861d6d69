"""Runs one command and counts the CPU of all that comes of it: a program of its own, for `dgcc.bench.processes`.

    python -I launcher.py LOG SECONDS COMMAND...

It is the reaper of its descendants (PR_SET_CHILD_SUBREAPER): whatever daemonises stays below it. What has ended is in
its RUSAGE_CHILDREN (only what was waited for: a process whose parent ignores SIGCHLD is lost), what still runs is read
from its CPU clock and /proc. Its own CPU is not counted. It imports nothing of DGCC and takes nothing from the bench's
process, so what is measured does not depend on either.

On stdin a line "cpu" asks what was spent so far; the end of stdin ends the command. Answers are lines of JSON on
stdout, the last one when the command has ended: "code" (negative: the signal, None: it had to be ended), "late" (it
took longer than SECONDS), "left" (what still ran then, and was killed).
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED of a process, as clock_getcpuclockid(3) makes it: (~pid << 3) | 2
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_GRACE_S = 20.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def descendants() -> list[int]:
    """The process ids below this process, parents first."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(name))[1]), []).append(int(name))
    found = list(children.get(os.getpid(), []))
    for pid in found:  # which grows
        found += children.get(pid, [])
    return found


def spent() -> float:
    """Seconds of CPU that the descendants have used, dead and living."""
    seconds = 0.0
    for pid in descendants():
        with contextlib.suppress(OSError):
            ended = _stat(pid)[13:15]  # cutime and cstime: of those that it has waited for
            seconds += time.clock_gettime((~pid << 3) | _PROCESS_CLOCK) + sum(map(int, ended)) * _TICK_S
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds + reaped.ru_utime + reaped.ru_stime


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


class _Main:
    """The command, and all that has become of it."""

    def __init__(self, command: list[str], log: str) -> None:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                   (os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]  # fmt: skip
        self.started = time.monotonic()
        self.pid = os.posix_spawnp(
            command[0], command, os.environ, file_actions=actions, setsid=True, setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE],
        )  # fmt: skip
        self.code: int | None = None
        self.ended: float | None = None

    def reap(self) -> bool:
        """Wait for what has ended; returns whether there are children left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if pid == self.pid:
                self.code, self.ended = os.waitstatus_to_exitcode(status), time.monotonic()

    def stop(self) -> None:
        """Ask the command to end, then end whatever is still there."""
        if self.ended is None:
            os.kill(self.pid, signal.SIGTERM)
            until = time.monotonic() + _GRACE_S
            while self.ended is None and time.monotonic() < until:
                self.reap()
                time.sleep(0.01)
        while self.reap():
            for pid in descendants():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)


def _say(**what: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, (json.dumps(what) + "\n").encode())


def main(log: str, seconds: float, command: list[str]) -> None:
    """Run `command` to its end, or until stdin ends or the time is up."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        run = _Main(command, log)
    except OSError as error:
        _say(code=127, cpu_s=0.0, wall_s=0.0, late=False, left=[], error=str(error))
        return
    late = wanted = False
    while run.ended is None:
        rest = run.started + seconds - time.monotonic()
        ready, _, _ = select.select([0, woken], [], [], max(rest, 0))
        late = not ready and rest <= 0
        if woken in ready:
            os.read(woken, 512)
        run.reap()
        if 0 in ready:
            asked = os.read(0, 512)
            wanted = not asked
            for _ in range(asked.count(b"\n")):
                _say(cpu_s=spent())
        if late or wanted:
            break
    code, left = run.code, [] if late or wanted else [_name(pid) for pid in descendants()]
    cpu_s, now = spent(), time.monotonic()
    run.stop()
    _say(code=code, cpu_s=cpu_s, wall_s=(run.ended if code is not None and run.ended else now) - run.started,
         late=late, left=left)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
