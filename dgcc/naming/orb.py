"""Starts the ORB with the options that every DGCC process needs."""

import concurrent.futures
import contextlib
import os
import socket
import stat
from pathlib import Path

from dgcc.corba import CORBA, PortableServer
from dgcc.naming.deadlines import deadlines, milliseconds
from dgcc.naming.place import Place
from dgcc.naming.sender import Sender

CALLS_AT_ONCE = 256
AGAINST_BROKEN_REQUESTS = (
    # With more, omniORB 4.2.5 crashes, or loops for ever, over broken requests that follow each other closely on one
    # connection. Our callers have one call out on a connection at a time.
    "-ORBmaxServerThreadPerConnection", "1",
    # If surplus bytes behind a request are an error, omniORB 4.2.5 loses the buffer that they are in.
    "-ORBstrictIIOP", "0",
)  # fmt: skip
OWN_THREADS = 1000
IDLE_S = 60
# Room for a Result or a Page at its largest; content goes in pieces far below it (see idl/dgcc.idl).
MAX_MESSAGE = 64 * 1024 * 1024
_LONGEST_PATH = 107  # bytes in a unix socket's address


OPEN_WARNING = "--insecure: listening on %s, where anybody who reaches the port can run jobs and read the project"


class OrbError(Exception):
    """The ORB could not be started; the message says what to do."""


def address_towards(host: str, port: int) -> str:
    """Return the address of this machine from which `host` is reached; loopback only for a loopback host.

    Raises OrbError if the name does not resolve or no route leads there.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)  # sends nothing: the kernel only chooses the route
            return str(probe.getsockname()[0])
    except OSError as error:
        raise OrbError(f"cannot reach the naming host '{host}': {error}; check --naming or DGCC_NAMING") from error


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches a numeric address."""
    import ipaddress  # now, because a farm of one has none

    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def start_orb(place: Place | None = None) -> tuple[CORBA.ORB, PortableServer.POA]:
    """Start the ORB where it reaches the naming service at `place` and is reached from there: on the address towards
    it at a free port, or on a socket in its directory. Without one it listens on loopback.

    Returns the ORB and its root POA, already active. Raises OrbError if it cannot listen there.
    """
    place = place or Place()
    path = None
    if place.sockets is not None:
        path, transport = socket_path(place.sockets, f"p{os.getpid()}"), "unix"
        endpoint = f"giop:unix:{path}"
        path.unlink(missing_ok=True)  # of a dead process with our number
    else:
        address, transport = address_towards(place.host, place.port), "ssl" if place.tls else "tcp"
        endpoint = f"giop:{transport}:{f'[{address}]' if ':' in address else address}:0"
    arguments = [
        "dgcc",
        "-ORBendPoint", endpoint,
        "-ORBclientTransportRule", f"* {transport}",
        "-ORBserverTransportRule", f"* {transport}",
        "-ORBunixTransportPermission", "0600",
        "-ORBnativeCharCodeSet", "UTF-8",
        "-ORBgiopMaxMsgSize", str(MAX_MESSAGE),
        # A call that is not answered in time raises TRANSIENT or TIMEOUT, so that no peer can hold a thread.
        "-ORBclientCallTimeOutPeriod", str(milliseconds(deadlines().call)),
        "-ORBclientConnectTimeOutPeriod", str(milliseconds(deadlines().connect)),
        # omniORB's default of 5 calls at once to one peer is too few for a slave with many CPUs.
        "-ORBmaxGIOPConnectionPerServer", str(CALLS_AT_ONCE),
        *AGAINST_BROKEN_REQUESTS,
        # Each connection has a thread, but in a flood: then some share a few.
        "-ORBthreadPerConnectionUpperLimit", str(OWN_THREADS),
        "-ORBthreadPerConnectionLowerLimit", str(OWN_THREADS * 3 // 4),
        # Who begins a call must come to its end while its caller waits; who says nothing is hung up on, later than our
        # callers hang up.
        "-ORBserverCallTimeOutPeriod", str(milliseconds(deadlines().call)),
        "-ORBinConScanPeriod", str(IDLE_S),
        "-ORBoutConScanPeriod", str(IDLE_S // 2),
        "-ORBtraceLevel", "0",
    ]  # fmt: skip
    try:
        orb = CORBA.ORB_init(arguments, CORBA.ORB_ID)
        poa = orb.resolve_initial_references("RootPOA")._narrow(PortableServer.POA)
        poa._get_the_POAManager().activate()
    except CORBA.SystemException as error:
        raise OrbError(f"cannot listen at {endpoint.removeprefix('giop:')}: {error}") from error
    if path is not None:
        _lengthen_queue(path)
    return orb, poa


def stop_orb(orb: CORBA.ORB) -> None:
    """Shut the ORB down. Where that takes too long, `Sender.stuck` is not 0 afterwards: end by os._exit then.

    It waits for calls under way, and a peer may have stopped in the middle of one; and once in a while omniORB 4.2.5
    waits for a reference to a killed peer that nobody has any more.
    """
    ending = Sender("orb's end")
    concurrent.futures.wait([ending.submit(orb.destroy)], 2 * deadlines().goodbye)
    ending.shutdown()


def socket_path(directory: Path, name: str) -> Path:
    """Return the path of a socket in `directory`. Raises OrbError where it is too long for an address."""
    path = directory / name
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise OrbError(f"{path} is too long for a unix socket; set TMPDIR to a shorter directory")
    return path


def _lengthen_queue(path: Path) -> None:
    """Let as many connections wait for this ORB's unix socket as for a port: omniORB has room for five, and whoever
    comes while they wait is told that nobody listens."""
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the directory that is being listed
            if stat.S_ISSOCK(os.fstat(int(entry)).st_mode):
                with socket.socket(fileno=os.dup(int(entry))) as ours:
                    if ours.family == socket.AF_UNIX and ours.getsockname() == os.fspath(path):
                        ours.listen(CALLS_AT_ONCE)
                        return
