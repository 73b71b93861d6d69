"""Peers that die, stand still, or are not there."""

import signal
import socket
import threading
import time
from typing import Any

import pytest

from dgcc.corba import CORBA, set_call_timeout


def test_a_peer_that_dies_in_a_call(new_peer: Any) -> None:
    peer = new_peer()
    with pytest.raises(CORBA.COMM_FAILURE) as caught:
        peer.refs["echo"].die()
    assert caught.value.completed == CORBA.COMPLETED_MAYBE


def test_a_peer_that_is_killed_in_a_call(new_peer: Any) -> None:
    peer = new_peer()
    threading.Timer(0.2, peer.process.kill).start()
    with pytest.raises(CORBA.COMM_FAILURE) as caught:
        peer.refs["echo"].nap(20)
    assert caught.value.completed == CORBA.COMPLETED_MAYBE


def test_a_peer_that_is_dead(new_peer: Any) -> None:
    peer = new_peer()
    echo = peer.refs["echo"]
    assert echo.twice(1) == 2
    peer.process.kill()
    peer.process.wait()
    with pytest.raises((CORBA.TRANSIENT, CORBA.COMM_FAILURE)):
        echo.nothing()
    with pytest.raises(CORBA.TRANSIENT) as caught:
        echo.nothing()
    assert caught.value.completed == CORBA.COMPLETED_NO
    with pytest.raises((CORBA.TRANSIENT, CORBA.COMM_FAILURE)):
        echo._non_existent()


def test_nobody_listens(orb: Any) -> None:
    import Seam

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ref = orb.string_to_object(f"corbaloc::127.0.0.1:{port}/nobody")
    with pytest.raises(CORBA.TRANSIENT) as caught:
        ref._narrow(Seam.Echo)
    assert caught.value.completed == CORBA.COMPLETED_NO


def test_an_object_that_never_was(peer: Any, orb: Any) -> None:
    import Seam

    host = orb.object_to_string(peer.refs["echo"])
    ref = orb.string_to_object(host)
    assert not ref._non_existent()
    missing = orb.string_to_object(f"corbaloc::127.0.0.1:{_port(host)}/nobody")
    with pytest.raises(CORBA.OBJECT_NOT_EXIST):
        missing._narrow(Seam.Echo)
    assert missing._non_existent()


def _port(ior: str) -> int:
    """The port in an IOR: after the host's name in its first profile."""
    raw = bytes.fromhex(ior.removeprefix("IOR:"))
    at = raw.index(b"127.0.0.1\0") + 10
    return int.from_bytes(raw[at : at + 2], "little" if raw[0] else "big")


def test_a_peer_that_stands_still_while_it_is_sent_a_lot(new_peer: Any, orb: Any) -> None:
    """The socket's buffers fill: the call waits, the rest of the process must not."""
    peer = new_peer()
    echo = orb.string_to_object(orb.object_to_string(peer.refs["echo"]))
    echo.nothing()
    peer.process.send_signal(signal.SIGSTOP)
    set_call_timeout(echo, 700)
    failures: list[Exception] = []

    def send() -> None:
        try:
            for _ in range(20):
                echo.blob(bytes(1 << 20))
        except (CORBA.TRANSIENT, CORBA.TIMEOUT, CORBA.COMM_FAILURE) as error:
            failures.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    longest = 0.0
    while thread.is_alive():
        before = time.monotonic()
        time.sleep(0.005)
        longest = max(longest, time.monotonic() - before)
    thread.join()
    assert failures
    assert longest < 0.5


def test_garbage_on_the_port_does_no_harm(peer: Any, orb: Any, remote: Any) -> None:
    port = _port(orb.object_to_string(peer.refs["echo"]))
    messages = [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GIOP\x01\x02\x01\x00\xff\xff\xff\xff" + b"\0" * 100,
        b"GIOP\x01\x02\x01\x00\x20\x00\x00\x00" + b"\xff" * 32,
        b"",
    ]
    for message in messages:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as rude:
            rude.sendall(message)
    assert remote.twice(2) == 4
