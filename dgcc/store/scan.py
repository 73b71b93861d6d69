"""Walking a tree: every directory, symlink and regular file that the selection lets in, parents first."""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dgcc.store.selection import Selection


class Found(NamedTuple):
    """One thing found: path relative to the root, its lstat; `link` is what a symlink points to."""

    path: bytes
    status: os.stat_result
    link: bytes


def walk(root: bytes, below: bytes, selection: Selection, enter: Callable[[bytes], None]) -> Iterator[Found]:
    """Yield what lies below the directory `below` of `root`, without `below` itself.

    `enter` is called with the absolute path of each directory before that is listed: a watch set there misses
    nothing, as what came earlier is listed and what comes later makes an event. What vanishes while we look,
    or may not be read, is left out. Regular files are not yet selected by size or content.
    """
    pending = [below]
    while pending:
        directory = pending.pop()
        absolute = root + b"/" + directory if directory else root
        prefix = directory + b"/" if directory else b""
        try:
            enter(absolute)
            listing = os.scandir(absolute)
        except OSError:
            continue
        with listing:
            for item in listing:
                name = item.name
                if not selection.enters(name):
                    continue
                try:
                    if item.is_dir(follow_symlinks=False):
                        pending.append(prefix + name)
                        yield Found(prefix + name, item.stat(follow_symlinks=False), b"")
                    elif item.is_symlink():
                        yield Found(prefix + name, item.stat(follow_symlinks=False), os.readlink(item.path))
                    elif item.is_file(follow_symlinks=False):
                        yield Found(prefix + name, item.stat(follow_symlinks=False), b"")
                except OSError:
                    continue
