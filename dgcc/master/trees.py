"""The project's trees as the master sees them: one layer for each root, watched, and extra ones. On the loop."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from dgcc.corba import DGCC
from dgcc.master.escapes import Escapes
from dgcc.master.extras import Extra, Extras, own_places
from dgcc.master.mentions import Mentions, Outside
from dgcc.store.blobindex import BlobIndex
from dgcc.store.cache import DigestCache
from dgcc.store.entry import Kind
from dgcc.store.layer import Layer
from dgcc.store.selection import Selection
from dgcc.store.source import TreeSource
from dgcc.store.watch import Watch
from dgcc.store.wire import page_to_wire

_MANY_FILES = 200_000


class Trees:
    """All roots of one build."""

    def __init__(self, roots: tuple[bytes, ...], run: str, ignored: tuple[bytes, ...] = (),
                 indexes: Sequence[BlobIndex] = ()) -> None:  # fmt: skip
        """`run` names this run of this master, so that layers of two runs are never taken for each other.

        `ignored`: patterns of what is never mirrored. `indexes`: content that is served besides.
        """
        self.roots = roots
        self.ready = False
        self.bytes_sent = 0  # of pages, roughly
        self.owner = (os.geteuid(), os.getegid())  # whom jobs see themselves as
        self._watch = Watch()
        cache = DigestCache()
        self._layers = {
            f"{run}/{number}": Layer(root, f"{run}/{number}", cache=cache, watch=self._watch,
                                     selection=Selection(ignored=ignored, excluded=own_places()))
            for number, root in enumerate(roots)
        }  # fmt: skip
        self.extras = Extras(run, roots, cache)
        self._escapes = Escapes(roots)
        self._mentions = Mentions()
        self._seen = dict.fromkeys(self._layers, 0)  # versions that `_escapes` has been shown
        self.source = TreeSource([*(layer.blobs for layer in self._layers.values()), *indexes])

    def read(self) -> None:
        """Look at all trees; may take seconds. Call once, on any thread, before everything else.

        Raises store.WatchError.
        """
        for layer in self._layers.values():
            layer.scan()

    def unreasonable(self) -> list[str]:
        """Sentences about roots that are larger than anybody would want to watch and to send; after `read`."""
        found = []
        for layer in self._layers.values():
            files, size = layer.totals
            if files > _MANY_FILES:
                parts = ", ".join(f"'{os.fsdecode(name)}' ({count})" for name, count in layer.largest())
                found.append(
                    f"the root '{os.fsdecode(layer.root)}' has {files} files ({size / 1e9:.1f} GB), most in {parts}: "
                    "name a smaller one with --root, or leave parts out with 'ignore' in dgcc.toml"
                )
        return found

    def layer_of(self, root: bytes) -> Layer | None:
        """Return the layer of one of the project's roots."""
        return next((layer for layer in self._layers.values() if layer.root == root), None)

    def add_extra(self, extra: Extra) -> None:
        """Take in a directory outside the project that has been read."""
        self.extras.add(extra)
        self.source.add(extra.layer.blobs)

    def refresh(self) -> None:
        """Take in all that was written to the trees by processes that have ended."""
        dirty = self._watch.drain()
        for layer in self._layers.values():
            layer.refresh(dirty)
        self.extras.refresh()

    def led_out(self) -> tuple[bytes, ...]:
        """Where symbolic links of the trees lead that leave all roots, and that a compiler might follow.

        Of the trees as last refreshed. Directories outside the project that jobs have been given count as trees here.
        """
        for name, layer in (*self._layers.items(), *self.extras.layers.items()):
            while self._seen.setdefault(name, 0) < layer.version:
                page = layer.changes(self._seen[name])
                self._escapes.see(layer.root, page.entries)
                self._seen[name] = page.upto
        return self._escapes.targets

    def mentioned(self, inputs: Iterable[bytes]) -> Outside:
        """What sources ask about outside all trees and nobody would miss; `inputs`, absolute, are read before."""
        self.refresh()
        extras = self.extras.layers.values()
        _include(inputs, (*self._layers.values(), *extras))
        return self._mentions.look(self._layers.values(), extras)

    def ignored(self, inputs: Iterable[bytes]) -> bytes | None:
        """Return the first of these absolute paths that the project's `ignore` keeps off the wire, or None."""
        for absolute in inputs:
            for layer in self._layers.values():
                path = layer.relative(absolute)
                if path is not None and layer.ignored(path):
                    return absolute
        return None

    def offers(self, absolute: bytes) -> bool:
        """Whether a job sees the content of what lies at an absolute path of a layer."""
        for layer in (*self._layers.values(), *self.extras.layers.values()):
            path = layer.relative(absolute)
            entry = layer.get(path) if path is not None else None
            if entry is not None:
                return entry.kind is not Kind.FILE or bool(entry.digest)
        return False

    def lists(self, absolute: bytes) -> bool:
        """Whether jobs see that a file is at an absolute path of a layer, be it withheld or not."""
        for layer in (*self._layers.values(), *self.extras.layers.values()):
            path = layer.relative(absolute)
            entry = layer.get(path) if path is not None else None
            if entry is not None and entry.kind is Kind.FILE:
                return True
        return False

    def needs(self, extras: Iterable[str] = ()) -> list[Any]:
        """Return what a job must see (DGCC.LayerNeed) that is sent now, right after `mentioned` was told its inputs."""
        others = self.extras.layers
        chosen = {**self._layers, **{name: others[name] for name in extras}}
        return [DGCC.LayerNeed(name, v.root, v.version, name in self._layers) for name, v in chosen.items()]

    def changes(self, name: str, since: int) -> Any:
        """Return a DGCC.Page of a layer. Raises DGCC.UnknownLayer."""
        layer = self._layers.get(name) or self.extras.layers.get(name)
        if layer is None:
            raise DGCC.UnknownLayer(name)
        self.refresh()
        page = layer.changes(since)
        self.bytes_sent += sum(80 + len(e.path) + len(e.link) for e in page.entries)
        return page_to_wire(page)

    def close(self) -> None:
        """Keep what was learned for the next build; stop watching."""
        if self.ready:
            for layer in self._layers.values():
                layer.save()
        self.extras.close()
        self._watch.close()


def _include(inputs: Iterable[bytes], layers: Iterable[Layer]) -> None:
    """Make absolute paths part of the layers in which they lie."""
    named = tuple(inputs)
    for layer in layers:
        for absolute in named:
            path = layer.relative(absolute)
            if path is not None:
                layer.include(path)
