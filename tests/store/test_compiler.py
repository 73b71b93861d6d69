"""What a compiler is, by content: the host's own, and one behind a wrapper that is made to differ."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dgcc.store import compiler
from dgcc.store.cache import DigestCache
from dgcc.store.errors import CompilerError

_CC = os.fsencode(shutil.which("cc") or "/usr/bin/cc")


@pytest.fixture
def cache(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "digests.sqlite")


@pytest.fixture
def small(tmp_path: Path) -> bytes:
    """A compiler with few headers: the host's, told by a wrapper to look in one directory only."""
    headers = tmp_path / "headers"
    (headers / "sub").mkdir(parents=True)
    (headers / "a.h").write_text("#define A 1\n")
    (headers / "sub/b.h").write_text("#define B 1\n")
    (headers / "link.h").symlink_to("a.h")
    wrapper = tmp_path / "bin" / "small-gcc"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {os.fsdecode(_CC)} -nostdinc -isystem {headers} "$@"\n')
    wrapper.chmod(0o755)
    return os.fsencode(wrapper)


def test_parts_of_the_hosts_compiler() -> None:
    found = compiler.parts(_CC)
    assert found.driver == os.path.realpath(_CC)
    names = {os.path.basename(program) for program in found.programs}
    assert b"cc1" in names
    assert any(name.endswith(b"as") for name in names)
    assert any(b"libc.so" in os.path.basename(library) for library in found.libraries)
    assert all(os.path.isfile(library) for library in found.libraries)
    assert b"/usr/include" in found.include_dirs
    assert b"*cc1" in found.specs


def test_the_same_by_another_name_and_from_another_cache(cache: DigestCache, tmp_path: Path) -> None:
    first = compiler.identity(_CC, cache)
    assert len(first) == 32
    (tmp_path / "cc").symlink_to(os.fsdecode(_CC))
    assert compiler.identity(_CC, cache) == first
    assert compiler.identity(os.fsencode(tmp_path / "cc"), DigestCache(tmp_path / "other.sqlite")) == first


@pytest.mark.parametrize(
    "change",
    [
        "echo '#define A 2' > headers/a.h",
        "echo > headers/new.h",
        "rm headers/sub/b.h",
        "mv headers/a.h headers/c.h",
        "ln -sf sub/b.h headers/link.h",
        "echo '# another driver' >> bin/small-gcc",
    ],
)
def test_any_change_of_content_makes_another(change: str, small: bytes, cache: DigestCache, tmp_path: Path) -> None:
    before = compiler.identity(small, cache)
    assert compiler.identity(small, cache) == before
    subprocess.run(["sh", "-c", change], cwd=tmp_path, check=True)
    assert compiler.identity(small, cache) != before


def test_times_and_modes_do_not_count(small: bytes, cache: DigestCache, tmp_path: Path) -> None:
    before = compiler.identity(small, cache)
    os.utime(tmp_path / "headers/a.h", ns=(1, 1))
    (tmp_path / "headers/a.h").chmod(0o600)
    assert compiler.identity(small, cache) == before


def test_a_directory_behind_a_link_counts(small: bytes, cache: DigestCache, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.h").write_text("1")
    (tmp_path / "headers/more").symlink_to(tmp_path / "elsewhere")
    before = compiler.identity(small, cache)
    (tmp_path / "elsewhere/c.h").write_text("2")
    assert compiler.identity(small, cache) != before


def test_a_link_to_the_whole_system_is_not_walked(small: bytes, cache: DigestCache, tmp_path: Path) -> None:
    (tmp_path / "headers/up").symlink_to("..")
    (tmp_path / "unrelated").write_text("1")
    before = compiler.identity(small, cache)
    (tmp_path / "unrelated").write_text("2")
    assert compiler.identity(small, cache) == before


def test_the_environment_does_not_mislead(
    small: bytes, cache: DigestCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compiler.identity(small, cache)
    (tmp_path / "private").mkdir()
    monkeypatch.setenv("CPATH", str(tmp_path / "private"))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert compiler.identity(small, cache) == before


def test_a_driver_replaced_while_we_run_is_noticed(small: bytes, cache: DigestCache) -> None:
    before = compiler.identity(small, cache)
    with open(small, "a") as file:
        file.write("# upgraded\n")
    assert compiler.identity(small, cache) != before


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (b"/bin/sh", "not the absolute path of a known compiler"),
        (b"gcc", "not the absolute path of a known compiler"),
        (b"/sbin/shutdown", "not the absolute path of a known compiler"),
        (b"/usr/bin/gcc-99.9", "there is no compiler '/usr/bin/gcc-99.9' here"),
    ],
)
def test_what_is_no_compiler_is_not_run(path: bytes, sentence: str, cache: DigestCache) -> None:
    for ask in (lambda: compiler.identity(path, cache), lambda: compiler.describe(path)):
        with pytest.raises(CompilerError, match=sentence):
            ask()


def test_a_peer_can_only_have_the_systems_compilers_run(small: bytes, cache: DigestCache, tmp_path: Path) -> None:
    assert compiler.identity(_CC, cache, for_peer=True) == compiler.identity(_CC, cache)
    compiler.identity(small, cache)
    ran = tmp_path / "ran"
    (tmp_path / "gcc").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (tmp_path / "gcc").chmod(0o755)
    (tmp_path / "cc").symlink_to(os.fsdecode(_CC))  # not a link that root made
    for planted in (small, os.fsencode(tmp_path / "gcc"), os.fsencode(tmp_path / "cc")):
        with pytest.raises(CompilerError, match="not among the programs that root installed"):
            compiler.identity(planted, cache, for_peer=True)
    assert not ran.exists()


def test_a_compiler_that_fails_is_told(tmp_path: Path, cache: DigestCache) -> None:
    broken = tmp_path / "gcc"
    broken.write_text("#!/bin/sh\necho 'license expired' >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(CompilerError, match="license expired"):
        compiler.identity(os.fsencode(broken), cache)
    broken.write_text("#!/nowhere/sh\n")
    with pytest.raises(CompilerError, match="cannot be run"):
        compiler.describe(os.fsencode(broken))


def test_description() -> None:
    text = compiler.describe(_CC)
    assert "\n" not in text
    machine = subprocess.run([_CC, "-dumpmachine"], capture_output=True, text=True, check=True).stdout.strip()
    assert text.endswith(f" for {machine}")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        (b"gcc", True),
        (b"g++-12", True),
        (b"x86_64-linux-gnu-gcc-12", True),
        (b"arm-none-eabi-g++", True),
        (b"clang-14", True),
        (b"clang++", True),
        (b"c99", True),
        (b"ccache", False),
        (b"gccgo", False),
        (b"cccc", False),
        (b"my-gcc;rm", False),
        (b"python3", False),
    ],
)
def test_names_of_compilers(name: bytes, known: bool) -> None:
    assert bool(compiler._NAME.match(name)) == known
