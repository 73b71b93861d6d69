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
    """What the probe says to an ordinary user in namespaces where `restriction`, a shell command, applies."""
    code = "import sys, pathlib; from dgcc.store.jail import probe; print(probe(pathlib.Path(sys.argv[1])))"
    script = f'set -e; {restriction}; exec unshare --user --map-user=1000 --map-group=1000 "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*command, sys.executable, "-c", code, str(directory)],
        cwd=Path(dgcc.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_proc_is_partly_hidden(top: Path) -> None:
    said = said_under("mount -t tmpfs none /proc/fs", top)
    assert said == (
        "dgcc-jail: cannot mount /proc: Operation not permitted; this host hides parts of /proc, as "
        "containers do: start the container with an unmasked /proc"
    )


def test_scratch_on_an_overlay(top: Path) -> None:
    """As in a container, whose whole disk is one."""
    for name in ("lower", "upper", "work", "merged"):
        (top / name).mkdir()
    options = f"userxattr,lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work"
    said = said_under(f"mount -t overlay none -o {options} {top}/merged", top / "merged")
    assert said.startswith("dgcc-jail: cannot mount the overlay on /probe: ")
    assert "(ext4, xfs, btrfs; not another overlay)" in said


def test_namespaces_are_forbidden(top: Path) -> None:
    said = said_under("echo 1 > /proc/sys/user/max_user_namespaces", top)  # one, for the ordinary user
    assert said.startswith("dgcc-jail: cannot make namespaces: No space left on device; ")
    assert "user namespaces are disabled here: as root, sysctl user.max_user_namespaces=" in said
