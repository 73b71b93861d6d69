"""Environments on a slave: fetched once, from wherever they are near, believed only as far as their key says."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from slave.conftest import OWNER
from slave.systemkit import Given, Need, entries_of

from dgcc.corba import CORBA
from dgcc.slave.environments import EnvironmentPool
from dgcc.slave.session import ProtocolTrouble
from dgcc.store.entry import Blob, Entry, Kind, Page
from dgcc.store.environment import environment_key, layer_name
from dgcc.store.errors import StoreError, UnknownBlob, UnknownLayer
from dgcc.store.source import TreeSource

LARGE = (1 << 20) + 12345


@pytest.fixture
def system(top: Path) -> Path:
    """A small environment with all that one can hold."""
    return make(top / "system")


def make(root: Path, marker: str = "one") -> Path:
    for name in ("usr/bin", "usr/include/deep/er", "etc"):
        (root / name).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/cc").write_bytes(os.urandom(16) * (LARGE // 16 + 1))
    (root / "usr/bin/cc").chmod(0o755)
    (root / "usr/bin/c++").symlink_to("cc")
    for number in range(20):
        (root / f"usr/include/deep/h{number}.h").write_text(f"// {number} {marker}\n" * (number * 40))
    (root / "etc/secret").write_text(marker)
    (root / "etc/secret").chmod(0o640)
    (root / "usr/include/deep/er").chmod(0o555)
    return root


def pool_at(top: Path, *, limit: int = 1 << 30, host: Path | None = None) -> EnvironmentPool:
    """A pool whose host has no files of its own, unless `host` is its root."""
    return EnvironmentPool(top / "pool", OWNER, limit, host=os.fsencode(host or top / "none"), reach=lambda peer: peer)


def same(tree: Path, root: Path) -> bool:
    """Whether a laid out tree is that of `root`, to modes and times."""
    return sorted(entries_of(tree), key=path_of) == sorted(entries_of(root), key=path_of)


def path_of(entry: Entry) -> bytes:
    return entry.path


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


# ---- What is not believed ------------------------------------------------------------------------------------


class Telling(Given):
    """A master whose word about an environment is what it is told to say."""

    def __init__(self, root: Path, entries: list[Entry], key: bytes | None = None) -> None:
        super().__init__(root, page=1000)
        self.keys = [key or environment_key(entries)]
        self.listed = {layer_name(self.keys[0]): entries}


def file(path: bytes, **changed: Any) -> Entry:
    return Entry(path, **{"kind": Kind.FILE, "mode": 0o644, "size": 3, "digest": bytes(32), **changed})


@pytest.mark.parametrize(
    "entries",
    [
        [file(b"a"), file(b"a", mode=0o755)],
        [file(b"../a")],
        [file(b"/etc/passwd")],
        [file(b"no/parent")],
        [Entry(b"way", Kind.SYMLINK, link=b"/etc"), file(b"way/passwd")],
        [file(b"withheld", digest=b"", size=100)],
        [Entry(b"a", Kind.GONE)],
    ],
)
def test_entries_that_make_no_sense(top: Path, system: Path, entries: list[Entry]) -> None:
    master = Telling(system, entries)
    with pytest.raises(ProtocolTrouble), pool_at(top).use([Need(master.keys[0])], master):
        pass
    assert not master.asked


def test_entries_with_another_key(top: Path, system: Path) -> None:
    master = Telling(system, entries_of(system), key=bytes(32))
    with pytest.raises(ProtocolTrouble, match="has another key"), pool_at(top).use([Need(bytes(32))], master):
        pass
    with pytest.raises(ProtocolTrouble, match="a key that is none"), pool_at(top).use([Need(b"short")], master):
        pass


def test_pages_that_lead_nowhere(top: Path, system: Path) -> None:
    class Stuck(Given):
        def changes(self, layer: str, since: int) -> Page:
            return Page(since, 10, ())

    said = pytest.raises(ProtocolTrouble, match="asked for entries from 0 on, got 0 of 10")
    with said, pool_at(top).use([Need(bytes(32))], Stuck(system)):
        pass


def test_an_environment_that_the_master_does_not_have(top: Path, system: Path) -> None:
    with pytest.raises(UnknownLayer), pool_at(top).use([Need(bytes(32))], Given(system)):
        pass


# ---- What goes wrong -----------------------------------------------------------------------------------------


class Breaking(Given):
    """A master that dies after a number of answers."""

    left = 1

    def piece(self, digest: bytes, offset: int, count: int) -> Blob:
        self.left -= 1
        if self.left < 0:
            raise CORBA.COMM_FAILURE(0, CORBA.COMPLETED_NO)
        return super().piece(digest, offset, count)


def test_a_fetch_that_broke_off_is_taken_up(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgcc.slave.fetch._BATCH_FILES", 5)
    system = make(top / "system")
    os.rename(system / "usr/bin/cc", system / "usr/late")  # in the last batch
    pool = pool_at(top)
    first = Breaking(system)
    with pytest.raises(CORBA.COMM_FAILURE), pool.use([Need(first.keys[0])], first):
        pass
    second = Given(system)
    with pool.use([Need(first.keys[0])], second) as here:
        assert same(here.trees[0], system)
    assert len(set(second.asked)) < 8 < len(set(first.asked))


def test_what_a_crash_left_is_no_environment(top: Path, system: Path) -> None:
    master = Given(system)
    half = top / "pool" / master.keys[0].hex()
    shutil.copytree(system, half / "tree", symlinks=True)
    (half / "tree/usr/include/deep/h5.h").write_text("half")
    (top / "pool" / "gone-1").mkdir()
    pool = pool_at(top)
    assert os.listdir(top / "pool") == []
    with pool.use([Need(master.keys[0])], master) as here:
        assert same(here.trees[0], system)


def test_those_who_waited_for_a_failure_share_it(top: Path, system: Path) -> None:
    class Failing(Given):
        def changes(self, layer: str, since: int) -> Page:
            super().changes(layer, since)
            time.sleep(0.2)
            raise CORBA.TRANSIENT(0, CORBA.COMPLETED_NO)

    master = Failing(system)
    pool = pool_at(top)
    failures = []

    def job() -> None:
        try:
            with pool.use([Need(master.keys[0])], master):
                pass
        except CORBA.TRANSIENT as error:
            failures.append(error)

    threads = [threading.Thread(target=job) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(failures), master.looked) == (5, 1)
    other = Given(system)  # another master is asked all the same
    with pool.use([Need(master.keys[0])], other) as here:
        assert same(here.trees[0], system)


def test_a_full_disk_leaves_nothing_behind(top: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    master = Given(system)
    pool = pool_at(top)
    with monkeypatch.context() as patch:
        patch.setattr("dgcc.store.mirror.Mirror.apply", full)
        with pytest.raises(OSError, match="No space left"), pool.use([Need(master.keys[0])], master):
            pass
    assert os.listdir(top / "pool") == []
    with pool.use([Need(master.keys[0])], master) as here:
        assert same(here.trees[0], system)


@pytest.mark.parametrize("damage", ["cut", "missing", "turned", "mode"])
def test_one_that_was_damaged_between_two_slaves_is_fetched_again(
    top: Path, system: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    master = Given(system)
    with pool_at(top).use([Need(master.keys[0])], master) as here:
        tree = here.trees[0]
    if damage == "cut":
        os.truncate(tree / "usr/include/deep/h5.h", 0)
    elif damage == "missing":
        (tree / "usr/include/deep/h5.h").unlink()
    elif damage == "turned":
        (tree / "bin").unlink()
        (tree / "bin").symlink_to("usr/include")
    else:
        (tree / "usr/bin/cc").chmod(0o644)
    with pool_at(top).use([Need(master.keys[0])], master) as here:
        assert here.received and same(here.trees[0], system)
    assert "is damaged; it is fetched again" in caplog.text


def test_one_that_a_peer_found_changed_is_used_no_more(top: Path, system: Path) -> None:
    master = Given(system)
    pool = pool_at(top)
    sharing = TreeSource([pool.index])
    wanted = next(entry.digest for entry in entries_of(system) if entry.path.endswith(b"h5.h"))
    with pool.use([Need(master.keys[0])], master) as here:
        assert len(sharing.blobs([wanted])) == 1
        sharing = TreeSource([pool.index])  # which has not packed it yet
        changed = here.trees[0] / "usr/include/deep/h5.h"
        changed.write_text(changed.read_text().replace("one", "two"))
        with pytest.raises(UnknownBlob):
            sharing.blobs([wanted])
        said = pytest.raises(StoreError, match="was changed on this slave's disk")
        with said, pool.use([Need(master.keys[0])], master):
            pass
    with pool.use([Need(master.keys[0])], master) as here:
        assert here.received and same(here.trees[0], system)
    assert len(sharing.blobs([wanted])) == 1


# ---- Room ----------------------------------------------------------------------------------------------------


def test_the_longest_unused_goes_first_and_none_in_use(top: Path) -> None:
    roots = [make(top / f"system-{number}", str(number)) for number in range(3)]
    master = Given(*roots)
    pool = pool_at(top, limit=LARGE * 5 // 2)

    def kept() -> set[str]:
        return {key for number, key in enumerate("012") if (top / "pool" / master.keys[number].hex()).exists()}

    with pool.use([Need(master.keys[0])], master) as here:
        for number in (1, 2):
            with pool.use([Need(master.keys[number])], master):
                pass
        assert kept() == {"0", "2"} and same(here.trees[0], roots[0])
    with pool.use([Need(master.keys[1])], master):
        pass
    assert kept() == {"0", "1"}
    again = pool_at(top, limit=LARGE * 3 // 2)  # a later slave goes by the same order
    with again.use([], master), again.use([Need(master.keys[1])], master) as here:
        assert here.received == 0
    assert kept() == {"1"}
    assert not [name for name in os.listdir(top / "pool") if name.startswith("gone")]


def test_what_is_gone_is_not_served(top: Path, system: Path) -> None:
    master = Given(system)
    pool = pool_at(top, limit=1)
    digests = [entry.digest for entry in entries_of(system) if entry.kind is Kind.FILE]
    with pool.use([Need(master.keys[0])], master):
        assert all(pool.index.paths(digest) for digest in digests)
    assert not any(pool.index.paths(digest) for digest in digests)
    assert os.listdir(top / "pool") == []
