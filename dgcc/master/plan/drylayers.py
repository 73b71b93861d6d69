"""What a dry run may write to, and nobody else sees."""

from collections.abc import Iterable

from dgcc.store.jail import Overlay

# A jail's own is empty, and there may be sources beside the project, as in a build outside of the source tree.
_TEMPORARY = b"/tmp"


def dry_layers(roots: Iterable[bytes]) -> tuple[Overlay, ...]:
    """The project, and what lies in /tmp, under layers of the dry run's own."""
    return tuple(Overlay(path, (path,)) for path in dict.fromkeys((*roots, _TEMPORARY)))
