"""Which directories a build covers."""

import os

import pytest

from dgcc.master.roots import choose_roots, working_directory


def test_the_version_control_root_above_is_the_default(tmp_path):
    (tmp_path / "p" / ".git").mkdir(parents=True)
    (tmp_path / "p" / "src" / "deep").mkdir(parents=True)
    top = os.fsencode(tmp_path.resolve())
    assert choose_roots([], top + b"/p/src/deep", top) == (top + b"/p",)
    (tmp_path / "plain").mkdir()
    assert choose_roots([], top + b"/plain", top + b"/p") == (top + b"/plain",)
    assert choose_roots([], top + b"/plain/sub", top + b"/plain") == (top + b"/plain",)  # -C leads below the start


def test_named_roots_replace_it_and_nested_ones_fold(tmp_path):
    for name in ("a", "a/inner", "b"):
        (tmp_path / name).mkdir()
    top = os.fsencode(tmp_path.resolve())
    named = [str(tmp_path / n) for n in ("b", "a/inner", "a")]
    assert choose_roots(named, top, top) == (top + b"/a", top + b"/b")


def test_impossible_roots_are_named():
    with pytest.raises(ValueError, match="'/no/such' is not a directory"):
        choose_roots(["/no/such"], b"/tmp", b"/tmp")
    with pytest.raises(ValueError, match="whole file system"):
        choose_roots(["/"], b"/tmp", b"/tmp")


@pytest.mark.parametrize(
    ("arguments", "below"),
    [([], ""), (["-C", "x"], "x"), (["-Cx", "all"], "x"), (["--directory=x", "-C", "y"], "x/y"), (["-C"], ""),
     (["--directory", "x"], "x")],
)  # fmt: skip
def test_make_s_own_directory_options_are_followed(tmp_path, arguments, below):
    (tmp_path / "x" / "y").mkdir(parents=True)
    start = os.fsencode(tmp_path.resolve())
    assert working_directory(arguments, start) == os.path.normpath(os.path.join(start, os.fsencode(below)))
