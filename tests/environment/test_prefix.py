"""The script that stands on a slave where ccache and its like stand at home."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from environment.environmentkit import Make

from dgcc.master.environment.prefixes import NAMES, SHIM
from dgcc.master.verdict.needs import Needs
from dgcc.store.digests import digest_file
from dgcc.store.entry import Kind
from dgcc.store.environment import layer_name
from dgcc.store.source import TreeSource


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """bin/cc, which shows its arguments; ccache and distcc, and links by the name cc to each."""
    for name in ("bin", "ccache", "distcc"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/cc").write_text('#!/bin/sh\necho "cc:" "$#" "$@"\n')
    (tmp_path / "bin/cc").chmod(0o755)
    for name in sorted(NAMES):
        shutil.copy(SHIM, tmp_path / os.fsdecode(b"bin/" + name))
    (tmp_path / "ccache/cc").symlink_to("../bin/ccache")
    (tmp_path / "distcc/cc").symlink_to("../bin/distcc")
    return tmp_path


def said(place: Path, *command: str, path: str = "bin") -> str:
    env = {"PATH": ":".join(str(place / name) for name in path.split(":"))}
    done = subprocess.run(command, env=env, cwd=place, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout if done.returncode == 0 else f"{done.returncode}: {done.stderr}"


@pytest.mark.parametrize("name", sorted(map(os.fsdecode, NAMES)))
def test_what_follows_is_run(name: str, place: Path) -> None:
    assert said(place, name, "cc", "-c", "a b.c", "") == "cc: 3 -c a b.c \n"
    assert said(place, name, str(place / "bin/cc")) == "cc: 0\n"
    assert said(place, name, "distcc", "cc", "-E") == "cc: 1 -E\n"


def test_settings_of_ccache_are_left_out(place: Path) -> None:
    assert said(place, "ccache", "sloppiness=time_macros", "cc", "-Da=b") == "cc: 1 -Da=b\n"


@pytest.mark.parametrize("words", [("--version",), (), ("-z", "cc")])
def test_what_it_cannot_do_is_told(words: tuple[str, ...], place: Path) -> None:
    answer = said(place, "ccache", *words)
    assert answer.startswith("127: dgcc: ccache itself does not run on slaves")


@pytest.mark.parametrize("path", ["ccache:bin", "ccache:distcc:bin", "distcc:ccache:bin", "ccache:distcc:ccache:bin"])
def test_by_a_compilers_name_it_runs_the_next(path: str, place: Path) -> None:
    assert said(place, "cc", "-c", "x.c", path=path) == "cc: 2 -c x.c\n"
    assert said(place, str(place / "distcc/cc"), "-c", path=path) == "cc: 1 -c\n"
    assert said(place, str(place / "ccache/cc"), "-c") == "cc: 1 -c\n"


@pytest.mark.parametrize("path", ["ccache", "ccache:distcc", "distcc:ccache:distcc", "ccache:ccache"])
def test_where_there_is_no_next_it_ends(path: str, place: Path) -> None:
    assert "127: dgcc: there is no cc in PATH" in said(place, "cc", "-c", "x.c", path=path)


def test_the_environment_has_it_in_place_of_the_real_one(place: Path, make: Make) -> None:
    (place / "bin/ccache").write_bytes(b"\x7fELF the real one")
    environments = make(PATH=f"{place}/ccache:{place}/bin:/usr/bin:/bin")
    keys = environments.prepare(Needs(programs=(os.fsencode(place / "bin/ccache"),)))
    (base,) = (environments.entries(layer_name(key)) for key in keys)
    assert base is not None
    entry, link = (base.get(os.fsencode(place / name)[1:]) for name in ("bin/ccache", "ccache/cc"))
    shim = digest_file(os.fsencode(SHIM), 0)
    assert entry is not None and link is not None and shim is not None
    assert (entry.kind, entry.digest, entry.size, entry.mode) == (Kind.FILE, shim.digest, SHIM.stat().st_size, 0o755)
    assert (link.kind, link.link) == (Kind.SYMLINK, b"../bin/ccache")
    assert TreeSource(environments.indexes).blobs([shim.digest])[0].digest == shim.digest
