"""Any sequence of edits, seen through inotify, read in pages and laid out on a slave, gives the same tree."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from store.treekit import Home, picture

from dgcc.store.blobs import BlobStore
from dgcc.store.mirror import Mirror
from dgcc.store.selection import Selection
from dgcc.store.sync import follow

# Few names, so that edits meet; some of files that are not mirrored.
_names = st.sampled_from(["a", "b", "c.h", "x.o", ".git"])
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_edits = st.one_of(
    st.tuples(st.just("write"), _paths, st.binary(max_size=20)),
    st.tuples(st.just("write"), _paths, st.integers(0, 4).map(lambda n: b"\x7fELF" * n)),
    st.tuples(st.just("append"), _paths, st.binary(min_size=1, max_size=5)),
    st.tuples(st.just("touch"), _paths, st.integers(1, 2**60)),
    st.tuples(st.just("chmod"), _paths, st.sampled_from([0o644, 0o755, 0o600, 0o555, 0o700])),
    st.tuples(st.just("mkdir"), _paths),
    st.tuples(st.just("remove"), _paths),
    st.tuples(st.just("rename"), _paths, _paths),
    st.tuples(st.just("symlink"), _paths, _paths),
    st.tuples(st.just("hardlink"), _paths, _paths),
    st.tuples(st.just("sync"), st.sampled_from(["follow", "reopen", "crash", "new master"])),
)


# In a tree taken for large: sources, and files that are private.
_large_names = st.sampled_from(["a", "c.h", "m.c", "x.o", "k.key", "dir"])
_large_paths = st.lists(_large_names, min_size=1, max_size=3).map("/".join)
_large_edits = st.one_of(
    st.tuples(st.just("write"), _large_paths, st.integers(0, 60).map(lambda n: b"%02d" % n * n)),
    st.tuples(st.just("append"), _large_paths, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("touch"), _large_paths, st.integers(1, 2**60)),
    st.tuples(st.just("chmod"), _large_paths, st.sampled_from([0o644, 0o755, 0o600])),
    st.tuples(st.just("remove"), _large_paths),
    st.tuples(st.just("rename"), _large_paths, _large_paths),
    st.tuples(st.just("hardlink"), _large_paths, _large_paths),
    st.tuples(st.just("include"), st.sampled_from(["m.c", "a/m.c", "dir/m.c", "k.key", "a/k.key"])),
    st.tuples(st.just("sync"), st.sampled_from(["follow", "reopen", "new master"])),
)
_LARGE = Selection(whole_files=0, ignored=(b"*.key", b"/a/dir/"))


def _edit(root: Path, what: str, path: str, more: object = None) -> None:
    target = root / path
    if what in ("write", "append"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb" if what == "write" else "ab") as file:
            file.write(more)
    elif what == "touch":
        os.utime(target, ns=(more, more))
    elif what == "chmod":
        target.chmod(more | 0o500 if target.is_dir() else more)
    elif what == "mkdir":
        target.mkdir(parents=True)
    elif what == "remove":
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
    elif what == "rename":
        (root / str(more)).parent.mkdir(parents=True, exist_ok=True)
        target.rename(root / str(more))
    elif what == "symlink":
        target.symlink_to(str(more))
    else:
        os.link(target, root / str(more), follow_symlinks=False)


@settings(max_examples=80, deadline=None)
@given(edits=st.lists(_edits, max_size=30), page_bytes=st.sampled_from([1, 200, 1 << 20]))
def test_mirror_equals_tree_after_any_edits(edits: list[tuple], page_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, directory = Path(place, "root"), Path(place, "mirror")
        root.mkdir()
        blobs = BlobStore(Path(place, "blobs"), 1 << 20)
        home = Home(root, page_bytes=page_bytes)
        mirror = Mirror(directory, blobs)
        version = 0
        try:
            for what, path, *more in [*edits, ("sync", "follow"), ("sync", "new master")]:
                if what != "sync":
                    with suppress(OSError):  # not possible on this tree; what was done of it counts
                        _edit(root, what, path, *more)
                    continue
                if path in ("reopen", "crash"):
                    mirror.close()
                    if path == "crash":
                        (directory / "manifest.json").unlink()
                    mirror = Mirror(directory, blobs)
                    version = 0
                elif path == "new master":
                    home.close()
                    home = Home(root, name="run/1", page_bytes=page_bytes)
                    version = 0
                version = follow(home, home.layer.name, mirror, version).version
                assert version == home.layer.version
                assert picture(mirror.tree) == picture(root)
                assert sorted(mirror.entries()) == sorted(picture(root))
        finally:
            home.close()
            mirror.close()
            blobs.close()


@settings(max_examples=60, deadline=None)
@given(edits=st.lists(_large_edits, max_size=30))
def test_a_large_tree_s_mirror_has_placeholders_and_nothing_private(edits: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, directory = Path(place, "root"), Path(place, "mirror")
        root.mkdir()
        blobs = BlobStore(Path(place, "blobs"), 1 << 20)
        home = Home(root, selection=_LARGE)
        mirror = Mirror(directory, blobs)
        named: set[bytes] = set()
        version = 0
        try:
            for what, path, *more in [*edits, ("sync", "follow"), ("sync", "new master")]:
                if what == "include":
                    home.layer.include(path.encode())
                    named.add(path.encode())
                    continue
                if what != "sync":
                    with suppress(OSError):
                        _edit(root, what, path, *more)
                    continue
                if path == "reopen":
                    mirror.close()
                    mirror, version = Mirror(directory, blobs), 0
                elif path == "new master":
                    home.close()
                    home, version = Home(root, name="run/1", selection=_LARGE), 0
                    named.clear()
                version = follow(home, home.layer.name, mirror, version).version
                withheld = {entry.path: entry.size for entry in home.layer.entries() if entry.withheld}
                assert picture(mirror.tree) == picture(root, _LARGE, withheld)
                assert {path for path in picture(root) if mirror.withheld(path)} == withheld.keys()
                assert not any(
                    path in named or _LARGE.offers(path, size, 0o644, True) for path, size in withheld.items()
                )
        finally:
            home.close()
            mirror.close()
            blobs.close()


def test_what_a_process_wrote_is_seen_after_it_ended(root: Path, home: Home) -> None:
    for number in range(20):
        assert os.system(f"mkdir -p {root}/d/{number} && echo {number} > {root}/d/{number}/f") == 0
        assert home.refresh()
        entry = home.layer.get(b"d/%d/f" % number)
        assert entry is not None
        assert entry.size == len(f"{number}\n")
    assert not home.refresh()
