"""Requests with broken bodies: a servant's process answers or hangs up, and serves the next caller."""

import random
import socket
import threading
from typing import Any

import pytest

from dgcc.corba import CORBA


def _with_port(ior: str, port: int) -> tuple[str, int]:
    """The same reference at another port, and the port that it had."""
    raw = bytearray.fromhex(ior.removeprefix("IOR:"))
    at = raw.index(b"127.0.0.1\0") + 10
    order = "little" if raw[0] else "big"
    old = int.from_bytes(raw[at : at + 2], order)  # type: ignore[arg-type]
    raw[at : at + 2] = port.to_bytes(2, order)  # type: ignore[arg-type]
    return "IOR:" + raw.hex(), old


def _request(orb: Any, ref: Any, operation: str, *arguments: Any) -> tuple[bytes, int]:
    """The bytes of a call as they would go out, taken by a listener in its place; and the port they belong to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ior, port = _with_port(orb.object_to_string(ref), listener.getsockname()[1])
        false = orb.string_to_object(ior)

        def call() -> None:
            with pytest.raises(CORBA.SystemException):
                getattr(false, operation)(*arguments)

        caller = threading.Thread(target=call)
        caller.start()
        taken = b""
        # The ORB asks where the object is before it calls: each time answer "here", as GIOP 1.2 has it.
        for _ in range(3):
            connection, _ = listener.accept()
            with connection:
                while True:
                    header = connection.recv(12, socket.MSG_WAITALL)
                    if len(header) < 12:
                        break
                    size = int.from_bytes(header[8:12], "little" if header[6] & 1 else "big")
                    body = connection.recv(size, socket.MSG_WAITALL)
                    if header[7] == 3:
                        here = b"GIOP\1\2" + header[6:7] + b"\4" + (8).to_bytes(4, "little") + body[:4]
                        connection.sendall(here + (1).to_bytes(4, "little"))
                        continue
                    taken = header + body
                    break
            if taken:
                break
        listener.close()
        caller.join(20)
    assert taken[7] == 0
    return taken, port


@pytest.mark.parametrize("name", ["AFrame", "AFrames", "ANode", "ATable", "AStrings", "ABytes", "AColours"])
def test_broken_requests(name: str, peer: Any, orb: Any, remote: Any) -> None:
    import Turns

    point = Turns.Point(1, 2.0)
    frame = Turns.Frame("title", point, [point, point], Turns.BLUE, b"pixels" * 20)
    value = {
        "AFrame": frame, "AFrames": [frame, frame], "ATable": [[1.0], [2.0, 3.0]], "AStrings": ["a", "bc"],
        "ANode": Turns.Node("root", [Turns.Node("leaf", [])]), "ABytes": b"x" * 9000,
        "AColours": [Turns.RED, Turns.GREEN],
    }[name]
    whole, port = _request(orb, peer.refs[name], "turn", value, value)
    dice = random.Random(name)
    body = whole.index(b"turn\0")  # from here on it is arguments
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(dice.choice([1, 1, 4])):
            at = dice.randrange(body, min(len(broken), body + 400))
            broken[at : at + 4] = dice.choice([b"\xff" * 4, b"\0" * 4, dice.randbytes(4), b"\xff\xff\xff\x7f"])
        broken = broken[: len(whole)]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as rude:
            rude.sendall(broken)
            rude.shutdown(socket.SHUT_WR)
            rude.recv(65536)  # an answer or the end of the connection, but in time
    assert remote.twice(2) == 4
