"""What the store's tests share: pictures of trees, and a layer with its source in one process."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from dgcc.store.entry import Blob, Page
from dgcc.store.layer import Layer
from dgcc.store.selection import Selection
from dgcc.store.source import TreeSource
from dgcc.store.watch import Watch

Picture = dict[bytes, tuple[object, ...]]


def picture(
    tree: Path | bytes, selection: Selection | None = None, withheld: Collection[bytes] | None = None
) -> Picture:
    """All below a directory that a layer would hold: path -> kind, mode, time and content that count.

    Of the files in `withheld`, or, if that is None, of files that nobody may read, only size and time count.
    """
    selection = selection or Selection()
    root = os.fsencode(tree)
    seen: Picture = {}
    for directory, names, files in os.walk(root):
        below = os.path.relpath(directory, root) + b"/" if directory != root else b""
        names[:] = [name for name in names if not selection.hides(below + name, _is_directory(directory, name))]
        for name in names + [name for name in files if not selection.hides(below + name)]:
            path, key = os.path.join(directory, name), below + name
            status = os.lstat(path)
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                seen[key] = "link", os.readlink(path), status.st_mtime_ns
            elif stat.S_ISDIR(status.st_mode):
                seen[key] = "directory", mode
            elif stat.S_ISREG(status.st_mode) and selection.lists_file(path, status):
                if mode == 0 if withheld is None else key in withheld:
                    seen[key] = "withheld", status.st_mtime_ns, status.st_size
                else:
                    seen[key] = "file", mode, status.st_mtime_ns, Path(os.fsdecode(path)).read_bytes()
    return seen


def _is_directory(directory: bytes, name: bytes) -> bool:
    return not os.path.islink(os.path.join(directory, name))


class Home:
    """A master's half: one tree, watched, as a layer with its content. It is a LayerSource."""

    def __init__(self, root: Path, name: str = "run/0", page_bytes: int = 1 << 20, **options: object) -> None:
        self.root = root
        self.watch = Watch()
        self.layer = Layer(os.fsencode(root), name, watch=self.watch, **options)  # type: ignore[arg-type]
        self.layer.scan()
        self.tree = TreeSource([self.layer.blobs])
        self.page_bytes = page_bytes
        self.asked: list[bytes] = []

    def refresh(self) -> bool:
        return self.layer.refresh(self.watch.drain())

    def changes(self, layer: str, since: int) -> Page:
        assert layer == self.layer.name
        self.refresh()
        return self.layer.changes(since, self.page_bytes)

    def blobs(self, wanted: list[bytes]) -> list[Blob]:
        self.asked += wanted
        return self.tree.blobs(wanted)

    def piece(self, digest: bytes, offset: int, count: int) -> Blob:
        self.asked.append(digest)
        return self.tree.packed_piece(digest, offset, count)

    def close(self) -> None:
        self.watch.close()
