"""The master's end of the client socket: one connection for each recipe that a driver has started.

All of it runs on one asyncio loop. A client is slow or dead at no cost to anybody else: what is sent to it is
kept here until its socket has room, and nothing here waits.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Protocol

from dgcc.master import wire
from dgcc.master.clientsocket import ClientSocket
from dgcc.master.wire import Kind, Request, WireError

log = logging.getLogger(__name__)

_PEER = struct.Struct("3i")
_PIECE = 256 << 10  # a request is smaller, as a rule
_LET_IN = 64  # connections at a time: results have their turn as well
_FULL_S = 1.0


class ClientState(Enum):
    """How far a client has come."""

    CONNECTED = "connected"  # its request is not complete
    WAITING = "waiting"  # its request was handed up; it waits for a verdict
    LOCAL = "local"  # it has become the command
    CONFIRMING = "confirming"  # it runs the command as a child
    ENDED = "ended"  # it was told how to end, or has ended


class ClientEvents(Protocol):
    """What the owner of a ClientServer is told, always on the loop and never from within a call it makes."""

    def on_batch(self) -> None:
        """All requests from now to the next call of this are of recipes that had been released before it."""

    def on_request(self, client: "Client", request: Request) -> None:
        """A recipe waits: answer it, now or later, by the client's run_local, run_confirm or finish."""

    def on_gone(self, client: "Client") -> None:
        """The client went before its end: killed with the build, as by Ctrl-C. Nobody waits for an answer."""

    def on_local_end(self, client: "Client") -> None:
        """The command that ran in place of the client has ended. A status follows by on_failed, if bad."""

    def on_confirmed(self, client: "Client", wait_status: int) -> None:
        """The command that run_confirm asked for has ended, and so does the client, likewise."""

    def on_failed(self, pid: int, wait_status: int) -> None:
        """A driver reaped a child that ended badly: a client, before or after its end is seen, or another."""

    def on_usage(self, pid: int, cpu_s: float, memory: int) -> None:
        """A driver reaped a child that ended well and used much, likewise. memory: bytes, 0 where not known."""


class Client:
    """One recipe that waits for its verdict. `pid` is its process, which becomes a local command's.

    It reads and writes its socket itself: a transport of asyncio's costs more than all else that is done for a recipe
    which is sent away.
    """

    def __init__(self, server: "ClientServer", connection: socket.socket) -> None:
        self.state = ClientState.CONNECTED
        self.request: Request | None = None
        self._server = server
        self._socket: socket.socket | None = connection
        self._received = bytearray()
        self._unsent = bytearray()
        self._last = False  # it is to be hung up on once all is sent
        self._pidfd = -1
        self.pid, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        server.members.add(self)
        if uid != os.getuid():
            self._refuse(WireError(f"user {uid} is not the master's"))
            return
        self._read()  # most have said all before they are let in
        if self._socket is not None:
            server.loop.add_reader(connection, self._readable)

    # -- verdicts --------------------------------------------------------------------------------------------

    def run_local(self) -> None:
        """Have the client execute the command in place; on_local_end follows, or on_confirmed if this
        process is out of file descriptors to watch it with. No effect once it has gone."""
        if not self._may_answer():
            return
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError as error:
            # Dead already, or (EMFILE) not to be watched: then the client is asked to watch, and tells.
            if not isinstance(error, ProcessLookupError):
                self.run_confirm()
            return
        self.state = ClientState.LOCAL
        self._server.loop.add_reader(self._pidfd, self._local_end)
        self._send(wire.encode(Kind.LOCAL))

    def run_confirm(self) -> None:
        """Have the client run the command as a child; on_confirmed follows. No effect once it has gone."""
        if self._may_answer():
            self.state = ClientState.CONFIRMING
            self._send(wire.encode(Kind.CONFIRM))

    def finish(self, chunks: Iterable[tuple[int, bytes]], exit_code: int, signal: int) -> None:
        """Have the client write `chunks` of (1 stdout or 2 stderr, bytes) in order, and end by `signal`, or
        where that is 0 with `exit_code`. No effect once it has gone."""
        if self._may_answer():
            self.state = ClientState.ENDED
            self._last = True
            frames = [wire.encode_output(fd, data) for fd, data in chunks]
            self._send(b"".join([*frames, wire.encode_end(exit_code, signal)]))

    def _may_answer(self) -> bool:
        if self.state in (ClientState.WAITING, ClientState.ENDED):
            return self.state is ClientState.WAITING
        raise RuntimeError(f"client {self.pid}: no verdict is due while {self.state.value}")

    def _local_end(self) -> None:
        if self._close_pidfd():
            self.state = ClientState.ENDED
            self._server.members.discard(self)
            self._server.events.on_local_end(self)

    def _close_pidfd(self) -> bool:
        if self._pidfd < 0:
            return False
        self._server.loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        return True

    # -- the socket ------------------------------------------------------------------------------------------

    def _send(self, frames: bytes) -> None:
        waits = bool(self._unsent)
        self._unsent += frames
        if not waits and not self._flush() and self._socket is not None:
            self._server.loop.add_writer(self._socket, self._writable)

    def _flush(self) -> bool:
        """Send what its socket has room for; whether that is all."""
        if self._socket is None:
            return True
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._unsent.clear()
            self._server.loop.call_soon(self._lost)  # not now: who sends may be in the middle of something
            return True
        del self._unsent[:sent]
        if self._last and not self._unsent:
            self._hang_up()
        return not self._unsent

    def _writable(self) -> None:
        if self._flush() and self._socket is not None:
            self._server.loop.remove_writer(self._socket)

    def _readable(self) -> None:
        self._server.events.on_batch()
        self._read()

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        self._received += data
        try:
            while (frame := self._next_frame()) is not None:
                self._take(*frame)
        except WireError as error:
            self._refuse(error)

    def _lost(self) -> None:
        """The client has hung up."""
        self._hang_up()
        if self.state is ClientState.LOCAL:
            return  # its end comes by the pidfd
        waited = self.state in (ClientState.WAITING, ClientState.CONFIRMING)
        self.state = ClientState.ENDED
        if waited and not self._server.closed:
            self._server.events.on_gone(self)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._server.loop.remove_reader(self._socket)
            self._server.loop.remove_writer(self._socket)
            self._socket.close()
            self._socket = None
        if self.state is not ClientState.LOCAL:
            self._server.members.discard(self)

    def _next_frame(self) -> tuple[int, bytes] | None:
        if len(self._received) < wire.HEADER.size:
            return None
        length, kind = wire.HEADER.unpack_from(self._received)
        if length > wire.MAX_PAYLOAD:
            raise WireError(f"a frame of {length} bytes is over the limit of {wire.MAX_PAYLOAD}")
        end = wire.HEADER.size + length
        if len(self._received) < end:
            return None
        payload = bytes(memoryview(self._received)[wire.HEADER.size : end])
        del self._received[:end]
        return kind, payload

    def _take(self, kind: int, payload: bytes) -> None:
        events = self._server.events
        if kind == Kind.REQUEST and self.state is ClientState.CONNECTED:
            self.request = wire.decode_request(payload)
            self.state = ClientState.WAITING
            events.on_request(self, self.request)
        elif kind == Kind.STATUS and self.state is ClientState.CONFIRMING:
            status = wire.decode_status(payload)  # first: a client that sends nonsense instead is one that has gone
            self.state = ClientState.ENDED
            events.on_confirmed(self, status)
        elif kind == Kind.FAILED and self.state is ClientState.CONNECTED:
            events.on_failed(*wire.decode_failed(payload))
        elif kind == Kind.USAGE and self.state is ClientState.CONNECTED:
            events.on_usage(*wire.decode_usage(payload))
        else:
            raise WireError(f"a frame of kind {kind} from a client that is {self.state.value}")

    def _refuse(self, error: WireError) -> None:
        self._server.refuse(self.pid, error)
        self._received.clear()
        self._lost()

    def close(self) -> None:
        """Drop the connection: a client that still waits runs its command by itself."""
        self._close_pidfd()
        self._hang_up()


