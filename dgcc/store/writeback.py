"""Writing what a job made into the project's tree, on the master: whole files, by rename, below the root
only.

All content is first written to temporary files beside its place, so that a full disk or a path that cannot be
written is met before anything has changed; then deletions, directories, files and links follow.
"""

import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from dgcc.store.descent import OPEN_DIRECTORY, components, kind_at, open_parent, parent_fd, parent_of, remove
from dgcc.store.digests import Stamp, stamp_of
from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import BadOutput, BadPath, WriteBackError, shown
from dgcc.store.selection import TEMP_PREFIX, Selection

_CHUNK = 1 << 20
_UNSEEN = "the job removed this directory, which holds files that it did not see (objects, version control, ignored)"
_serial = itertools.count()


class Written(NamedTuple):
    """A file that was written, as it is here now (its own time included), for `Layer.written`."""

    entry: Entry
    stamp: Stamp


class _Ready(NamedTuple):
    """An output's content in a temporary file (or symlink) `temp` of the directory `place`, at `path`."""

    output: Output
    place: bytes
    temp: bytes
    path: bytes
    inode: int


def write_outputs(root: bytes, outputs: Sequence[Output], selection: Selection | None = None) -> list[Written]:
    """Write a job's outputs below the absolute directory `root`; returns its files in the order written.

    Files and links appear in the order of `outputs`, which should be that of their times on the slave: an
    output whose mtime_ns is 0 gets the present time, so the order is what make will see. Another time is
    kept. An existing file is replaced, also by the same content.

    Raises WriteBackError, which names the path: it would be reached through a symlink; it is one that jobs do
    not see (version control, our own files); a directory that goes holds such files; a file would be setuid;
    the system refuses. BadOutput: it does not lie below the root, the content is not what was announced, or what
    is said of it makes no sense. No temporary file is left, and unless the system refused in the last step nothing
    has changed.
    """
    selection = selection or Selection()
    for output in outputs:
        _check(output.entry, selection)
    _check_together(outputs)
    with _opened_root(root) as root_fd:
        batch = _Batch(root, root_fd, outputs, selection)
        try:
            batch.check_removals()
            batch.prepare()
            return batch.commit()
        finally:
            batch.clean()


