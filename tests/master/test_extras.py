"""Directories outside the project as layers: which directory is taken, and what is refused."""

import os
import subprocess
from pathlib import Path

import pytest

from dgcc.master import extras as module
from dgcc.master.extras import Extras, Unreasonable
from dgcc.master.trees import Trees
from dgcc.store.cache import DigestCache
from dgcc.store.errors import TreeTooLarge


@pytest.fixture
def extras(tmp_path: Path) -> Extras:
    (tmp_path / "project").mkdir()
    return Extras("run", (os.fsencode(tmp_path / "project"),), DigestCache(tmp_path / "digests.sqlite"))


def test_a_file_brings_its_directory_and_a_checkout_the_whole(extras: Extras, tmp_path: Path):
    for path in ("plain/inc/x.h", "checkout/.git/HEAD", "checkout/src/a.c", "checkout/include/a.h"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("int a;\n")
    top = os.fsencode(tmp_path)
    found = extras.read(top + b"/plain/inc/x.h")
    assert found.layer.root == top + b"/plain/inc" and found.layer.get(b"x.h") is not None
    extras.add(found)
    assert extras.having(top + b"/plain/inc") == extras.having(top + b"/plain/inc/x.h") == found.layer.name
    assert extras.having(top + b"/plain") is None
    whole = extras.read(top + b"/checkout/src")
    assert whole.layer.root == top + b"/checkout" and whole.layer.get(b"include/a.h") is not None
    assert whole.layer.get(b".git") is None
    extras.add(whole)
    (tmp_path / "checkout/include/a.h").write_text("int b; // more\n")
    before = whole.layer.version
    extras.refresh()
    assert whole.layer.version > before
    extras.close()


def test_the_project_is_left_out_of_what_lies_around_it(extras: Extras, tmp_path: Path):
    (tmp_path / "x.h").write_text("")
    (tmp_path / "project/a.c").write_text("")
    found = extras.read(os.fsencode(tmp_path / "x.h"))
    assert found.layer.get(b"x.h") is not None and found.layer.get(b"project/a.c") is None
    found.watch.close()


def test_nobody_sends_the_whole_of_a_home_or_a_system(
    extras: Extras, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (b"/usr", b"/etc/hostname", os.fsencode(tmp_path)):
        with pytest.raises(Unreasonable, match="--root"):
            extras.read(path)
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    (tmp_path / "many").mkdir()
    for name in "abcdef":
        (tmp_path / "many" / name).write_text("")
    with pytest.raises(TreeTooLarge, match="many"):
        extras.read(os.fsencode(tmp_path / "many"))


def test_a_checkout_that_is_too_large_leaves_the_directory_itself(
    extras: Extras, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_MOST_FILES", 5)
    (tmp_path / "big/.git").mkdir(parents=True)
    (tmp_path / "big/inc").mkdir()
    for name in "abcdefgh":
        (tmp_path / "big" / name).write_text("")
    (tmp_path / "big/inc/x.h").write_text("")
    found = extras.read(os.fsencode(tmp_path / "big/inc"))
    assert found.layer.root == os.fsencode(tmp_path / "big/inc")
    found.watch.close()


def test_a_root_of_unreasonable_size_is_named_with_its_largest_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("dgcc.master.trees._MANY_FILES", 10)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "home"
    (root / "photos").mkdir(parents=True)
    subprocess.run("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do : > photos/$i; done", shell=True, cwd=root, check=True)
    trees = Trees((os.fsencode(root),), "run")
    trees.read()
    [said] = trees.unreasonable()
    trees.close()
    assert str(root) in said and "12 files" in said and "'photos' (12)" in said
    assert "--root" in said and "dgcc.toml" in said
