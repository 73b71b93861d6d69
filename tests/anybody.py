"""Running something as an ordinary user, in tests that root runs."""

import os
import sys
from pathlib import Path

_TOP = Path(__file__).resolve().parents[1]


def as_user(uid: int) -> list[str]:
    """The prefix of a command that becomes the user `uid`, who needs no entry in /etc/passwd.

    Where the checkout lies in a directory that is closed to others, such as /root, the user may read it all the
    same; it has no other capability.
    """
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    if not _open_to_all(_TOP) or not _open_to_all(Path(sys.executable).parent):
        command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return command


def _open_to_all(path: Path) -> bool:
    return all(os.stat(place).st_mode & 0o001 for place in (path, *path.parents))
