"""Naming Services that we start: the farm's, on loopback or with TLS, and that of a farm of one on a private socket."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from dgcc.naming.orb import AGAINST_BROKEN_REQUESTS, socket_path
from dgcc.naming.ownplace import OwnPlace
from dgcc.naming.place import NamingError, Place, at
from dgcc.trust import tls

PARENT_DIED = signal.SIGHUP  # to a slave that a master has started; while it lives, it says SIGTERM
_START_TIMEOUT_S = 10.0
_POLL_S = 0.01
_LONG = 64  # bytes of a directory
_TLS_TRANSPORT = "libomnisslTP4.so.2"


def with_parent(command: list[str], number: signal.Signals = signal.SIGTERM) -> list[str]:
    """Return `command` such that the kernel sends it a signal when the thread that starts it ends: nothing outlives a
    killed master. Without util-linux's setpriv it is returned as it is."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", number.name[3:], "--", *command] if setpriv else command


def with_tls(credentials: tls.Credentials | None) -> list[str]:
    """Return the beginning of a command in which omniNames uses a certificate: by omniORB's TLS transport and our
    library, both preloaded, as it has no option for a revocation list."""
    if credentials is None:
        return []
    return ["env", f"LD_PRELOAD={_TLS_TRANSPORT}:{tls.LIBRARY}", f"DGCC_TLS_NAMES={credentials.directory.absolute()}"]


class NamesProcess:
    """An omniNames process at a place; a context manager that stops it."""

    def __init__(self, place: Place, data: Path, output: Any, credentials: tls.Credentials | None = None) -> None:
        """Start it with its files in `data`, and wait until it listens. `output` takes what it says, as for Popen.

        `credentials`: its certificate, where `place` has TLS. Raises NamingError if omniNames is not installed or does
        not come up.
        """
        program = shutil.which("omniNames")
        if program is None:
            raise NamingError("omniNames is not installed; on Debian: apt-get install omniorb-nameserver")
        self.place = place
        transport = "unix" if place.sockets is not None else "ssl" if place.tls else "tcp"
        where = socket_path(place.sockets, "names") if place.sockets is not None else at(place.host, place.port)
        self._process = subprocess.Popen(
            with_parent([*with_tls(credentials), program, "-start", str(place.port), "-ignoreport",
                         "-datadir", str(data), "-ORBendPoint", f"giop:{transport}:{where}",
                         "-ORBserverTransportRule", f"* {transport}",
                         "-ORBclientTransportRule", f"* {transport}", "-ORBunixTransportPermission", "0600",
                         *AGAINST_BROKEN_REQUESTS, "-ORBtraceLevel", "0"]),
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,  # the terminal's Ctrl-C is ours to handle
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
                raise NamingError(f"omniNames ended at once; is something else listening at {self.place}?")
            try:
                self._knock()
                return
            except OSError:
                time.sleep(_POLL_S)
        raise NamingError(f"omniNames does not listen at {self.place} after {_START_TIMEOUT_S:.0f} s")

    def _knock(self) -> None:
        if self.place.sockets is not None:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(os.fspath(self.place.sockets / "names"))
        else:
            socket.create_connection((self.place.host, self.place.port), timeout=1).close()

    def wait(self) -> int:
        """Wait until it ends, and return its exit status."""
        return self._process.wait()

    def stop(self) -> None:
        """Tell it to end."""
        self._process.terminate()

    def close(self) -> None:
        """Stop the process. Safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> "NamesProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class OwnNames(NamesProcess):
    """A naming service on a free loopback port, for a while: its files go with it."""

    def __init__(self) -> None:
        """Start it. Raises NamingError if omniNames is not installed or does not come up."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            place = Place(port=int(probe.getsockname()[1]))
        self.host, self.port = place.host, place.port
        self._start_in(OwnPlace("dgcc-naming-"), place)

    def _start_in(self, own: OwnPlace, place: Place) -> None:
        self._own = own
        try:
            super().__init__(place, own.path, subprocess.DEVNULL)
        except BaseException:
            own.close()
            raise

    def close(self) -> None:
        """Stop the process and remove its directory. Safe to call twice."""
        super().close()
        self._own.close()


class PrivateNames(OwnNames):
    """The naming service of a farm of one: in a directory that only this user can enter, and on no port.

    The directory goes at the end, with all sockets that members of the farm leave there.
    """

    def __init__(self) -> None:
        """Start it. Raises NamingError if omniNames is not installed or does not come up."""
        # A socket's path must be short, and TMPDIR's need not be.
        base = tempfile.gettempdir()
        own = OwnPlace("dgcc-farm-", base if len(os.fsencode(base)) < _LONG else "/tmp")
        self._start_in(own, Place(sockets=own.path))

    def close(self) -> None:
        """As in OwnNames; it has nothing to put in order, as nobody will ask after what it knew."""
        self._process.kill()
        self._process.wait()
        super().close()
