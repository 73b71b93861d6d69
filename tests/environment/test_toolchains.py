"""What real compilers consist of; what is covered; that all of it can be served."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from environment.environmentkit import Make

from dgcc.master.environment.environment import Environment
from dgcc.master.environment.environments import Environments
from dgcc.master.verdict.needs import Needs, Toolchain
from dgcc.store.entry import PIECE, Kind
from dgcc.store.environment import environment_key, layer_name
from dgcc.store.errors import BadVersion, UnknownLayer
from dgcc.store.source import TreeSource


def found(name: str) -> bytes:
    place = shutil.which(name, path="/usr/bin:/bin")
    assert place is not None, f"{name} is not installed"
    return os.fsencode(place)


def named(environments: Environments, key: bytes) -> Environment:
    environment = environments.entries(layer_name(key))
    assert environment is not None
    return environment


def lies(environment: Environment, path: bytes) -> bool:
    """Whether one gets to a file by this path, with nothing but the environment."""
    entry = environment.get(path[1:])
    if entry is not None and entry.kind is Kind.SYMLINK:
        return lies(environment, os.path.normpath(os.path.join(os.path.dirname(path), entry.link)))
    return entry is not None and entry.kind is Kind.FILE


def test_every_name_of_a_compiler_is_one_environment(make: Make) -> None:
    environments = make()
    real = os.path.realpath(found("gcc"))
    keys = {environments.prepare(Needs((Toolchain(driver),))) for driver in (found("g++"), real)}
    assert len(keys) == 1
    tools, base = (named(environments, key) for key in keys.pop())
    for question in ("cc1", "cc1plus", "collect2", "lto1"):
        answer = subprocess.run([real, f"-print-prog-name={question}"], capture_output=True, check=True).stdout.strip()
        assert lies(tools, os.path.realpath(answer)), question
    for name in ("cc", "gcc", "c++", "g++", "as", "ld", "ar"):
        assert lies(tools, found(name)), name
    for name in ("sh", "sed", "awk", "make", "cp"):
        assert lies(base, found(name)), name
        assert environments.covers(Needs(), found(name)) is False  # these needs were not prepared
    assert not any(entry.path.startswith((b"home", b"tmp", b"proc", b"dev")) for entry in tools.entries + base.entries)
    # Everything on the way to anything is there, and comes before it.
    for environment in (tools, base):
        seen = {b""}
        for entry in environment.entries:
            assert os.path.dirname(entry.path) in seen
            if entry.kind is Kind.DIRECTORY:
                seen.add(entry.path)


def test_headers_are_complete(make: Make) -> None:
    environments, needs = make(), Needs((Toolchain(found("gcc")),))
    tools = named(environments, environments.prepare(needs)[0])
    for place, _, names in os.walk(b"/usr/include"):
        for name in names:
            assert tools.get(os.path.join(place, name)[1:]) is not None
    for path in (b"/usr/include", b"/usr/include/linux", b"/usr/include/stdio.h", b"/bin/sh", found("gcc")):
        assert environments.covers(needs, path), path
    for path in (b"/usr", b"/usr/bin", b"/usr/share", b"/", b"/usr/include/no-such.h", b"/etc/passwd", b"/bin/sh/x"):
        assert not environments.covers(needs, path), path


def test_pages_give_all_entries_in_order(make: Make) -> None:
    environments = make()
    (key,) = environments.prepare(Needs())
    layer, entries, at = layer_name(key), [], 0
    while True:
        page = environments.changes(layer, at, 10_000)
        assert page.entries
        entries += page.entries
        at = page.upto
        if at == page.latest:
            break
    assert len(entries) == page.latest
    assert environment_key(entries) == key
    assert environments.changes(layer, at).entries == ()
    with pytest.raises(BadVersion):
        environments.changes(layer, at + 1)
    for unknown in (layer_name(bytes(32)), "environment/xyz", "run/0"):
        with pytest.raises(UnknownLayer):
            environments.changes(unknown, 0)


def test_all_content_can_be_served(make: Make) -> None:
    environments = make()
    keys = environments.prepare(Needs())
    source = TreeSource(environments.indexes)
    files = [entry for key in keys for entry in named(environments, key).entries if entry.kind is Kind.FILE]
    for entry in files[::7]:
        assert len(entry.digest) == 32
        if entry.size <= PIECE:
            assert source.blobs([entry.digest])[0].digest == entry.digest
        else:
            assert source.piece(entry.digest, 0, 4) != b""


def test_options_lead_to_other_headers(make: Make, tmp_path: Path) -> None:
    (tmp_path / "usr/include").mkdir(parents=True)
    (tmp_path / "usr/include/only.h").write_text("1")
    root = os.fsencode(tmp_path)
    environments, plain = make(), Needs((Toolchain(found("gcc")),))
    led = Needs((Toolchain(found("gcc"), (b"--sysroot=" + root,)),))
    assert environments.prepare(led)[0] != environments.prepare(plain)[0]
    assert environments.covers(led, root + b"/usr/include/only.h")
    assert not environments.covers(led, b"/usr/include/stdio.h")


def test_a_wrapper_brings_the_compiler_behind_it(make: Make, tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner", tmp_path / "arm-gcc"
    inner.write_text('#!/bin/sh\nexec gcc -nostdinc "$@"\n')
    outer.write_text(f'#!/bin/sh\n# see /bin/nothing\nexec {inner} -isystem {tmp_path}/headers "$@"\n')
    (tmp_path / "headers").mkdir()
    for script in (inner, outer):
        script.chmod(0o755)
    environments, needs = make(), Needs((Toolchain(os.fsencode(outer)),))
    tools = named(environments, environments.prepare(needs)[0])
    assert all(lies(tools, os.fsencode(script)) for script in (inner, outer))
    assert lies(tools, found("gcc")) and lies(tools, os.path.realpath(found("gcc")))
    assert tools.complete == {os.fsencode(tmp_path / "headers")}


def test_libraries_of_a_link(make: Make) -> None:
    """libm.so and libm.a may be linker scripts; what they name comes with them."""
    environments = make()
    gcc = Toolchain(found("gcc"))
    libraries, tools, base = environments.prepare(Needs((gcc,), libraries=((0, b"m"), (0, b"no-such-library"))))
    assert environments.prepare(Needs((gcc,), links=True)) == (tools, base)
    named_by_gcc = subprocess.run([gcc.driver, "-print-file-name=libm.so"], capture_output=True, check=True).stdout
    assert lies(named(environments, libraries), os.path.realpath(named_by_gcc.strip()))
    assert any(b"libm.so.6" in entry.path for entry in named(environments, libraries).entries)


def test_programs_bring_what_they_load(make: Make, tmp_path: Path) -> None:
    script = tmp_path / "generate"
    script.write_text("#!/usr/bin/env sh\nexec python3 /dev/null\n")
    script.chmod(0o755)
    environments = make()
    needs = Needs(programs=(os.fsencode(script),))
    programs, _ = (named(environments, key) for key in environments.prepare(needs))
    assert lies(programs, os.fsencode(script))
    assert lies(programs, found("env"))
    assert lies(programs, os.path.realpath(found("python3")))
    assert environments.covers(needs, os.fsencode(os.path.dirname(os.__file__)))
