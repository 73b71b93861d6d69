"""What an environment consists of, by name: files, whole directories, places that must stay empty."""

import os

from msgspec import Struct


class Parts(Struct, frozen=True):
    """Absolute paths, as programs name them: symlinks and ".." in them are followed when they are looked at.

    files: with every symlink on the way; of a directory among them it counts which names it has. trees:
    directories with all below. absent: nothing was there; should something appear, the answers were others.
    replaced: programs of `files` in whose place our own stands.
    """

    files: frozenset[bytes] = frozenset()
    trees: frozenset[bytes] = frozenset()
    absent: frozenset[bytes] = frozenset()
    replaced: frozenset[bytes] = frozenset()


class Collection:
    """Parts in the making."""

    def __init__(self) -> None:
        self.files: set[bytes] = set()
        self.trees: set[bytes] = set()
        self.absent: set[bytes] = set()
        self.replaced: set[bytes] = set()
        self.programs: set[bytes] = set()  # those whose libraries and interpreters are among the files

    def add(self, other: Parts) -> None:
        """Take in all of `other`."""
        self.files |= other.files
        self.trees |= other.trees
        self.absent |= other.absent
        self.replaced |= other.replaced

    def freeze(self) -> Parts:
        """What was collected, by what is there now."""
        files = {path for path in self.files if os.path.exists(path)}
        trees = {path for path in self.trees if os.path.isdir(path)}
        absent = {path for path in self.absent | self.files | self.trees if not os.path.lexists(path)}
        return Parts(frozenset(files), frozenset(trees), frozenset(absent), frozenset(self.replaced & files))