class ClientServer:
    """The unix socket on which clients and hooks reach this master.

    Use: `server = ClientServer(events)`, `await server.start()`, `server.path`, `await server.close()`. Other
    users, who cannot reach the socket, are refused besides.
    """

    def __init__(self, events: ClientEvents) -> None:
        self.events = events
        self.members: set[Client] = set()
        self.refused = 0
        self.closed = False
        self.loop: asyncio.AbstractEventLoop
        self._socket: ClientSocket | None = None

    @property
    def path(self) -> Path:
        """The socket's path, once started."""
        if self._socket is None:
            raise RuntimeError("the client socket is not open: start() comes first")
        return self._socket.path

    async def start(self, listening: ClientSocket | None = None) -> None:
        """Serve a socket, by default a new one. Raises OSError where none can be made."""
        self.loop = asyncio.get_running_loop()
        self._socket = listening or ClientSocket()
        self._socket.listener.setblocking(False)
        await asyncio.sleep(0)  # a signal that came before recipes were served is dealt with before them
        self._listen()

    def _listen(self) -> None:
        if self._socket is not None and not self.closed:
            self.loop.add_reader(self._socket.listener, self._let_in, self._socket.listener)

    def _let_in(self, listener: socket.socket) -> None:
        connections = []
        try:
            for _ in range(_LET_IN):
                connections.append(listener.accept()[0])
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            pass
        except OSError as error:
            log.warning("recipes wait, as this process cannot take more connections: %s", error.strerror)
            self.loop.remove_reader(listener)
            self.loop.call_later(_FULL_S, self._listen)
        self.events.on_batch()
        for connection in connections:
            connection.setblocking(False)
            try:
                Client(self, connection)
            except Exception:
                log.exception("a mistake over a recipe's connection")
                connection.close()

    async def close(self) -> None:
        """Close the socket and every connection, and remove the directory. Clients that wait run alone."""
        self.closed = True
        if self._socket is not None:
            self.loop.remove_reader(self._socket.listener)
        for client in tuple(self.members):
            client.close()
        self.members.clear()
        if self._socket is not None:
            self._socket.close()

    def refuse(self, pid: int, error: WireError) -> None:
        """Count a malformed request; the first is logged."""
        self.refused += 1
        if self.refused == 1:
            log.warning("refused a connection from process %d: %s", pid, error)
