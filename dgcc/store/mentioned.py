"""What the files of one layer mention, and which of its files become part of it for that reason.

A mention leads to every file of the layer whose path ends with its operand, in whichever directory it lies: which -I
options there will be is not known. Operands in hidden directories are looked for where they are most likely.
"""

import os
from collections.abc import Callable, Iterable

from dgcc.store.descent import parent_of
from dgcc.store.mentions import How, Mention
from dgcc.store.selection import Selection

_Said = tuple[Mention, ...]


class Mentioned:
    """Of one layer; all paths are relative to its root but those of operands that begin with a slash."""

    def __init__(self, selection: Selection) -> None:
        self.count = 0
        """Another number after every change of what is mentioned."""
        self.ends: set[bytes] = set()
        """How paths end that files of this layer mention, or have mentioned."""
        self._selection = selection
        self._said: dict[bytes, _Said] = {}  # path of a file -> what it mentions, if anything
        self._ends: dict[bytes, set[bytes]] = {}  # name -> what paths must be, or end with after a slash
        self._left: dict[bytes, set[bytes]] = {}  # name -> paths of files on disk that the layer leaves out
        self._news: set[bytes] = set()  # names in `_ends` that have not been looked for
        self._hidden: dict[bytes, None] = {}  # paths in hidden directories that have not been looked for

    def says(self, path: bytes, said: _Said) -> None:
        """The file at `path` has been read, and mentions this."""
        kept = tuple(each for each in said if each.how is not How.INCLUDED or _leaves(path, each.operand))
        before = self._said.get(path, ())
        if kept == before:
            return
        self.count += 1
        if not kept:
            del self._said[path]
            return
        self._said[path] = kept
        for mention in kept:
            if mention.how is not How.INCLUDED and mention not in before:
                self._look_for(path, mention.operand)

    def said_by(self, path: bytes) -> _Said:
        """What the file at `path` was found to mention."""
        return self._said.get(path, ())

    def all(self) -> Iterable[tuple[bytes, _Said]]:
        """Files with what they mention; a file may be gone since."""
        return self._said.items()

    def _look_for(self, path: bytes, operand: bytes) -> None:
        end = os.path.normpath(operand)
        while end.startswith(b"../"):
            end = end[3:]
        if not operand or operand.startswith(b"/") or end in (b".", b".."):
            return
        if not all(map(self._selection.enters, end.split(b"/"))):
            at = parent_of(path)
            for place in (at, *_above(at)):
                candidate = os.path.normpath(os.path.join(place, operand))
                if not candidate.startswith(b"../") and not self._selection.ignores(candidate, False):
                    self._hidden[candidate] = None
            return
        self.ends.add(end)
        self.expect((end,))

    def expect(self, ends: Iterable[bytes]) -> None:
        """Paths that end so are wanted; nothing is known of who mentions them."""
        for end in ends:
            name = end.rpartition(b"/")[2]
            known = self._ends.setdefault(name, set())
            if end not in known:
                known.add(end)
                self._news.add(name)

    def wants(self, path: bytes) -> bool:
        """Whether something mentions the file at `path`, if only by the end of that."""
        if not self._ends:
            return False
        ends = self._ends.get(path.rpartition(b"/")[2], ())
        return any(path == end or path.endswith(b"/" + end) for end in ends)

    def leave_out(self, path: bytes) -> None:
        """There is a file at `path`, but not in the layer."""
        self._left.setdefault(path.rpartition(b"/")[2], set()).add(path)

    def news(self, withheld: Callable[[], Iterable[bytes]]) -> tuple[list[bytes], list[bytes]]:
        """Which paths something mentions since the last call: left out or `withheld` ones, and hidden ones."""
        if not self._news and not self._hidden:
            return [], []
        hidden = list(self._hidden)
        found: list[bytes] = []
        if self._news:
            names = self._news
            found += [path for name in names for path in self._left.get(name, ())]
            found += [path for path in withheld() if path.rpartition(b"/")[2] in names]
        self._news, self._hidden = set(), {}
        return [path for path in found if self.wants(path)], hidden


def _above(directory: bytes) -> Iterable[bytes]:
    """The directories above a relative one, up to the root, b""."""
    while directory:
        directory = parent_of(directory)
        yield directory


def _leaves(path: bytes, operand: bytes) -> bool:
    """Whether `operand`, from the directory of the file at `path`, leads out of the root."""
    return os.path.normpath(os.path.join(parent_of(path), operand)).startswith(b"../")
