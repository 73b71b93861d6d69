"""Environments kept between builds: what was found in the system last time, and how to see that it is still so.

To walk through a compiler's 10,000 headers and to take the digest over all of them costs a fifth of a second; to see
that no inode of them has changed, a tenth of that. A file of the user's cache holds for each question what its
answer's closure consisted of, as a record of each inode, the key, and the entries, which hardly any build needs.
"""

import hashlib
import logging
import marshal
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from dgcc.master.environment.closure import Closure
from dgcc.master.environment.environment import Environment
from dgcc.master.environment.shelf import Shelf
from dgcc.master.environment.watching import Watching
from dgcc.store.digests import TICK_NS, Stamp
from dgcc.store.entry import Entry, Kind
from dgcc.store.looks import look, look_again, newest, stamps

log = logging.getLogger(__name__)

_MAGIC = b"dgcc-environment-1\n"
_DIGEST = hashlib.sha256().digest_size
Shim = tuple[int, bytes]
Learn = Callable[[bytes, Stamp, bytes], None]


class Kept(Struct, frozen=True):
    """What is known of an environment from an earlier build, or an earlier moment of this one.

    paths: those whose inodes decide, joined, also where there is nothing; records: their looks. ways: directories on
    the way, of which only their being there counts, with their modes. named, whole: what is to be watched: names in
    directories, and whole directories.
    """

    count: int
    paths: bytes
    records: bytes
    ways: tuple[tuple[bytes, int], ...]
    named: tuple[tuple[bytes, tuple[bytes, ...]], ...]
    whole: tuple[bytes, ...]

    def watch(self, watching: Watching) -> None:
        """Watch all of it, which must come before looking."""
        for directory in self.whole:
            watching.watch_all(directory)
        for directory, names in self.named:
            watching.watch_names(directory, names)

    def unchanged(self) -> bool:
        """Whether all is still there as it was found, and nothing where there was nothing."""
        return look_again(self.paths, self.count) == self.records and all(
            _mode(path) == mode for path, mode in self.ways
        )


class KeptEnvironments:
    """The files, one for each question. place: their directory, made when needed.

    Anything wrong with one costs time, never a build. clock: seconds since 1970.
    """

    def __init__(self, place: Path, clock: Callable[[], float] = time.time) -> None:
        self._shelf = Shelf(place, "", clock)

    def load(
        self, question: Iterable[bytes], shim: Shim, watching: Watching, learn: Learn
    ) -> tuple[Kept, Environment] | None:
        """What is kept for `question`, if the system is still such; it is watched from then on.

        shim: size and digest of what stands in for ccache and its like. learn(path below "/", stamp, digest) is told
        of each file when somebody wants the entries.
        """
        file = self._shelf.file(question)
        try:
            with file.open("rb") as opened:
                if os.fstat(opened.fileno()).st_uid != os.geteuid():  # as under sudo; marshal trusts what it reads
                    raise ValueError("it is another user's")
                text = opened.read()
            body = memoryview(text)[len(_MAGIC) + _DIGEST :]
            if not text.startswith(_MAGIC + hashlib.sha256(body).digest()):
                raise ValueError("it is damaged")
            fields = marshal.loads(body)
            user, shim_then, key, complete, entries, *rest = fields
            kept = Kept(*rest)
            if user != os.geteuid() or shim_then != shim:
                return None
            kept.watch(watching)
            if not kept.unchanged():
                return None
            self._shelf.used(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, EOFError) as error:
            log.info("the environment kept in %s is not used: %s", file, error)
            return None
        return kept, Environment(key, frozenset(complete), lambda: _entries(entries, kept, shim, learn))

    def save(self, question: Iterable[bytes], shim: Shim, closure: Closure, environment: Environment) -> None:
        """Keep an environment that was just made; those that were not asked for in two months are forgotten."""
        looked_ns = time.time_ns()
        kept = _kept(closure)
        if newest(kept.records) >= looked_ns - TICK_NS or not closure.unchanged():
            return  # what changes while one looks is not worth keeping
        rows = [(e.path, e.kind.value, e.mode, e.mtime_ns, e.size, e.digest, e.link) for e in environment.entries]
        body = marshal.dumps((
            os.geteuid(), shim, environment.key, tuple(environment.complete), marshal.dumps(rows),
            kept.count, kept.paths, kept.records, kept.ways, kept.named, kept.whole,
        ))  # fmt: skip
        try:
            self._shelf.put(self._shelf.file(question), _MAGIC + hashlib.sha256(body).digest() + body)
        except OSError as error:
            log.info("an environment cannot be kept: %s", error)


def _kept(closure: Closure) -> Kept:
    decisive = [*closure.absent]
    ways = []
    for path, what in closure.all_found():
        if what.kind is Kind.DIRECTORY and not closure.counts(path):
            ways.append((path, what.mode))
        else:
            decisive.append(path)
    # In order, so that neighbours find their directory in the kernel's cache.
    decisive.sort()
    names: dict[bytes, list[bytes]] = {}
    for path in closure.named:
        directory, _, name = path.rpartition(b"/")
        names.setdefault(directory or b"/", []).append(name)
    named = tuple((directory, tuple(some)) for directory, some in names.items())
    return Kept(
        len(decisive), b"\0".join((*decisive, b"")), look(decisive), tuple(ways), named, tuple(closure.whole)
    )


def _mode(path: bytes) -> int | None:
    try:
        return os.lstat(path).st_mode & 0o777
    except OSError:
        return None


def _entries(packed: bytes, kept: Kept, shim: Shim, learn: Learn) -> Sequence[Entry]:
    rows: list[tuple[Any, ...]] = marshal.loads(packed)
    entries = [Entry(path, Kind(kind), *rest) for path, kind, *rest in rows]
    seen = dict(zip(kept.paths.split(b"\0"), stamps(kept.records), strict=False))
    for entry in entries:
        stamp = seen.get(b"/" + entry.path)
        ours = (entry.size, entry.digest) == shim
        if entry.kind is Kind.FILE and stamp is not None and stamp.size == entry.size and not ours:
            learn(entry.path, stamp, entry.digest)
    return entries
