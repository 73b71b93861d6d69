"""The terminal that a job is given where the recipe has one at home, so that it prints as it would there."""

import fcntl
import os
import struct
import termios
import tty

from msgspec import Struct


class Terminal(Struct, frozen=True):
    """Which of a job's streams are a terminal, and its size in characters (0: not known)."""

    out: bool
    err: bool
    columns: int = 0
    rows: int = 0

    def open(self, owner: int) -> tuple[int, int]:
        """A new terminal that passes every byte as it is: (the end to read from, the job's end).

        owner: the user to whom it belongs if we are root, who may then open it by name, as /dev/stderr.
        Raises OSError, such as FileNotFoundError where no devpts is mounted.
        """
        ours, theirs = os.openpty()
        try:
            tty.setraw(theirs)
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", self.rows, self.columns, 0, 0))
            if os.geteuid() == 0:
                os.fchown(theirs, owner, -1)
        except BaseException:
            os.close(ours)
            os.close(theirs)
            raise
        return ours, theirs
