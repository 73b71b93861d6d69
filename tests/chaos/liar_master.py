"""A master that lies and errs: `liar_master.py NAMING` puts what is below to every slave of a farm in turn.

It prints what a slave made of each, a line of JSON each: the case, and how the job ended or why there was none.
"""

import hashlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from dgcc.corba import CORBA, DGCC, DGCC__POA
from dgcc.naming.contexts import SLAVES, Farm
from dgcc.naming.orb import start_orb
from dgcc.naming.place import parse_address
from dgcc.store.entry import Entry, Kind
from dgcc.store.environment import environment_key, layer_name
from dgcc.store.wire import entry_to_wire

_LEASE = 4711
_SHELL = os.path.realpath("/bin/true")
_WAIT_S = 15.0


class Source(DGCC__POA.Source):
    """Layers and content as a case says."""

    def __init__(self) -> None:
        self.page: Callable[[str, int], Any] = lambda layer, since: DGCC.Page(since, since, [])
        self.blob: Callable[[bytes], Any] = lambda digest: DGCC.Blob(digest, False, b"")

    def changes(self, layer: str, since: int) -> Any:
        return self.page(layer, since)

    def blobs(self, wanted: list[bytes]) -> Any:
        return [self.blob(digest) for digest in wanted]

    def piece(self, wanted: bytes, offset: int, count: int) -> Any:
        return self.blob(wanted)


class Registry(DGCC__POA.SlaveRegistry):
    """Takes everybody."""

    def __init__(self) -> None:
        self.lease, self.ready = 0, threading.Event()

    def enlist(self, info: Any, who: Any) -> Any:
        self.lease += 1
        return DGCC.Lease(_LEASE + self.lease, 3)

    def renew(self, lease: int, now: Any, held: list[int]) -> None:
        pass

    def free(self, lease: int, slots: int) -> None:
        self.ready.set()

    def leave(self, lease: int) -> None:
        pass


class Overseer(DGCC__POA.Overseer):
    """Keeps what slaves report."""

    def __init__(self) -> None:
        self.results: queue.Queue[Any] = queue.Queue()

    def done(self, lease: int, what: Any) -> None:
        self.results.put(what)


class Master(DGCC__POA.Master):
    """The door."""

    def __init__(self, parts: tuple[Any, Any, Any]) -> None:
        self._parts = parts

    def _get_name(self) -> str:
        return "liar/../..:1:\x1b[2J"

    def _get_protocol(self) -> int:
        return int(DGCC.PROTOCOL)

    def unfit(self, slave: str, version: str, protocol: int) -> None:
        pass

    def _get_parts(self) -> Any:
        return DGCC.MasterParts(self._get_name(), *self._parts)


def job(**changed: Any) -> Any:
    """A DGCC.Job that would run, but for what is changed."""
    made = DGCC.Job(1, b"/bin/true", [b"true"], b"/project", [b"PATH=/bin"], 0o22, 1000, 1000, True, False, False, 0, 0,
                    60, [DGCC.LayerNeed("layer", b"/project", 0, True)], [], [])  # fmt: skip
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def layer(root: bytes, writable: bool = True) -> Any:
    return DGCC.LayerNeed("layer", root, 0, writable)


def entry(path: bytes, content: bytes = b"x", **changed: Any) -> Any:
    """A DGCC.Entry of a file, sound but for what is changed."""
    made = DGCC.Entry(path, DGCC.FILE, 0o644, 1, len(content), hashlib.sha256(content).digest(), b"")
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def listing(*entries: Any) -> Callable[[str, int], Any]:
    return lambda layer, since: DGCC.Page(len(entries), len(entries), list(entries) if since == 0 else [])


def giving(content: bytes, compressed: bool = False) -> Callable[[bytes], Any]:
    return lambda digest: DGCC.Blob(digest, compressed, content)


