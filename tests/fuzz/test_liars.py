"""Masters and slaves that lie: what they announce is refused in one sentence, before it costs time, memory or disk."""

import hashlib
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard
from fuzz.bytefuzz import ROUNDS, SEED
from fuzz.intruder import random_entry
from store.treekit import Home

from dgcc.corba import DGCC
from dgcc.master.failures import ProtocolFailed
from dgcc.master.results import HomeTrouble, checked, fetch_large, take_result
from dgcc.slave.fetch import listing
from dgcc.slave.session import ProtocolTrouble
from dgcc.store import sync
from dgcc.store.blobs import BlobStore
from dgcc.store.entry import PIECE, Blob, Entry, Kind, Page
from dgcc.store.environment import layer_name
from dgcc.store.errors import BadDigest, BadEntry, BadPath, BadVersion, StoreError
from dgcc.store.mirror import Mirror
from dgcc.store.pull import pull
from dgcc.store.wire import entry_from_wire
from dgcc.store.writeback import WriteBackError, set_attributes

NOTHING = hashlib.sha256(b"").digest()
SOME = b"\x2a" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    return path


@pytest.fixture
def blobs(tmp_path: Path) -> Any:
    store = BlobStore(tmp_path / "blobs", 1 << 30)
    yield store
    store.close()


class Source:
    """Answers as it is told to."""

    def __init__(
        self,
        page: Callable[[int], Page] | None = None,
        piece: Callable[[int], Blob] | None = None,
        blobs: Sequence[Blob] = (),
    ) -> None:
        self._page, self._piece, self._blobs = page, piece, blobs
        self.asked = 0

    def changes(self, layer: str, since: int) -> Page:
        self.asked += 1
        assert self._page is not None
        return self._page(since)

    def blobs(self, wanted: Sequence[bytes]) -> Sequence[Blob]:
        self.asked += 1
        return self._blobs

    def piece(self, digest: bytes, offset: int, count: int) -> Blob:
        self.asked += 1
        assert self._piece is not None
        return self._piece(count)


# ---- entries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": 0o10000},
        {"mode": 2**32 - 1},
        {"size": 2**63},
        {"size": 2**64 - 1},
        {"digest": b"x"},
        {"digest": bytes(33)},
        {"link": b"there"},
        {"kind": DGCC.SYMLINK},
        {"kind": DGCC.SYMLINK, "digest": b"", "link": b"a\0b"},
        {"kind": DGCC.SYMLINK, "digest": b"", "link": b"l" * 4096},
        {"kind": DGCC.DIRECTORY},
        {"kind": DGCC.GONE},
    ],
    ids=str,
)
def test_an_entry_that_nothing_is_like(changed: dict[str, Any]) -> None:
    entry = DGCC.Entry(b"bad\x1b[2J", DGCC.FILE, 0o644, 0, 3, SOME, b"")
    assert entry_from_wire(entry).size == 3
    for name, value in changed.items():
        setattr(entry, name, value)
    with pytest.raises(BadEntry, match=r"'bad\\x1b\[2J' was announced") as caught:
        entry_from_wire(entry)
    assert isinstance(caught.value, BadPath)  # a slave takes it for a mistake of its master's


def test_random_entries_leave_a_mirror_whole(tmp_path: Path, blobs: BlobStore) -> None:
    """Whatever is announced, nothing appears outside the mirror, and it still does its work."""
    dice = random.Random(SEED)
    outside = tmp_path / "outside"
    outside.mkdir()
    mirror = Mirror(tmp_path / "mirror", blobs)
    blobs.put(NOTHING, b"")
    for number in range(3000 * ROUNDS):
        try:
            entry = entry_from_wire(random_entry(dice))
            if dice.random() < 0.3:
                mirror.apply([Entry(b"link", Kind.SYMLINK, 0o777, 0, link=os.fsencode(outside))])
            mirror.apply([entry])
        except (StoreError, OSError):
            continue
        except BaseException:
            print(f"DGCC_FUZZ_SEED={SEED}, number {number}")
            raise
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "mirror", "outside"]
    good = Entry(b"a/good", Kind.FILE, 0o644, 1, 0, NOTHING)
    mirror.apply([Entry(b"a", Kind.GONE), good])
    assert (mirror.tree / "a/good").read_bytes() == b""
    assert not any(path.lstat().st_mode & 0o6000 for path in mirror.tree.rglob("*") if path.is_file())
    mirror.close()


