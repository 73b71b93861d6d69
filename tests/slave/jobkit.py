"""A slave without its farm: jobs are run as a slave runs them, and layers are what the test says."""

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slave.systemkit import OWNER, Given, Need, entries_of

from dgcc.corba import DGCC
from dgcc.slave.environments import EnvironmentPool
from dgcc.slave.runner import Runner
from dgcc.slave.session import Running
from dgcc.store.blobs import BlobStore
from dgcc.store.entry import Entry, Kind
from dgcc.store.jaillimits import Limits, host_limits
from dgcc.store.mirror import Mirror
from dgcc.store.pull import pull
from dgcc.store.wire import entry_from_wire

HOME = b"/home/someone"
ENVIRONMENT = (b"PATH=/usr/bin:/bin", b"HOME=" + HOME, b"USER=someone", b"LC_ALL=C")


@dataclass
class Done:
    """What became of a job: its DGCC.Result, what it printed, its outputs by absolute path."""

    result: Any
    text: str
    outputs: dict[str, Entry] = field(default_factory=dict)


class Slave:
    """Runs jobs in the environments `systems`, topmost first."""

    host = "somewhere"

    def __init__(self, top: Path, *systems: Path, limits: Limits | None = None, niceness: int = 0) -> None:
        self.source = Given(*systems, page=1000)
        self.needs = [Need(key) for key in self.source.keys]
        self._top = top
        self._blobs = BlobStore(top / "blobs", 1 << 30)
        self._mirrors: dict[bytes, Mirror] = {}
        pool = EnvironmentPool(top / "environments", OWNER, 1 << 30, host=os.fsencode(top / "none"))
        self._runner = Runner(top / "jobs", OWNER, pool, limits or host_limits(2), niceness)

    def layer(self, root: bytes, content: Path, withheld: Sequence[bytes] = ()) -> None:
        """Have a layer at `root` with what is in the directory `content`; some files of it are withheld."""
        mirror = self._mirrors[root] = Mirror(self._top / f"mirror-{len(self._mirrors)}", self._blobs, owner=OWNER)
        entries = entries_of(content)
        pull(Given(content), entries, self._blobs)
        for entry in entries:
            if entry.path in withheld:
                entry = Entry(entry.path, Kind.FILE, entry.mode, entry.mtime_ns, entry.size)
            assert mirror.apply([entry]) == []

    def sync(self, need: Any) -> tuple[Mirror, int]:
        """As Session.sync."""
        return self._mirrors[need.root], 0

    def sh(self, script: str, cwd: bytes, readonly: Iterable[bytes] = (), **changed: Any) -> Done:
        """Run a shell script in the layers."""
        layers = [DGCC.LayerNeed("layer", root, 0, root not in readonly) for root in self._mirrors]
        job = DGCC.Job(1, b"/bin/sh", [b"sh", b"-c", script.encode()], cwd, list(ENVIRONMENT), 0o022, 1234, 1234,
                       True, False, False, 0, 0, 60, layers, self.needs, [])  # fmt: skip
        for name, value in changed.items():
            assert hasattr(job, name)
            setattr(job, name, value)
        result, scratch, _ = self._runner.run(self, job, Running(), threading.Lock())  # type: ignore[arg-type]
        if scratch is not None:
            self._runner.remove(scratch)
        outputs = {
            os.path.join(os.fsdecode(output.root), os.fsdecode(output.what.path)): entry_from_wire(output.what)
            for output in result.files
        }
        text = b"".join(bytes(chunk.data) for chunk in result.stdio).decode()
        return Done(result, text, outputs)

    def close(self) -> None:
        self._runner.close()
        self._blobs.close()
