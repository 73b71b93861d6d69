"""Walking a tree: every directory, symlink and regular file that the selection lets in, parents first."""

import os
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from typing import NamedTuple

from dgcc.store.selection import TEMP_PREFIX, Selection


class Found(NamedTuple):
    """One thing found: path relative to the root, its lstat; `link` is what a symlink points to."""

    path: bytes
    status: os.stat_result
    link: bytes


def walk(
    root: bytes,
    below: bytes,
    selection: Selection,
    enter: Callable[[bytes], None],
    sweep_before_ns: int = 0,
    excluded: Container[bytes] = (),
) -> Iterator[Found]:
    """Yield what lies below the directory `below` of `root`, without `below` itself.

    `enter` is called with the absolute path of each directory before that is listed: a watch set there misses
    nothing, as what came earlier is listed and what comes later makes an event. What vanishes while we look,
    or may not be read, is left out. Regular files are not yet selected by size or content. Unfinished files of
    ours last written before `sweep_before_ns` (wall clock) are what a killed master left, and removed.
    `excluded` are paths relative to the root.
    """
    top = root.rstrip(b"/") + b"/"
    pending = [below]
    while pending:
        directory = pending.pop()
        absolute = top + directory if directory else root
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
                    if name.startswith(TEMP_PREFIX):
                        _sweep(item, sweep_before_ns)
                    continue
                path = prefix + name
                try:
                    is_directory = item.is_dir(follow_symlinks=False)
                    if selection.ignores(path, is_directory) or path in excluded:
                        continue
                    if is_directory:
                        pending.append(path)
                        yield Found(path, item.stat(follow_symlinks=False), b"")
                    elif item.is_symlink():
                        yield Found(path, item.stat(follow_symlinks=False), os.readlink(item.path))
                    elif item.is_file(follow_symlinks=False):
                        yield Found(path, item.stat(follow_symlinks=False), b"")
                except OSError:
                    continue


def _sweep(item: os.DirEntry[bytes], before_ns: int) -> None:
    with suppress(OSError):
        if not item.is_dir(follow_symlinks=False) and item.stat(follow_symlinks=False).st_mtime_ns < before_ns:
            os.unlink(item.path)
