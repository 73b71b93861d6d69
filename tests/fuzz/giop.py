"""GIOP messages as they are on the wire (OMG CORBA 3.3, part 2, chapter 9), and how to break them.

A recorded message is broken in one of two ways: softly, so that its frame is whole and the peer reads on behind it;
or hard, so that it must be the last of its connection.
"""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

HEADER = 12
REQUEST, CANCEL, LOCATE, CLOSE, ERROR, FRAGMENT = 0, 2, 3, 5, 6, 7

_NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    0x20,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x1000,
    0x10000,
    0x100000,
    0x7FFFFFFE,
    0x7FFFFFFF,
    0x80000000,
    0x80000001,
    0xFFFFFFF0,
    0xFFFFFFFC,
    0xFFFFFFFE,
    0xFFFFFFFF,
    64 << 20,
    (64 << 20) + 1,
)
_NAMES = (
    b"_is_a",
    b"_non_existent",
    b"_interface",
    b"_repository_id",
    b"_get_info",
    b"_set_info",
    b"",
    b"run\0cancel",
    b"r" * 5000,
    b"\xff\xfe",
    b"__class__",
    b"__init__",
    b"_this",
    b"done",
    b"run",
)


@dataclass(frozen=True)
class Request:
    """The parts of a GIOP 1.2 request: what comes before the key, key, operation, what comes between, arguments."""

    head: bytes  # request id, flags, kind of address
    key: bytes
    operation: bytes
    contexts: bytes
    body: bytes
    little: bool

    @classmethod
    def parsed(cls, raw: bytes) -> "Request":
        """Read a whole request as our ORB sends it."""
        little = bool(raw[6] & 1)
        assert raw[:6] == b"GIOP\1\2" and raw[7] == REQUEST and not raw[6] & 2
        u32 = "<I" if little else ">I"
        at = HEADER + 12  # request id, response flags, reserved, addressing disposition, padding
        head = raw[HEADER:at]

        def counted() -> bytes:
            nonlocal at
            (size,) = struct.unpack_from(u32, raw, at)
            at += 4 + size
            return raw[at - size : at]

        key = counted()
        at += -at % 4
        operation = counted().rstrip(b"\0")
        at += -at % 4
        start = at
        (count,) = struct.unpack_from(u32, raw, at)
        at += 4
        for _ in range(count):
            at += -at % 4 + 4
            counted()
        contexts = raw[start:at]
        return cls(head, key, operation, contexts, raw[at + -at % 8 :], little)

    def raw(self) -> bytes:
        """The message, with all lengths right."""
        u32 = "<I" if self.little else ">I"
        made = bytearray(self.head)
        made += struct.pack(u32, len(self.key)) + self.key
        made += bytes(-len(made) % 4)
        name = self.operation + b"\0"
        made += struct.pack(u32, len(name)) + name
        made += bytes(-len(made) % 4) + self.contexts
        if self.body:
            made += bytes(-(HEADER + len(made)) % 8) + self.body
        return message(REQUEST, bytes(made), little=self.little)


def message(kind: int, body: bytes, *, little: bool = True, more: bool = False, size: int | None = None) -> bytes:
    """A GIOP 1.2 message; `more` fragments follow. `size`: what it says of its length, where that is a lie."""
    length = struct.pack("<I" if little else ">I", len(body) if size is None else size)
    return b"GIOP\1\2" + bytes([little | more << 1, kind]) + length + body


