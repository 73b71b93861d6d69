"""Directories outside the project that recipes read: each a layer of its own, which jobs cannot change.

On the master's loop, but for `read`.
"""

import os

from msgspec import Struct

from dgcc.store.cache import DigestCache, default_path
from dgcc.store.errors import StoreError
from dgcc.store.layer import Layer
from dgcc.store.selection import Selection
from dgcc.store.watch import Watch
from dgcc.trust import tls

_MOST_FILES = 50_000
_VERSION_CONTROL = (b".git", b".hg", b".svn")
# Nobody means the whole of these.
_NEVER = frozenset((b"/", b"/home", b"/root", b"/usr", b"/usr/lib", b"/usr/share", b"/etc", b"/var", b"/opt", b"/srv",
                    b"/bin", b"/lib", b"/lib64", b"/sbin", b"/usr/bin", b"/usr/local", b"/boot", b"/run",
                    b"/mnt", b"/media"))  # fmt: skip


class Unreasonable(StoreError):
    """A directory that nobody would send to another machine as a whole."""


class Extra(Struct, frozen=True):
    """One such directory: its layer, and the watch on it."""

    layer: Layer
    watch: Watch


class Extras:
    """All of one build."""

    def __init__(self, run: str, roots: tuple[bytes, ...], cache: DigestCache) -> None:
        """`run` names this run of this master; `roots` are the project's."""
        self._run, self._roots, self._cache = run, roots, cache
        self._extras: dict[str, Extra] = {}
        self._count = 0

    @property
    def layers(self) -> dict[str, Layer]:
        """The layers by name."""
        return {name: extra.layer for name, extra in self._extras.items()}

    def having(self, path: bytes) -> str | None:
        """Return the name of a layer with this absolute path in it, or None."""
        for name, extra in self._extras.items():
            if path == extra.layer.root or extra.layer.relative(path) is not None:
                return name
        return None

    def read(self, path: bytes) -> Extra:
        """Read the directory that is to hold an absolute path; on a worker thread, one at a time.

        The version-control root above the path if it is of a reasonable size, else the path itself or, for a
        file, its directory. Raises Unreasonable, StoreError.
        """
        place = path if os.path.isdir(path) else os.path.dirname(path)
        whole = _checkout(place)
        for root in dict.fromkeys((whole, place)):
            if root in _NEVER or root == os.path.realpath(os.path.expanduser(b"~")):
                trouble: StoreError = Unreasonable(
                    f"'{os.fsdecode(path)}' would take all of '{os.fsdecode(root)}' along: name the part that is "
                    "needed with --root"
                )
                continue
            self._count += 1
            inside = (*(other for other in self._roots if other.startswith(root + b"/")), *own_places())
            watch = Watch()
            try:
                layer = Layer(root, f"{self._run}/extra-{self._count}", cache=self._cache, watch=watch,
                              selection=Selection(everything=True, excluded=inside))  # fmt: skip
                layer.scan(max_files=_MOST_FILES)
                return Extra(layer, watch)
            except StoreError as error:
                watch.close()
                trouble = error
        raise trouble

    def add(self, extra: Extra) -> None:
        """Take in what `read` has read."""
        self._extras[extra.layer.name] = extra

    def refresh(self) -> None:
        """Take in all that was written to the directories by processes that have ended."""
        for extra in self._extras.values():
            extra.layer.refresh(extra.watch.drain())

    def close(self) -> None:
        """Keep what was learned for the next build; stop watching."""
        for extra in self._extras.values():
            extra.layer.save()
            extra.watch.close()


def own_places() -> tuple[bytes, ...]:
    """Where this user keeps masters' and slaves' own files on this host: a mirror in a tree would mirror itself, and
    the keys of a farm are nobody else's."""
    own = [default_path().parent, *tls.secret_places()]
    return *(os.path.realpath(os.fsencode(place)) for place in own), b"/var/cache/dgcc"


def _checkout(place: bytes) -> bytes:
    at = place
    while at != b"/":
        if any(os.path.exists(os.path.join(at, mark)) for mark in _VERSION_CONTROL):
            return at
        at = os.path.dirname(at)
    return place
