"""What an earlier build found is used again if the system is still such, and never else."""

import os
import time
from pathlib import Path

import pytest
from environment.environmentkit import FakeCompiler, Make, environments_in, lay_out
from environment.test_upgrades import CHANGES, needs_of, ran

from dgcc.master.environment import environments as module
from dgcc.master.environment import kept as kept_module
from dgcc.store.environment import layer_name

SLY = [
    "sed -i 's/A 1/A 3/' headers/a.h && touch -d @1000000000 headers/a.h",  # of the same size and time
    "rm headers/link.h && ln -s sub/b.h headers/link.h && touch -h -d @1000000000 headers/link.h",
]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is walked through and made anew, in order."""
    made: list[object] = []
    build = module.build

    def counted(closure: object, contents: object) -> object:
        made.append(closure)
        return build(closure, contents)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "build", counted)
    return made


def keys_of(fake: FakeCompiler, place: Path) -> tuple[bytes, ...]:
    environments = environments_in(place)
    try:
        return environments.prepare(needs_of(fake))
    finally:
        environments.close()


def settle(fake: FakeCompiler) -> None:
    ran("touch -h -d @1000000000 headers/a.h headers/link.h", fake)
    time.sleep(0.05)  # what was written just now might change without a sign of it


def test_a_second_build_finds_all_as_it_was(
    fake: FakeCompiler, make: Make, kept: Path, built: list[object], tmp_path: Path
) -> None:
    settle(fake)
    first = make()
    keys = first.prepare(needs_of(fake))
    entries = [first.entries(layer_name(key)).entries for key in keys]  # type: ignore[union-attr]
    del built[:]
    second = make()
    assert second.prepare(needs_of(fake)) == keys
    assert built == []
    assert second.current(needs_of(fake)) == keys
    assert second.covers(needs_of(fake), os.fsencode(fake.headers / "a.h"))
    assert not second.covers(needs_of(fake), os.fsencode(fake.headers / "none.h"))
    assert [second.entries(layer_name(key)).entries for key in keys] == entries  # type: ignore[union-attr]
    (tmp_path / "out").mkdir()
    lay_out(second, keys[0], os.fsencode(tmp_path / "out"))
    copy = tmp_path / "out" / str(fake.headers).lstrip("/") / "a.h"
    assert copy.read_text() == "#define A 1\n"


def test_what_is_no_part_of_it_is_told_without_its_entries(
    fake: FakeCompiler, make: Make, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(fake)
    first = make()
    needs = needs_of(fake)
    keys = first.prepare(needs)
    known = {b"/" + entry.path for key in keys for entry in first.entries(layer_name(key)).entries}  # type: ignore[union-attr]
    around = {os.path.dirname(path) + end for path in known for end in (b"/none", b"/../none", b"//")}
    decoded: list[object] = []
    entries = kept_module._entries
    monkeypatch.setattr(kept_module, "_entries", lambda *given: decoded.append(given) or entries(*given))
    second = make()
    second.prepare(needs)
    elsewhere = [os.fsencode(tmp_path / "project"), b"/none", b"/none/below"]
    assert not any(second.covers(needs, path) for path in elsewhere)
    assert decoded == []
    for path in (*known, *around, *elsewhere):
        assert second.covers(needs, path) == first.covers(needs, path), path


@pytest.mark.parametrize("change", CHANGES[::3] + SLY)
def test_a_change_between_builds_is_seen(change: str, fake: FakeCompiler, kept: Path) -> None:
    settle(fake)
    before = keys_of(fake, kept)
    ran(change, fake)
    after = keys_of(fake, kept)
    assert after[0] != before[0]
    assert after[1:] == before[1:]


@pytest.mark.parametrize("change", CHANGES[2::4])
def test_what_was_found_as_it_was_is_watched(change: str, fake: FakeCompiler, make: Make, built: list[object]) -> None:
    settle(fake)
    before = make().prepare(needs_of(fake))
    del built[:]
    environments = make()
    assert environments.prepare(needs_of(fake)) == before
    assert built == []
    ran(change, fake)
    assert environments.current(needs_of(fake)) is None
    after = environments.prepare(needs_of(fake))
    assert after[0] != before[0]


def test_what_may_still_change_unseen_is_not_kept(fake: FakeCompiler, make: Make, built: list[object]) -> None:
    ahead = time.time() + 100
    os.utime(fake.headers / "a.h", (ahead, ahead))
    keys = make().prepare(needs_of(fake))
    del built[:]
    assert make().prepare(needs_of(fake)) == keys
    assert len(built) == 1


def test_damage_costs_time_only(fake: FakeCompiler, make: Make, kept: Path, built: list[object]) -> None:
    settle(fake)
    keys = make().prepare(needs_of(fake))
    for file in (kept / "environments").iterdir():
        text = bytearray(file.read_bytes())
        text[len(text) // 2] ^= 1
        file.write_bytes(text)
    del built[:]
    assert make().prepare(needs_of(fake)) == keys
    assert len(built) == 2
    del built[:]
    assert make().prepare(needs_of(fake)) == keys
    assert built == []


def test_what_another_user_has_written_is_not_believed(
    fake: FakeCompiler, make: Make, kept: Path, built: list[object]
) -> None:
    """As root's build does under sudo, in the user's cache."""
    if os.geteuid() != 0:
        pytest.skip("needs root: to make a file another user's")
    settle(fake)
    keys = make().prepare(needs_of(fake))
    for file in (kept / "environments").iterdir():
        os.chown(file, 65534, 65534)
    del built[:]
    assert make().prepare(needs_of(fake)) == keys
    assert len(built) == 2


def test_content_that_was_doubted_is_not_believed_again(fake: FakeCompiler, make: Make, built: list[object]) -> None:
    settle(fake)
    make().prepare(needs_of(fake))
    environments = make()
    keys = environments.prepare(needs_of(fake))
    assert environments.entries(layer_name(keys[0])) is not None
    environments.indexes[0].suspect(os.fsencode(fake.headers / "a.h")[1:])
    del built[:]
    assert environments.current(needs_of(fake)) is None
    assert environments.prepare(needs_of(fake)) == keys
    assert built != []