# ---- answers without an end ------------------------------------------------------------------------------------


def test_a_layer_without_end(tmp_path: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "_MOST_PAGES", 50)
    mirror = Mirror(tmp_path / "mirror", blobs)
    source = Source(lambda since: Page(since + 1, since + 2, ()))
    with pytest.raises(BadVersion, match=r"run/0 has no end: after 51 pages the source is at 51 of 52"):
        sync.follow(source, "run/0", mirror, 0)
    monkeypatch.setattr(sync, "_MOST_ENTRIES", 100)
    entries = tuple(Entry(b"%d" % number, Kind.GONE) for number in range(30))
    source = Source(lambda since: Page(since + 30, 2**64 - 1, entries))
    with pytest.raises(BadVersion, match="no end: after 4 pages"):
        sync.follow(source, "run/0", mirror, 0)
    assert source.asked == 4
    mirror.close()


@pytest.mark.parametrize("step", [0, 1, 1000])
def test_an_environment_without_end(step: int) -> None:
    source = Source(lambda since: Page(since + step, 900_000, ()))
    with pytest.raises(ProtocolTrouble, match=f"{layer_name(SOME)}: asked for entries from 0 on, got {step} of 900000"):
        listing(source, SOME)
    assert source.asked == 1


@pytest.mark.parametrize("given", [0, 1, 5 * PIECE])
def test_pieces_of_other_sizes_end_a_transfer_at_once(given: int, blobs: BlobStore) -> None:
    source = Source(piece=lambda count: Blob(SOME, False, bytes(given)))
    with pytest.raises(BadDigest, match=f"was to have {3 * PIECE} bytes; at 0 came {given}"):
        pull(source, [Entry(b"f", Kind.FILE, size=3 * PIECE, digest=SOME)], blobs)
    assert source.asked == 1


def test_content_that_no_disk_holds_is_not_begun(blobs: BlobStore) -> None:
    source = Source(piece=lambda count: Blob(SOME, False, bytes(count)))
    with pytest.raises(OSError, match="No space left"):
        pull(source, [Entry(b"f", Kind.FILE, size=1 << 60, digest=SOME)], blobs)
    assert source.asked == 0


def test_answers_with_nothing_end_a_transfer(blobs: BlobStore) -> None:
    source = Source(blobs=())
    with pytest.raises(BadDigest, match="answered a request for content with nothing"):
        pull(source, [Entry(b"f", Kind.FILE, size=3, digest=SOME)], blobs)
    assert source.asked == 1


def _frame(data: bytes, **options: Any) -> bytes:
    maker = zstandard.ZstdCompressor(**options).compressobj()  # does not write the size into the frame
    return maker.compress(data) + maker.flush()


@pytest.mark.parametrize(
    "frame",
    [
        zstandard.compress(bytes(1 << 30 >> 3)),
        _frame(bytes(1 << 27)),
        _frame(b"abc", compression_params=zstandard.ZstdCompressionParameters(window_log=27, write_content_size=0)),
        b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + bytes(8),
        b"\x28\xb5\x2f\xfd\x00\xff" + bytes(8),
        b"",
        b"no frame",
        zstandard.compress(b"abc")[:-2],
    ],
    ids=["bomb", "bomb of unknown size", "window", "size", "window of 3.75 TiB", "empty", "other", "cut off"],
)
def test_frames_that_lie_take_no_memory(frame: bytes, blobs: BlobStore) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with pytest.raises(BadDigest):
        pull(Source(blobs=[Blob(SOME, True, frame)]), [Entry(b"f", Kind.FILE, size=100, digest=SOME)], blobs)
    assert time.monotonic() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + (32 << 10)  # KiB


# ---- results ---------------------------------------------------------------------------------------------------


