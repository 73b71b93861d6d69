"""Peers that mean harm: a master for the slave, a slave for the master, and what they send besides.

First both sides are called properly through a tap, with leases that are good; what was recorded there is then sent
again and again, broken.
"""

import platform
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fuzz.giop import Breaker
from fuzz.tap import Tap

from dgcc.corba import CORBA, DGCC, DGCC__POA
from dgcc.naming.contexts import MASTERS, SLAVES, Farm

ANSWER_S = 30.0
"""A connection on which nothing more is sent has its last answer, or its end, after so many seconds at most."""

_PER_CONNECTION = 4
_LEASE = 0x4242
_DIGEST = b"\x2a" * 32
_NAME = "intruder"


class Hung(AssertionError):
    """The process under attack neither answered nor hung up in time."""


class _Registry(DGCC__POA.SlaveRegistry):
    def __init__(self) -> None:
        self.enlisted = threading.Event()

    def enlist(self, info: Any, who: Any) -> Any:
        self.enlisted.set()
        return DGCC.Lease(_LEASE, 100_000)

    def renew(self, lease: int, now: Any, held: list[int]) -> None:
        pass

    def free(self, lease: int, slots: int) -> None:
        pass

    def leave(self, lease: int) -> None:
        pass


class _Overseer(DGCC__POA.Overseer):
    def done(self, lease: int, what: Any) -> None:
        pass


