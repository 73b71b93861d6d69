"""A listener between a caller and an object: passes everything on, and keeps the requests that it saw."""

import socket
import threading
from typing import Any

from fuzz.giop import HEADER, REQUEST


def moved(ior: str, port: int) -> tuple[str, tuple[str, int]]:
    """The reference with another port in it; and where it led before."""
    raw = bytearray.fromhex(ior.removeprefix("IOR:"))
    host = b"127.0.0.1\0"
    at = raw.index(host) + len(host)
    order: Any = "little" if raw[0] else "big"
    old = int.from_bytes(raw[at : at + 2], order)
    raw[at : at + 2] = port.to_bytes(2, order)
    return "IOR:" + raw.hex(), ("127.0.0.1", old)


class Tap:
    """Records the requests that go through references which `tapped` has made. Use as a context."""

    def __init__(self, orb: Any) -> None:
        self.requests: list[bytes] = []
        self.address = ("", 0)
        """Where the objects really are: one process's, for all references."""
        self._orb = orb
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True).start()

    def tapped(self, ref: Any, interface: Any) -> Any:
        """A reference to the same object that leads through here."""
        ior, self.address = moved(self._orb.object_to_string(ref), self._listener.getsockname()[1])
        return self._orb.string_to_object(ior)._narrow(interface)

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            callee = socket.create_connection(self.address)
            threading.Thread(target=self._pass_on, args=(caller, callee, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(callee, caller, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, keep: bool) -> None:
        with source, sink:
            while len(header := source.recv(HEADER, socket.MSG_WAITALL)) == HEADER:
                size = int.from_bytes(header[8:], "little" if header[6] & 1 else "big")
                body = source.recv(size, socket.MSG_WAITALL) if size else b""
                if keep and header[7] == REQUEST:
                    self.requests.append(header + body)
                try:
                    sink.sendall(header + body)
                except OSError:
                    return  # it has gone

    def __enter__(self) -> "Tap":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
