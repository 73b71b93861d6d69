"""Environments that farms of this test run have brought to their slaves, for the next farm to start with.

Each test has a farm of its own, with empty stores; without this, each would copy a whole toolchain first.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_kept: dict[tuple[int | None, int], Path] = {}  # by the user who runs the farm, and the file system


def _place(user: int | None, near: Path) -> Path:
    """The directory for a user's farms, on the file system of `near`: hard links do not lead to another one."""
    key = (user, near.stat().st_dev)
    if key not in _kept:
        same = Path(tempfile.gettempdir())
        base = same if same.stat().st_dev == key[1] else near
        _kept[key] = Path(tempfile.mkdtemp(prefix="dgcc-test-environments-", dir=base))
        _kept[key].chmod(0o755)
        atexit.register(shutil.rmtree, _kept[key], ignore_errors=True)
    return _kept[key]


def warm(directory: Path, name: str, user: int | None) -> None:
    """Put what is kept into the store of slave `name`, and into the master's cache, of the farm in `directory`."""
    kept = _place(user, directory)
    environments = directory / "store" / name / "environments"
    cache = directory / "cache" / "dgcc"
    for source, target in ((kept / "environments", environments), (kept / "cache", cache)):
        if source.exists() and not target.exists():
            for parent in (*reversed(target.relative_to(directory).parents), Path()):
                made = directory / parent
                if not made.exists():
                    made.mkdir()
                    if user is not None and os.geteuid() == 0:
                        os.chown(made, user, user)
            linked = "-al" if target is environments else "-a"
            subprocess.run(["cp", linked, f"{source}/.", str(target)], check=True)
            # A link more changes a file's inode, which a slave takes for a sign of damage unless this is newer.
            for size in target.glob("*/size"):
                os.utime(size)


def keep(directory: Path, user: int | None) -> None:
    """Keep the environments that the slaves of an ended farm have complete, and what its masters know of compilers."""
    kept = _place(user, directory)
    for complete in directory.glob("store/*/environments/*/complete"):
        target = kept / "environments" / complete.parent.name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "-al", str(complete.parent), str(target)], check=True)
    cache = directory / "cache" / "dgcc"
    if (cache / "answers").exists() and not (kept / "cache").exists():
        (kept / "cache").mkdir()
        for name in ("answers", "digests.sqlite"):
            subprocess.run(["cp", "-a", str(cache / name), str(kept / "cache")], check=True)
