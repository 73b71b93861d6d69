"""The unix socket on which recipes reach the master: it takes connections before anybody serves them."""

import os
import socket
import stat
from pathlib import Path

from dgcc.naming.ownplace import OwnPlace

BACKLOG = 4096
"""Many recipes may start at once, and a connect() to a full queue blocks."""

_PREFIX = "dgcc-master-"
# A path in a socket address has room for 107 bytes.
_LONGEST_DIRECTORY = 107 - len(f"/{_PREFIX}XXXXXXXX/clients")


class ClientSocket:
    """A listening socket in a fresh directory that only this user can enter."""

    def __init__(self) -> None:
        """Raises OSError where no directory for it can be made."""
        self._place = OwnPlace(_PREFIX, _runtime_directory())
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.listener.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            self.listener.listen(BACKLOG)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """Its directory may hold whatever else the drivers must reach."""
        return self._place.path / "clients"

    def close(self) -> None:
        """Take no more connections, and remove the directory. Safe to call twice."""
        self.listener.close()
        self._place.close()


def _runtime_directory() -> str:
    """$XDG_RUNTIME_DIR where it is a directory of this user with a path short enough, else /tmp."""
    directory = os.environ.get("XDG_RUNTIME_DIR", "")
    try:
        found = os.stat(directory)
    except OSError:
        return "/tmp"
    usable = (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and os.access(directory, os.W_OK | os.X_OK)
        and directory.startswith("/")
        and len(os.fsencode(directory)) <= _LONGEST_DIRECTORY
    )
    return directory if usable else "/tmp"