def _output(path: bytes = b"f", data: bytes = b"abc", **changed: Any) -> Any:
    what = DGCC.Entry(path, DGCC.FILE, 0o644, 0, len(data), hashlib.sha256(data).digest(), b"")
    output = DGCC.Output(b"/root", what, False, data, False)
    for name, value in changed.items():
        setattr(output if name in ("touched", "data", "root", "compressed") else what, name, value)
    return output


def _result(*files: Any, **changed: Any) -> Any:
    made = DGCC.Result(7, DGCC.ENDED, "", 0, 0, 0.1, 0.2, 1, time.time_ns(), 0, [DGCC.Chunk(1, b"x")], list(files))
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def test_a_result_that_makes_sense_is_taken_as_it_is() -> None:
    gone = DGCC.Output(b"/root", DGCC.Entry(b"f", DGCC.GONE, 0, 0, 0, b"", b""), False, b"", False)
    result = _result(gone, _output(), _output(b"g", touched=True, data=b""), _output(b"l", b"", size=10))
    assert checked(result) is result


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (_result(wall_s=math.nan), "wall_s is nan"),
        (_result(wall_s=math.inf), "wall_s is inf"),
        (_result(cpu_s=-1.0), "cpu_s is -1.0"),
        (_result(exit_code=256), "exit_code is 256"),
        (_result(exit_code=-1), "exit_code is -1"),
        (_result(signal_=127), "signal_ is 127"),
        (_result(started_ns=-(2**63)), "started_ns is -"),
        (_result(stdio=[DGCC.Chunk(7, b"x")]), "descriptor other than stdout and stderr"),
        (_result(_output(), _output()), "'f' twice"),
        (_result(_output(size=2**63)), "more than 4096"),
        (_result(_output(size=2)), "comes with 3 bytes, as a file of 2"),
        (_result(_output(kind=DGCC.DIRECTORY, digest=b"")), "comes with 3 bytes, as a directory"),
        (_result(_output(kind=DGCC.DIRECTORY, digest=b"", data=b"", size=0, touched=True)), "directory"),
        (_result(_output(mode=0o100644)), "a mode of"),
        (_result(_output(compressed=True)), "cannot be read"),
        (_result(_output(data=zstandard.compress(bytes(99)), size=98, compressed=True)), "other than 98 bytes"),
        (_result(_output(data=zstandard.compress(bytes(PIECE + 1)), size=PIECE + 1, compressed=True)), "to be fetched"),
        (_result(_output(data=bytes(PIECE)), _output(b"g")), "to be fetched"),
        *[
            (_result(_output(path)), "path")
            for path in (
                b"../f",
                b"/f",
                b"a//b",
                b"a/",
                b"",
                b"a\0b",
                b".",
                b"a/../../b",
                b"p/" * 2100 + b"p",
                b"n" * 256,
            )
        ],
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_result_that_makes_none_is_a_failure_of_its_host(result: Any, why: str) -> None:
    instead = checked(result)
    assert instead.how is DGCC.PROTOCOL_FAILED and instead.id == 7
    assert instead.trouble.startswith("its result makes no sense: ") and why in instead.trouble
    assert instead.trouble.isprintable() and len(instead.trouble) < 1000
    assert (instead.stdio, instead.files) == ([], [])


def test_what_a_slave_says_can_be_printed() -> None:
    assert checked(_result(trouble="\x1b]0;evil\x07" + "x" * 100_000)).trouble.startswith("\\x1b]0;evil\\x07xxx")
    assert len(checked(_result(trouble="x" * 100_000)).trouble) == 4096


class _Link:
    """A slave with outputs to fetch."""

    name, lease = "liar", 1

    def __init__(self, answer: Callable[[int, int], bytes], *, compressed: bool = False) -> None:
        self.answer, self.compressed = answer, compressed
        self.asked = 0
        self.bulk = self

    def output(self, lease: int, job: int, index: int, offset: int, count: int) -> Any:
        self.asked += 1
        return DGCC.Packed(self.compressed, self.answer(offset, count))

    def release(self, lease: int, job: int) -> None:
        pass


