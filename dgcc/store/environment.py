"""What an environment is called: a key over its content, the same on every machine that has the same files."""

import hashlib
from collections.abc import Iterable

from dgcc.store.entry import Entry

_LAYER = "environment/"


def environment_key(entries: Iterable[Entry]) -> bytes:
    """The SHA-256 digest, 32 bytes, of an environment's entries, whose paths are relative to "/".

    Over paths, kinds, permission bits, sizes, digests and links in order of path. Times do not count: two
    machines that were installed on different days have the same compiler.
    """
    state = hashlib.sha256(b"dgcc-environment-1\0")
    for entry in sorted(entries, key=lambda entry: entry.path):
        numbers = b"%d %d" % (entry.mode, entry.size)
        fields = (entry.path, entry.kind.name.encode(), numbers, entry.digest, entry.link)
        state.update(b"".join([b"%d:%b" % (len(field), field) for field in fields]))
    return state.digest()


def layer_name(key: bytes) -> str:
    """The name under which a Source gives the entries of the environment `key`."""
    return _LAYER + key.hex()


def key_of(layer: str) -> bytes | None:
    """The key in a name that `layer_name` made; None for any other layer."""
    if not layer.startswith(_LAYER):
        return None
    try:
        return bytes.fromhex(layer.removeprefix(_LAYER))
    except ValueError:
        return None
