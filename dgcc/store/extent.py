"""How much a root holds, and where: for telling a developer what makes it so large."""

from collections import Counter
from collections.abc import Collection, Iterable

from dgcc.store.errors import TreeTooLarge, shown


def largest(paths: Iterable[bytes], count: int) -> list[tuple[bytes, int]]:
    """The `count` directories at the top of a tree that hold the most of these relative paths, with how many."""
    held = Counter(path.partition(b"/")[0] for path in paths if b"/" in path)
    return held.most_common(count)


def too_large(root: bytes, seen: Collection[bytes]) -> TreeTooLarge:
    """The error for a root of which so much has been seen that it is given up."""
    top = root.rstrip(b"/") + b"/"
    most = ", ".join(f"{shown(top + name)} ({held})" for name, held in largest(seen, 3))
    return TreeTooLarge(
        f"{shown(root)} holds too many files: {len(seen)} were counted before giving up"
        + (f", most of them in {most}" if most else "")
        + "; name a smaller root with --root, or list under `ignore` in dgcc.toml what builds do not need"
    )
