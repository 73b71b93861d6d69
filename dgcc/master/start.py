"""Make, started as early as can be: most of the master is loaded while make reads its makefiles."""

import contextlib
import os
import resource
import signal
import subprocess
import time

from dgcc.master.clientsocket import ClientSocket
from dgcc.master.driver import launch
from dgcc.master.options import BuildOptions

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a build."""

# How many recipes make may have out at once: well above the farm's slots, so that the Overseer can choose. Measured in
# docs/scheduling.md; a client that waits costs some 120 kB, kernel's part included.
RELEASED = 512
_END_S = 2.0


class Start:
    """A running make, and the socket on which its recipes wait. Signals that end a build wait as well."""

    def __init__(self, options: BuildOptions) -> None:
        """Call it on the main thread. Raises DriverError or OSError."""
        self.began = time.monotonic()
        files = _raise_file_limit()
        self.socket = ClientSocket()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            self.launched = launch(options.driver, options.arguments, self.socket.path, RELEASED, _on_tty(), files,
                                   self._mask)  # fmt: skip
        except BaseException:
            self.attended()
            self.socket.close()
            raise

    def attended(self) -> None:
        """There is somebody now who handles signals."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def abandon(self) -> None:
        """No build comes of it: end make, whose recipes have not run. Safe to call at any time."""
        process = self.launched.process
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        self.socket.close()


def _raise_file_limit() -> tuple[int, int]:
    """Let this process open as many files as it may: it needs two for each recipe. Returns the limits before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def _on_tty() -> bool:
    return os.isatty(1) and os.isatty(2)
