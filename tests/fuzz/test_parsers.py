"""Files and output that DGCC reads, broken: each reader gives an answer or its one error, and soon."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz.bytefuzz import ROUNDS, SEED, broken

from dgcc.cli.config import ConfigError, load
from dgcc.cli.rules import load_rules
from dgcc.master.environment import elfhead
from dgcc.master.plan.parse import parse
from dgcc.store import manifest
from dgcc.store.cache import DigestCache, Remembered
from dgcc.store.digests import Stamp
from dgcc.store.entry import Entry, Kind
from dgcc.store.errors import BadPattern
from dgcc.store.ignore import compiled
from dgcc.store.mentions import mentions, packed, unpacked

_SLOWEST_S = 2.0


def _try(name: str, times: int, good: bytes, read: Callable[[bytes], object]) -> None:
    dice = random.Random(f"{name} {SEED}")
    read(good)
    for number in range(times * ROUNDS):
        data = broken(dice, good)
        began = time.monotonic()
        try:
            read(data)
        except BaseException:
            print(f"DGCC_FUZZ_SEED={SEED}, {name}, number {number}: {data[:2000]!r}")
            raise
        assert time.monotonic() - began < _SLOWEST_S, data


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real make's dry run with its database."""
    place = tmp_path_factory.mktemp("make")
    (place / "Makefile").write_text(
        "define two\nfirst\nsecond\nendef\nall: a.o sub\na.o: a.c | dir\n\t$(CC) -c $< \\\n\t -o $@\n"
        "dir:\n\tmkdir dir\nsub:\n\t$(MAKE) -C below\n.PHONY: sub\n%.x: %.y\n\tcp $< $@\n"
    )
    (place / "a.c").touch()
    (place / "below").mkdir()
    (place / "below/Makefile").write_text("all: b.o\nb.o:\n\techo b > $@\n")
    return subprocess.run(["make", "-n", "-p", "--trace"], cwd=place, capture_output=True, check=True).stdout


def test_makes_database(database: bytes) -> None:
    _try("database", 120, database, lambda data: parse(data.splitlines(keepends=True), b"/p"))


def test_elf_heads(tmp_path: Path) -> None:
    file = tmp_path / "elf"
    with open("/bin/true", "rb") as real:
        whole = bytearray(real.read())
    dice = random.Random(SEED)
    for number in range(150 * ROUNDS):
        data = bytearray(whole)
        # In the header, in the segments' table, or in the dynamic section, which lies near the end.
        for _ in range(dice.choice((1, 2, 6))):
            at = dice.randrange(dice.choice((64, 64 + 56 * 13, len(data) - 8)))
            data[at : at + 8] = dice.choice((b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", dice.randbytes(8)))
        file.write_bytes(data[: dice.choice((len(data), dice.randrange(len(data))))])
        began = time.monotonic()
        elfhead.read(os.fsencode(file))
        assert time.monotonic() - began < _SLOWEST_S, f"DGCC_FUZZ_SEED={SEED}, number {number}"


CONFIG = b'naming = "192.0.2.1"\nlocal_jobs = 4\nslots = 2\nstore = "/var/x"\n'
RULES = (
    b'ignore = ["private/**", "*.key"]\nsecrets = ["DEPLOY_*"]\n[[rule]]\ncommand = "protoc*"\n'
    b'directory = "src/**"\nwhere = "remote"\ninputs = ["data/*.txt"]\nenvironment = ["/opt/sdk"]\n'
)


def test_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        try:
            load(file)
        except ConfigError as error:
            assert str(file) in str(error)

    _try("config", 400, CONFIG, read)
    for deep in (b"a = " + b"[" * 50_000, b"a = " + b"{b = " * 50_000, b"[a" + b".a" * 50_000 + b"]"):
        read(deep)


def test_rules(tmp_path: Path) -> None:
    user = tmp_path / "config.toml"

    def read(data: bytes) -> None:
        (tmp_path / "dgcc.toml").write_bytes(data)
        try:
            rules = load_rules(tmp_path, user)
            compiled(rules.ignore)
        except (ConfigError, BadPattern) as error:
            assert len(str(error)) < 5000

    _try("rules", 400, RULES, read)


def test_ignore_patterns() -> None:
    def read(data: bytes) -> None:
        try:
            ignores = compiled(data.split(b"\n"))
        except BadPattern:
            return
        if ignores is not None:
            ignores(b"some/where/file.c", False)
            ignores(b"\xff\xfe/\n", True)

    _try("ignore", 600, b"*.key\n/only\ndir/\nprivate/**\n**/x[a-z]?\n[!a]b\\*\n# said\n", read)


def test_patterns_that_take_long_to_match() -> None:
    began = time.monotonic()
    for pattern in (b"*" * 200 + b"x", b"a**b**" + b"*" * 50, b"**/" * 8 + b"x"):
        ignores = compiled([pattern])
        assert ignores is not None
        ignores(b"a" * 250 + b"/" + b"ab" * 100, False)
    assert time.monotonic() - began < _SLOWEST_S
    with pytest.raises(BadPattern, match="more than 8 wildcards"):
        compiled([b"*a" * 9])
    ignores = compiled([b"***.key"])
    assert ignores is not None and ignores(b"a/b.key", False) and not ignores(b"a/b.c", False)


def test_mentions() -> None:
    source = (
        b'#if __has_include("../a.h")\n#include "../../b.h"\n#embed <c.bin>\nasm(".incbin \\"d.bin\\"");\n'
        b'INCBIN(e, "f.bin");\n#\\\n include "../g.h"\n'
    )
    _try("mentions", 1000, source * 3, mentions)

    def kept(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            unpacked(data)

    _try("kept mentions", 500, packed(mentions(source)), kept)
    began = time.monotonic()
    for hostile in (
        b"__has_include(" * 100_000,
        b".incbin " * 100_000,
        b'#include "' + b"../" * 300_000,
        b"\\\n" * 500_000,
    ):
        mentions(hostile + b"has_i embed incb ../")
    assert time.monotonic() - began < 5 * _SLOWEST_S


def test_a_mirrors_manifest(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    entries = {b"a": Entry(b"a", Kind.FILE, 0o644, 1, 2, bytes(32)), b"\xff": Entry(b"\xff", Kind.SYMLINK, link=b"a")}
    manifest.write(file, entries)
    good = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        known = manifest.take(file)
        assert known is None or all(isinstance(entry.size, int) for entry in known.values())
        assert not file.exists()

    _try("manifest", 600, good, read)
    read(b"[" * 100_000)


def test_a_cache_of_digests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "digests.sqlite"
    known = {b"f%d" % number: Remembered(Stamp(1, 2, 3, number), bytes(32), ()) for number in range(40)}
    DigestCache(file).save(b"/p", known)
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    good = file.read_bytes()

    def read(data: bytes) -> None:
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        file.write_bytes(data)
        for path, row in DigestCache(file).load(b"/p").items():
            assert isinstance(path, bytes) and isinstance(row.digest, bytes) and len(row.digest) == 32
            assert all(isinstance(number, int) for number in row.stamp)
        DigestCache(file).save(b"/p", known)

    _try("digests", 150, good, read)


def test_the_readers_need_little_memory() -> None:
    """All that was read here has left this process as small as it was."""
    import resource

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20, sys.argv  # KiB
