"""A slave's blob store: verification, bound, crash leftovers, one process at a time, many threads."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dgcc.store.blobs import BlobStore
from dgcc.store.errors import BadDigest, StoreBusy, UnknownBlob


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _fill(store: BlobStore, *contents: bytes) -> list[bytes]:
    for data in contents:
        store.put(_sha(data), data)
    return [_sha(data) for data in contents]


def test_what_is_put_can_be_read_and_is_there_next_time(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 1000)
    (digest,) = _fill(store, b"content")
    store.close()
    store = BlobStore(tmp_path, 1000)
    assert digest in store
    assert store.read(digest) == b"content"
    assert store.total_bytes == 7
    store.close()


def test_wrong_content_is_refused_and_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BadDigest, match=_sha(b"right").hex()):
        blobs.put(_sha(b"right"), b"wrong")
    assert _sha(b"right") not in blobs
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []
    with pytest.raises(UnknownBlob):
        blobs.read(_sha(b"right"))


def test_content_that_went_bad_on_disk_is_dropped(blobs: BlobStore) -> None:
    (digest,) = _fill(blobs, b"content")
    blobs.path(digest).write_bytes(b"rotten!")
    with pytest.raises(UnknownBlob):
        blobs.read(digest)
    assert digest not in blobs
    blobs.put(digest, b"content")
    assert blobs.read(digest) == b"content"


def test_content_removed_behind_our_back_is_unknown(blobs: BlobStore) -> None:
    (digest,) = _fill(blobs, b"content")
    blobs.path(digest).unlink()
    with pytest.raises(UnknownBlob):
        blobs.open(digest)
    assert digest not in blobs


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 30)
    one, two, three = _fill(store, b"1" * 10, b"2" * 10, b"3" * 10)
    store.read(one)
    (four,) = _fill(store, b"4" * 10)
    assert [digest in store for digest in (one, two, three, four)] == [True, False, True, True]
    assert store.total_bytes == 30
    assert not store.path(two).exists()
    store.close()


def test_the_order_of_use_survives_a_restart(tmp_path: Path) -> None:
    now = 1_000_000.0
    store = BlobStore(tmp_path, 100, clock=lambda: now)
    one, two = _fill(store, b"1" * 10, b"2" * 10)
    for digest, age in ((one, 5000), (two, 9000)):
        os.utime(store.path(digest), (now - age, now - age))
    store.close()
    store = BlobStore(tmp_path, 100, clock=lambda: now)
    os.close(store.open(two))  # stale enough that the use is written down
    store.close()
    store = BlobStore(tmp_path, 10, clock=lambda: now)
    assert (one in store, two in store) == (False, True)
    store.close()


def test_what_is_held_stays_beyond_the_bound_until_released(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 15)
    contents = [bytes([n]) * 10 for n in range(4)]
    with store.hold(_sha(data) for data in contents):
        digests = _fill(store, *contents)
        assert all(digest in store for digest in digests)
    assert [digest in store for digest in digests] == [False, False, False, True]
    store.close()


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    BlobStore(tmp_path, 1000).close()
    (tmp_path / "incoming" / "7").write_text("half of a blob")
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / "stray").write_text("no blob")
    store = BlobStore(tmp_path, 1000)
    assert len(store) == 0
    assert list((tmp_path / "incoming").iterdir()) == []
    store.close()


_KILLED = """
import hashlib, os, sys
from pathlib import Path
from dgcc.store.blobs import BlobStore
store = BlobStore(Path(sys.argv[1]), 1000)
store.put(hashlib.sha256(b"whole").digest(), b"whole")
with store.writer(hashlib.sha256(b"half").digest()) as writer:
    writer.write(b"ha")
    os.kill(os.getpid(), 9)
"""


def test_killed_while_writing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -9
    store = BlobStore(tmp_path, 1000)
    assert store.read(_sha(b"whole")) == b"whole"
    assert len(store) == 1
    assert list((tmp_path / "incoming").iterdir()) == []
    store.close()


def test_a_second_user_of_the_directory_is_told(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 1000)
    with pytest.raises(StoreBusy, match=f"{tmp_path} is in use"):
        BlobStore(tmp_path, 1000)
    store.close()
    BlobStore(tmp_path, 1000).close()


def test_threads_putting_reading_and_evicting(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 2000)
    contents = [bytes([n]) * 100 for n in range(40)]
    faults: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for round_ in range(60):
                data = contents[(start + round_ * 7) % len(contents)]
                try:
                    assert store.read(_sha(data)) == data
                except UnknownBlob:
                    store.put(_sha(data), data)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    files = [path for path in tmp_path.glob("??/*") if path.is_file()]
    assert store.total_bytes == sum(path.stat().st_size for path in files) <= 2000
    assert len(store) == len(files)
    store.close()


def test_content_taken_out_is_no_part_of_the_store_any_more(tmp_path: Path, blobs: BlobStore) -> None:
    digest = hashlib.sha256(b"content").digest()
    blobs.put(digest, b"content")
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(NotADirectoryError):
            blobs.take(digest, directory, b"blobs/lock/x")
        assert blobs.read(digest) == b"content", "a move that failed leaves it where it was"
        blobs.take(digest, directory, b"here")
        assert (tmp_path / "here").read_bytes() == b"content"
        assert digest not in blobs and blobs.total_bytes == 0
        with pytest.raises(UnknownBlob):
            blobs.take(digest, directory, b"there")
    finally:
        os.close(directory)
