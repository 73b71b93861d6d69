"""Takes a slave's result home: fetches large outputs, writes all of them into the project's trees."""

import hashlib
import itertools
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dgcc.corba import DGCC
from dgcc.master.failures import ProtocolFailed
from dgcc.master.registry import SlaveLink
from dgcc.master.trees import Trees
from dgcc.store.ahead import ahead
from dgcc.store.descent import components
from dgcc.store.digests import TICK_NS
from dgcc.store.entry import Entry, Kind, Output
from dgcc.store.errors import BadDigest, BadOutput, StoreError, WriteBackError, shown
from dgcc.store.packing import unpack
from dgcc.store.wire import entry_from_wire
from dgcc.store.writeback import set_attributes, write_outputs

_CLOCK_REALTIME_COARSE = 5  # linux/time.h; Python has no name for it
_AFTER_NS = 1_000_000_000  # a slave's clock may be set while a job runs


# What a job may have written in all, in bytes and in files: no slave may fill this machine's disk, or hold the loop up.
_MOST_OUTPUT = 4 << 30
# The largest values that a Result may have, by member.
_MOST = {"exit_code": 255, "signal_": 64, "cpu_s": 1e9, "wall_s": 1e9, "started_ns": 1 << 62}
_MOST_PRINTED = 32 << 20  # bytes; the slave's own bound is the same
_MOST_FILES = 200_000  # the slave's own bound is the same
_TROUBLE_MAX = 4096


class HomeTrouble(Exception):
    """This machine cannot take a result over, as when its disk is full; the message says why."""


def checked(result: Any) -> Any:
    """A DGCC.Result as it came; or, where it makes no sense, one that says so: a failure of the protocol.

    From here on numbers are in their ranges, outputs lie below their roots, each once and not compressed, and `trouble`
    can be printed.
    """
    try:
        _check(result)
        for output in result.files:
            if output.compressed:
                output.data, output.compressed = unpack(output.data, output.what.size), False
    except (ProtocolFailed, StoreError) as error:
        return DGCC.Result(result.id, DGCC.PROTOCOL_FAILED, f"its result makes no sense: {error}", 0, 0, 0.0, 0.0, 0,
                           result.started_ns, 0, [], [])  # fmt: skip
    result.trouble = printable(result.trouble, _TROUBLE_MAX)
    return result


def printable(text: str, longest: int) -> str:
    """What a peer said, as it may be shown on a terminal."""
    return shown(text[:longest].encode("utf-8", "backslashreplace"))


def _check(result: Any) -> None:
    for name, most in _MOST.items():
        value = getattr(result, name)
        if not 0 <= value <= most:  # nor a NaN
            raise ProtocolFailed(f"its {name} is {value}")
    if any(chunk.fd not in (1, 2) for chunk in result.stdio):
        raise ProtocolFailed("it has output for a descriptor other than stdout and stderr")
    printed = sum(len(chunk.data) for chunk in result.stdio)
    if printed > _MOST_PRINTED:
        raise ProtocolFailed(f"it has {printed >> 20} MiB of the job's messages, more than {_MOST_PRINTED >> 20}")
    if len(result.files) > _MOST_FILES:
        raise ProtocolFailed(f"it announced {len(result.files)} outputs, more than {_MOST_FILES}")
    announced = sum(output.what.size for output in result.files)
    if announced > _MOST_OUTPUT:
        raise ProtocolFailed(f"it announced {announced >> 20} MiB of output, more than {_MOST_OUTPUT >> 20}")
    if sum(output.what.size for output in result.files if output.data) > DGCC.PIECE:
        raise ProtocolFailed(f"it has more than {DGCC.PIECE} bytes of content that should have been left to be fetched")
    paths = set()
    for output in result.files:
        path, size = output.what.path, len(output.data)
        components(path)
        entry = entry_from_wire(output.what)
        place = output.root, path, entry.kind is Kind.GONE  # a directory that became a file goes, and comes
        if place in paths:
            raise ProtocolFailed(f"it has '{shown(path)}' twice")
        paths.add(place)
        sound = size in (0, entry.size) or output.compressed
        if (entry.kind is not Kind.FILE and (size or entry.size or output.touched)) or not sound:
            raise ProtocolFailed(f"'{shown(path)}' comes with {size} bytes, as a {entry.kind.value} of {entry.size}")


def is_large(output: Any) -> bool:
    """Whether the content of a DGCC.Output stayed on the slave."""
    return bool(not output.data and output.what.size and not output.touched)


def check_complete(result: Any, expected: Iterable[bytes]) -> None:
    """Raise ProtocolFailed where a job that is said to have succeeded lacks one of its `expected` outputs.

    They are absolute; a link on the way to one leads the job elsewhere, as it would here.
    """
    brought = {os.path.join(output.root, output.what.path) for output in result.files if output.what.kind != DGCC.GONE}
    for path in expected:
        if path not in brought and os.path.realpath(path) not in brought:
            raise ProtocolFailed(f"it says that the job succeeded, and brought no '{shown(path)}'")


