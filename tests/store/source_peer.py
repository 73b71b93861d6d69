"""A program that serves one tree as a DGCC::Source: prints its reference, ends when its stdin does."""

import sys
from pathlib import Path
from typing import Any

from store.treekit import Home

from dgcc.corba import DGCC__POA
from dgcc.naming.orb import start_orb
from dgcc.store.errors import UnknownLayer
from dgcc.store.wire import blobs_to_wire, errors_to_wire, page_to_wire


class Source(DGCC__POA.Source):
    """DGCC::Source over a Home, a page of few entries at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def changes(self, layer: str, since: int) -> Any:
        with errors_to_wire():
            if layer != self._home.layer.name:
                raise UnknownLayer(layer)
            return page_to_wire(self._home.changes(layer, since))

    def blobs(self, wanted: list[bytes]) -> Any:
        with errors_to_wire():
            return blobs_to_wire(self._home.blobs(wanted))

    def piece(self, wanted: bytes, offset: int, count: int) -> Any:
        with errors_to_wire():
            return blobs_to_wire([self._home.piece(wanted, offset, count)])[0]


def main() -> None:
    orb, poa = start_orb()
    home = Home(Path(sys.argv[1]), page_bytes=500)
    servant = Source(home)
    poa.activate_object(servant)
    print(orb.object_to_string(servant._this()), flush=True)
    sys.stdin.read()
    home.close()
    orb.destroy()


if __name__ == "__main__":
    main()
