"""The master's end of the client socket: one connection for each recipe that a driver has started.

All of it runs on one asyncio loop. A client is slow or dead at no cost to anybody else: what is sent to it is
buffered by its transport, and nothing here waits.
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
from dgcc.master.clientsocket import BACKLOG, ClientSocket
from dgcc.master.wire import Kind, Request, WireError

log = logging.getLogger(__name__)

_PEER = struct.Struct("3i")


class ClientState(Enum):
    """How far a client has come."""

    CONNECTED = "connected"  # its request is not complete
    WAITING = "waiting"  # its request was handed up; it waits for a verdict
    LOCAL = "local"  # it has become the command
    CONFIRMING = "confirming"  # it runs the command as a child
    ENDED = "ended"  # it was told how to end, or has ended


class ClientEvents(Protocol):
    """What the owner of a ClientServer is told, always on the loop and never from within a call it makes."""

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


class Client(asyncio.Protocol):
    """One recipe that waits for its verdict. `pid` is its process, which becomes a local command's."""

    def __init__(self, server: "ClientServer") -> None:
        self.pid = 0
        self.state = ClientState.CONNECTED
        self.request: Request | None = None
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._pidfd = -1

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
            for fd, data in chunks:
                self._send(wire.encode_output(fd, data))
            self._send(wire.encode_end(exit_code, signal))
            assert self._transport is not None
            self._transport.close()

    def _may_answer(self) -> bool:
        if self.state in (ClientState.WAITING, ClientState.ENDED):
            return self.state is ClientState.WAITING
        raise RuntimeError(f"client {self.pid}: no verdict is due while {self.state.value}")

    def _send(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

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

    # -- asyncio.Protocol ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.pid, uid, _ = _PEER.unpack(
            transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        )
        self._server.members.add(self)
        if uid != os.getuid():
            self._refuse(WireError(f"user {uid} is not the master's"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            while (frame := self._next_frame()) is not None:
                self._take(*frame)
        except WireError as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.state is ClientState.LOCAL:
            return  # its end comes by the pidfd
        waited = self.state in (ClientState.WAITING, ClientState.CONFIRMING)
        self.state = ClientState.ENDED
        self._server.members.discard(self)
        if waited and not self._server.closed:
            self._server.events.on_gone(self)

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
        assert self._transport is not None
        self._transport.abort()

    def close(self) -> None:
        """Drop the connection: a client that still waits runs its command by itself."""
        self._close_pidfd()
        if self._transport is not None:
            self._transport.abort()


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
        self._server: asyncio.AbstractServer | None = None

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
        self._server = await self.loop.create_unix_server(
            lambda: Client(self), sock=self._socket.listener, backlog=BACKLOG
        )

    async def close(self) -> None:
        """Close the socket and every connection, and remove the directory. Clients that wait run alone."""
        self.closed = True
        if self._server is not None:
            self._server.close()
        for client in tuple(self.members):
            client.close()
        self.members.clear()
        if self._server is not None:
            await self._server.wait_closed()
        if self._socket is not None:
            self._socket.close()

    def refuse(self, pid: int, error: WireError) -> None:
        """Count a malformed request; the first is logged."""
        self.refused += 1
        if self.refused == 1:
            log.warning("refused a connection from process %d: %s", pid, error)
