"""A process that a master forks at its very start, to become the slave of a farm of one when it is told where that is.

It has Python and what both need in memory already, which takes a new interpreter a tenth of a second of CPU; and it is
forked before the ORB or any thread is there, which no fork would survive.
"""

import contextlib
import ctypes
import fcntl
import gc
import json
import logging
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from dgcc.naming.server import PARENT_DIED

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h
_ARG_START, _ARG_END = 48, 49  # fields of /proc/PID/stat, see proc(5)
_MOST = 1 << 16  # bytes of its arguments


class SpareSlave:
    """The process, as the master has it: like a subprocess.Popen, but for `start`."""

    def __init__(self) -> None:
        """Fork. Call it on the main thread, when there is no other. Raises OSError."""
        self.returncode: int | None = None
        read, self._pipe = os.pipe()
        flush()
        gc.freeze()  # a collection in one of the two would have the kernel copy all that both share
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become_slave(read, self._pipe, parent)
        os.close(read)

    def start(self, arguments: list[str]) -> None:
        """Let it be the slave that dgcc-slave with these arguments would be."""
        with contextlib.suppress(BrokenPipeError):  # it has ended, which `poll` tells
            os.write(self._pipe, json.dumps(arguments).encode())
        self.dismiss()

    def dismiss(self) -> None:
        """Tell it nothing more: it ends, if it was not started. Safe to call twice."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def poll(self) -> int | None:
        """Its exit code, or negated the signal that ended it; None while it lives."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, `timeout` seconds at most. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                if not select.select([descriptor], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("dgcc-slave", timeout or 0.0)
            finally:
                os.close(descriptor)
        code = self.poll()
        assert code is not None
        return code

    def terminate(self) -> None:
        """Tell it to end; one that was not started does so at once."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def flush() -> None:
    """Write what is still to be written to stdout and stderr, where there are any, and somebody reads them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _become_slave(read: int, write: int, parent: int) -> None:
    """The life of the new process."""
    code = 1
    try:
        os.close(write)
        read = fcntl.fcntl(read, fcntl.F_DUPFD_CLOEXEC, 3)  # where the master has no stdin, it may be in its place
        os.setsid()
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, int(PARENT_DIED))
        prctl(_PR_SET_NAME, b"dgcc-slave")
        _show("dgcc-slave of a farm of one")
        if os.getppid() != parent:
            os._exit(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for handler in logging.root.handlers[:]:  # those are the master's
            logging.root.removeHandler(handler)
        told = os.read(read, _MOST)
        os.close(read)
        code = _be_slave(json.loads(told)) if told else 0
    except BaseException:
        logging.exception("a mistake of the slave's")
    finally:
        flush()
        os._exit(code)  # what else is in this memory is the master's to end


def _be_slave(arguments: list[str]) -> int:
    from dgcc.cli import slave  # now, because most builds with little to do need none

    return slave.main(arguments)


def _show(title: str) -> None:
    """Have ps and its like show this as our command line, where there is room for it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_bytes().rpartition(b") ")[2].split()
        start, end = (int(fields[number - 3]) for number in (_ARG_START, _ARG_END))
        text = title.encode()
        if len(text) < end - start:
            ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
