"""A small system for jobs: programs of this host with their libraries, as an environment, and who serves it."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dgcc.store.blobindex import BlobIndex
from dgcc.store.entry import Blob, Entry, Kind, Page
from dgcc.store.environment import environment_key, layer_name
from dgcc.store.errors import UnknownLayer
from dgcc.store.jail import NOBODY
from dgcc.store.source import TreeSource

OWNER = (NOBODY, NOBODY) if os.geteuid() == 0 else None
"""Whom the jobs' files belong to, where that is not the slave."""


def copy_in(root: Path, paths: Iterable[str]) -> Path:
    """Copy files to below `root`, each with every link and directory that is on the way to it."""
    root.mkdir(exist_ok=True)
    for path in paths:
        at, rest = "/", path.strip("/").split("/")
        while rest:
            at, name = os.path.join(at, rest[0]), rest.pop(0)
            inside = root / at[1:]
            if name == "..":
                at = os.path.dirname(os.path.dirname(at))
            elif os.path.islink(at):
                target = os.readlink(at)
                if not inside.is_symlink():
                    inside.symlink_to(target)
                rest = target.strip("/").split("/") + rest
                at = "/" if target.startswith("/") else os.path.dirname(at)
            elif os.path.isdir(at):
                inside.mkdir(exist_ok=True)
            else:
                shutil.copy2(at, inside)
    return root


def with_libraries(*programs: str) -> list[str]:
    """These programs, and the shared libraries of each by the loader's own answer."""
    found = list(programs)
    for program in programs:
        answer = subprocess.run(["ldd", program], env={"LC_ALL": "C"}, capture_output=True, text=True)
        found += re.findall(r"(?:=> |^\t)(/\S+) \(0x", answer.stdout, re.MULTILINE)
    return found


def entries_of(root: Path) -> list[Entry]:
    """All that is below `root`."""
    found = []
    for directory, names, files in os.walk(root):
        for name in names + files:
            full = os.path.join(directory, name)
            status = os.lstat(full)
            path = os.fsencode(os.path.relpath(full, root))
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                found.append(Entry(path, Kind.SYMLINK, mode, status.st_mtime_ns, link=os.fsencode(os.readlink(full))))
            elif stat.S_ISDIR(status.st_mode):
                found.append(Entry(path, Kind.DIRECTORY, mode))
            else:
                digest = hashlib.sha256(Path(full).read_bytes()).digest()
                found.append(Entry(path, Kind.FILE, mode, status.st_mtime_ns, status.st_size, digest))
    return found


class Given:
    """Who has environments: a LayerSource over the trees of some roots. Counts what it is asked."""

    def __init__(self, *roots: Path, page: int = 7) -> None:
        self.listed = {}
        self.asked: list[bytes] = []
        self.looked = 0
        self._page = page
        indexes = []
        self.keys = []
        for root in roots:
            index = BlobIndex(os.fsencode(root))
            entries = entries_of(root)
            for entry in entries:
                if entry.kind is Kind.FILE:
                    index.add(entry.digest, entry.path)
            indexes.append(index)
            self.keys.append(environment_key(entries))
            self.listed[layer_name(self.keys[-1])] = entries
        self.tree = TreeSource(indexes)

    def changes(self, layer: str, since: int) -> Page:
        self.looked += 1
        if layer not in self.listed:
            raise UnknownLayer(layer)
        entries = self.listed[layer]
        upto = min(since + self._page, len(entries))
        return Page(upto, len(entries), tuple(entries[since:upto]))

    def blobs(self, wanted: Sequence[bytes]) -> list[Blob]:
        self.asked += wanted
        return self.tree.blobs(wanted)

    def piece(self, digest: bytes, offset: int, count: int) -> Blob:
        self.asked.append(digest)
        return Blob(digest, False, self.tree.piece(digest, offset, count))


@dataclass
class Need:
    """As DGCC.EnvironmentNeed."""

    key: bytes
    peers: Sequence[object] = ()
