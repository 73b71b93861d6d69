"""Disks that are full, read-only, gone or spoilt: the slave's and the master's own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos.chaoskit import Chaos, moving_project, slow_project
from farmkit import Built, needs_root


@contextmanager
def mounted(directory: Path, options: str) -> Iterator[None]:
    """A small disk at `directory` while the block runs, for everybody."""
    needs_root("mounts a tmpfs")
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def start_on(place: Chaos, name: str, slots: int, **disks: str) -> None:
    """Start a slave whose STORE, JOBS (for scratch) or SHM (the host's memory) are small disks, seen by it alone."""
    needs_root("mounts a tmpfs")
    store = place.farm.directory / "store" / name
    directories = {"STORE": store, "JOBS": store / "jobs", "SHM": "/dev/shm"}
    mounts = "".join(f"mkdir -p '{directories[disk]}'; mount -t tmpfs -o {options} small '{directories[disk]}'; "
                     for disk, options in disks.items())  # fmt: skip
    place.farm.on[name] = ["unshare", "--mount", "sh", "-ec", f'{mounts} exec "$0" "$@"']
    place.farm.start_slave(name, slots=slots, warm="STORE" not in disks)


@pytest.mark.full
def test_no_room_in_the_slave_s_store(place: Chaos):
    start_on(place, "full", 4, STORE="size=8m")
    place.plan(slow_project, 12, 0.2)
    place.survived(place.farm.finish(place.start(), 60), said=["trouble: full failed ", "No space left on device"])


def test_no_room_for_what_jobs_write(place: Chaos):
    start_on(place, "full", 4, SHM="size=16m", JOBS="size=16m")
    place.plan(moving_project, 8, 6 << 20)
    built = place.farm.finish(place.start(), 60)
    place.survived(built, said=["trouble: full failed ", "there is no room for what jobs write"])


def failing_alike(place: Chaos, words: str) -> Built:
    """Build where make cannot: the same is said, with the same exit code."""
    plain = place.farm.plain(place.project)
    assert plain.code == 2 and words in plain.err
    built = place.farm.finish(place.start(), 60)
    place.survived(built, code=2)
    assert words in built.err
    return built


def test_no_room_in_the_tree(place: Chaos):
    """What no slave is to blame for fails at home as well, and make says so in its own words."""
    with mounted(place.project, "size=8m"):
        slow_project(place.project, 6, 0.1)
        with (place.project / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
            while filler.write(bytes(4096)):
                pass
        built = failing_alike(place, "No space left on device")
        assert all(not slave["failures"].get("host") for slave in built.report["slaves"].values())
        (place.project / "filler").unlink()
        again = place.farm.master(place.project)
        assert again.code == 0 and again.jobs["fallback"] == 0, again.err


def test_a_tree_that_cannot_be_written(place: Chaos):
    with mounted(place.project, "size=8m"):
        slow_project(place.project, 4, 0.1)
        subprocess.run(["mount", "-o", "remount,ro", str(place.project)], check=True)
        failing_alike(place, "Read-only file system")


def test_no_room_where_large_outputs_wait(place: Chaos):
    place.plan(moving_project, 4, 3 << 20)
    with mounted(place.farm.directory / "run", "size=1m,mode=0700"):
        built = place.farm.finish(place.start(), 60)
    said = ["fallback: ", " bytes of outputs, and ", "has no room for them (", "but succeeded at home"]
    place.survived(built, said=said)


@pytest.mark.parametrize("store", ["/proc/no-store", "read-only"])
def test_a_store_that_cannot_be_used_is_told_in_one_line(place: Chaos, store: str):
    with mounted(place.top / "read-only", "size=1m,ro"):
        path = store if store.startswith("/") else str(place.top / store)
        ended = place.farm.run("dgcc-slave", "--naming", place.farm.naming, "--store", path)
    assert ended.returncode == 1 and len(ended.stderr.strip().splitlines()) == 1 and path in ended.stderr, ended.stderr


@pytest.mark.full
def test_a_store_that_is_gone(place: Chaos):
    shutil.rmtree(place.farm.directory / "store/a")
    place.plan(slow_project, 12, 0.2)
    built = place.farm.finish(place.start(), 60)
    place.survived(built, said=["trouble: a failed ", "No such file or directory"])


def spoil(path: Path, old: bytes, new: bytes) -> None:
    """Change a file's content, and neither its size nor its time; other names of its inode stay as they are."""
    content = path.read_bytes()
    assert content.count(old) == 1 and len(old) == len(new)
    status = path.stat()
    beside = path.with_name(".spoilt")
    beside.write_bytes(content.replace(old, new))
    os.chmod(beside, status.st_mode)
    os.chown(beside, status.st_uid, status.st_gid)
    os.utime(beside, ns=(status.st_atime_ns, status.st_mtime_ns))
    beside.rename(path)


def test_content_that_has_gone_bad_on_the_slaves_disks(place: Chaos):
    """In the copy of the project on one, in the blobs of the other, with sizes and times as they were."""
    place.plan(slow_project, 8, 0.2)
    assert place.farm.master(place.project).code == 0
    place.slots_are_free()
    time.sleep(0.02)  # longer than a tick of the clock by which files are stamped
    stores = place.farm.directory / "store"
    for header in (stores / "a/mirrors").rglob("shared.h"):
        spoil(header, b"SHARED 1", b"SHARED 2")
    shutil.rmtree(stores / "b/mirrors")
    (stores / "b/mirrors").mkdir()
    blobs = [path for path in (stores / "b/blobs").rglob("*") if path.is_file() and b"SHARED 1" in path.read_bytes()]
    for path in blobs:
        spoil(path, b"SHARED 1", b"SHARED 2")
    assert blobs
    for path in place.outputs:
        path.unlink()
    built = place.farm.master(place.project)
    place.survived(built)
    assert all(built.report["slaves"][name]["jobs"] for name in "ab") and built.jobs["remote"] == 8


@pytest.mark.full
@pytest.mark.parametrize("restarted", [True, False], ids=["by its next start", "within a minute"])
def test_a_toolchain_that_has_gone_bad_on_a_slave_s_disk(place: Chaos, restarted: bool):
    """Every compile reads this header of the system's. A slave looks again when it starts, and each minute."""
    place.plan(slow_project, 4, 0.1)
    assert place.farm.master(place.project).code == 0
    place.farm.stop_slave("b")
    if restarted:
        place.farm.stop_slave("a")
    time.sleep(0.02)
    [header] = (place.farm.directory / "store/a/environments").glob("*/tree/usr/include/stdc-predef.h")
    text = header.read_bytes()
    spoil(header, text, b"int spoilt;".ljust(len(text)))
    if restarted:
        place.farm.start_slave("a", slots=2, warm=False)
    else:
        time.sleep(62)
    for path in place.outputs:
        path.unlink()
    built = place.farm.master(place.project)
    place.survived(built)
    assert "it is fetched again" in place.farm.log("a")
    assert built.jobs["remote"] == 4 or not restarted, "but for what was to use it at the moment when that was found"
