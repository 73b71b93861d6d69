"""What an environment certainly does not hold, from what is kept of it and without its entries.

To decode the entries of a compiler with its headers takes a tenth of a second, which a build spends for nothing whose
only question is whether a directory of the project's is part of the system.
"""

from functools import cached_property

from dgcc.master.environment.kept import Kept


class Outline:
    """Of an environment that was kept from an earlier build."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._none: set[bytes] = set()  # places where nothing is

    @cached_property
    def _ways(self) -> frozenset[bytes]:
        return frozenset(path for path, _ in self._kept.ways)

    @cached_property
    def _decisive(self) -> bytes:
        return b"\0" + self._kept.paths

    def lacks(self, path: bytes) -> bool:
        """Whether surely nothing of an absolute path is there: its way leads over real directories to a name that is
        not. False where this cannot be told."""
        at = b""
        for name in path.split(b"/")[1:]:
            if name in (b"", b".", b".."):
                return False
            at += b"/" + name
            if at in self._none:
                return True
            if at not in self._ways:
                if b"\0" + at + b"\0" in self._decisive:
                    return False
                self._none.add(at)
                return True
        return False