def fetch_large(link: SlaveLink, result: Any, directory: Path) -> dict[int, Path]:
    """Fetch what was too large for the result, in pieces, into files in `directory`: index in `files` -> path.

    Blocks; raises ProtocolFailed for content that is not what the result announces, HomeTrouble where it has no
    room here, CORBA.Exception.
    """
    place = os.statvfs(directory)
    announced = sum(output.what.size for output in result.files if is_large(output))
    if announced > place.f_bavail * place.f_frsize:
        raise HomeTrouble(f"there are {announced} bytes of outputs, and {directory} has no room for them")
    fetched: dict[int, Path] = {}
    try:
        large = [(index, output.what) for index, output in enumerate(result.files) if is_large(output)]
        calls = (
            partial(_piece, link, result.id, index, what, at)
            for index, what in large for at in range(0, what.size, DGCC.PIECE)
        )  # fmt: skip
        with closing(ahead(calls)) as pieces:
            for index, what in large:
                handle, name = tempfile.mkstemp(prefix="output-", dir=directory)
                fetched[index] = Path(name)
                with os.fdopen(handle, "wb") as file:
                    _assemble(pieces, what, file)
        link.bulk.release(link.lease, result.id)
    except BaseException as error:
        for path in fetched.values():
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise HomeTrouble(f"its outputs have no place in {directory}: {error.strerror}") from error
        raise
    return fetched


def _piece(link: SlaveLink, job: int, index: int, what: Any, at: int) -> bytes:
    """Fetch a piece of an output, whole. Raises ProtocolFailed, CORBA.Exception."""
    wanted = min(DGCC.PIECE, what.size - at)
    packed = link.bulk.output(link.lease, job, index, at, wanted)
    try:
        piece = unpack(packed.data, wanted) if packed.compressed else bytes(packed.data)
    except BadDigest as error:
        raise ProtocolFailed(f"'{shown(what.path)}': {error}") from error
    if len(piece) != wanted:  # else a slave could drip for as long as it likes
        raise _other_content(what)
    return piece


def _assemble(pieces: Iterator[bytes], what: Any, file: Any) -> None:
    digest = hashlib.sha256()
    for piece in itertools.islice(pieces, -(-what.size // DGCC.PIECE)):
        digest.update(piece)
        file.write(piece)
    if digest.digest() != what.digest:
        raise _other_content(what)


def _other_content(what: Any) -> ProtocolFailed:
    return ProtocolFailed(f"it sent other content for '{shown(what.path)}' than it announced")


def file_clock_ns() -> int:
    """The time that a file gets which is written now: the kernel stamps files with a coarse clock."""
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def take_result(
    trees: Trees, result: Any, large: Mapping[int, Path], seen: Mapping[bytes, int], sent_ns: int
) -> None:
    """Write a result's outputs. `seen`: which version of each root the job saw at least.

    `sent_ns`: the job was sent then, by `file_clock_ns`, and what it wrote gets that time.

    Raises ProtocolFailed or HomeTrouble. Nothing has been written then, unless the system refused in the middle.
    """
    outputs: dict[bytes, list[Output]] = {}
    touched: dict[bytes, list[Entry]] = {}
    # What the job wrote gets the time at which it was sent, by this machine's clock: all its prerequisites are older,
    # and a source that was edited since, which the job may not have seen, is newer. All of it gets the same, so that
    # make finds none of it older than another. A time that the job set on purpose, before or after its run, is kept.
    run = range(result.started_ns - TICK_NS, result.started_ns + int(result.wall_s * 1e9) + _AFTER_NS)
    # `write_outputs` sees to it as well, before it changes anything; but it knows of one root, and goes by a digest.
    several = len({output.root for output in result.files}) > 1
    for index, output in enumerate(result.files):
        try:
            entry = entry_from_wire(output.what)
        except StoreError as error:
            raise ProtocolFailed(str(error)) from error
        if trees.layer_of(output.root) is None:
            raise ProtocolFailed(f"it wrote below '{shown(output.root)}', which is none of the roots")
        if entry.kind in (Kind.FILE, Kind.SYMLINK) and entry.mtime_ns in run:
            entry = replace(entry, mtime_ns=sent_ns)
        if output.touched:
            touched.setdefault(output.root, []).append(entry)
            continue
        unsure = (several or not entry.digest) and index not in large and entry.size
        if unsure and hashlib.sha256(output.data).digest() != entry.digest:
            raise ProtocolFailed(f"the content of '{shown(entry.path)}' is not what it announced")
        spool = os.fsencode(large[index]) if index in large else b""
        outputs.setdefault(output.root, []).append(Output(entry, output.data, spool))
    for root in {**outputs, **touched}:
        layer = trees.layer_of(root)
        assert layer is not None
        try:
            for entry, stamp in write_outputs(root, outputs.get(root, ()), layer.selection):
                layer.written(entry, stamp)
            for entry in touched.get(root, ()):
                # Mode and time alone: whoever edits the file at this moment must not lose the edit.
                set_attributes(layer.root, entry, layer.selection)
        except BadOutput as error:
            raise ProtocolFailed(str(error)) from error
        except WriteBackError as error:
            trees.refresh()
            if 0 < layer.way_closed_since(error.path) <= seen.get(root, 0):
                raise ProtocolFailed(f"{error}, as the job could see") from error
            raise HomeTrouble(f"outputs cannot be written: {error}") from error
        except (StoreError, OSError) as error:
            raise HomeTrouble(f"outputs cannot be written: {error}") from error
