"""A Naming Service of the master's own: omniNames on a free loopback port, gone with the master."""

import shutil
import socket
import subprocess
import time

from dgcc.naming.contexts import NamingError
from dgcc.naming.ownplace import OwnPlace

_START_TIMEOUT_S = 10.0
_POLL_S = 0.01


def with_parent(command: list[str]) -> list[str]:
    """Return `command` such that the kernel ends it when the thread that starts it ends: nothing outlives a killed
    master. Without util-linux's setpriv it is returned as it is."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else command


class OwnNames:
    """A private omniNames process; a context manager that stops it and removes its files."""

    def __init__(self) -> None:
        """Start it. Raises NamingError if omniNames is not installed or does not come up."""
        program = shutil.which("omniNames")
        if program is None:
            raise NamingError("omniNames is not installed; on Debian: apt-get install omniorb-nameserver")
        self.host = "127.0.0.1"
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port = int(probe.getsockname()[1])
        self._place = OwnPlace("dgcc-naming-")
        self._log = self._place.path / "out"
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                with_parent([program, "-start", str(self.port), "-logdir", str(self._place.path),
                             "-ORBendPoint", f"giop:tcp:{self.host}:{self.port}"]),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,  # the terminal's Ctrl-C is the master's to handle
            )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        until = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                said = self._log.read_text(errors="replace").strip().splitlines()[-1:]
                raise NamingError(f"omniNames ended at once: {' '.join(said) or 'it said nothing'}")
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(_POLL_S)
        raise NamingError(f"omniNames does not listen on port {self.port} after {_START_TIMEOUT_S:.0f} s")

    def close(self) -> None:
        """Stop the process and remove its directory. Safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._place.close()

    def __enter__(self) -> "OwnNames":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