class _Source(DGCC__POA.Source):
    """Tells of layers whatever the dice say."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._lock = threading.Lock()

    def changes(self, layer: str, since: int) -> Any:
        with self._lock:
            dice = self._dice
            entries = [random_entry(dice) for _ in range(dice.randrange(4))]
            ends = [since, since + 1, since + len(entries), 0, 2**64 - 1]
            return DGCC.Page(dice.choice(ends) % 2**64, dice.choice(ends) % 2**64, entries)

    def blobs(self, wanted: list[bytes]) -> Any:
        with self._lock:
            dice = self._dice
            if dice.random() < 0.2:
                raise DGCC.UnknownBlob(dice.choice((_DIGEST, b"", *wanted)))
            given = wanted[: dice.randrange(3)]
            return [DGCC.Blob(digest, dice.random() < 0.5, dice.randbytes(dice.randrange(50))) for digest in given]

    def piece(self, wanted: bytes, offset: int, count: int) -> Any:
        with self._lock:
            return DGCC.Blob(wanted, self._dice.random() < 0.5, self._dice.randbytes(self._dice.randrange(9)))


class _Master(DGCC__POA.Master):
    def __init__(self, registry: Any, overseer: Any, store: Any) -> None:
        self._parts = registry, overseer, store

    def _get_name(self) -> str:
        return f"{_NAME}:1:0"

    def _get_protocol(self) -> int:
        return int(DGCC.PROTOCOL)

    def _get_parts(self) -> Any:
        return DGCC.MasterParts(self._get_name(), *self._parts)


class _Slave(DGCC__POA.Slave):
    """Takes no job."""

    def __init__(self, info: Any, store: Any) -> None:
        self._info, self._store = info, store

    def _get_info(self) -> Any:
        return self._info

    def _get_store(self) -> Any:
        return self._store

    def invite(self, who: Any) -> None:
        pass

    def run(self, lease: int, what: Any) -> None:
        raise DGCC.Refused("not here")

    def cancel(self, lease: int, which: list[int]) -> None:
        pass

    def output(self, lease: int, job: int, index: int, offset: int, count: int) -> bytes:
        raise DGCC.UnknownOutput()

    def release(self, lease: int, job: int) -> None:
        pass

    def dismiss(self, lease: int) -> None:
        pass


def random_entry(dice: random.Random) -> Any:
    """A DGCC.Entry that may make sense."""
    path = dice.choice(
        (
            b"a",
            b"a/b",
            b"d/e/f",
            b"../up",
            b"/etc/passwd",
            b"",
            b"a//b",
            b"a/",
            b"x\0y",
            b"p" * 5000,
            b"n" * 300,
            b"a/../../b",
            b".",
            b"link/below",
            b"\xff\xfe",
            b"new\nline",
        )
    )
    kind = dice.choice((DGCC.FILE, DGCC.DIRECTORY, DGCC.SYMLINK, DGCC.GONE))
    link = dice.choice((b"", b"target", b"/etc", b"..", b"x\0", b"l" * 5000)) if kind is DGCC.SYMLINK else b""
    digest = dice.choice((b"", _DIGEST, b"short", b"d" * 64)) if kind is DGCC.FILE else b""
    return DGCC.Entry(
        path,
        kind,
        dice.choice((0o644, 0o755, 0o4755, 0o170000, 2**32 - 1)),
        dice.choice((0, 1, -1, 2**63 - 1, -(2**63))),
        dice.choice((0, 1, 100, 2**40, 2**63, 2**64 - 1)),
        digest,
        link,
    )


class Intruder:
    """Attacks slaves and masters of one farm, from one ORB."""

    def __init__(self, orb: Any, poa: Any, farm: Farm, seed: int) -> None:
        self.sent = 0
        self.slowest = 0.0
        self._orb, self._poa, self._farm = orb, poa, farm
        self._dice = random.Random(seed)
        self.registry = _Registry()
        store = self._reference(_Source(random.Random(seed)), DGCC.Source)
        registry = self._reference(self.registry, DGCC.SlaveRegistry)
        self.master = self._reference(
            _Master(registry, self._reference(_Overseer(), DGCC.Overseer), store), DGCC.Master
        )
        self._info = DGCC.SlaveInfo(_NAME, "0", DGCC.PROTOCOL, platform.machine(), 1, 1 << 30, [_DIGEST])
        self.slave = self._reference(_Slave(self._info, store), DGCC.Slave)

    def _reference(self, servant: Any, interface: Any) -> Any:
        return self._poa.id_to_reference(self._poa.activate_object(servant))._narrow(interface)

    # ---- recording -----------------------------------------------------------------------------------------

    def against_slave(self, name: str) -> "Target":
        """All that a slave can be asked, with a lease that it has taken."""
        real = dict(self._farm.bindings(SLAVES))[name]._narrow(DGCC.Slave)
        self.registry.enlisted.clear()
        with Tap(self._orb) as tap:
            slave = tap.tapped(real, DGCC.Slave)
            slave._get_info()
            store = tap.tapped(slave._get_store(), DGCC.Source)
            slave.invite(self.master)
            assert self.registry.enlisted.wait(20), "the slave did not register with the intruder"
            _until_known(slave)
            slave.run(_LEASE, _job(7))
            slave.cancel(_LEASE, [1, 2, 3, 7])
            _expect(DGCC.UnknownOutput, slave.output, _LEASE, 7, 0, 0, 1 << 20)
            slave.release(_LEASE, 7)
            slave.dismiss(1)
            self._ask_store(store)
            return self._target(tap)

    def against_master(self) -> "Target":
        """All that the farm's one real master can be asked, with a lease of its own."""
        real = next(ref for _, ref in self._farm.bindings(MASTERS))._narrow(DGCC.Master)
        with Tap(self._orb) as tap:
            master = tap.tapped(real, DGCC.Master)
            master._get_name()
            master._get_protocol()
            parts = master._get_parts()
            registry = tap.tapped(parts.registry, DGCC.SlaveRegistry)
            overseer = tap.tapped(parts.job_overseer, DGCC.Overseer)
            store = tap.tapped(parts.store, DGCC.Source)
            lease = registry.enlist(self._info, self.slave).id
            registry.renew(lease, DGCC.HostLoad(0.5, 1.0, 1 << 30, 1), [1, 2, 3])
            registry.free(lease, 1)
            overseer.done(lease, _result(1))
            registry.leave(1)
            self._ask_store(store)
            return self._target(tap)

    @staticmethod
    def _ask_store(store: Any) -> None:
        _expect(DGCC.UnknownLayer, store.changes, "no/layer", 0)
        _expect(DGCC.UnknownLayer, store.changes, "environment/" + _DIGEST.hex(), 0)
        _expect(DGCC.UnknownBlob, store.blobs, [_DIGEST, b"\1" * 32])
        _expect(DGCC.UnknownBlob, store.piece, _DIGEST, 0, 1 << 20)

    def _target(self, tap: Tap) -> "Target":
        operations = {raw for raw in tap.requests if b"_is_a\0" not in raw}
        return Target(tap.address, Breaker(self._dice, sorted(operations)))

    # ---- attacking -----------------------------------------------------------------------------------------

    def attack(self, target: "Target", messages: int) -> None:
        """Send so many broken messages. Raises Hung."""
        until = self.sent + messages
        while self.sent < until:
            soft = self._dice.randrange(1, min(_PER_CONNECTION, until - self.sent) + 1)
            burst = [target.breaker.soft() for _ in range(soft - 1)]
            burst.append(target.breaker.hard() if self._dice.random() < 0.7 else target.breaker.soft())
            # The rest was not read where an answer ended the connection.
            self.sent += min(len(burst), self.send(target.address, b"".join(burst)) + 1)

    def send(self, address: tuple[str, int], data: bytes) -> int:
        """Send on a connection of its own, and wait for its end; returns the number of answers. Raises Hung."""
        answers = 0
        began = time.monotonic()
        with socket.create_connection(address, timeout=ANSWER_S) as rude:
            try:
                rude.sendall(data)
                rude.shutdown(socket.SHUT_WR)
                while data := rude.recv(1 << 16):
                    answers += data.count(b"GIOP")
            except TimeoutError:
                raise Hung(f"no answer and no end after {ANSWER_S} s, after {self.sent} messages") from None
            except OSError:
                pass  # it has hung up
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answers


