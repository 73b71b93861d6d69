"""Environments on a slave: fetched once, from wherever they are near, and kept."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from slave.environmentkit import LARGE, make, pool_at, same
from slave.systemkit import Given, Need, entries_of

from dgcc.corba import CORBA
from dgcc.store.entry import Blob, Kind
from dgcc.store.errors import UnknownBlob


def test_it_is_laid_out_once_and_kept(top: Path, system: Path) -> None:
    master = Given(system)
    pool = pool_at(top)
    with pool.use([Need(master.keys[0])], master) as here:
        assert same(here.trees[0], system)
        content = sum(entry.size for entry in entries_of(system) if entry.kind is Kind.FILE)
        assert LARGE < here.received <= content
        assert sorted(os.listdir(here.trees[0].parent)) == ["complete", "size", "tree"], "nothing lies there twice"
    looked, asked = master.looked, len(master.asked)
    for again in (pool, pool_at(top)):  # a later build, and a later slave
        with again.use([Need(master.keys[0])], master) as here:
            assert here.received == 0 and same(here.trees[0], system)
    assert (master.looked, len(master.asked)) == (looked, asked)


def test_several_are_given_in_the_order_asked(top: Path, system: Path) -> None:
    other = make(top / "other", "two")
    master = Given(system, other)
    with pool_at(top).use([Need(master.keys[1]), Need(master.keys[0])], master) as here:
        assert [(tree / "etc/secret").read_text() for tree in here.trees] == ["two", "one"]


def test_jobs_wait_for_one_fetch(top: Path, system: Path) -> None:
    master = Given(system)
    pool = pool_at(top)
    received = []

    def job() -> None:
        with pool.use([Need(master.keys[0])], master) as here:
            received.append(here.received)

    threads = [threading.Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(received) == 8 and sorted(received)[:7] == [0] * 7
    alone = Given(system)
    with pool_at(top / "alone").use([Need(alone.keys[0])], alone):
        assert sorted(master.asked) == sorted(alone.asked)


def test_the_host_s_own_files_serve_where_they_are_the_same(top: Path, system: Path) -> None:
    host = shutil.copytree(system, top / "host", symlinks=True)
    (host / "usr/include/deep/h7.h").write_text("//" + (system / "usr/include/deep/h7.h").read_text()[2:-1] + "!")
    (host / "usr/include/deep/h8.h").unlink()
    (host / "usr/include/deep/h8.h").symlink_to(system / "usr/include/deep/h8.h")
    (host / "usr/include/deep/h9.h").chmod(0o600)
    master = Given(system)
    with pool_at(top, host=host).use([Need(master.keys[0])], master) as here:
        assert same(here.trees[0], system)
    names = {os.path.basename(e.path) for e in entries_of(system) if e.digest in master.asked}
    assert names == {b"h7.h", b"h8.h", b"h9.h", b"secret"}, "only what everybody may read at that very path"


def test_private_directories_of_the_host_are_not_looked_into(top: Path) -> None:
    for name in ("root", "home/me", "var/tmp", "usr"):
        (top / "system" / name).mkdir(parents=True)
        (top / "system" / name / "file").write_text(name)
    master = Given(top / "system")
    with pool_at(top, host=top / "system").use([Need(master.keys[0])], master) as here:
        assert same(here.trees[0], top / "system")
    assert len(master.asked) == 3


def test_what_another_environment_here_has_is_not_fetched_again(top: Path, system: Path) -> None:
    newer = shutil.copytree(system, top / "newer", symlinks=True)
    (newer / "usr/include/deep/h3.h").write_text("// changed\n")
    master = Given(system, newer)
    pool = pool_at(top)
    with pool.use([Need(master.keys[0])], master):
        pass
    master.asked.clear()
    with pool.use([Need(master.keys[1])], master) as here:
        assert same(here.trees[0], newer)
    assert len(master.asked) == 1


def test_content_at_many_paths_is_fetched_once(top: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgcc.slave.fetch._BATCH_FILES", 3)
    for number in range(7):
        shutil.copy2(system / "usr/include/deep/h5.h", system / f"usr/{number}.h")
    master = Given(system)
    with pool_at(top).use([Need(master.keys[0])], master) as here:
        assert same(here.trees[0], system)
    small = [entry.digest for entry in entries_of(system) if entry.kind is Kind.FILE and entry.size < LARGE]
    assert sorted(digest for digest in master.asked if digest in small) == sorted(set(small))


class Wrong(Given):
    """A peer with a fault of some kind."""

    def __init__(self, root: Path, fault: Callable[[Sequence[Blob]], Any]) -> None:
        super().__init__(root)
        self.fault = fault
        self.calls = 0

    def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
        self.calls += 1
        answer: list[Blob] = self.fault(super().blobs(wanted))
        return answer


def dead(_: Sequence[Blob]) -> Any:
    raise CORBA.TRANSIENT(0, CORBA.COMPLETED_NO)


def lying(blobs: Sequence[Blob]) -> Any:
    return [Blob(blob.digest, False, b"int main(void) { return 1; }") for blob in blobs]


def mixing(blobs: Sequence[Blob]) -> Any:
    return [Blob(bytes(32), False, blob.data) for blob in blobs]


def garbling(blobs: Sequence[Blob]) -> Any:
    return [Blob(blob.digest, True, b"no zstd frame") for blob in blobs]


def silent(_: Sequence[Blob]) -> Any:
    return []


def without(_: Sequence[Blob]) -> Any:
    raise UnknownBlob(bytes(32))


@pytest.mark.parametrize("fault", [dead, lying, mixing, garbling, silent, without])
def test_a_peer_with_a_fault_is_left_alone(
    top: Path, system: Path, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    master, bad, good = Given(system), Wrong(system, fault), Given(system)
    with (
        caplog.at_level(logging.INFO),
        pool_at(top).use([Need(master.keys[0], (bad, None, good))], master) as here,
    ):
        assert same(here.trees[0], system)
    assert bad.calls == 1 and good.asked and not master.asked
    assert "a peer is left alone" in caplog.text
    name = master.keys[0].hex()[:6]
    assert f"environment {name}: 22 files, 1 MB: 0 MB here, 1 MB from peers, 0 MB from the master, " in caplog.text


def test_a_peer_that_lacks_much_is_left_alone(top: Path, system: Path) -> None:
    class Emptied(Given):
        def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
            self.asked.append(wanted[0])
            raise UnknownBlob(wanted[0])

    master, peer = Given(system), Emptied(system)
    with pool_at(top).use([Need(master.keys[0], (peer,))], master) as here:
        assert same(here.trees[0], system)
    assert 1 < len(peer.asked) < 20 and master.asked


def test_a_slow_peer_is_left_alone(top: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgcc.slave.peers._PATIENCE_S", 0.05)

    def slowly(blobs: Sequence[Blob]) -> Sequence[Blob]:
        time.sleep(0.1)
        return blobs[:1]

    master, peer = Given(system), Wrong(system, slowly)
    with pool_at(top).use([Need(master.keys[0], (peer,))], master) as here:
        assert same(here.trees[0], system)
    assert peer.calls == 1 and master.asked