def set_attributes(root: bytes, entry: Entry, selection: Selection | None = None) -> None:
    """Give the file at an entry's path below `root` the entry's mode and time; its content stays what it is.

    A file that is gone meanwhile is no error. Raises WriteBackError as `write_outputs` does.
    """
    if entry.kind is not Kind.FILE:
        raise WriteBackError(entry.path, "only a file can be given the attributes of one")
    _check(entry, selection or Selection())
    if entry.kind is not Kind.FILE:
        raise BadOutput(entry.path, "a slave touched what is no file")
    with (
        _opened_root(root) as root_fd,
        _blame(entry.path),
        suppress(FileNotFoundError),
        parent_fd(root_fd, entry.path) as (parent, name),
    ):
        if kind_at(parent, name) != stat.S_IFREG:
            return
        # Held by a descriptor: a link may stand in the file's place before the next line.
        file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                held = f"/proc/self/fd/{file}"
                os.chmod(held, entry.mode)
                os.utime(held, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(file)


def _check(entry: Entry, selection: Selection) -> None:
    try:
        components(entry.path)
    except BadPath as error:
        raise BadOutput(entry.path, "a slave sent a path that does not lie below the root") from error
    if entry.mode & ~0o7777:
        raise BadOutput(entry.path, f"a slave sent the mode {entry.mode:o}, which no file has")
    if entry.kind is Kind.SYMLINK and (not entry.link or b"\0" in entry.link):
        raise BadOutput(entry.path, "a slave sent a symbolic link that no file system holds")
    if selection.hides(entry.path, entry.kind is Kind.DIRECTORY):
        raise WriteBackError(entry.path, "jobs on slaves do not see this path, and may not write it")
    # A directory may be setgid, and then is none here: see _set_mode.
    if entry.kind is not Kind.DIRECTORY and entry.mode & (stat.S_ISUID | stat.S_ISGID):
        raise WriteBackError(entry.path, "a slave sent a setuid or setgid file")


def _check_together(outputs: Sequence[Output]) -> None:
    """Raise BadOutput where one output cannot be there if another is; nothing of either is written then."""
    kinds: dict[bytes, Kind] = {}
    for output in outputs:
        entry = output.entry
        if kinds.get(entry.path, Kind.GONE) is not Kind.GONE:
            raise BadOutput(entry.path, "a slave sent it twice")
        kinds[entry.path] = entry.kind  # what was replaced by another kind is first GONE
    for path, kind in kinds.items():
        above = parent_of(path)
        while kind is not Kind.GONE and above:
            if kinds.get(above, Kind.DIRECTORY) is not Kind.DIRECTORY:
                raise BadOutput(path, f"a slave sent it, and that there is no directory '{shown(above)}' to hold it")
            above = parent_of(above)


@contextmanager
def _opened_root(root: bytes) -> Iterator[int]:
    try:
        fd = os.open(root, OPEN_DIRECTORY)
    except OSError as error:
        raise WriteBackError(root, os.strerror(error.errno or errno.EIO)) from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _blame(path: bytes) -> Iterator[None]:
    """Turn what goes wrong at a path into a WriteBackError that names it."""
    try:
        yield
    except BadPath as error:
        raise WriteBackError(path, "it would be reached through something that is not a directory") from error
    except OSError as error:
        raise WriteBackError(path, os.strerror(error.errno or errno.EIO)) from error


class _Batch:
    """The outputs of one job on their way into one tree."""

    def __init__(self, root: bytes, root_fd: int, outputs: Sequence[Output], selection: Selection) -> None:
        self._root = root
        self._root_fd = root_fd
        self._outputs = outputs
        self._selection = selection
        self._ready: list[_Ready] = []
        # Where there is no directory now that will be there when files are moved in.
        self._unsteady = {o.entry.path for o in outputs if o.entry.kind is not Kind.DIRECTORY or not self._is(o)}
        self._held: tuple[bytes, int] | None = None  # the directory that was last opened by `_parent`

    def _is(self, output: Output) -> bool:
        """Whether a directory that the job has made or changed is one here already."""
        with suppress(OSError, BadPath), parent_fd(self._root_fd, output.entry.path) as (parent, name):
            return kind_at(parent, name) == stat.S_IFDIR
        return False

    def _is_unsteady(self, path: bytes) -> bool:
        while path and path not in self._unsteady:
            path = parent_of(path)
        return bool(path)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        """As `open_parent`, of what lies in a directory that is there and stays; held until another is wanted."""
        directory = parent_of(path)
        if self._held is not None and self._held[0] == directory:
            return self._held[1], path.rpartition(b"/")[2]
        self._let_go()
        fd, name = open_parent(self._root_fd, path)
        self._held = directory, fd
        return fd, name

    def _let_go(self) -> None:
        if self._held is not None and self._held[1] != self._root_fd:
            os.close(self._held[1])
        self._held = None

    # ---- Before anything changes ---------------------------------------------------------------------------

    def check_removals(self) -> None:
        """Refuse to remove a directory that holds what the job could not see."""
        for output in self._outputs:
            path = output.entry.path
            if output.entry.kind is Kind.DIRECTORY or self._is_unsteady(parent_of(path)):
                continue
            with _blame(path), suppress(FileNotFoundError):
                parent, name = self._parent(path)
                if kind_at(parent, name) == stat.S_IFDIR and self._holds_unseen(path):
                    raise WriteBackError(path, _UNSEEN)

    def _holds_unseen(self, path: bytes) -> bool:
        skip = len(self._root.rstrip(b"/")) + 1
        for directory, names, files in os.walk(os.path.join(self._root, path)):
            for name in names + files:
                absolute = os.path.join(directory, name)
                if self._selection.hides(absolute[skip:], name in names):
                    return True
            for name in files:
                file = os.path.join(directory, name)
                status = os.lstat(file)
                if not stat.S_ISLNK(status.st_mode) and not self._selection.lists_file(file, status):
                    return True
        return False

    def prepare(self) -> None:
        """Write all content to temporary files."""
        for output in self._outputs:
            entry = output.entry
            if entry.kind in (Kind.FILE, Kind.SYMLINK):
                with _blame(entry.path):
                    place = self._place(entry.path)
                    temp = TEMP_PREFIX + b"%d-%d" % (os.getpid(), next(_serial))
                    path = place + b"/" + temp if place else temp
                    directory, _ = self._parent(path)
                    self._ready.append(_Ready(output, place, temp, path, _fill(directory, temp, output)))

    def _place(self, path: bytes) -> bytes:
        """The nearest directory on the way to `path` that is there now and will still be."""
        place = parent_of(path)
        while self._is_unsteady(place):
            place = parent_of(place)
        return place

    # ---- The changes ---------------------------------------------------------------------------------------

    def commit(self) -> list[Written]:
        """Remove, make directories, move files in, set the modes of directories."""
        gone = [o.entry.path for o in self._outputs if o.entry.kind is Kind.GONE]
        for path in sorted(gone, reverse=True):
            with _blame(path), suppress(FileNotFoundError), parent_fd(self._root_fd, path) as (parent, name):
                remove(parent, name)
        directories = [o.entry for o in self._outputs if o.entry.kind is Kind.DIRECTORY]
        directories.sort(key=lambda entry: entry.path)
        for entry in directories:
            with _blame(entry.path), parent_fd(self._root_fd, entry.path) as (parent, name):
                if kind_at(parent, name) != stat.S_IFDIR:
                    remove(parent, name)
                    os.mkdir(name, entry.mode & 0o777 | 0o700, dir_fd=parent)
        written = []
        while self._ready:
            done = self._move_in(self._ready[0])
            del self._ready[0]
            if done is not None:
                written.append(done)
        for entry in reversed(directories):
            with _blame(entry.path), parent_fd(self._root_fd, entry.path) as (parent, name):
                _set_mode(parent, name, entry.mode)
        return written

    def _move_in(self, ready: _Ready) -> Written | None:
        entry = ready.output.entry
        with _blame(entry.path):
            source, _ = self._parent(ready.path)
            if parent_of(entry.path) == ready.place:
                status = _rename(source, ready.temp, source, entry.path.rpartition(b"/")[2])
            else:
                with parent_fd(self._root_fd, entry.path) as (target, name):
                    status = _rename(source, ready.temp, target, name)
        if entry.kind is not Kind.FILE or status.st_ino != ready.inode:
            return None
        here = Entry(
            entry.path,
            Kind.FILE,
            stat.S_IMODE(status.st_mode),
            status.st_mtime_ns,
            status.st_size,
            entry.digest,
        )
        return Written(here, stamp_of(status))

    def clean(self) -> None:
        """Remove temporary files that were not moved, and let go of the directory."""
        for ready in self._ready:
            with suppress(OSError, BadPath):
                directory, name = self._parent(ready.path)
                os.unlink(name, dir_fd=directory)
        self._ready.clear()
        self._let_go()


def _rename(source: int, temp: bytes, target: int, name: bytes) -> os.stat_result:
    """Move a temporary file to its place; returns the status of what lies there then."""
    try:
        before = os.lstat(name, dir_fd=target)
    except FileNotFoundError:
        before = None
    if before is not None and stat.S_ISDIR(before.st_mode):
        remove(target, name)
    elif before is not None and os.geteuid() == 0:
        # Written in place, as the job did it, the file would have kept its owner.
        os.chown(temp, before.st_uid, before.st_gid, dir_fd=source, follow_symlinks=False)
    os.rename(temp, name, src_dir_fd=source, dst_dir_fd=target)
    return os.lstat(name, dir_fd=target)


def _set_mode(parent: int, name: bytes, mode: int) -> None:
    fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
    try:
        here = stat.S_IMODE(os.fstat(fd).st_mode)
        if here & ~stat.S_ISGID != mode & ~stat.S_ISGID:
            os.fchmod(fd, mode & ~stat.S_ISGID | here & stat.S_ISGID)  # a group is inherited here, not on a slave
    finally:
        os.close(fd)


def _fill(directory: int, temp: bytes, output: Output) -> int:
    """Make the temporary file or symlink `temp`, complete with mode and time; returns its inode number."""
    entry = output.entry
    times = (entry.mtime_ns, entry.mtime_ns)
    if entry.kind is Kind.SYMLINK:
        os.symlink(entry.link, temp, dir_fd=directory)
        if entry.mtime_ns:
            os.utime(temp, ns=times, dir_fd=directory, follow_symlinks=False)
        return os.lstat(temp, dir_fd=directory).st_ino
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temp, flags, 0o600, dir_fd=directory)
    try:
        state, size = hashlib.sha256(), 0
        for piece in _content(output):
            state.update(piece)
            size += len(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(fd, rest) :]
        if size != entry.size or (entry.digest and state.digest() != entry.digest):
            raise BadOutput(entry.path, f"its content of {size} bytes is not what the slave announced")
        os.fchmod(fd, entry.mode)
        if entry.mtime_ns:
            os.utime(fd, ns=times)
        return os.fstat(fd).st_ino
    except BaseException:
        os.unlink(temp, dir_fd=directory)
        raise
    finally:
        os.close(fd)


def _content(output: Output) -> Iterator[bytes]:
    if not output.spool:
        yield output.data
        return
    with open(output.spool, "rb") as file:
        while data := file.read(_CHUNK):
            yield data
