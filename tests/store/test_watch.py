"""The watch: what it tells, new and moved directories, lost events, the limit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store.treekit import Home, picture

from dgcc.store.errors import WatchError
from dgcc.store.layer import Layer
from dgcc.store.watch import Watch


def _same(home: Home) -> bool:
    return {entry.path for entry in home.layer.entries()} == set(picture(home.root))


def test_our_own_unfinished_files_make_no_event(root: Path, home: Home) -> None:
    (root / ".dgcc-tmp-1-1").write_text("x")
    (root / ".dgcc-tmp-1-1").unlink()
    assert not home.watch.drain()


def test_the_descriptor_is_readable_when_something_happened(root: Path, home: Home) -> None:
    os.set_blocking(home.watch.fileno(), False)
    with pytest.raises(BlockingIOError):
        os.read(home.watch.fileno(), 4096)
    (root / "f").touch()
    assert os.read(home.watch.fileno(), 4096)


def test_a_tree_unpacked_at_once_is_seen_whole(root: Path, home: Home) -> None:
    script = f"for i in 1 2 3 4 5; do mkdir -p {root}/a/$i/b/c; echo $i > {root}/a/$i/b/c/f; done"
    subprocess.run(["sh", "-c", script], check=True)
    home.refresh()
    assert _same(home)
    assert len(home.watch) == 17


def test_changes_in_a_moved_directory_are_seen_under_its_new_name(root: Path, home: Home) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/f").write_text("x")
    home.refresh()
    (root / "a").rename(root / "z")
    (root / "z/b/g").write_text("between the move and the look")
    home.refresh()
    assert _same(home)
    (root / "z/b/h").write_text("after it")
    home.refresh()
    assert _same(home)
    assert home.layer.get(b"z/b/h") is not None


def test_a_directory_replaced_by_another_between_two_looks(root: Path, home: Home) -> None:
    (root / "a").mkdir()
    (root / "a/old").write_text("x")
    home.refresh()
    (root / "a/old").unlink()
    (root / "a").rmdir()
    (root / "a").mkdir()
    (root / "a/new").write_text("y")
    home.refresh()
    assert _same(home)
    (root / "a/newer").write_text("z")
    home.refresh()
    assert _same(home)


def test_a_directory_replaced_by_a_link_is_not_looked_through(root: Path, home: Home, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("not ours")
    (root / "d").mkdir()
    (root / "d/f").write_text("ours")
    home.refresh()
    (root / "d/f").unlink()
    (root / "d").rmdir()
    (root / "d").symlink_to(outside)
    (root / "d/f").write_text("changed through the link")
    home.refresh()
    assert {entry.path for entry in home.layer.entries()} == {b"d"}


def test_lost_events_make_it_look_everywhere(root: Path, home: Home) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (root / "d/e").mkdir(parents=True)
    home.refresh()
    (root / "d/0").touch()
    names = os.fsencode(root / "d/0"), os.fsencode(root / "d/1")
    for number in range(limit // 2 + 50):  # two events each, which the kernel does not merge
        os.rename(names[number % 2], names[1 - number % 2])
    (root / "d").rename(root / "moved")
    (root / "moved/e/f").write_text("x")
    dirty = home.watch.drain()
    assert os.fsencode(root) in dirty.trees
    home.layer.refresh(dirty)
    assert _same(home)
    (root / "moved/e/g").write_text("y")
    home.refresh()
    assert _same(home)


def test_a_root_that_goes_away_is_an_empty_layer(root: Path, home: Home) -> None:
    (root / "f").write_text("x")
    home.refresh()
    (root / "f").unlink()
    root.rmdir()
    home.refresh()
    assert home.layer.entries() == []


def test_two_roots_share_a_watch(tmp_path: Path) -> None:
    with Watch() as watch:
        layers = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            layers.append(Layer(os.fsencode(tmp_path / name), name, watch=watch))
            layers[-1].scan()
        (tmp_path / "two" / "f").write_text("x")
        dirty = watch.drain()
        assert [layer.refresh(dirty) for layer in layers] == [False, True]


# The limit below /proc/sys/user is that of the writer's user namespace, here one of its own. (Never write to
# /proc/sys/fs/inotify here: that is the limit of the whole machine, also when seen from inside.)
_LIMITED = """
import os, sys
from pathlib import Path
from dgcc.store.watch import Watch
from dgcc.store.layer import Layer
from dgcc.store.errors import WatchError
Path("/proc/sys/user/max_inotify_watches").write_text("5")
layer = Layer(os.fsencode(sys.argv[1]), "limited", watch=Watch())
try:
    layer.scan()
except WatchError as error:
    print(error)
"""


def test_too_few_watches_are_named_with_the_number_needed(root: Path) -> None:
    for number in range(19):
        (root / str(number)).mkdir()
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", _LIMITED, str(root)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert "needs 20 inotify watches" in done.stdout, done.stderr
    assert "limit of 5 is used up" in done.stdout
    assert "sysctl fs.inotify.max_user_watches=65536" in done.stdout


def test_no_instance_left_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(WatchError, match="max_user_instances"):
            Watch()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
