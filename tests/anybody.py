"""Running something as an ordinary user, in tests that root runs."""

import os
import shutil
import sys
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parents[1]


def as_user(uid: int) -> list[str]:
    """The prefix of a command that becomes the user `uid`, who needs no entry in /etc/passwd.

    Where the checkout lies in a directory that is closed to others, such as /root, the user may read it all the
    same; it has no other capability.
    """
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    if not open_to_all(_TOP) or not open_to_all(Path(sys.executable).parent):
        command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return command


def readable_copy(place: Path) -> dict[str, str]:
    """Copy the project and what it is tested with to `place`, for a user who must have no capability at all.

    Returns the environment in which /usr/bin/python3 finds both.
    """
    for name in ("pyproject.toml", "setup.cfg"):
        shutil.copy(_TOP / name, place)
    for name in ("dgcc", "tests"):
        shutil.copytree(_TOP / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    packages = Path(pytest.__file__).parents[1]
    skipped = shutil.ignore_patterns("__pycache__", "ruff*", "mypy*", "pip*", "setuptools*")
    shutil.copytree(packages, place / "packages", ignore=skipped)
    return {"PYTHONPATH": f"{place}:{place / 'packages'}"}


def open_to_all(path: Path) -> bool:
    """Whether every user can enter a directory."""
    return all(os.stat(place).st_mode & 0o001 for place in (path, *path.parents))
