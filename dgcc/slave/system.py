"""What a job sees of a system: its environments, with users and hosts of its own, and nothing of the slave's."""

import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from dgcc.store.jailspec import Bind, Overlay

# The jail's own, whatever an environment holds there.
_JAILS = frozenset((b"/dev", b"/proc"))
# The jail has private directories at or beneath these, which an overlay would cover: what is in them is shown one
# by one.
_OPENED = frozenset((b"/tmp", b"/var", b"/var/tmp"))
_DEPTH = 2  # so deep below a merged directory at the top
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_NOBODY = 65534


def shown(trees: Sequence[Path]) -> tuple[tuple[Bind, ...], tuple[Overlay, ...]]:
    """How a jail shows `trees`, topmost first, merged at "/": read-only, links as links. Raises OSError."""
    binds: list[Bind] = []
    overlays: list[Overlay] = []
    waiting = [(b"/", [os.fsencode(tree) for tree in trees])]
    while waiting:
        at, places = waiting.pop()
        for name, found in sorted(_merged(places).items()):
            path = os.path.join(at, name)
            if path in _JAILS:
                continue
            if not os.path.isdir(found[0]) or os.path.islink(found[0]):
                binds.append(Bind(path, found[0]))
            elif path in _OPENED:
                waiting.append((path, found))
            else:
                overlays.append(Overlay(path, tuple(found), writable=False))
                if len(found) > 1:
                    overlays += _own_parts(path, tuple(found), _DEPTH)
    return tuple(binds), tuple(overlays)


@lru_cache(maxsize=256)
def _own_parts(at: bytes, places: tuple[bytes, ...], depth: int) -> tuple[Overlay, ...]:
    """The large directories below a merged one that only one tree has: shown as they are, over the merged ones.

    The kernel remembers where files are in a directory, and that they are not, but an overlay is new for each job and
    finds everything out again: a compile of C++ asks for thousands of names below /usr/include and /usr/lib/gcc.
    Remembered, as an environment lies at a path of its own and never changes.
    """
    parts: list[Overlay] = []
    for name, found in sorted(_merged(places).items()):
        path = os.path.join(at, name)
        if not os.path.isdir(found[0]) or os.path.islink(found[0]):
            continue
        if len(found) > 1:
            parts += _own_parts(path, tuple(found), depth - 1) if depth > 1 else ()
        elif _is_deep(found[0]):
            parts.append(Overlay(path, (found[0],), writable=False))
    return tuple(parts)


def _is_deep(directory: bytes) -> bool:
    """Whether a directory has directories in it: most of those that have none are small."""
    with os.scandir(directory) as listing:
        return any(item.is_dir(follow_symlinks=False) for item in listing)


def _merged(places: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """By name, what lies in these directories, topmost first: one thing, or directories to be merged."""
    found: dict[bytes, list[bytes]] = {}
    hidden: set[bytes] = set()
    for place in places:
        with os.scandir(place) as listing:
            for item in listing:
                directory = item.is_dir(follow_symlinks=False)
                if item.name in hidden or (item.name in found and not directory):
                    hidden.add(item.name)
                    continue
                found.setdefault(item.name, []).append(item.path)
                if not directory:
                    hidden.add(item.name)
    return found


def write_identity(tree: Path, uid: int, gid: int, environment: Iterable[bytes]) -> None:
    """Make `tree`, with an /etc in which the ids have the names and the home that `environment` (NAME=value) says.

    Where that says nothing usable the user is called `user`. Raises OSError.
    """
    named = dict(entry.partition(b"=")[::2] for entry in environment)
    home = named.get(b"HOME", b"")
    if not home.startswith(b"/") or any(byte in home for byte in b":\n\0"):
        home = b"/"
    name = next((n for n in (named.get(b"LOGNAME"), named.get(b"USER")) if n and _NAME.fullmatch(n)), b"user")
    if name in (b"root", b"nobody"):
        name = b"user"
    users = [b"root:x:0:0:root:%s:/bin/sh" % (b"/root" if uid else home)]
    groups = [b"root:x:0:"]
    if uid not in (0, _NOBODY):
        users.append(b"%s:x:%d:%d::%s:/bin/sh" % (name, uid, gid, home))
    if gid not in (0, _NOBODY):
        groups.append(b"%s:x:%d:" % (name, gid))
    users.append(b"nobody:x:%d:%d:nobody:%s:/bin/sh" % (_NOBODY, _NOBODY, home if uid == _NOBODY else b"/nonexistent"))
    groups.append(b"nogroup:x:%d:" % _NOBODY)
    etc = tree / "etc"
    etc.mkdir(parents=True)
    for file, lines in (
        ("passwd", users),
        ("group", groups),
        ("hosts", [b"127.0.0.1\tlocalhost", b"::1\tlocalhost ip6-localhost ip6-loopback"]),
    ):
        (etc / file).write_bytes(b"".join(line + b"\n" for line in lines))
        (etc / file).chmod(0o644)
    for directory in (tree, etc):
        directory.chmod(0o755)
