"""Which files of a layer have which content: written by the layer's thread, read by any.

Readers see one dictionary lookup, which is atomic in CPython; the values are never changed in place.
"""

from collections import deque


class BlobIndex:
    """Digest -> paths relative to `root` that had this content when last looked at."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        # Nearly every digest has one path, so that is stored bare: a tuple for each would cost MBs.
        self._paths: dict[bytes, bytes | tuple[bytes, ...]] = {}
        self._suspects: deque[bytes] = deque()

    def add(self, digest: bytes, path: bytes) -> None:
        """`path` has this content."""
        known = self._paths.get(digest)
        if known is None:
            self._paths[digest] = path
        else:
            self._paths[digest] = (*known, path) if isinstance(known, tuple) else (known, path)

    def discard(self, digest: bytes, path: bytes) -> None:
        """`path` has this content no more."""
        rest = tuple(p for p in self.paths(digest) if p != path)
        if rest:
            self._paths[digest] = rest if len(rest) > 1 else rest[0]
        else:
            self._paths.pop(digest, None)

    def paths(self, digest: bytes) -> tuple[bytes, ...]:
        """Where content of this digest may be found. Any thread."""
        found = self._paths.get(digest, ())
        return (found,) if isinstance(found, bytes) else found

    def suspect(self, path: bytes) -> None:
        """A reader found other content at `path` than the index says. Any thread."""
        self._suspects.append(path)

    def take_suspects(self) -> set[bytes]:
        """The paths to be looked at again, each given once."""
        taken = set()
        while self._suspects:
            taken.add(self._suspects.popleft())
        return taken
