"""Compares the outputs of a remote job with what the same command, run at home, has left on the disk."""

import contextlib
import io
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from dgcc.master.compare.content import first_difference
from dgcc.store.entry import Kind
from dgcc.store.wire import entry_from_wire


class Made(Struct, frozen=True):
    """What a remote job made of one absolute path; its content is `data`, or that of the file `spool`.

    kind: GONE if it removed what was there. mode: permission bits. touched: only mode or time are new.
    """

    path: bytes
    kind: Kind
    mode: int = 0
    data: bytes = b""
    spool: bytes = b""
    link: bytes = b""
    touched: bool = False


class Difference(Struct, frozen=True):
    """How something came out otherwise at home. path: absolute; empty for what is no file. where: for people."""

    path: bytes
    where: str


def made_of(result: Any, large: Mapping[int, Path]) -> list[Made]:
    """Return the outputs of a DGCC.Result; `large` has the files of those that were fetched, by their index."""
    made = []
    for index, output in enumerate(result.files):
        entry = entry_from_wire(output.what)
        spool = os.fsencode(large[index]) if index in large else b""
        made.append(Made(os.path.join(output.root, entry.path), entry.kind, entry.mode, bytes(output.data), spool,
                         entry.link, output.touched))  # fmt: skip
    return made


def differences(made: Iterable[Made], changed: Collection[bytes] = ()) -> list[Difference]:
    """Return how the disk differs from what a remote job `made`; times do not count.

    `changed` are the absolute paths, if they are known, that the command wrote or removed when it ran at home: one
    that the remote job left alone is a difference, too. Reads whole files, so call it beside the loop. Raises nothing:
    what cannot be read is a difference.
    """
    found = []
    known = set()
    for each in made:
        known.add(each.path)
        where = _difference(each)
        if where:
            found.append(Difference(each.path, where))
    for path in sorted(set(changed) - known):
        what = "was written" if os.path.lexists(path) else "was removed"
        found.append(Difference(path, f"{what} here, and left alone by the remote job"))
    return found


def _difference(made: Made) -> str:
    try:
        status = os.lstat(made.path)
    except (FileNotFoundError, NotADirectoryError):
        return "" if made.kind is Kind.GONE else "is missing here; the remote job made it"
    except OSError as error:
        return f"cannot be looked at here: {error.strerror}"
    kind = _kind(status.st_mode)
    if kind != _NAMES[made.kind]:
        return f"remote: {_NAMES[made.kind]}, here: {kind}"
    if made.kind is Kind.SYMLINK:
        link = os.readlink(made.path)
        return "" if link == made.link else f"remote it links to {_shown(made.link)}, here to {_shown(link)}"
    content = ""
    if made.kind is Kind.FILE and not made.touched:
        try:
            with _content(made) as remote, open(made.path, "rb") as home:
                content = first_difference(remote, home)
        except OSError as error:
            content = f"cannot be read: {error.strerror}"
    mode = stat.S_IMODE(status.st_mode)
    modes = f"remote mode {made.mode:04o}, here {mode:04o}" if mode != made.mode else ""
    return "; ".join(filter(None, (content, modes)))


_NAMES = {Kind.FILE: "a file", Kind.DIRECTORY: "a directory", Kind.SYMLINK: "a symbolic link", Kind.GONE: "nothing"}


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return _NAMES[Kind.FILE]
    if stat.S_ISDIR(mode):
        return _NAMES[Kind.DIRECTORY]
    return _NAMES[Kind.SYMLINK] if stat.S_ISLNK(mode) else "something else than a file"


def _content(made: Made) -> contextlib.AbstractContextManager[BinaryIO]:
    return open(made.spool, "rb") if made.spool else io.BytesIO(made.data)


def _shown(path: bytes) -> str:
    return f"'{path.decode(errors='backslashreplace')}'"


def ending(exit_code: int, signal: int, wait_status: int) -> Difference | None:
    """Compare how the remote command ended with the wait status of the one at home."""
    here = (0, os.WTERMSIG(wait_status)) if os.WIFSIGNALED(wait_status) else (os.WEXITSTATUS(wait_status), 0)
    if (exit_code, signal) == here:
        return None
    return Difference(b"", f"remote it ended with {_ended(exit_code, signal)}, here with {_ended(*here)}")


def _ended(exit_code: int, signal: int) -> str:
    return f"signal {signal}" if signal else f"exit code {exit_code}"


def printed(remote: bytes, home: bytes, what: str) -> Difference | None:
    """Compare what the command printed on `what`, such as "stderr"."""
    where = first_difference(io.BytesIO(remote), io.BytesIO(home))
    return Difference(b"", f"{what}: {where}") if where else None


def describe(difference: Difference, directory: bytes = b"") -> str:
    """Say it in one line, with the path relative to `directory` where it lies below."""
    path = difference.path
    if directory and path.startswith(directory.rstrip(b"/") + b"/"):
        path = path[len(directory.rstrip(b"/")) + 1:]
    return ": ".join(filter(None, (path.decode(errors="backslashreplace"), difference.where)))
