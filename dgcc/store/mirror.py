"""A layer laid out as a tree on a slave, kept in step with the master's by applying its changes.

Files appear by rename from a directory beside the tree, so that jobs may read while it changes. Every path is
reached component by component without following a symlink. A mirror belongs to one process; calls from
several threads take turns.

In the place of a withheld file lies a placeholder: sparse, of the file's size and time, beginning with
WITHHELD_MARK, readable for nobody without privileges.
"""

import errno
import fcntl
import hashlib
import itertools
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dgcc.store import manifest
from dgcc.store.blobs import BlobStore, lock_directory
from dgcc.store.descent import OPEN_DIRECTORY, components, kind_at, parent_of, remove, writable
from dgcc.store.digests import holds
from dgcc.store.entry import WITHHELD_MARK, Entry, Kind
from dgcc.store.errors import BadDigest, BadPath, UnknownBlob, shown

_FICLONE = 0x40049409  # linux/fs.h
_CLONE_FROM = 256 << 10
_CHUNK = 1 << 20
_LARGEST = 1 << 62  # bytes of a sparse file
# A slave that cannot read and enter its own directory could not change it any more.
_ENTER = 0o500
# A master must not be able to leave setuid programs on a slave.
_FILE_MODE = 0o1777
_DIRECTORY_MODE = 0o1777
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Mirror:
    """The tree of one layer in `directory`, at `tree`, with content from `blobs`.

    owner: (uid, gid) that everything belongs to, for a slave that runs as root. moves: content is moved out of
    the store, which must lie in the same file system and serve this mirror alone, instead of being copied. What
    an earlier process left is taken over if that ended cleanly, else removed. Raises StoreBusy if another process
    has the directory.
    """

    def __init__(
        self, directory: Path, blobs: BlobStore, *, owner: tuple[int, int] | None = None, moves: bool = False
    ) -> None:
        self.tree = directory / "tree"
        self.blobs = blobs
        self._owner = owner
        self._moves = moves
        self._wanted: Counter[bytes] = Counter()  # digests that entries being applied have still to be given
        self._mutex = threading.RLock()
        self._closed = False
        self._serial = itertools.count()
        self._can_clone = True
        self._mentioned: set[bytes] | None = None
        self._parent: tuple[bytes, int] | None = None
        self._lock_fd = lock_directory(directory)
        self._manifest_path = directory / "manifest.json"
        # Nothing in the tree has been changed since its manifest was written, unless by somebody else.
        self._untouched_since = manifest.written_at(self._manifest_path)
        known = manifest.take(self._manifest_path)
        directory_fd = os.open(directory, OPEN_DIRECTORY)
        try:
            remove(directory_fd, b"incoming", insist=True)
            if known is None:
                remove(directory_fd, b"tree", insist=True)
        finally:
            os.close(directory_fd)
        incoming = directory / "incoming"
        incoming.mkdir(mode=0o700)
        self.tree.mkdir(exist_ok=True)
        self._known: dict[bytes, Entry] = known or {}
        self._tree_fd = os.open(self.tree, OPEN_DIRECTORY)
        self._incoming_fd = os.open(incoming, OPEN_DIRECTORY)
        os.fchmod(self._tree_fd, 0o755)
        self._own(self._tree_fd)

    def entries(self) -> dict[bytes, Entry]:
        """What the mirror holds, by path."""
        with self._mutex:
            return dict(self._known)

    def withheld(self, path: bytes) -> bool:
        """Whether a placeholder lies at `path` now. Any thread, without waiting for an `apply`.

        It may be replaced at any moment: what a job took from here while it ran is told by the mark.
        """
        entry = self._known.get(path)
        return entry is not None and entry.withheld

    def begin_full(self) -> None:
        """From here to `end_full`, all there is of a layer is applied; what is right already costs a look."""
        with self._mutex:
            self._mentioned = set()

    def end_full(self) -> None:
        """Remove all that was not mentioned since `begin_full`."""
        with self._mutex:
            mentioned, self._mentioned = self._mentioned, None
            if mentioned is not None:
                for path in sorted(self._known.keys() - mentioned):
                    if path in self._known:
                        self._remove(path)

    def apply(self, entries: Iterable[Entry]) -> list[Entry]:
        """Bring these paths to what the entries say, in their order.

        Returns the files for which the store has no sound content: nothing is at their paths now. Raises
        BadPath or BadDigest before anything is done if an entry makes no sense, OSError (disk full) in the middle.
        """
        entries = list(entries)
        for entry in entries:
            components(entry.path)
            if entry.kind is Kind.SYMLINK and (not entry.link or b"\0" in entry.link):
                raise BadPath(f"{shown(entry.path)} is said to be a symbolic link that no file system holds")
            if entry.withheld and not len(WITHHELD_MARK) <= entry.size <= _LARGEST:
                raise BadDigest(f"{shown(entry.path)} is withheld, with a size for which there is no placeholder")
        lost = []
        with self._mutex:
            if self._closed:
                raise ValueError("the mirror is closed")
            if self._moves:
                self._wanted = Counter(entry.digest for entry in entries)
            try:
                for entry in entries:
                    if self._moves:
                        self._wanted[entry.digest] -= 1
                    try:
                        self._apply(entry)
                    except UnknownBlob:
                        self._remove(entry.path)
                        lost.append(entry)
            finally:
                self._leave_parent()
        return lost

    def close(self) -> None:
        """Record what is here for the next session and give the directory up. No call is allowed then."""
        with self._mutex:
            self._closed = True
            os.close(self._tree_fd)
            os.close(self._incoming_fd)
            try:
                manifest.write(self._manifest_path, self._known)
            finally:
                os.close(self._lock_fd)

    # ---- One entry -----------------------------------------------------------------------------------------

    def _apply(self, entry: Entry) -> None:
        if entry.kind is Kind.GONE:
            self._remove(entry.path)
            return
        checked = self._mentioned is not None
        self._mention(entry.path)
        old = self._known.get(entry.path)
        if checked and old is not None and not self._intact(old):
            old = None  # not to be taken for what it was, nor mended by giving it another time
        if old == entry:
            return
        parent = self._enter_parent(parent_of(entry.path))
        name = entry.path.rpartition(b"/")[2]
        # Whatever happens on the way, the manifest never claims more than is there.
        self._known.pop(entry.path, None)
        if entry.kind is Kind.DIRECTORY:
            self._put_directory(parent, name, entry)
        elif entry.kind is Kind.SYMLINK:
            temp = b"%d" % next(self._serial)
            os.symlink(entry.link, temp, dir_fd=self._incoming_fd)
            if self._owner:
                os.chown(temp, *self._owner, dir_fd=self._incoming_fd, follow_symlinks=False)
            times = (entry.mtime_ns, entry.mtime_ns)
            os.utime(temp, ns=times, dir_fd=self._incoming_fd, follow_symlinks=False)
            self._move_in(temp, parent, name, entry.path)
        else:
            same = old is not None and old.digest == entry.digest and not entry.withheld
            there = same and self._put_attributes(parent, name, entry)
            if not there and not (entry.withheld and self._put_placeholder(parent, name, entry)):
                self._put_file(parent, name, entry)
        self._known[entry.path] = entry

    def _mention(self, path: bytes) -> None:
        if self._mentioned is not None:
            while path and path not in self._mentioned:
                self._mentioned.add(path)
                path = parent_of(path)

    def _intact(self, entry: Entry) -> bool:
        """Whether what the manifest says is there looks so; content lost in a power cut shows in its size.

        A file whose inode was changed since the manifest was written is read: a time can be set back, that one not.
        """
        try:
            status = os.lstat(os.path.join(os.fsencode(self.tree), entry.path))
        except OSError:
            return False
        if entry.kind is Kind.FILE:
            if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (entry.size, entry.mtime_ns):
                return False
            if status.st_ctime_ns <= self._untouched_since or entry.withheld:
                return True
            return holds(os.path.join(os.fsencode(self.tree), entry.path), entry.digest)
        return stat.S_ISDIR(status.st_mode) == (entry.kind is Kind.DIRECTORY)

    def _put_directory(self, parent: int, name: bytes, entry: Entry) -> None:
        if kind_at(parent, name) != stat.S_IFDIR:
            self._remove(entry.path)
            parent = self._enter_parent(parent_of(entry.path))
            with writable(parent):
                os.mkdir(name, 0o700, dir_fd=parent)
        made = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        try:
            self._own(made)
            os.fchmod(made, entry.mode & _DIRECTORY_MODE | _ENTER)
        finally:
            os.close(made)

    def _put_file(self, parent: int, name: bytes, entry: Entry) -> None:
        temp = b"%d" % next(self._serial)
        move = self._moves and not entry.withheld and self._wanted[entry.digest] <= 0
        if move:
            self.blobs.take(entry.digest, self._incoming_fd, temp)
        fd = os.open(temp, os.O_RDONLY | os.O_CLOEXEC if move else _NEW, 0, dir_fd=self._incoming_fd)
        try:
            try:
                if not move:
                    self._fill(fd, entry)
                self._set_attributes(fd, entry)
            finally:
                os.close(fd)
            self._move_in(temp, parent, name, entry.path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temp, dir_fd=self._incoming_fd)
            raise

    def _put_placeholder(self, parent: int, name: bytes, entry: Entry) -> bool:
        """Lay out a placeholder, without a rename as nobody can read it; False if something lies there."""
        try:
            with writable(parent):
                fd = os.open(name, _NEW, 0, dir_fd=parent)
        except FileExistsError:
            return False
        try:
            self._fill(fd, entry)
            self._set_attributes(fd, entry)
        except BaseException:
            os.unlink(name, dir_fd=parent)
            raise
        finally:
            os.close(fd)
        return True

    def _fill(self, fd: int, entry: Entry) -> None:
        if entry.withheld:
            os.write(fd, WITHHELD_MARK)
            os.ftruncate(fd, entry.size)
        else:
            self._copy(entry, fd)

    def _put_attributes(self, parent: int, name: bytes, entry: Entry) -> bool:
        """Give the file that is there the entry's mode and time; False if it is not there, or not whole."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        except OSError:
            return False
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
                return False
            self._set_attributes(fd, entry)
            return True
        finally:
            os.close(fd)

    def _set_attributes(self, fd: int, entry: Entry) -> None:
        self._own(fd)
        if not entry.withheld:
            os.fchmod(fd, entry.mode & _FILE_MODE)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def _own(self, fd: int) -> None:
        if self._owner:
            os.fchown(fd, *self._owner)

    def _copy(self, entry: Entry, target: int) -> None:
        """Copy content out of the store, verifying it again where it passes through our hands."""
        source = self.blobs.open(entry.digest)
        try:
            # What a clone shares is never read here, so it must have been when this process wrote it.
            if self._can_clone and entry.size >= _CLONE_FROM and self.blobs.is_fresh(entry.digest):
                try:
                    fcntl.ioctl(target, _FICLONE, source)
                    if os.fstat(target).st_size == entry.size:
                        return
                    os.ftruncate(target, 0)
                except OSError:
                    self._can_clone = False
            state = hashlib.sha256()
            while data := os.read(source, _CHUNK):
                state.update(data)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(target, rest) :]
        finally:
            os.close(source)
        if state.digest() != entry.digest:
            self.blobs.discard(entry.digest)
            raise UnknownBlob(entry.digest)

    def _move_in(self, temp: bytes, parent: int, name: bytes, path: bytes) -> None:
        with writable(parent):
            try:
                os.rename(temp, name, src_dir_fd=self._incoming_fd, dst_dir_fd=parent)
                return
            except IsADirectoryError:
                pass
            remove(parent, name, insist=True)
            self._forget_below(path)
            os.rename(temp, name, src_dir_fd=self._incoming_fd, dst_dir_fd=parent)

    # ---- Directories on the way ----------------------------------------------------------------------------

    def _enter_parent(self, directory: bytes) -> int:
        """A descriptor of a directory of the tree, made if need be; kept open until another is wanted."""
        if self._parent is not None and self._parent[0] == directory:
            return self._parent[1]
        self._leave_parent()
        current = os.dup(self._tree_fd)
        path = b""
        for part in directory.split(b"/") if directory else ():
            path = path + b"/" + part if path else part
            try:
                following = self._open_or_make(current, part, path)
            finally:
                os.close(current)
            current = following
        self._parent = directory, current
        return current

    def _open_or_make(self, current: int, part: bytes, path: bytes) -> int:
        kind = kind_at(current, part)
        if kind != stat.S_IFDIR:
            # The layer has something below this path, so it is a directory there; its own entry comes later.
            with writable(current):
                if kind:
                    os.unlink(part, dir_fd=current)
                os.mkdir(part, 0o755, dir_fd=current)
            self._known[path] = Entry(path, Kind.DIRECTORY, 0o755)
        opened = os.open(part, OPEN_DIRECTORY, dir_fd=current)
        if kind != stat.S_IFDIR:
            self._own(opened)
        return opened

    def _leave_parent(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _remove(self, path: bytes) -> None:
        """Take away whatever lies at a path; nothing does if the way there leads through no directory."""
        self._leave_parent()
        *parents, name = path.split(b"/")
        current = os.dup(self._tree_fd)
        try:
            for part in parents:
                following = os.open(part, OPEN_DIRECTORY, dir_fd=current)
                os.close(current)
                current = following
            remove(current, name, insist=True)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        finally:
            os.close(current)
        old = self._known.pop(path, None)
        if old is not None and old.kind is Kind.DIRECTORY:
            self._forget_below(path)

    def _forget_below(self, path: bytes) -> None:
        prefix = path + b"/"
        for below in [p for p in self._known if p.startswith(prefix)]:
            del self._known[below]
