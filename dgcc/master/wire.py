"""What hook and client say to the master, as bytes: the master's half of dgcc/native/wire.h.

A connection carries frames: u32 length of the payload, u8 kind, payload; integers little endian. `bytes` is
a u32 length and that many bytes, `list` a u32 count and that many `bytes`. A payload is at most MAX_PAYLOAD.

To the master:

- REQUEST: u16 version, u16 flags, u32 umask, bytes cwd, bytes target, bytes program, list argv,
  list environment.
- STATUS: i32 wait status of the command that CONFIRM asked for.
- FAILED: u16 version, i32 pid, i32 wait status: a driver reaped a child that did not end well.
- USAGE: u16 version, i32 pid, u32 CPU milliseconds, u32 KiB of its largest process (0: not known): a driver reaped
  a child that ended well and used much.

From the master:

- LOCAL: execute the original command in place. CONFIRM: run it as a child and send STATUS.
- OUT, ERR: bytes for stdout, stderr. EXIT: u32 code. SIGNALED: u32 signal.
"""

import os
import struct
from enum import IntEnum
from functools import lru_cache

from msgspec import Struct

VERSION = 1
MAX_PAYLOAD = 64 << 20
HEADER = struct.Struct("<IB")

SAME_FILE = 1
OUT_TTY = 2
ERR_TTY = 4

_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")
_FAILED = struct.Struct("<Hii")
_USAGE = struct.Struct("<HiII")
_REQUEST = struct.Struct("<HHI")


class Kind(IntEnum):
    """The kinds of frames, as in wire.h."""

    REQUEST = 1
    STATUS = 2
    FAILED = 3
    USAGE = 4
    LOCAL = 16
    CONFIRM = 17
    OUT = 18
    ERR = 19
    EXIT = 20
    SIGNALED = 21


class WireError(ValueError):
    """Bytes from a client or hook that make no sense; the message says what and where."""


class Request(Struct, frozen=True):
    """A recipe command as the driver would have started it.

    `program` is the path that would be executed; `cwd` is empty where the client could not tell it, `target`
    where it is unknown (ninja, or a make that lost the variable); `environment` holds NAME=value entries
    as the driver made them. `same_file`: stdout and stderr are one open file, so their order is seen.
    """

    program: bytes
    argv: tuple[bytes, ...]
    environment: tuple[bytes, ...]
    cwd: bytes
    target: bytes
    umask: int
    same_file: bool
    out_tty: bool
    err_tty: bool


def encode(kind: Kind, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return HEADER.pack(len(payload), kind) + payload


def encode_output(fd: int, data: bytes) -> bytes:
    """Return frames that have the client write `data` to its stdout (`fd` 1) or stderr (2)."""
    kind = Kind.OUT if fd == 1 else Kind.ERR
    return b"".join(
        encode(kind, data[start : start + MAX_PAYLOAD]) for start in range(0, len(data), MAX_PAYLOAD)
    )


def encode_end(exit_code: int, signal: int) -> bytes:
    """Return the frame that has the client end by `signal`, or where that is 0 with `exit_code`."""
    if signal:
        return encode(Kind.SIGNALED, _U32.pack(signal))
    return encode(Kind.EXIT, _U32.pack(exit_code & 0xFF))


def encode_request(request: Request) -> bytes:
    """Return the payload of a REQUEST, as the client makes it."""
    flags = SAME_FILE * request.same_file | OUT_TTY * request.out_tty | ERR_TTY * request.err_tty
    parts = [_REQUEST.pack(VERSION, flags, request.umask)]
    parts += [_U32.pack(len(data)) + data for data in (request.cwd, request.target, request.program)]
    for values in (request.argv, request.environment):
        parts.append(_U32.pack(len(values)))
        parts += [_U32.pack(len(data)) + data for data in values]
    return b"".join(parts)


def decode_request(payload: bytes) -> Request:
    """Read the payload of a REQUEST.

    Raises:
        WireError: it is of another version, truncated, has bytes left over, or NUL in a string.
    """
    if len(payload) < _REQUEST.size:
        raise WireError(f"a request of {len(payload)} bytes is too short")
    version, flags, umask = _REQUEST.unpack_from(payload)
    _expect_version(version)
    cwd, at = _data(payload, _REQUEST.size)
    target, at = _data(payload, at)
    program, at = _data(payload, at)
    argv, at = _list(payload, at)
    environment = _environment(payload[at:])
    if not argv or not program:
        raise WireError("a request names no command")
    return Request(program, argv, environment, cwd, target, umask & 0o7777,
                   bool(flags & SAME_FILE), bool(flags & OUT_TTY), bool(flags & ERR_TTY))


def _number(payload: bytes, at: int) -> tuple[int, int]:
    """Read a number at `at`; returns it, and where it ends."""
    if at + 4 > len(payload):
        raise WireError(f"a request ends at byte {len(payload)}, inside a number at {at}")
    return _U32.unpack_from(payload, at)[0], at + 4


def _data(payload: bytes, at: int) -> tuple[bytes, int]:
    length, at = _number(payload, at)
    end = at + length
    if end > len(payload):
        raise WireError(f"a request ends at byte {len(payload)}, inside {length} bytes at {at}")
    taken = payload[at:end]
    if b"\0" in taken:
        raise WireError(f"a request has a NUL inside the {length} bytes before {end}")
    return taken, end


def _list(payload: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    count, at = _number(payload, at)
    if count > (len(payload) - at) // 4:
        raise WireError(f"a request announces {count} strings at byte {at}, more than it has room for")
    values = []
    for _ in range(count):
        value, at = _data(payload, at)
        values.append(value)
    return tuple(values), at


# The recipes of a build have few environments. Each is kept once, however many recipes wait with it.
@lru_cache(maxsize=32)
def _environment(rest: bytes) -> tuple[bytes, ...]:
    """Read the list with which a request ends. Raises WireError, with places as from the list's beginning."""
    values, at = _list(rest, 0)
    if at != len(rest):
        raise WireError(f"a request goes on for {len(rest) - at} bytes behind its end")
    return values


def decode_status(payload: bytes) -> int:
    """Read the payload of a STATUS: a wait status. Raises WireError for one of another size, or of no end."""
    if len(payload) != _I32.size:
        raise WireError(f"a status of {len(payload)} bytes, not {_I32.size}")
    (status,) = _I32.unpack(payload)
    return _ended(status)


def decode_failed(payload: bytes) -> tuple[int, int]:
    """Read the payload of a FAILED: pid and wait status. Raises WireError for another version or size."""
    if len(payload) != _FAILED.size:
        raise WireError(f"a failure report of {len(payload)} bytes, not {_FAILED.size}")
    version, pid, status = _FAILED.unpack(payload)
    _expect_version(version)
    return pid, _ended(status)


def decode_usage(payload: bytes) -> tuple[int, float, int]:
    """Read the payload of a USAGE: pid, CPU seconds, bytes. Raises WireError for another version or size."""
    if len(payload) != _USAGE.size:
        raise WireError(f"a report of usage of {len(payload)} bytes, not {_USAGE.size}")
    version, pid, milliseconds, kib = _USAGE.unpack(payload)
    _expect_version(version)
    return pid, milliseconds / 1000, kib << 10


def _ended(status: int) -> int:
    if status >> 16 or not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
        raise WireError(f"{status:#x} is not the wait status of a process that has ended")
    return status


def _expect_version(version: int) -> None:
    if version != VERSION:
        raise WireError(f"version {version} of the protocol, this master speaks {VERSION}; reinstall dgcc")
