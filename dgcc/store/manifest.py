"""What a mirror holds, kept on disk between sessions: path -> entry.

The file is taken away when it is read and written anew at a clean end, so that after a crash there is none
and the mirror is not believed.
"""

import json
import os
from pathlib import Path

from dgcc.store.entry import Entry, Kind

_FORMAT = "dgcc-manifest-1"


def written_at(path: Path) -> int:
    """When the manifest came to be there, by the file system's clock in nanoseconds; 0 if there is none."""
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0


def take(path: Path) -> dict[bytes, Entry] | None:
    """Read the manifest and remove its file; None if there is none, or none that makes sense."""
    known = read(path)
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return None
    return known


def read(path: Path) -> dict[bytes, Entry] | None:
    """Read the manifest; None if there is none, or none that makes sense."""
    try:
        form, rows = json.loads(path.read_bytes())
        if form != _FORMAT:
            return None
        # latin-1 gives every byte a character, so any path survives JSON.
        return {
            (key := name.encode("latin-1")): Entry(
                key, Kind(kind), mode, mtime_ns, size, bytes.fromhex(digest), link.encode("latin-1")
            )
            for name, kind, mode, mtime_ns, size, digest, link in rows
        }
    except (ValueError, TypeError, AttributeError, OSError, RecursionError):
        return None


def write(path: Path, entries: dict[bytes, Entry]) -> None:
    """Write the manifest. Raises OSError."""
    rows = [
        (
            e.path.decode("latin-1"),
            e.kind.value,
            e.mode,
            e.mtime_ns,
            e.size,
            e.digest.hex(),
            e.link.decode("latin-1"),
        )
        for e in entries.values()
    ]
    temp = path.with_suffix(".new")
    temp.write_bytes(json.dumps([_FORMAT, rows], separators=(",", ":")).encode())
    os.replace(temp, path)
