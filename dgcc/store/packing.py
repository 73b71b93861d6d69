"""Content as it crosses the wire: one zstd frame where that is worth it, and back without trusting the frame."""

import threading

from dgcc.store.errors import BadDigest

_LEVEL = 1
_PACK_FROM = 128  # smaller content does not get smaller
# What a frame may make the reader set aside, in bytes: a little more than PIECE, as any compressor of one piece needs.
_WINDOW = 8 << 20

_own = threading.local()  # a compressor is not to be used by two threads at once


def pack(data: bytes) -> tuple[bool, bytes]:
    """Return whether it was compressed, and what is to be sent."""
    if len(data) >= _PACK_FROM:
        compressor = getattr(_own, "compressor", None)
        if compressor is None:
            import zstandard  # now, because what runs at home has no use for it

            compressor = _own.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        # The compressor's own answer lies in a buffer as large as the input; a copy is as small as it looks.
        packed = bytes(memoryview(compressor.compress(data)))
        if len(packed) < len(data) * 9 // 10:
            return True, packed
    return False, data


def unpack(data: bytes, size: int) -> bytes:
    """Decompress one zstd frame of `size` bytes, neither more nor less. Raises BadDigest."""
    import zstandard

    decompressor = getattr(_own, "decompressor", None)
    if decompressor is None:
        decompressor = _own.decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    try:
        # The frame's own word would otherwise decide how much memory is taken.
        if zstandard.frame_content_size(data) not in (-1, size):
            raise BadDigest(f"compressed content says it has other than {size} bytes")
        unpacked: bytes = decompressor.decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise BadDigest(f"compressed content cannot be read: {error}") from error
    return unpacked
