"""What a large tree costs: makes one, scans it, brings it to a slave's mirror, and prints a small table.

    python -m dgcc.store.bench [--files N] [--directory DIR]

Each line is a process of its own. Nothing is sent over a network: master's and slave's half are in one process.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from dgcc.store.blobs import BlobStore
from dgcc.store.cache import DigestCache
from dgcc.store.entry import Blob, Entry, Kind, Page
from dgcc.store.layer import Layer
from dgcc.store.mirror import Mirror
from dgcc.store.source import TreeSource
from dgcc.store.sync import follow
from dgcc.store.watch import Watch

_PER_DIRECTORY = 20
_SOURCE, _HEADER, _NOTE = 8 << 10, 3 << 10, 2 << 10  # bytes
_DATA = 4 << 20
_STORE = 20 << 30


def make_tree(root: Path, files: int) -> None:
    """Make `files` files: 60 % sources, 30 % headers, 9 % notes, 1 % data (sparse), 20 in a directory."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnop_", k=chance.randint(2, 12))) for _ in range(2000)]
    text = " ".join(chance.choices(words, k=60_000)).encode()
    for number in range(files):
        directory = root / f"part{number // 2000}" / f"d{number // _PER_DIRECTORY}"
        if number % _PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        share = number % 100
        if share == 99:
            (directory / f"data{number}.bin").touch()
            os.truncate(directory / f"data{number}.bin", _DATA)
            continue
        name, size = (("c", _SOURCE), ("h", _HEADER), ("txt", _NOTE))[(share % 10 >= 6) + (share % 10 >= 9)]
        start = chance.randrange(len(text) - size)
        (directory / f"f{number}.{name}").write_bytes(b"/* %d */ " % number + text[start : start + size])


class _Source:
    """A tree's layer and content, as a slave sees them, but without a wire."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._tree = TreeSource([layer.blobs])

    def changes(self, layer: str, since: int) -> Page:
        return self._layer.changes(since)

    def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
        return self._tree.blobs(wanted)

    def piece(self, digest: bytes, offset: int, count: int) -> Blob:
        return self._tree.packed_piece(digest, offset, count)


class _Cost(Struct):
    """What a phase took, in seconds; `said` is what it did."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: int = 0  # the process's memory at most, in bytes
    said: str = ""

    @contextmanager
    def timed(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        self.peak = int(found[1]) << 10 if found else 0


def _layer(place: Path) -> Layer:
    tree, cache = os.fsencode(place / "tree"), DigestCache(place / "cache.sqlite")
    return Layer(tree, "bench", cache=cache, watch=Watch())


def _scan(place: Path) -> _Cost:
    cost = _Cost()
    with cost.timed():
        layer = _layer(place)
        layer.scan()
    withheld = sum(entry.withheld for entry in layer.entries())
    files, size = layer.totals
    cost.said = f"{files} files, {size >> 20} MiB; {withheld} withheld"
    return cost


def _include(place: Path) -> _Cost:
    cost = _Cost()
    layer = _layer(place)
    layer.scan()
    sources = [entry.path for entry in layer.entries() if entry.withheld and entry.path.endswith(b".c")]
    with cost.timed():
        for path in sources:
            layer.include(path)
    cost.said = f"{len(sources)} sources, one by one"
    return cost


def _sync(place: Path) -> _Cost:
    cost = _Cost()
    layer = _layer(place)
    layer.scan()
    with cost.timed():
        blobs = BlobStore(place / "blobs", _STORE)
        mirror = Mirror(place / "mirror", blobs)
        done = follow(_Source(layer), "bench", mirror, 0)
    cost.said = f"{done.received / 2**20:.1f} MiB received"
    mirror.close()
    return cost


def _lay_out(place: Path, name: str, count: int, size: int, withheld: bool) -> _Cost:
    """Files whose content is in the store already."""
    cost = _Cost()
    blobs = BlobStore(place / "blobs", _STORE)
    mirror = Mirror(place / name, blobs, moves=True)
    data, entries = random.Random(2).randbytes(size), []
    for number in range(count):
        digest = b""
        if not withheld:
            content = b"%8d" % number + data[8:]
            blobs.put(digest := hashlib.sha256(content).digest(), content)
        entries.append(Entry(b"usr/d%d/f%d" % (number // 50, number), Kind.FILE, 0o644, 1, size, digest))
    with cost.timed():
        mirror.apply(entries)
    cost.said = f"{cost.wall / count * 1e6:.0f} us for each of {count} files of {size >> 10} KiB"
    return cost


def _environment(place: Path) -> _Cost:
    return _lay_out(place, "environment", 7400, 40 << 10, False)


def _placeholders(place: Path) -> _Cost:
    return _lay_out(place, "placeholders", 80_000, 8 << 10, True)


_PHASES: Sequence[tuple[str, Callable[[Path], _Cost]]] = (
    ("first scan", _scan),
    ("second start", _scan),
    ("naming every source", _include),
    ("a slave's first sync", _sync),
    ("its next one", _sync),
    ("an environment's layout", _environment),
    ("placeholders", _placeholders),
)


def main() -> None:
    """Run all phases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=80_000, help="files of the tree (default: %(default)s)")
    parser.add_argument("--directory", default="/var/tmp", help="where to make it (default: %(default)s)")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="dgcc-bench-", dir=options.directory) as name:
        place = Path(name)
        make_tree(place / "tree", options.files)
        print(f"{'':26}{'wall s':>8}{'cpu s':>8}{'MiB':>7}", flush=True)
        for title, phase in _PHASES:
            with ProcessPoolExecutor(1, spawn) as pool:
                cost = pool.submit(phase, place).result()
            print(f"{title:26}{cost.wall:8.2f}{cost.cpu:8.2f}{cost.peak >> 20:7}  {cost.said}", flush=True)


if __name__ == "__main__":
    main()
