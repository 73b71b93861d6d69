"""What a slave says at its start about a host that can or cannot run jails."""

import subprocess
import sys
from pathlib import Path

import pytest

import dgcc
from dgcc.store import jail


def test_this_host_can(top: Path) -> None:
    assert jail.probe(top) is None
    assert list(top.iterdir()) == []


def test_program_is_missing(monkeypatch: pytest.MonkeyPatch, top: Path) -> None:
    monkeypatch.setattr(jail, "BINARY", Path("/no/such/dgcc-jail"))
    said = jail.probe(top)
    assert said == "cannot start /no/such/dgcc-jail: No such file or directory; install the package again"


def test_directory_is_missing() -> None:
    assert jail.probe(Path("/no/such")) == "cannot try a jail in /no/such: No such file or directory"


def said_under(restriction: str, directory: Path) -> str:
    """What the probe says in a user namespace of its own where `restriction`, a shell command, has been applied."""
    code = f"from pathlib import Path; from dgcc.store.jail import probe; print(probe(Path({str(directory)!r})))"
    script = f'set -e; {restriction}; exec unshare --user --map-user=1000 --map-group=1000 "$@"'
    if "max_user_namespaces" in restriction:
        script = f'set -e; {restriction}; exec "$@"'
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", sys.executable,
                           "-c", code], cwd=Path(dgcc.__file__).parents[1], capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_proc_is_partly_hidden(top: Path) -> None:
    said = said_under("mount -t tmpfs none /proc/fs", top)
    assert said == ("dgcc-jail: cannot mount /proc: Operation not permitted; this host hides parts of /proc, as "
                    "containers do: start the container with an unmasked /proc")  # fmt: skip


def test_scratch_on_an_overlay(top: Path) -> None:
    for name in ("a", "b", "merged"):
        (top / name).mkdir()
    mount = f"mount -t overlay none -o lowerdir={top}/a:{top}/b {top}/merged; mount -t tmpfs none {top}/a"
    said = said_under(mount, top / "merged")
    assert said.startswith(f"cannot try a jail in {top}/merged: Read-only file system")
