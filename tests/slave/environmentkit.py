"""What tests of environments share: small systems to be made environments of, and pools to keep them in."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from slave.systemkit import OWNER, entries_of

from dgcc.slave.environments import EnvironmentPool
from dgcc.store.entry import Entry

LARGE = (1 << 20) + 12345


def make(root: Path, marker: str = "one") -> Path:
    """A small system with all that an environment can hold."""
    for name in ("usr/bin", "usr/include/deep/er", "etc"):
        (root / name).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/cc").write_bytes(os.urandom(16) * (LARGE // 16 + 1))
    (root / "usr/bin/cc").chmod(0o755)
    (root / "usr/bin/c++").symlink_to("cc")
    for number in range(20):
        (root / f"usr/include/deep/h{number}.h").write_text(f"// {number} {marker}\n" * (number * 40))
    (root / "etc/secret").write_text(marker)
    (root / "etc/secret").chmod(0o640)
    (root / "usr/include/deep/er").chmod(0o555)
    return root


def pool_at(
    top: Path, *, limit: int = 1 << 30, host: Path | None = None, clock: Callable[[], float] = time.monotonic
) -> EnvironmentPool:
    """A pool whose host has no files of its own, unless `host` is its root."""
    system = os.fsencode(host or top / "none")
    return EnvironmentPool(top / "pool", OWNER, limit, host=system, reach=lambda peer: peer, clock=clock)


def same(tree: Path, root: Path) -> bool:
    """Whether a laid out tree is that of `root`, to modes and times."""
    return sorted(entries_of(tree), key=path_of) == sorted(entries_of(root), key=path_of)


def path_of(entry: Entry) -> bytes:
    """To sort by."""
    return entry.path
