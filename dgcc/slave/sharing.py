"""The slave as a source of content for other slaves: the files of the environments that it has."""

from typing import Any

from dgcc.corba import DGCC, DGCC__POA
from dgcc.store.blobindex import BlobIndex
from dgcc.store.source import TreeSource
from dgcc.store.wire import blobs_to_wire, errors_to_wire
from dgcc.trust.guard import only
from dgcc.trust.tls import SLAVE

# Environments are fetched once by each slave, so there is little to gain from keeping much of it packed.
_HOT_BYTES = 16 << 20


@only(SLAVE)
class StoreServant(DGCC__POA.Source):
    """DGCC::Source without layers. Called on the ORB's threads."""

    def __init__(self, index: BlobIndex) -> None:
        self._tree = TreeSource([index], hot_bytes=_HOT_BYTES)

    def changes(self, layer: str, since: int) -> Any:
        """See the IDL."""
        raise DGCC.UnknownLayer(layer)

    def blobs(self, wanted: list[bytes]) -> Any:
        """See the IDL."""
        with errors_to_wire():
            return blobs_to_wire(self._tree.blobs(wanted))

    def piece(self, wanted: bytes, offset: int, count: int) -> Any:
        """See the IDL."""
        with errors_to_wire():
            return DGCC.Blob(*self._tree.packed_piece(wanted, offset, min(count, DGCC.PIECE)))