class Target:
    """Where a process listens, and what it can be asked."""

    def __init__(self, address: tuple[str, int], breaker: Breaker) -> None:
        self.address, self.breaker = address, breaker


@contextmanager
def half_open(address: tuple[str, int], count: int, begun: bytes) -> Iterator[list[socket.socket]]:
    """So many connections on which `begun` was sent, and nothing more."""
    made = []
    try:
        for _ in range(count):
            made.append(socket.create_connection(address, timeout=ANSWER_S))
            made[-1].sendall(begun)
        yield made
    finally:
        for one in made:
            one.close()


def _job(number: int) -> Any:
    needs = [DGCC.LayerNeed("intruder/0", b"/home/intruder", 1, True)]
    return DGCC.Job(
        number,
        b"/bin/sh",
        [b"sh", b"-c", b"exit 1"],
        b"/home/intruder",
        [b"PATH=/bin", b"A=b"],
        0o22,
        1000,
        1000,
        False,
        False,
        False,
        80,
        25,
        60,
        needs,
        [],
        [DGCC.PathLink(b"/home/x", b"y")],
    )


def _result(number: int) -> Any:
    file = DGCC.Entry(b"a.o", DGCC.FILE, 0o644, time.time_ns(), 3, _DIGEST, b"")
    link = DGCC.Entry(b"d/l", DGCC.SYMLINK, 0o777, time.time_ns(), 0, b"", b"a.o")
    return DGCC.Result(
        number,
        DGCC.ENDED,
        "none",
        0,
        0,
        0.1,
        0.2,
        1 << 20,
        time.time_ns(),
        10,
        [DGCC.Chunk(1, b"out"), DGCC.Chunk(2, b"err")],
        [DGCC.Output(b"/root", file, False, b"abc", False), DGCC.Output(b"/root", link, False, b"", False)],
    )


def _expect(error: Any, call: Any, *arguments: Any) -> None:
    try:
        call(*arguments)
    except error:
        return
    raise AssertionError(f"{call} did not raise {error}")


def _until_known(slave: Any) -> None:
    """Wait until the slave knows the lease that it was given."""
    for _ in range(500):
        try:
            slave.cancel(_LEASE, [])
            return
        except DGCC.UnknownLease:
            time.sleep(0.02)
    raise AssertionError("the slave does not know its lease")


__all__ = ["CORBA", "Hung", "Intruder", "Target", "half_open", "random_entry"]
