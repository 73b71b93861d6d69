"""Bringing a mirror to the newest version of a layer: pages of changes, the content they need, the tree."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from dgcc.store.entry import Entry, Page
from dgcc.store.errors import BadVersion, StoreError, shown
from dgcc.store.mirror import Mirror
from dgcc.store.pull import BlobSource, pull_what_there_is

log = logging.getLogger(__name__)

_ROUNDS = 4
# Of one answer to "what has changed": a source that never comes to an end would fill this host.
_MOST_PAGES = 20_000
_MOST_ENTRIES = 5_000_000
_PAUSE_S = 0.02


class LayerSource(BlobSource, Protocol):
    """Who has layers and their content; `wire.RemoteSource` is one."""

    def changes(self, layer: str, since: int) -> Page:
        """As DGCC::Source::changes."""


class Followed(Struct, frozen=True):
    """The version that a mirror has reached, and the bytes of content received on the way."""

    version: int
    received: int


def follow(
    source: LayerSource, layer: str, mirror: Mirror, since: int, pause: Callable[[float], None] = time.sleep
) -> Followed:
    """Bring `mirror`, which is at version `since` of `layer` (0: at none), to the newest version.

    Nothing is fetched for withheld files. A file that changes while it is fetched is asked for again, in its new
    version. If it will not come to rest it is left out, with a word in the log: no other job has to wait for it.
    Raises what the source raises, BadPath, BadDigest, BadVersion, OSError; the mirror is then to be followed from
    0 again.
    """
    if since == 0:
        mirror.begin_full()
    version, received, rounds, pages, told = since, 0, 0, 0, 0
    absent: dict[bytes, Entry] = {}
    while True:
        page = source.changes(layer, version)
        if not version <= page.upto <= page.latest or (page.upto == version and page.latest > version):
            raise BadVersion(
                f"asked for changes of {layer} since {version}, got a page up to {page.upto} of {page.latest}"
            )
        pages, told = pages + 1, told + len(page.entries)
        if pages > _MOST_PAGES or told > _MOST_ENTRIES:
            raise BadVersion(f"{layer} has no end: after {pages} pages the source is at {page.upto} of {page.latest}")
        entries = {**absent, **{entry.path: entry for entry in page.entries}}
        absent, came = _take_in(source, mirror, list(entries.values()))
        received += came
        version = page.upto
        if version < page.latest:
            continue
        if not absent or (rounds := rounds + 1) >= _ROUNDS:
            break
        pause(_PAUSE_S)
    for path in absent:
        log.warning("%s keeps changing and is left out for now", shown(path))
    if since == 0:
        mirror.end_full()
    return Followed(version, received)


def _take_in(source: LayerSource, mirror: Mirror, entries: list[Entry]) -> tuple[dict[bytes, Entry], int]:
    """Fetch and lay out; returns what nobody has content for any more, and the bytes received."""
    received = 0
    absent: dict[bytes, Entry] = {}
    with mirror.blobs.hold(entry.digest for entry in entries if entry.digest):
        for _ in range(_ROUNDS):
            pulled = pull_what_there_is(source, entries, mirror.blobs)
            received += pulled.received
            failed = mirror.apply(entries)
            absent.update((entry.path, entry) for entry in failed if entry.digest in pulled.lost)
            # The rest went bad in the store since an earlier build: it was dropped there, so fetch it again.
            entries = [entry for entry in failed if entry.digest not in pulled.lost]
            if not entries:
                return absent, received
    raise StoreError(f"{shown(entries[0].path)} goes bad on the disk of this slave while it is laid out")
