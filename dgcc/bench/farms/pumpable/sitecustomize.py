"""Lets Debian 12's pump mode work: three functions of its C module fail with every Python since 3.10 ("PY_SSIZE_T_CLEAN
macro must be defined"), and without them it turns itself into plain distcc, file by file.

This directory is put into PYTHONPATH of the builds that are measured; Python imports this name by itself. What stands
in for the three is as quick as they are: system calls through os, and the same function of liblzo2.
"""

import contextlib
import ctypes
import os
import stat

_WORK = 16384 * ctypes.sizeof(ctypes.c_void_p)  # LZO1X_1_MEM_COMPRESS of lzo1x.h


def exists(path: str) -> bool:
    """Whether there is something at `path`."""
    return os.access(path, os.F_OK)


def is_file(path: str) -> bool:
    """Whether there is a regular file at `path`."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def compress(text: str) -> bytes:
    """LZO1X-1 of the bytes that `text` was read from, as latin-1."""
    data = text.encode("latin-1")
    lzo = ctypes.CDLL("liblzo2.so.2")
    out = ctypes.create_string_buffer(len(data) + len(data) // 16 + 64 + 3)  # lzo's own bound for the worst case
    size = ctypes.c_size_t(len(out))
    work = ctypes.create_string_buffer(_WORK)
    if lzo.lzo1x_1_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size), work):
        raise OSError("liblzo2 could not compress")
    return out.raw[: size.value]


with contextlib.suppress(ImportError):
    import distcc_pump_c_extensions as pump

    pump.OsPathExists, pump.OsPathIsFile, pump.CompressLzo1xAlloc = exists, is_file, compress
