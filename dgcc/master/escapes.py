"""Finds symbolic links of a tree that lead out of all roots to something a compiler might include.

On a slave such a link dangles, and a compiler that searches several directories would take the next header of that
name: a silently different object. So while there is one, nothing travels.
"""

import os
import re
from collections.abc import Iterable

from dgcc.store.entry import Entry, Kind
from dgcc.store.selection import SOURCE_NAME

# Below these, what a compiler may find is covered by the comparison of compilers.
_COVERED = (b"/usr/include/", b"/usr/local/include/", b"/usr/lib/gcc/")
_HEADER_OF_CXX = re.compile(rb"/[^./]+\Z")  # <vector> and its like have no ending
_LOOKED_AT = 5000  # entries of a directory that a link leads to; in a larger one, a header is taken for granted


class Escapes:
    """The links that lead out, of layers whose changes are shown to `see`."""

    def __init__(self, roots: tuple[bytes, ...]) -> None:
        self._roots = roots
        self._links: dict[bytes, bytes] = {}  # the link's absolute path -> what it leads to

    def see(self, root: bytes, changed: Iterable[Entry]) -> None:
        """Take note of what changed below `root`."""
        for entry in changed:
            path = root + b"/" + entry.path
            self._links.pop(path, None)
            if entry.kind is Kind.SYMLINK:
                target = os.path.realpath(path)
                if not self._inside(target) and _can_be_included(path, target):
                    self._links[path] = target

    def reason(self) -> str:
        """Why nothing may travel, and what to do about it; empty if nothing is in the way."""
        if not self._links:
            return ""
        link, target = next(iter(self._links.items()))
        top = target if os.path.isdir(target) else os.path.dirname(target)
        return f"'{os.fsdecode(link)}' leads outside the project: name what it leads to, --root {os.fsdecode(top)}"

    def _inside(self, target: bytes) -> bool:
        return any(target == root or target.startswith(root + b"/") for root in self._roots) or target.startswith(
            _COVERED
        )


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