class Breaker:
    """Breaks recorded requests, as the dice say."""

    def __init__(self, dice: random.Random, recorded: list[bytes]) -> None:
        self._dice = dice
        self._recorded = [Request.parsed(raw) for raw in recorded]
        self._soft: list[Callable[[Request], bytes]] = [
            self._numbers,
            self._numbers,
            self._numbers,
            self._numbers,
            self._bytes,
            self._bytes,
            self._truncated,
            self._longer,
            self._key,
            self._operation,
            self._fragments,
            self._text,
            self._spliced,
            self._reference,
            self._whole,
            self._cancelled,
            self._locate,
            self._contexts,
        ]
        self._hard: list[Callable[[Request], bytes]] = [
            self._short,
            self._order,
            self._kind,
            self._version,
            self._noise,
            self._size,
            self._unfinished,
            self._anywhere,
            self._stranger,
        ]

    def soft(self) -> bytes:
        """A message that may be followed by another."""
        return self._dice.choice(self._soft)(self._dice.choice(self._recorded))

    def hard(self) -> bytes:
        """A message after which nothing can be understood."""
        return self._dice.choice(self._hard)(self._dice.choice(self._recorded))

    @property
    def operations(self) -> set[bytes]:
        """The operations of which there is a request."""
        return {request.operation for request in self._recorded}

    def whole(self) -> list[bytes]:
        """The requests as they were recorded."""
        return [request.raw() for request in self._recorded]

    def answered(self) -> bytes:
        """A whole request that gets an answer."""
        return next(request for request in self._recorded if request.operation.startswith(b"_get_")).raw()

    # ---- soft ----------------------------------------------------------------------------------------------

    def _with(self, request: Request, **changed: bytes) -> bytes:
        return Request(**{**request.__dict__, **changed}).raw()

    def _number(self, old: int, size: int) -> int:
        dice = self._dice
        return dice.choice([*_NUMBERS, old + 1, old - 1, old * 2, size, dice.getrandbits(32), dice.getrandbits(8)])

    def _set_number(self, body: bytearray, at: int, little: bool) -> None:
        order = "<I" if little else ">I"
        (old,) = struct.unpack_from(order, body, at)
        struct.pack_into(order, body, at, self._number(old, len(body)) & 0xFFFFFFFF)

    def _numbers(self, request: Request) -> bytes:
        """Lengths, enum values, and all else that is four bytes."""
        body = bytearray(request.body)
        if len(body) >= 4:
            for _ in range(self._dice.choice((1, 1, 1, 2, 5))):
                # In a long message most numbers that count stand in front.
                far = min(len(body), self._dice.choice((64, 400, len(body))))
                self._set_number(body, self._dice.randrange(0, max(1, far - 3), 4), request.little)
        return self._with(request, body=bytes(body))

    def _bytes(self, request: Request) -> bytes:
        body = bytearray(request.body)
        for _ in range(self._dice.choice((1, 2, 8)) if body else 0):
            body[self._dice.randrange(len(body))] = self._dice.choice(
                (0, 1, 2, 0x7F, 0x80, 0xFF, self._dice.getrandbits(8))
            )
        return self._with(request, body=bytes(body))

    def _truncated(self, request: Request) -> bytes:
        return self._with(request, body=request.body[: self._dice.randrange(len(request.body) + 1)])

    def _longer(self, request: Request) -> bytes:
        return self._with(request, body=request.body + self._dice.randbytes(self._dice.choice((1, 8, 5000))))

    def _key(self, request: Request) -> bytes:
        key = bytearray(request.key)
        change = self._dice.randrange(4)
        if change == 0:
            key[self._dice.randrange(len(key))] ^= 1 << self._dice.randrange(8)
        elif change == 1:
            del key[self._dice.randrange(len(key)) :]
        elif change == 2:
            key += self._dice.randbytes(self._dice.choice((1, 300)))
        else:
            return self._with(request, key=self._dice.choice(self._recorded).key)  # another object's operation
        return self._with(request, key=bytes(key))

    def _operation(self, request: Request) -> bytes:
        other = self._dice.choice(self._recorded).operation
        return self._with(request, operation=self._dice.choice((*_NAMES, other, other, request.operation + b"\0x")))

    def _fragments(self, request: Request) -> bytes:
        """The message in pieces, whole or broken."""
        raw = self._numbers(request) if self._dice.random() < 0.7 else request.raw()
        body = raw[HEADER:]
        cuts = sorted(
            {len(body), *(self._dice.randrange(16, len(body) + 1) & ~7 for _ in range(self._dice.randrange(1, 6)))}
        )
        first, *rest = zip([0, *cuts], cuts, strict=False)
        made = message(REQUEST, body[slice(*first)], little=request.little, more=bool(rest))
        for number, (start, end) in enumerate(rest, 1):
            made += message(FRAGMENT, body[:4] + body[start:end], little=request.little, more=number < len(rest))
        return made

    def _text(self, request: Request) -> bytes:
        """Bytes that are no UTF-8, and control characters, where text is."""
        places = [at for at, byte in enumerate(request.body) if 0x20 < byte < 0x7F]
        body = bytearray(request.body)
        for at in self._dice.sample(places, min(len(places), 3)):
            body[at : at + 1] = self._dice.choice((b"\xff", b"\xc0", b"\x80", b"\x1b", b"\0", b"/", b"."))
        return self._with(request, body=bytes(body))

    def _spliced(self, request: Request) -> bytes:
        other = self._dice.choice(self._recorded).body
        cut = self._dice.randrange(len(request.body) + 1) & ~3
        return self._with(request, body=request.body[:cut] + other[min(cut, len(other)) :])

    def _reference(self, request: Request) -> bytes:
        """An object reference whose type, profiles, or address make no sense."""
        at = request.body.find(b"IDL:DGCC")
        if at < 4:
            return self._numbers(request)
        body = bytearray(request.body)
        for _ in range(self._dice.choice((1, 2))):
            place = at - 4 + self._dice.randrange(0, min(120, len(body) - at), 4)
            if place + 4 <= len(body):
                self._set_number(body, place, request.little)
        return self._with(request, body=bytes(body))

    def _whole(self, request: Request) -> bytes:
        return request.raw()

    def _cancelled(self, request: Request) -> bytes:
        return request.raw() + message(CANCEL, request.head[:4], little=request.little)

    def _locate(self, request: Request) -> bytes:
        key = request.key if self._dice.random() < 0.5 else self._dice.randbytes(self._dice.randrange(40))
        order = "<I" if request.little else ">I"
        disposition = struct.pack(order[0] + "HH", self._dice.choice((0, 0, 0, 1, 2, 3, 0xFFFF)), 0)
        return message(
            LOCATE, request.head[:4] + disposition + struct.pack(order, len(key)) + key, little=request.little
        )

    def _contexts(self, request: Request) -> bytes:
        """Service contexts, code sets among them, that are not what they should be."""
        order = "<I" if request.little else ">I"
        made = struct.pack(order, 2)
        for kind in (1, self._dice.getrandbits(32)):
            data = self._dice.randbytes(self._dice.choice((0, 4, 12, 16)))
            made += struct.pack(order, kind) + struct.pack(order, len(data)) + data
        return self._with(request, contexts=made)

    # ---- hard ----------------------------------------------------------------------------------------------

    def _short(self, request: Request) -> bytes:
        raw = request.raw()
        return raw[: self._dice.randrange(len(raw))]

    def _order(self, request: Request) -> bytes:
        raw = bytearray(request.raw())
        raw[6] ^= 1
        return bytes(raw)

    def _kind(self, request: Request) -> bytes:
        raw = bytearray(request.raw())
        raw[7] = self._dice.choice((1, 2, 3, 4, 5, 6, 7, 8, 0x7F, 0x80, 0xFF))
        return bytes(raw)

    def _version(self, request: Request) -> bytes:
        raw = bytearray(request.raw())
        raw[4:6] = self._dice.choice((b"\1\0", b"\1\1", b"\1\3", b"\2\0", b"\0\0", b"\xff\xff"))
        return bytes(raw)

    def _noise(self, request: Request) -> bytes:
        return self._dice.choice(
            (b"", b"GIOP", b"ZIOP", b"GET / HTTP/1.1\r\n\r\n", b"\x16\3\1\2\0\1")
        ) + self._dice.randbytes(self._dice.choice((4, 12, 400)))

    def _size(self, request: Request) -> bytes:
        raw = bytearray(request.raw())
        self._set_number(raw, 8, request.little)
        return bytes(raw)

    def _unfinished(self, request: Request) -> bytes:
        """Fragments that never end, or belong to nobody."""
        raw = bytearray(request.raw())
        raw[6] |= 2
        for _ in range(self._dice.randrange(4)):
            owner = request.head[:4] if self._dice.random() < 0.7 else self._dice.randbytes(4)
            raw += message(
                FRAGMENT,
                owner + self._dice.randbytes(self._dice.choice((0, 8, 4096))),
                little=request.little,
                more=self._dice.random() < 0.8,
            )
        return bytes(raw)

    def _anywhere(self, request: Request) -> bytes:
        raw = bytearray(request.raw())
        for _ in range(self._dice.choice((1, 3, 20))):
            raw[self._dice.randrange(len(raw))] = self._dice.getrandbits(8)
        return bytes(raw)

    def _stranger(self, request: Request) -> bytes:
        """What a server never gets, or a request by a name for its object that is no key."""
        raw = request.raw()
        if self._dice.random() < 0.5:
            return message(self._dice.choice((CLOSE, ERROR)), b"", little=request.little) + raw
        made = bytearray(raw)
        made[HEADER + 8 : HEADER + 10] = self._dice.choice((b"\1\0", b"\2\0", b"\0\1", b"\xff\xff"))
        return bytes(made)
