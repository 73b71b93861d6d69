"""The project's trees as the master sees them: one layer for each root, watched. Owned by the master's loop."""

import os
from collections.abc import Iterable
from typing import Any

from dgcc.corba import DGCC
from dgcc.master.escapes import Escapes
from dgcc.store.cache import DigestCache
from dgcc.store.layer import Layer
from dgcc.store.source import TreeSource
from dgcc.store.watch import Watch
from dgcc.store.wire import page_to_wire


class Trees:
    """All roots of one build."""

    def __init__(self, roots: tuple[bytes, ...], run: str) -> None:
        """`run` names this run of this master, so that layers of two runs are never taken for each other."""
        self.roots = roots
        self.ready = False
        self.bytes_sent = 0  # of pages, roughly
        self.owner = (os.geteuid(), os.getegid())  # whom jobs see themselves as
        self._watch = Watch()
        cache = DigestCache()
        self._layers = {
            f"{run}/{number}": Layer(root, f"{run}/{number}", cache=cache, watch=self._watch)
            for number, root in enumerate(roots)
        }
        self._escapes = Escapes(roots)
        self._seen = dict.fromkeys(self._layers, 0)  # versions that `_escapes` has been shown
        self.source = TreeSource([layer.blobs for layer in self._layers.values()])

    def read(self) -> None:
        """Look at all trees; may take seconds. Call once, on any thread, before everything else.

        Raises store.WatchError.
        """
        for layer in self._layers.values():
            layer.scan()

    def layer_of(self, root: bytes) -> Layer | None:
        """Return the layer of a root."""
        return next((layer for layer in self._layers.values() if layer.root == root), None)

    def refresh(self) -> None:
        """Take in all that was written to the trees by processes that have ended."""
        dirty = self._watch.drain()
        for layer in self._layers.values():
            layer.refresh(dirty)

    def hindrance(self) -> str:
        """Why nothing in the trees may travel, as a sentence; empty if nothing is in the way."""
        self.refresh()
        for name, layer in self._layers.items():
            while self._seen[name] < layer.version:
                page = layer.changes(self._seen[name])
                self._escapes.see(layer.root, page.entries)
                self._seen[name] = page.upto
        return self._escapes.reason()

    def needs(self, inputs: Iterable[bytes]) -> list[Any]:
        """Return what a job sent now must see (DGCC.LayerNeed), with `inputs`, absolute paths, among it."""
        self.refresh()
        named = list(inputs)
        for layer in self._layers.values():
            for path in (layer.relative(absolute) for absolute in named):
                if path is not None:
                    layer.include(path)
        return [DGCC.LayerNeed(name, layer.root, layer.version, True) for name, layer in self._layers.items()]

    def changes(self, name: str, since: int) -> Any:
        """Return a DGCC.Page of a layer. Raises DGCC.UnknownLayer."""
        layer = self._layers.get(name)
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
        self._watch.close()
