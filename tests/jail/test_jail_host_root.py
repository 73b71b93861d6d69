"""The mode in which make's dry run goes: the host as it is, but nothing is written for real."""

import os
from pathlib import Path
from typing import Any

import pytest
from jail.jailplace import ROOT, Outcome, Place

from dgcc.store.entry import Kind
from dgcc.store.jail import Overlay


def dry(place: Place, script: str, **changed: Any) -> Outcome:
    """Run `script` in the project at its own place on the host."""
    inside = os.fsencode(place.lower)
    settings = {"cwd": inside, "overlays": (Overlay(inside, (inside,)),), "binds": (), "host_root": True,
                "inside_uid": os.geteuid(), "inside_gid": os.getegid(), **changed}  # fmt: skip
    return place.sh(script, **settings)


@pytest.fixture
def mine(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Here the project keeps its owner: the caller."""
    monkeypatch.setattr(place, "give_away", lambda *paths: None)
    return place


def test_project_changes_only_in_the_overlay(mine: Place) -> None:
    mine.write("Makefile", "all:\n\ttouch made\n")
    outcome = dry(mine, "make; echo more >> Makefile; pwd")
    assert outcome.text == f"touch made\n{mine.lower}\n"
    assert outcome.brief == [("Makefile", Kind.FILE), ("made", Kind.FILE)]
    assert os.listdir(mine.lower) == ["Makefile"]


def test_host_is_seen_and_not_written(mine: Place) -> None:
    outside = mine.write("outside", "text", where=mine.top)
    mark = f"dgcc-test-{os.getpid()}"
    places = f"/etc /usr {mine.top} /tmp /var/tmp /dev/shm"
    outcome = dry(
        mine,
        "id -u; id -g; cat /etc/passwd; ls -A /;"
        f" for d in {places}; do echo > $d/{mark}; done; echo > {outside}",
    )
    assert outcome.text.startswith(f"{os.geteuid()}\n{os.getegid()}\n{Path('/etc/passwd').read_text()}")
    assert set(os.listdir("/")) <= set(outcome.text.split())
    for directory in places.split():
        assert not os.path.exists(f"{directory}/{mark}")
    assert outside.read_text() == "text"


def test_project_under_a_private_directory(mine: Place) -> None:
    """The project is in /var/tmp, of which the job has a private one; a second is in /tmp."""
    second = Path(f"/tmp/dgcc-test-{os.getpid()}/project")
    second.mkdir(parents=True)
    try:
        (second / "file").write_text("second")
        inside = os.fsencode(second)
        outcome = dry(mine, "cat file; echo > made", cwd=inside, overlays=(Overlay(inside, (inside,)),))
        assert (outcome.text, outcome.brief) == ("second", [("made", Kind.FILE)])
        assert os.listdir(second) == ["file"]
    finally:
        (second / "file").unlink()
        second.rmdir()
        second.parent.rmdir()


def test_capabilities(mine: Place) -> None:
    """Root may read and write the files of others, as in a plain make; nobody may do more than that."""
    status = dry(mine, "cat /proc/self/status").text
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    held = {bit for bit in range(64) if int(fields["CapEff"], 16) >> bit & 1}
    assert held == ({0, 1, 2, 3, 4, 5, 6, 7} if ROOT else set())
    assert fields["CapBnd"] == fields["CapPrm"] == fields["CapEff"]


def test_network_is_the_hosts(mine: Place) -> None:
    here, there = (os.readlink("/proc/self/ns/net"), dry(mine, "readlink /proc/self/ns/net").text.strip())
    assert here == there


def test_files_of_others(mine: Place) -> None:
    if ROOT:
        mine.write("theirs", "x")
        os.chown(mine.lower / "theirs", 1234, 1234)
        os.chown(mine.lower, 1234, 1234)
        outcome = dry(mine, "echo y >> theirs; stat -c %u theirs .; echo > made")
        assert outcome.text.split() == ["1234", "1234"]
        assert outcome.brief == [("made", Kind.FILE), ("theirs", Kind.FILE)]
    else:
        assert dry(mine, "cat /etc/shadow").result.exit_code == 1
