"""What the inodes of thousands of files say, looked at in one call of C, and kept to be compared with a later look."""

import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import dgcc
from dgcc.store.digests import Stamp

_LIBRARY = Path(dgcc.__file__).parent / "native" / "bin" / "libdgcc-look.so"
_LOOK = struct.Struct("=QQqqII")  # struct look of native/look.c: size, inode, mtime, ctime, mode, found


@cache
def _function() -> Callable[..., None]:
    function = ctypes.CDLL(os.fspath(_LIBRARY)).dgcc_look
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
    function.restype = None
    return function


def look(paths: Sequence[bytes]) -> bytes:
    """A record for each path, none of which has a 0 byte, one after the other.

    Equal records of a regular file or a symlink at two times mean equal content, if it was settled the first time
    (see dgcc.store.digests); of a directory, the same names in it. Of what is not there, a record is all zeros.
    """
    return look_again(b"\0".join((*paths, b"")), len(paths))


def look_again(joined: bytes, count: int) -> bytes:
    """As `look`, of `count` paths that are joined, each with a 0 byte behind it."""
    made = ctypes.create_string_buffer(count * _LOOK.size)
    _function()(joined, made, count)
    return made.raw


def stamps(records: bytes) -> Iterator[Stamp]:
    """The stamps of the files in the records of a look."""
    return (Stamp(size, mtime, ctime, inode) for size, inode, mtime, ctime, _, _ in _LOOK.iter_unpack(records))


def newest(records: bytes) -> int:
    """When the last of it was changed, by its times or its inode's: nanoseconds since 1970; 0 for nothing."""
    return max((max(mtime, ctime) for _, _, mtime, ctime, _, _ in _LOOK.iter_unpack(records)), default=0)