def _fetch(link: _Link, place: Path, size: int) -> None:
    fetch_large(link, _result(_output(size=size, data=b"")), place)  # type: ignore[arg-type]


def test_large_outputs_of_a_liar(tmp_path: Path) -> None:
    for answer in (b"", b"x", bytes(2 * PIECE)):
        link = _Link(lambda offset, count, answer=answer: answer)  # type: ignore[misc]
        with pytest.raises(ProtocolFailed, match="it sent other content for 'f'"):
            _fetch(link, tmp_path, 10 * PIECE)
        assert link.asked == 1 and list(tmp_path.iterdir()) == []
    link = _Link(lambda offset, count: bytes(count), compressed=True)
    with pytest.raises(ProtocolFailed, match="'f': compressed content"):
        _fetch(link, tmp_path, 10 * PIECE)
    link = _Link(lambda offset, count: bytes(count))
    with pytest.raises(HomeTrouble, match="no room"):
        _fetch(link, tmp_path, 1 << 60)
    assert link.asked == 0


def test_nothing_that_is_touched_becomes_setuid(root: Path) -> None:
    (root / "f").touch(mode=0o755)
    for kind in (Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.GONE):
        with pytest.raises(WriteBackError):
            set_attributes(os.fsencode(root), Entry(b"f", kind, 0o4755))
    assert (root / "f").stat().st_mode & 0o7777 == 0o755


def _trees(*homes: Home) -> Any:
    layers = {home.layer.root: home.layer for home in homes}
    return SimpleNamespace(layer_of=layers.get, refresh=lambda: None)


@pytest.mark.parametrize(("data", "digest"), [
    (b"abc", SOME), (b"abc", b""), *((data, hashlib.sha256(b"abc").digest()) for data in (b"abd", b"ab", b"")),
])  # fmt: skip
def test_other_content_than_was_announced_is_written_nowhere(data: bytes, digest: bytes, tmp_path: Path) -> None:
    homes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        homes.append(Home(tmp_path / name))
    one, two = (home.layer.root for home in homes)
    for other in (one, two):
        bad = _output(b"g", root=other)
        bad.data, bad.what.digest = data, digest
        with pytest.raises(ProtocolFailed):
            take_result(_trees(*homes), _result(_output(root=one), bad), {}, {}, 1)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    take_result(_trees(*homes), _result(_output(root=one), _output(b"g", root=two)), {}, {}, 1)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["f", "g"]
    for home in homes:
        home.close()


def test_random_results_stay_below_their_root(tmp_path: Path, root: Path) -> None:
    home = Home(root)
    dice = random.Random(SEED)
    outside = tmp_path / "outside"
    outside.mkdir()
    trees = _trees(home)
    taken = 0
    for number in range(1500 * ROUNDS):
        files = []
        for _ in range(dice.randrange(1, 5)):
            data = dice.choice((b"", b"abc"))
            what = random_entry(dice)
            if what.kind is DGCC.FILE and dice.random() < 0.8:
                what.size, what.digest, what.mode = (
                    len(data),
                    hashlib.sha256(data).digest(),
                    dice.choice((0o644, 0o4755)),
                )
            if what.kind is DGCC.SYMLINK and dice.random() < 0.8:
                what.path, what.size, what.link, what.mode = b"link", 0, os.fsencode(outside), 0o777
            place = os.fsencode(dice.choice((root, root, root, outside)))
            files.append(DGCC.Output(place, what, dice.random() < 0.2,
                                     data if what.kind is DGCC.FILE else b"", dice.random() < 0.1))
        result = checked(_result(*files))
        if result.how is not DGCC.ENDED:
            continue
        try:
            take_result(trees, result, {}, {}, 1)
            taken += 1
        except (ProtocolFailed, HomeTrouble):
            pass
        except BaseException:
            print(f"DGCC_FUZZ_SEED={SEED}, number {number}")
            raise
    home.close()
    assert taken > 3
    assert list(outside.iterdir()) == []
    assert not any(path.lstat().st_mode & 0o6000 for path in root.rglob("*") if not path.is_symlink())
