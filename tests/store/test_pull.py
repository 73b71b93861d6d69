"""Content on its way from a tree to a slave: batches, pieces, changes meanwhile, lies, threads."""

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard
from store.treekit import Home

from dgcc.store.blobindex import BlobIndex
from dgcc.store.blobs import BlobStore
from dgcc.store.entry import PIECE, Blob, Entry, Kind
from dgcc.store.errors import BadDigest, UnknownBlob
from dgcc.store.pull import pull, pull_what_there_is
from dgcc.store.source import ANSWER_BYTES, TreeSource


def _file(data: bytes, path: bytes = b"f") -> Entry:
    return Entry(path, Kind.FILE, 0o644, 1, len(data), hashlib.sha256(data).digest())


class Liar:
    """A source that answers what it is told to."""

    def __init__(self, answer: list[Blob], piece: bytes = b"", compressed: bool = False) -> None:
        self.answer, self.data, self.compressed = answer, piece, compressed

    def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
        return self.answer

    def piece(self, digest: bytes, offset: int, count: int) -> Blob:
        return Blob(digest, self.compressed, self.data)


def test_small_and_large_content_arrives(root: Path, home: Home, blobs: BlobStore) -> None:
    contents = {
        b"empty": b"",
        b"small": b"int x;\n",
        b"text": b"int f(void);\n" * 5000,
        b"noise": os.urandom(PIECE),
        b"large": os.urandom(PIECE + 1),
        b"larger": os.urandom(5 * PIECE // 2),
    }
    for name, data in contents.items():
        (root / os.fsdecode(name)).write_bytes(data)
    home.refresh()
    received = pull(home, home.layer.entries(), blobs)
    for name, data in contents.items():
        assert blobs.read(hashlib.sha256(data).digest()) == data, name
    sizes = sum(len(data) for data in contents.values())
    assert received < sizes - 60_000  # the text was compressed
    assert pull(home, home.layer.entries(), blobs) == 0
    assert len(home.asked) >= len(contents)


def test_answers_are_bounded(root: Path, home: Home, blobs: BlobStore) -> None:
    for number in range(12):
        (root / str(number)).write_bytes(os.urandom(PIECE // 4))
    home.refresh()
    wanted = [entry.digest for entry in home.layer.entries()]
    answer = home.tree.blobs(wanted)
    assert [blob.digest for blob in answer] == wanted[: len(answer)]
    assert 1 < len(answer) < 12
    assert sum(len(blob.data) for blob in answer) <= ANSWER_BYTES
    pull(home, home.layer.entries(), blobs)
    assert len(blobs) == 12


def test_equal_files_cross_once(root: Path, home: Home, blobs: BlobStore) -> None:
    for number in range(5):
        (root / str(number)).write_text("the same")
    home.refresh()
    assert pull(home, home.layer.entries(), blobs) == len("the same")
    (root / "0").write_text("changed")
    home.refresh()
    assert home.tree.blobs([hashlib.sha256(b"the same").digest()])[0].data == b"the same"


def test_a_file_that_changed_meanwhile_is_unknown_and_looked_at_again(root: Path, home: Home, blobs: BlobStore) -> None:
    (root / "good").write_text("good")
    with open(root / "log", "w") as log:
        log.write("one\n")
        log.flush()
        home.refresh()
        old = home.layer.entries()
        log.write("two\n")  # an open file: no event tells of this
        log.flush()
        with pytest.raises(UnknownBlob):
            pull(home, old, blobs)
        assert hashlib.sha256(b"good").digest() in blobs
        assert home.refresh()
        assert home.layer.get(b"log").size == 8  # type: ignore[union-attr]
        pull(home, home.layer.entries(), blobs)


def test_large_content_that_changed_meanwhile(root: Path, home: Home, blobs: BlobStore) -> None:
    data = os.urandom(2 * PIECE)
    (root / "f").write_bytes(data)
    home.refresh()
    old = home.layer.entries()
    assert home.tree.piece(old[0].digest, PIECE, 10) == data[PIECE : PIECE + 10]
    assert home.tree.piece(old[0].digest, 2 * PIECE, 10) == b""
    (root / "f").write_bytes(os.urandom(2 * PIECE))
    with pytest.raises(UnknownBlob):
        home.tree.piece(old[0].digest, PIECE, 10)
    assert pull_what_there_is(home, old, blobs).lost == {old[0].digest}
    assert len(blobs) == 0


def test_a_file_replaced_by_a_link_is_not_read_through_it(root: Path, home: Home, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (root / "d").mkdir()
    (root / "d/f").write_text("secret")
    home.refresh()
    digest = hashlib.sha256(b"secret").digest()
    assert home.tree.blobs([digest])[0].data == b"secret"
    cold = TreeSource([home.layer.blobs])
    (root / "d/f").unlink()
    (root / "d/f").symlink_to(tmp_path / "secret")
    with pytest.raises(UnknownBlob):
        cold.blobs([digest])
    (root / "d").rename(tmp_path / "d")
    (tmp_path / "d/f").unlink()
    (tmp_path / "d/f").write_text("secret")
    (root / "d").symlink_to(tmp_path / "d")
    with pytest.raises(UnknownBlob):
        cold.blobs([digest])


def test_an_unknown_digest_after_known_ones_shortens_the_answer(root: Path, home: Home) -> None:
    (root / "f").write_text("x")
    home.refresh()
    known = hashlib.sha256(b"x").digest()
    assert len(home.tree.blobs([known, bytes(32)])) == 1
    with pytest.raises(UnknownBlob) as caught:
        home.tree.blobs([bytes(32), known])
    assert caught.value.digest == bytes(32)


def test_hot_content_is_bounded_and_does_not_outlive_need(root: Path, home: Home) -> None:
    for number in range(10):
        (root / str(number)).write_bytes(os.urandom(1000))
    home.refresh()
    tight = TreeSource([home.layer.blobs], hot_bytes=2500)
    wanted = [entry.digest for entry in home.layer.entries()]
    for _ in range(3):
        assert {blob.digest for digest in wanted for blob in tight.blobs([digest])} == set(wanted)


_CONTENT = b"some content that is long enough to be worth compressing " * 10


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [Blob(_file(_CONTENT).digest, False, b"other")],
        [Blob(bytes(32), False, _CONTENT)],
        [Blob(_file(_CONTENT).digest, True, _CONTENT)],
        [Blob(_file(_CONTENT).digest, True, zstandard.compress(b"bomb" * 10_000_000))],
        [
            Blob(
                _file(_CONTENT).digest,
                True,
                zstandard.ZstdCompressor(write_content_size=False).compress(b"b" * 10_000_000),
            )
        ],
        [Blob(_file(_CONTENT).digest, True, zstandard.compress(_CONTENT)[:-3])],
    ],
    ids=["nothing", "wrong content", "not asked for", "not compressed", "bomb", "silent bomb", "cut"],
)
def test_a_source_that_lies_is_found_out(answer: list[Blob], blobs: BlobStore) -> None:
    with pytest.raises(BadDigest):
        pull(Liar(answer), [_file(_CONTENT)], blobs)
    assert len(blobs) == 0


@pytest.mark.parametrize("piece", [b"", bytes(1000), bytes(3 * PIECE)], ids=["none", "short", "long"])
def test_pieces_that_do_not_make_the_content(piece: bytes, blobs: BlobStore) -> None:
    with pytest.raises(BadDigest):
        pull(Liar([], piece), [_file(os.urandom(PIECE + 5))], blobs)
    assert len(blobs) == 0


def test_threads_that_want_the_same_fetch_it_once(root: Path, home: Home, blobs: BlobStore) -> None:
    for number in range(50):
        (root / str(number)).write_bytes(os.urandom(2000))
    home.refresh()
    entries = home.layer.entries()
    received: list[int] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        received.append(pull(home, entries, blobs))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(received) == 50 * 2000
    assert len(blobs) == 50


def test_whoever_waited_takes_over_when_the_first_fails(root: Path, home: Home, blobs: BlobStore) -> None:
    (root / "f").write_text("x")
    home.refresh()
    entries = home.layer.entries()
    asked, go_on = threading.Event(), threading.Event()

    class Failing(Liar):
        def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
            asked.set()
            go_on.wait(10)
            raise ConnectionError("gone")

    def first() -> None:
        with pytest.raises(ConnectionError):
            pull(Failing([]), entries, blobs)

    one = threading.Thread(target=first)
    one.start()
    asked.wait(10)
    two = threading.Thread(target=pull, args=(home, entries, blobs))
    two.start()
    go_on.set()
    one.join()
    two.join()
    assert blobs.read(entries[0].digest) == b"x"


def test_a_store_smaller_than_what_is_needed_does_not_loop(root: Path, home: Home, tmp_path: Path) -> None:
    for number in range(20):
        (root / str(number)).write_bytes(os.urandom(1000))
    home.refresh()
    tight = BlobStore(tmp_path / "tight", 3000)
    assert pull(home, home.layer.entries(), tight) == 20_000
    assert tight.total_bytes <= 3000
    tight.close()


def test_large_content_travels_packed_and_is_packed_once(root: Path, home: Home, blobs: BlobStore) -> None:
    (root / "f").write_bytes(b"a program's bytes " * 200_000)
    home.refresh()
    pulled = pull(home, home.layer.entries(), blobs)
    assert pulled < 100_000
    (entry,) = home.layer.entries()
    assert blobs.read(entry.digest) == (root / "f").read_bytes()
    first = home.tree.packed_piece(entry.digest, PIECE, PIECE)
    assert first.compressed and home.tree.packed_piece(entry.digest, PIECE, PIECE) is first
    end = home.tree.packed_piece(entry.digest, entry.size, PIECE)
    assert (end.compressed, end.data) == (False, b"")


@pytest.mark.parametrize("content", [b"", b"y" * PIECE, b"x" * (PIECE + 1), b"x" * 10])
def test_packed_pieces_that_do_not_make_the_content(content: bytes, blobs: BlobStore) -> None:
    with pytest.raises(BadDigest):
        pull(Liar([], zstandard.compress(content), compressed=True), [_file(b"x" * 2 * PIECE)], blobs)
    assert len(blobs) == 0


def test_content_is_found_below_the_root_of_the_file_system(root: Path, blobs: BlobStore) -> None:
    """As the files of an environment are."""
    index, entries = BlobIndex(b"/"), []
    for name, data in ((b"small", b"small"), (b"large", os.urandom(PIECE + 1))):
        path = os.fsencode(root) + b"/" + name
        Path(os.fsdecode(path)).write_bytes(data)
        entries.append(Entry(path[1:], Kind.FILE, 0o644, 0, len(data), hashlib.sha256(data).digest()))
        index.add(entries[-1].digest, path[1:])
    source = TreeSource([index])

    class Near:
        blobs = staticmethod(source.blobs)
        piece = staticmethod(source.packed_piece)

    assert pull(Near(), entries, blobs) == 5 + PIECE + 1
    (root / "large").write_bytes(os.urandom(PIECE + 1))
    with pytest.raises(UnknownBlob):
        source.piece(entries[1].digest, 0, 10)
    assert index.take_suspects() == {entries[1].path}
