"""Environments that are not what they are called, fetches that break off, damage, and disks that fill."""

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from slave.environmentkit import LARGE, make, pool_at, same
from slave.systemkit import Given, Need, entries_of

from dgcc.corba import CORBA
from dgcc.slave.session import ProtocolTrouble
from dgcc.slave.soundness import unchanged
from dgcc.store import manifest
from dgcc.store.entry import Blob, Entry, Kind, Page
from dgcc.store.environment import environment_key, layer_name
from dgcc.store.errors import StoreError, UnknownBlob, UnknownLayer
from dgcc.store.source import TreeSource

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


def edit_unseen(path: Path) -> None:
    """Change a file's content, and neither its size nor its time."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    time.sleep(0.02)  # longer than a tick of the clock by which files are stamped
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=times)


def test_a_look_at_files_whose_inode_was_changed_is_had_once(
    top: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    master = Given(system)
    pool = pool_at(top, clock=lambda: now[0])
    with pool.use([Need(master.keys[0])], master) as here:
        tree = here.trees[0]
    time.sleep(0.02)
    for path in (tree / "usr/include/deep").glob("*.h"):
        path.chmod(0o600)
        path.chmod(0o644)
    read = []
    monkeypatch.setattr("dgcc.slave.soundness.holds", lambda path, digest: read.append(path) or True)
    for _ in range(3):
        now[0] += 61
        with pool.use([Need(master.keys[0])], master) as here:
            assert here.received == 0
        time.sleep(0.02)
    assert len(read) == 20


@pytest.mark.parametrize("seen", [False, True])  # whether a slave had found it as it was before
@pytest.mark.parametrize("damage", ["cut", "missing", "turned", "mode", "edited"])
def test_one_that_was_damaged_between_two_slaves_is_fetched_again(
    top: Path, system: Path, damage: str, seen: bool, caplog: pytest.LogCaptureFixture
) -> None:
    master = Given(system)
    with pool_at(top).use([Need(master.keys[0])], master) as here:
        tree = here.trees[0]
    if seen:
        time.sleep(0.05)
        with pool_at(top).use([Need(master.keys[0])], master):
            pass
        assert unchanged(tree.parent, os.fsencode(tree))
    if damage == "cut":
        os.truncate(tree / "usr/include/deep/h5.h", 0)
    elif damage == "missing":
        (tree / "usr/include/deep/h5.h").unlink()
    elif damage == "turned":
        (tree / "bin").unlink()
        (tree / "bin").symlink_to("usr/include")
    elif damage == "mode":
        (tree / "usr/bin/cc").chmod(0o644)
    else:
        edit_unseen(tree / "usr/include/deep/h5.h")
    with pool_at(top).use([Need(master.keys[0])], master) as here:
        assert here.received and same(here.trees[0], system)
    assert "is damaged; it is fetched again" in caplog.text


def test_one_that_is_as_it_was_is_not_read(top: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master = Given(system)
    for _ in range(2):
        with pool_at(top).use([Need(master.keys[0])], master):
            time.sleep(0.05)
    read: list[Path] = []
    take = manifest.read
    monkeypatch.setattr(manifest, "read", lambda path: read.append(path) or take(path))
    pool = pool_at(top)
    with pool.use([Need(master.keys[0])], master) as here:
        assert here.received == 0 and same(here.trees[0], system)
    assert pool.complete() == [master.keys[0]]
    assert read == []
    wanted = next(entry.digest for entry in entries_of(system) if entry.path.endswith(b"h5.h"))
    assert len(TreeSource([pool.index]).blobs([wanted])) == 1  # peers are given it all the same
    assert len(read) == 1


def test_one_that_is_damaged_while_the_slave_runs_is_fetched_again(
    top: Path, system: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [100.0]
    master = Given(system)
    pool = pool_at(top, clock=lambda: now[0])
    with pool.use([Need(master.keys[0])], master) as here:
        tree = here.trees[0]
    (tree / "usr/include/deep/h5.h").unlink()
    now[0] += 61
    with pool.use([Need(master.keys[0])], master) as here:
        assert here.received and same(here.trees[0], system)
    assert "is damaged; it is fetched again" in caplog.text
    wanted = next(entry.digest for entry in entries_of(system) if entry.path.endswith(b"h5.h"))
    assert len(TreeSource([pool.index]).blobs([wanted])) == 1  # peers find it in its new place
    with pool.use([Need(master.keys[0])], master) as here:
        assert here.received == 0


def test_jobs_that_use_one_that_was_damaged_are_the_last(top: Path, system: Path) -> None:
    now = [0.0]
    master = Given(system)
    pool = pool_at(top, clock=lambda: now[0])
    with pool.use([Need(master.keys[0])], master) as here:
        (here.trees[0] / "usr/bin/cc").chmod(0o644)
        now[0] += 61
        said = pytest.raises(StoreError, match="was changed on this slave's disk")
        with said, pool.use([Need(master.keys[0])], master):
            pass
        assert here.trees[0].exists()
    with pool.use([Need(master.keys[0])], master) as here:
        assert here.received and same(here.trees[0], system)


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
    master = Given(system, make(top / "other", "two"))
    pool = pool_at(top, limit=1)
    digests = [entry.digest for entry in entries_of(system) if entry.kind is Kind.FILE]
    with pool.use([Need(key) for key in master.keys], master):
        assert all(pool.index.paths(digest) for digest in digests)
    assert not any(pool.index.paths(digest) for digest in digests)
    assert os.listdir(top / "pool") == []