# The jobs, and what the source says besides.
ORDERS: dict[str, Any] = {
    "no environment": job(),
    "layer outside everything": job(layers=[layer(b"/project/../../etc")]),
    "layer at the top": job(layers=[layer(b"/")]),
    "layer without a place": job(layers=[layer(b"")]),
    "layer with a zero byte": job(layers=[layer(b"/a\0b")]),
    "layer over the system": job(layers=[layer(b"/proc")]),
    "relative directory": job(cwd=b"../.."),
    "link with a zero byte": job(links=[DGCC.PathLink(b"/a", b"\0")]),
    "link from nowhere": job(links=[DGCC.PathLink(b"../a", b"/etc")]),
    "huge argv": job(argv=[b"x" * (1 << 20)] * 24),
    "many words": job(argv=[b"x"] * 300_000),
    "zero bytes": job(argv=[b"a\0b"], env=[b"\0"], program=b"\0"),
    "no argv": job(argv=[]),
    "odd ids": job(uid=0xFFFFFFFF, gid=0xFFFFFFFF, umask_=0xFFFFFFFF),
    "a short key": job(environments=[DGCC.EnvironmentNeed(b"short", [])]),
    "a peer that is none": job(environments=[DGCC.EnvironmentNeed(bytes(32), [None])]),
}
PAGES: dict[str, tuple[Callable[[str, int], Any], Callable[[bytes], Any]]] = {
    "page backwards": (lambda layer, since: DGCC.Page(since - 1 if since else 0, 5, []), giving(b"x")),
    "page beyond the end": (lambda layer, since: DGCC.Page(since + 9, since + 3, []), giving(b"x")),
    "path upwards": (listing(entry(b"../outside")), giving(b"x")),
    "absolute path": (listing(entry(b"/outside")), giving(b"x")),
    "through a link": (listing(entry(b"way", b"", kind=DGCC.SYMLINK, link=b"/tmp"), entry(b"way/outside")),
                       giving(b"x")),
    "wrong content": (listing(entry(b"f", b"one")), giving(b"y")),
    "wrong frame": (listing(entry(b"f", b"two")), giving(b"no frame", True)),
    "cut short": (listing(entry(b"f", bytes(3 << 20))), giving(b"")),
    "huge mode": (listing(entry(b"d", b"", kind=DGCC.DIRECTORY, mode=0xFFFFFFFF)), giving(b"x")),
    "huge size": (listing(entry(b"f", size=(1 << 64) - 1, digest=b"")), giving(b"x")),
    "short digest": (listing(entry(b"f", digest=b"\1")), giving(b"x")),
    "empty link": (listing(entry(b"l", b"", kind=DGCC.SYMLINK)), giving(b"x")),
    "link with a zero byte in it": (listing(entry(b"l", b"", kind=DGCC.SYMLINK, link=b"\0")), giving(b"x")),
    "more than was asked": (listing(entry(b"f", b"six")), giving(bytes(32 << 20))),
}


class Case:
    """The conversation with one slave."""

    def __init__(self, slave: Any, registry: Registry, overseer: Overseer, source: Source, lease: int) -> None:
        self._slave, self._overseer, self._source, self._lease = slave, overseer, source, lease
        self._number = 100

    def put(self, name: str, order: Any) -> None:
        """Send a job, and print what became of it."""
        self._number += 1
        order.id = self._number
        try:
            self._slave.run(self._lease, order)
            ended = self._overseer.results.get(timeout=_WAIT_S)
            how = f"{ended.how}: {ended.trouble or ended.exit_code}"
        except queue.Empty:
            how = "nothing was heard of it"
        except CORBA.Exception as error:
            how = f"refused: {type(error).__name__}"
        print(json.dumps([name, how]), flush=True)

    def all(self) -> None:
        """Put every case."""
        for name, order in ORDERS.items():
            self.put(name, order)
        for name, (self._source.page, self._source.blob) in PAGES.items():
            self.put(name, job(layers=[DGCC.LayerNeed(name, b"/project", 0, True)]))
        self._source.page = listing()
        self._environment("an environment that writes outside", Entry(b"../x", Kind.FILE, 0o644, 0, 0, bytes(32)))
        self._environment("an environment without content", Entry(b"x", Kind.FILE, 0o4755, 0, 1, bytes(32)))
        self._twice()
        self._slave.cancel(self._lease, [1, 1 << 63, *range(100_000)])
        self._slave.cancel(1, [1])
        self._slave.release(self._lease, 5)
        for call in (
            lambda: self._slave.output(self._lease, 1, 0, 1 << 63, (1 << 32) - 1),
            lambda: self._slave.run(1, job()),
        ):
            try:
                call()
                print(json.dumps(["a call that makes no sense", "was answered"]), flush=True)
            except CORBA.UserException:
                pass
        self._slave.dismiss(self._lease)

    def _environment(self, name: str, listed: Entry) -> None:
        key = environment_key([listed])
        self._source.page = lambda layer, since: (
            DGCC.Page(1, 1, [entry_to_wire(listed)] if since == 0 else []) if layer == layer_name(key)
            else DGCC.Page(since, since, [])
        )  # fmt: skip
        self.put(name, job(environments=[DGCC.EnvironmentNeed(key, [])]))

    def _twice(self) -> None:
        """The same number twice at a time."""
        for _ in range(2):
            self._slave.run(self._lease, job(id=7))
        heard = 0
        try:
            while True:
                self._overseer.results.get(timeout=2)
                heard += 1
        except queue.Empty:
            print(json.dumps(["the same job twice", f"{heard} results"]), flush=True)


def main() -> None:
    """Invite every slave, and put the cases to it."""
    orb, poa = start_orb()
    farm = Farm(orb, parse_address(sys.argv[1]))

    def reference(servant: Any) -> Any:
        return poa.id_to_reference(poa.activate_object(servant))

    for name, slave in farm.bindings(SLAVES):
        registry, overseer, source = Registry(), Overseer(), Source()
        parts = (
            reference(registry)._narrow(DGCC.SlaveRegistry),
            reference(overseer)._narrow(DGCC.Overseer),
            reference(source)._narrow(DGCC.Source),
        )
        slave = slave._narrow(DGCC.Slave)
        slave.invite(reference(Master(parts))._narrow(DGCC.Master))
        assert registry.ready.wait(_WAIT_S), name
        Case(slave, registry, overseer, source, _LEASE + registry.lease).all()
    orb.destroy()


if __name__ == "__main__":
    main()
