"""Changes of what an environment consists of are noticed, whatever they are, and nothing else is."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment.environmentkit import FakeCompiler, Make, environments_in

from dgcc.master.environment import watching
from dgcc.master.environment.environments import LOOK_EVERY_S, Environments
from dgcc.master.environment.trouble import EnvironmentTrouble
from dgcc.master.verdict.needs import Needs, Toolchain
from dgcc.store.environment import layer_name

CHANGES = [
    "echo '#define A 2' > headers/a.h",
    "printf x >> headers/sub/b.h",
    "echo > headers/new.h",
    "mkdir headers/new",
    "rm headers/sub/b.h",
    "mv headers/a.h headers/c.h",
    "chmod 600 headers/a.h",
    "ln -sfn sub/b.h headers/link.h",
    "mkdir -p lib/new && echo > lib/libm.so",
    "mkdir later && echo > later/found.h",
    "sed 's/first/second/' gcc > new && chmod 755 new && mv new gcc",
    "echo '# more' >> gcc",
    "mv gcc old && cp -p old gcc && echo '# other' >> gcc",
    "mv headers old && mkdir headers",
]


def needs_of(*compilers: FakeCompiler) -> Needs:
    return Needs(tuple(Toolchain(os.fsencode(compiler.driver)) for compiler in compilers))


def ran(command: str, fake: FakeCompiler) -> None:
    subprocess.run(["sh", "-ec", command], cwd=fake.place, check=True)


@pytest.fixture(scope="module")
def shared(kept: Path) -> Iterator[Environments]:
    environments = environments_in(kept)
    yield environments
    environments.close()


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_makes_another_environment(change: str, fake: FakeCompiler, shared: Environments) -> None:
    environments, needs = shared, needs_of(fake)
    assert environments.current(needs) is None
    before = environments.prepare(needs)
    assert environments.current(needs) == before
    ran(change, fake)
    assert environments.current(needs) is None
    after = environments.prepare(needs)
    assert environments.current(needs) == after
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    # What was sent before the change goes on to be known by its key.
    for key in (*before, *after):
        assert environments.changes(layer_name(key), 0).latest > 0


@pytest.mark.parametrize(
    "change", ["touch -d @1 headers/a.h", "mv headers h; mv h headers", "touch headers/x; rm headers/x"]
)
def test_what_is_the_same_again_has_its_key_again(change: str, fake: FakeCompiler, make: Make) -> None:
    environments, needs = make(), needs_of(fake)
    before = environments.prepare(needs)
    ran(change, fake)
    assert environments.prepare(needs) == before
    assert environments.current(needs) == before


def test_a_directory_that_came_later_is_watched_too(fake: FakeCompiler, make: Make) -> None:
    environments, needs = make(), needs_of(fake)
    keys = {environments.prepare(needs)[0]}
    for change in ("mkdir headers/new", "mkdir headers/new/deep", "echo > headers/new/deep/x.h"):
        ran(change, fake)
        assert environments.current(needs) is None
        keys.add(environments.prepare(needs)[0])
    shutil.rmtree(fake.headers / "new")
    assert environments.current(needs) is None
    assert environments.prepare(needs)[0] in keys
    assert len(keys) == 4


def test_a_directory_put_in_anothers_place_is_watched(fake: FakeCompiler, make: Make) -> None:
    environments, needs = make(), needs_of(fake)
    environments.prepare(needs)
    ran("cp -a headers other; mv headers old; mv other headers", fake)
    environments.prepare(needs)
    ran("echo > headers/sub/more.h", fake)
    assert environments.current(needs) is None


def test_another_gcc_beside_clangs_is_a_reason_to_ask_again(fake: FakeCompiler, make: Make) -> None:
    environments, needs = make(), needs_of(fake)
    keys = environments.prepare(needs)
    assert environments.covers(needs, os.fsencode(fake.place / "installed/12/crtbegin.o"))
    ran("mkdir installed/13", fake)
    assert environments.current(needs) is None
    assert environments.prepare(needs) == keys  # it did not say otherwise


def test_neighbours_do_not_count(fake: FakeCompiler, make: Make) -> None:
    environments, needs = make(), needs_of(fake)
    keys = environments.prepare(needs)
    ran("echo > unrelated; mkdir more; echo > more/x.h; rm unrelated", fake)
    assert environments.current(needs) == keys


def test_whose_path_it_is_does_not_matter(fake: FakeCompiler, make: Make, tmp_path: Path) -> None:
    place, needs = tmp_path / "some/bin", needs_of(fake)
    place.mkdir(parents=True)
    before, environments = make().prepare(needs), make(PATH=f"/usr/local/bin:{place}:/usr/bin:/bin")
    assert environments.prepare(needs) == before
    # But a tool that is found there, and runs instead of the usual one, does.
    (place / "sed").write_text("#!/bin/sh\n")
    (place / "sed").chmod(0o755)
    assert environments.current(needs) is None
    assert environments.prepare(needs)[0] == before[0]
    assert environments.prepare(needs)[1] != before[1]


def test_two_compilers_side_by_side(fake: FakeCompiler, tmp_path: Path, make: Make) -> None:
    other = FakeCompiler(tmp_path / "other")
    environments = make()
    first, second = environments.prepare(needs_of(fake)), environments.prepare(needs_of(other))
    assert first[0] != second[0]
    assert first[1] == second[1]
    together = (first[0], second[0], first[1])
    assert environments.current(needs_of(fake, other)) == together  # nothing is left to look at
    assert environments.prepare(needs_of(fake, other)) == together
    fake.upgrade("second")
    assert environments.prepare(needs_of(other)) == second
    assert environments.prepare(needs_of(fake))[0] not in (first[0], second[0])


def test_where_nothing_can_be_watched_files_are_looked_at(
    fake: FakeCompiler, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(watching.inotify.INotify, "add_watch", full)
    now = [100.0]
    environments, needs = make(clock=lambda: now[0]), needs_of(fake)
    for change in (
        "echo 1 > headers/a.h",
        "echo > headers/new.h",
        "ln -sfn sub/b.h headers/link.h",
        "mkdir later; echo > later/x",
    ):
        keys = environments.prepare(needs)
        now[0] += LOOK_EVERY_S
        assert environments.current(needs) is None
        assert environments.prepare(needs) == keys
        ran(change, fake)
        assert environments.current(needs) == keys
        now[0] += LOOK_EVERY_S
        assert environments.current(needs) is None
        assert environments.prepare(needs)[0] != keys[0], change
    assert len([record for record in caplog.records if "max_user_watches" in record.message]) == 1


def test_content_that_is_not_as_told_is_read_again(fake: FakeCompiler, make: Make) -> None:
    environments, needs = make(), needs_of(fake)
    keys = environments.prepare(needs)
    index, _ = environments.indexes
    index.suspect(os.fsencode(fake.headers / "a.h")[1:])
    assert environments.current(needs) is None
    assert environments.prepare(needs) == keys
    assert environments.current(needs) == keys


def test_a_broken_compiler_is_told_and_found_again(fake: FakeCompiler, make: Make) -> None:
    environments, needs = make(), needs_of(fake)
    fake.driver.write_text("#!/bin/sh\necho 'license expired' >&2\nexit 3\n")
    for _ in range(2):
        with pytest.raises(EnvironmentTrouble, match="license expired"):
            environments.prepare(needs)
    assert environments.current(needs) is None
    now = environments.prepare(needs_of())
    fake.upgrade("repaired")
    assert environments.prepare(needs)[1:] == now


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("#!/bin/sh\nexit 0\n", "does not say where its headers are"),
        ("#!/nowhere/sh\n", "cannot be run"),
        ("", "cannot be run"),
    ],
)
def test_what_is_no_compiler(text: str, sentence: str, fake: FakeCompiler, make: Make) -> None:
    fake.driver.write_text(text)
    with pytest.raises(EnvironmentTrouble, match=sentence):
        make().prepare(needs_of(fake))
    fake.driver.unlink()
    with pytest.raises(EnvironmentTrouble, match="there is no compiler"):
        make().prepare(needs_of(fake))


def test_an_answer_kept_from_the_last_build_is_checked(fake: FakeCompiler, make: Make, kept: Path) -> None:
    needs = needs_of(fake)
    before = make().prepare(needs)
    assert make().prepare(needs) == before
    fake.upgrade("between builds")
    after = make().prepare(needs)
    assert after != before
    for file in (kept / "answers").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert make().prepare(needs) == after


def test_closing_twice_is_no_error(make: Make) -> None:
    environments: Environments = make()
    environments.close()
    environments.close()
