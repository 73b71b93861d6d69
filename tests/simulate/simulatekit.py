"""Recordings and graphs made up for tests of the simulator."""

from pathlib import Path

from msgspec.structs import replace

from dgcc.master.recording import RecordedJob, Recording
from dgcc.simulate.graph import Graph, graph_of

# leveldb 1.23 (CMake, Release, without tests) and busybox 1.35.0 (defconfig), each by `dgcc-master --record` on a farm
# of one with two slots, on a busy machine: so they are replayed by CPU time. deep: `dgcc.simulate.deep --jobs 1500`.
RECORDINGS = Path(__file__).with_name("recordings")
_BLANK = RecordedJob(1, "/p", "t", "CC", True, (), 0, 0, 0, "", 1.0, 1.0, 0, 0, 0)


def recording(*jobs: dict[str, object], home: int = 2) -> Recording:
    """A recording of jobs, numbered from 1 in their order, each a dict of what is not as usual: remote, 1 s, alone."""
    made = [
        replace(_BLANK, **{"id": number, "order": number - 1, "target": f"t{number}", **job})  # type: ignore[arg-type]
        for number, job in enumerate(jobs, 1)
    ]
    return Recording(tuple(made), home=home)


def graph(*jobs: dict[str, object]) -> Graph:
    """The same as a graph."""
    return graph_of(recording(*jobs))
