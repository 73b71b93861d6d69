"""Write-back: what a job made appears at home whole, in order, below the root, or not at all."""

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from dgcc.store.digests import stamp_of
from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import BadOutput, WriteBackError
from dgcc.store.writeback import Written, set_attributes, write_outputs


def _file(path: bytes, data: bytes = b"x", mode: int = 0o644, mtime_ns: int = 0) -> Output:
    return Output(Entry(path, Kind.FILE, mode, mtime_ns, len(data), hashlib.sha256(data).digest()), data)


def _directory(path: bytes, mode: int = 0o755) -> Output:
    return Output(Entry(path, Kind.DIRECTORY, mode))


def _gone(path: bytes) -> Output:
    return Output(Entry(path, Kind.GONE))


def _link(path: bytes, target: bytes, mtime_ns: int = 0) -> Output:
    return Output(Entry(path, Kind.SYMLINK, 0o777, mtime_ns, link=target))


def _write(root: Path, *outputs: Output) -> list[Written]:
    return write_outputs(os.fsencode(root), outputs)


def _all(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*"))


def test_files_links_directories_and_modes(root: Path) -> None:
    written = _write(
        root,
        _directory(b"new", 0o750),
        _directory(b"new/deep", 0o555),
        _file(b"new/deep/f", b"text", 0o640),
        _link(b"l", b"new/deep/f"),
        _file(b"run", b"#!", 0o755),
        _file(b"empty", b""),
    )
    assert _all(root) == ["empty", "l", "new", "new/deep", "new/deep/f", "run"]
    assert (root / "new/deep/f").read_text() == "text"
    assert os.readlink(root / "l") == "new/deep/f"
    modes = {p: stat.S_IMODE(os.lstat(root / p).st_mode) for p in ("new", "new/deep", "new/deep/f", "run")}
    assert modes == {"new": 0o750, "new/deep": 0o555, "new/deep/f": 0o640, "run": 0o755}
    assert [w.entry.path for w in written] == [b"new/deep/f", b"run", b"empty"]
    for entry, stamp in written:
        assert stamp == stamp_of(os.lstat(os.path.join(os.fsencode(root), entry.path)))
        assert entry.mtime_ns == stamp.mtime_ns


def test_a_parent_that_the_slave_did_not_mention_is_an_error(root: Path) -> None:
    with pytest.raises(WriteBackError, match="missing/f: No such file or directory"):
        _write(root, _file(b"missing/f"))
    assert _all(root) == []


def test_times_of_the_run_become_now_and_others_are_kept(root: Path) -> None:
    (root / "old").write_text("x")
    os.utime(root / "old", ns=(1, 1))
    before = os.lstat(root / "old").st_ctime_ns
    _write(
        root,
        _file(b"old"),
        _file(b"copied", mtime_ns=12_345),
        _file(b"later"),
        _link(b"l", b"old", mtime_ns=99),
    )
    times = {name: os.lstat(root / name).st_mtime_ns for name in ("old", "copied", "later", "l")}
    assert times["copied"] == 12_345
    assert times["l"] == 99
    assert before <= times["old"] <= times["later"]


def test_an_existing_file_is_replaced_as_a_whole(root: Path) -> None:
    (root / "f").write_text("old content")
    (root / "f").chmod(0o444)
    with open(root / "f") as reader:
        _write(root, _file(b"f", b"new"))
        assert reader.read() == "old content"
    assert (root / "f").read_text() == "new"
    assert stat.S_IMODE((root / "f").stat().st_mode) == 0o644


def test_the_same_content_is_written_again(root: Path) -> None:
    (root / "f").write_text("x")
    os.utime(root / "f", ns=(1, 1))
    _write(root, _file(b"f", b"x"))
    assert (root / "f").stat().st_mtime_ns > 1


def test_large_content_comes_from_a_spool_file(root: Path, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "spool").write_bytes(data)
    entry = Entry(b"f", Kind.FILE, 0o600, 0, len(data), hashlib.sha256(data).digest())
    _write(root, Output(entry, spool=os.fsencode(tmp_path / "spool")))
    assert (root / "f").read_bytes() == data


def test_deletions(root: Path) -> None:
    (root / "d/e").mkdir(parents=True)
    (root / "d/e/f").write_text("x")
    (root / "keep").write_text("x")
    (root / "l").symlink_to("keep")
    _write(
        root,
        _gone(b"d"),
        _gone(b"d/e"),
        _gone(b"d/e/f"),
        _gone(b"l"),
        _gone(b"never/was"),
        _gone(b"nor this"),
    )
    assert _all(root) == ["keep"]


def test_a_file_becomes_a_directory_and_the_other_way_round(root: Path) -> None:
    (root / "was-file").write_text("x")
    (root / "was-directory/sub").mkdir(parents=True)
    (root / "was-directory/sub/f").write_text("x")
    (root / "was-link").symlink_to("was-directory")
    _write(
        root,
        _directory(b"was-file"),
        _file(b"was-file/inside"),
        _file(b"was-directory"),
        _directory(b"was-link"),
        _file(b"was-link/f"),
    )
    assert _all(root) == ["was-directory", "was-file", "was-file/inside", "was-link", "was-link/f"]
    assert not (root / "was-link").is_symlink()


def test_a_directory_made_anew_has_only_what_the_job_put_there(root: Path) -> None:
    (root / "d").mkdir()
    (root / "d/old").write_text("x")
    _write(root, _gone(b"d"), _directory(b"d", 0o700), _file(b"d/new"))
    assert _all(root) == ["d", "d/new"]


@pytest.mark.parametrize("path", [b"", b"/tmp/x", b"../x", b"a/../../x", b".", b"a//b", b"a\0b"])
@pytest.mark.parametrize("make", [_file, _directory, _gone, lambda path: _link(path, b"x")])
def test_a_path_outside_the_root_is_refused(path: bytes, make: object, root: Path) -> None:
    with pytest.raises(WriteBackError, match="does not lie below the root"):
        _write(root, _file(b"fine"), make(path))  # type: ignore[operator]
    assert _all(root) == []


@pytest.mark.parametrize("path", [b".git/hooks/post-checkout", b".git", b"sub/.hg/hgrc", b".dgcc-tmp-1-1"])
def test_what_jobs_do_not_see_they_do_not_write(path: bytes, root: Path) -> None:
    (root / ".git/hooks").mkdir(parents=True)
    (root / "sub/.hg").mkdir(parents=True)
    before = _all(root)
    for output in (_file(path), _gone(path)):
        with pytest.raises(WriteBackError, match="jobs on slaves do not see this path"):
            _write(root, output)
    assert _all(root) == before


@pytest.mark.parametrize("make", [_file, _directory, _gone, lambda path: _link(path, b"x")])
def test_no_symlink_is_followed(make: object, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("keep")
    (root / "d").symlink_to(outside)
    with pytest.raises(WriteBackError, match="through something that is not a directory"):
        _write(root, make(b"d/f"))  # type: ignore[operator]
    assert (outside / "f").read_text() == "keep"
    assert os.listdir(outside) == ["f"]


def test_a_link_made_by_the_job_itself_is_not_followed_either(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    with pytest.raises(WriteBackError):
        _write(root, _link(b"d", os.fsencode(tmp_path / "outside")), _file(b"d/f"))
    assert os.listdir(tmp_path / "outside") == []
    assert [name for name in _all(root) if name.startswith(".dgcc")] == []


@pytest.mark.parametrize(
    "outputs",
    [
        [_link(b"way", b".."), _file(b"way/f")],
        [_file(b"way"), _file(b"way/f")],
        [_gone(b"d"), _file(b"d/f")],
        [_file(b"f"), _file(b"f", b"y")],
        [_file(b"f", mode=0o200644)],
        [_link(b"l", b"")],
        [_link(b"l", b"a\0b")],
    ],
)
def test_outputs_that_no_job_can_have_change_nothing(outputs: list[Output], root: Path) -> None:
    (root / "d").mkdir()
    with pytest.raises(BadOutput):
        _write(root, _file(b"first"), *outputs)
    assert _all(root) == ["d"]


def test_a_touch_gives_nothing_but_a_mode_and_a_time(root: Path) -> None:
    (root / "f").write_text("text")
    (root / "l").symlink_to("f")
    entry = Entry(b"f", Kind.FILE, 0o600, 5)
    set_attributes(os.fsencode(root), entry)
    assert (root / "f").read_text() == "text"
    assert stat.S_IMODE((root / "f").stat().st_mode) == 0o600 and (root / "f").stat().st_mtime_ns == 5
    for bad in (replace(entry, kind=Kind.DIRECTORY, mode=0o4755), replace(entry, mode=0o4755)):
        with pytest.raises(WriteBackError):
            set_attributes(os.fsencode(root), bad)
    set_attributes(os.fsencode(root), replace(entry, path=b"l", mode=0o644))
    assert stat.S_IMODE((root / "f").stat().st_mode) == 0o600


def test_setuid_files_are_refused(root: Path) -> None:
    with pytest.raises(WriteBackError, match="setuid"):
        _write(root, _file(b"f", mode=0o4755))
    assert _all(root) == []


@pytest.mark.parametrize("unseen", ["x.o", ".git/HEAD", "sub/deep/lib.a"])
def test_a_directory_with_files_that_the_job_did_not_see_is_not_removed(unseen: str, root: Path) -> None:
    (root / "d" / unseen).parent.mkdir(parents=True)
    (root / "d" / unseen).write_text("precious")
    for output in (_gone(b"d"), _file(b"d"), _link(b"d", b"x")):
        with pytest.raises(WriteBackError, match="holds files that it did not see"):
            _write(root, _file(b"other"), output)
    assert (root / "d" / unseen).read_text() == "precious"
    assert not (root / "other").exists()


@pytest.mark.parametrize("data", [b"", b"other", b"announced and more"])
def test_content_that_was_not_announced_changes_nothing(data: bytes, root: Path) -> None:
    (root / "f").write_text("old")
    announced = Entry(b"f", Kind.FILE, 0o644, 0, 9, hashlib.sha256(b"announced").digest())
    with pytest.raises(WriteBackError, match="not what the slave announced"):
        _write(root, _file(b"first"), Output(announced, data))
    assert _all(root) == ["f"]
    assert (root / "f").read_text() == "old"


def test_a_missing_spool_or_root_is_named(root: Path, tmp_path: Path) -> None:
    entry = Entry(b"f", Kind.FILE, 0o644, 0, 9, bytes(32))
    with pytest.raises(WriteBackError, match="f: No such file"):
        _write(root, Output(entry, spool=b"/nowhere/at/all"))
    assert _all(root) == []
    with pytest.raises(WriteBackError, match="nothere: No such file"):
        _write(tmp_path / "nothere", _file(b"f"))


_FULL = """
import sys, os
from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import WriteBackError
from dgcc.store.writeback import write_outputs
import subprocess
root = sys.argv[1].encode()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", root], check=True)
open(root + b"/f", "w").write("old")
outputs = [Output(Entry(p, Kind.FILE, 0o644, 0, n), bytes(n)) for p, n in ((b"f", 10), (b"g", 1 << 20))]
try:
    write_outputs(root, outputs)
except WriteBackError as error:
    print(error, sorted(os.listdir(root)), open(root + b"/f").read())
"""


def test_a_full_disk_changes_nothing_and_leaves_nothing(root: Path) -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", _FULL, str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "g: No space left on device [b'f'] old\n", done.stderr


_DENIED = """
import sys, os
from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import WriteBackError
from dgcc.store.writeback import write_outputs
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for output in (Output(Entry(b"d/f", Kind.FILE, 0o644, 0, 1), b"x"), Output(Entry(b"d/old", Kind.GONE))):
    try:
        write_outputs(sys.argv[1].encode(), [output])
    except WriteBackError as error:
        print(error)
"""


def test_no_permission_is_named() -> None:
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)  # the one who is denied gets as far as this
        root = Path(place)
        (root / "d").mkdir()
        (root / "d/old").write_text("x")
        (root / "d").chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", _DENIED, place],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        assert done.stdout == "d/f: Permission denied\nd/old: Permission denied\n", done.stderr
        assert _all(root) == ["d", "d/old"]
        (root / "d").chmod(0o755)
