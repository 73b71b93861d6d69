"""Finds symbolic links of a tree that lead out of all roots to something a compiler might include.

On a slave such a link would dangle, and a compiler that searches several directories would take the next header of
that name: a silently different object. So jobs are given what the links lead to.
"""

import os
import re
from collections.abc import Iterable

from dgcc.store.entry import Entry, Kind
from dgcc.store.selection import SOURCE_NAME

_HEADER_OF_CXX = re.compile(rb"/[^./]+\Z")  # <vector> and its like have no ending
_LOOKED_AT = 5000  # entries of a directory that a link leads to; in a larger one, a header is taken for granted


class Escapes:
    """The links that lead out, of layers whose changes are shown to `see`."""

    def __init__(self, roots: tuple[bytes, ...]) -> None:
        self._roots = roots
        self._links: dict[bytes, bytes] = {}  # the link's absolute path -> what it leads to
        self.targets: tuple[bytes, ...] = ()
        """What the links lead to, absolute."""

    def see(self, root: bytes, changed: Iterable[Entry]) -> None:
        """Take note of what changed below `root`."""
        before = dict(self._links)
        for entry in changed:
            path = root + b"/" + entry.path
            self._links.pop(path, None)
            if entry.kind is Kind.SYMLINK:
                target = os.path.realpath(path)
                if not self._inside(target) and _can_be_included(path, target):
                    self._links[path] = target
        if self._links != before:
            self.targets = tuple(dict.fromkeys(self._links.values()))

    def _inside(self, target: bytes) -> bool:
        return any(target == root or target.startswith(root + b"/") for root in self._roots)


def _can_be_included(link: bytes, target: bytes) -> bool:
    if not os.path.isdir(target):
        return os.path.exists(target) and _includable(link)
    looked_at = 0
    for directory, _, names in os.walk(target):
        looked_at += 1 + len(names)
        if looked_at > _LOOKED_AT or any(_includable(os.path.join(directory, name)) for name in names):
            return True
    return False


def _includable(path: bytes) -> bool:
    return bool(SOURCE_NAME.search(path) or _HEADER_OF_CXX.search(path))
