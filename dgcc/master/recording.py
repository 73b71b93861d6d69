"""Recordings: what one build ran, in what order, on what conditions; for the simulator, and for whoever wants figures.

A recording is a text file of JSON lines in UTF-8, compressed by gzip if its name ends in ".gz". The first line is the
header, an object with these keys:

    dgcc_recording  1, the version of this format
    date            when the build ended, ISO 8601 with the zone
    machine         {"name", "system", "cpus"} of the master's host
    command         the driver and its arguments, a list
    slots           the slaves that took part and how many jobs each can run at once, an object; home is not in it
    home            how many recipes may run at home at once
    wall_s          from the start of the build to its end

Each line after it is one recipe command that ended, in the order in which make released them:

    id             a number above 0, unique in the file
    directory      where make ran it, absolute
    target         as make names it; "" where the driver does not tell
    label          what it does, in a few words
    remote         whether it was found fit to travel (the verdict), wherever it ran in the end
    prerequisites  ids of the jobs that had to end before it: as the plan knows them, in make's order; the lines of one
                   recipe await each other. What the plan does not know is left out
    above          id of the job whose recipe runs the make that released it; 0: the build's own make
    make           which make released it: 0, 1, ... in the order in which they released their first job
    order          0, 1, ...: its place in the order of release
    ran            the slave it ran on to its end; "" at home
    wall_s         of the command alone, on its slave; at home from its start to its end. Of a recipe that runs makes:
                   without the times at which jobs of theirs were under way
    cpu_s          of the command; 0 where it is not known, as at home
    max_rss        bytes of memory of its largest process; 0: not known
    bytes_in       bytes of content that its slave fetched for it; 0 at home
    bytes_out      bytes of its outputs; 0 at home

Numbers that end in _s are seconds. Paths that are not UTF-8 have their odd bytes as lone surrogates, as Python's
os.fsdecode makes them. Unknown keys are ignored, so that later versions may add some.
"""

import gzip
import heapq
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from msgspec import Struct, field
from msgspec.structs import asdict, fields

FORMAT = 1
_LONGEST_LINE = 16 << 20  # characters


class RecordingError(Exception):
    """A file is not a recording that can be used; the message says what is wrong with it, and where."""


class RecordedJob(Struct, frozen=True):
    """One recipe command; see the module for what the fields mean."""

    id: int
    directory: str
    target: str
    label: str
    remote: bool
    prerequisites: tuple[int, ...]
    above: int
    make: int
    order: int
    ran: str
    wall_s: float
    cpu_s: float
    max_rss: int
    bytes_in: int
    bytes_out: int


class Recording(Struct, frozen=True):
    """One build. `jobs` are in the order of their release: each comes after all that had to end before it."""

    jobs: tuple[RecordedJob, ...]
    date: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    slots: dict[str, int] = field(default_factory=dict)
    home: int = 1
    wall_s: float = 0.0


_JOB_FIELDS = {each.name: each.type for each in fields(RecordedJob)}
_HEADER: dict[str, type] = {"date": str, "machine": dict, "command": list, "slots": dict, "home": int, "wall_s": float}


def write(path: Path, recording: Recording) -> None:
    """Write a recording. Raises OSError. The same recording gives the same bytes."""
    head = {"dgcc_recording": FORMAT, **{key: getattr(recording, key) for key in _HEADER}}
    lines = [head, *(asdict(job) for job in recording.jobs)]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode("ascii")
    path.write_bytes(gzip.compress(text, mtime=0) if path.name.endswith(".gz") else text)


def read(path: Path) -> Recording:
    """Read a recording. Raises RecordingError, also where the file cannot be opened."""
    try:
        with _open(path) as file:
            return _parse(path, file)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "its compressed part is damaged or cut short"
        raise RecordingError(f"{path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: not a recording of a build: it is not a text of JSON lines") from error


def _open(path: Path) -> IO[str]:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _parse(path: Path, file: IO[str]) -> Recording:
    head: dict[str, Any] | None = None
    jobs: list[RecordedJob] = []
    for number, line in _lines(path, file):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = "not a recording of a build: " if head is None else ""
            raise RecordingError(f"{path}, line {number}: {what}it is no JSON") from error
        try:
            if head is None:
                head = _header(value)
            else:
                jobs.append(_job(value))
        except ValueError as error:
            raise RecordingError(f"{path}, line {number}: {error}") from error
    if head is None:
        raise RecordingError(f"{path}: not a recording of a build: it is empty")
    try:
        return Recording(jobs=tuple(_in_order(jobs)), **head)
    except ValueError as error:
        raise RecordingError(f"{path}: {error}") from error


def _lines(path: Path, file: IO[str]) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise RecordingError(f"{path}, line {number}: it is longer than any line of a recording")
        if not line.endswith("\n"):
            raise RecordingError(f"{path}, line {number}: the file is cut short")
        yield number, line


def _header(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or "dgcc_recording" not in value:
        raise ValueError("not a recording of a build: dgcc-master --record makes one")
    if value["dgcc_recording"] != FORMAT:
        raise ValueError(f"its format is version {value['dgcc_recording']!r}, and this DGCC reads version {FORMAT}")
    head = {key: _typed(value, key, kind) for key, kind in _HEADER.items()}
    for name, count in head["slots"].items():
        if type(count) is not int or count < 1:
            raise ValueError(f"the slots of '{name}' are {count!r}, and not a number above 0")
    if head["home"] < 1:
        raise ValueError(f"'home' is {head['home']}, and not a number above 0")
    return {**head, "command": tuple(str(word) for word in head["command"])}


def _job(value: Any) -> RecordedJob:
    if not isinstance(value, dict):
        raise ValueError("it is no job, but something else")
    known: dict[str, Any] = {}
    for name, kind in _JOB_FIELDS.items():
        if name == "prerequisites":
            ids = _typed(value, name, list)
            if any(type(each) is not int for each in ids):
                raise ValueError("'prerequisites' has something that is not an id")
            known[name] = tuple(ids)
        else:
            known[name] = _typed(value, name, kind)
    return RecordedJob(**known)


def _typed(value: dict[str, Any], key: str, kind: Any) -> Any:
    """The value of a key, which must be of a kind; numbers are never negative."""
    if key not in value:
        raise ValueError(f"'{key}' is missing")
    found: Any = value[key]
    if kind is float and type(found) is int:
        found = float(found)
    if type(found) is not kind:
        raise ValueError(f"'{key}' is {found!r:.40}, and not of type {kind.__name__}")
    if kind in (int, float) and (found < 0 or not math.isfinite(found)):
        raise ValueError(f"'{key}' is {found!r}")
    return found


def _in_order(jobs: list[RecordedJob]) -> list[RecordedJob]:
    """The jobs by their order, but each after all that it awaits, and that is below what it awaits.

    Raises ValueError unless every job can start at some time.
    """
    by_id = {job.id: job for job in jobs}
    if len(by_id) != len(jobs) or 0 in by_id:
        raise ValueError("two jobs have the same id, or one has the id 0")
    awaits: dict[int, int] = {}  # how many things each job's start awaits, and
    open_below: dict[int, int] = dict.fromkeys(by_id, 1)  # its end: itself, and jobs of makes that it runs
    after: dict[int, list[RecordedJob]] = {}
    below: dict[int, list[RecordedJob]] = {}
    for job in jobs:
        awaits[job.id] = len(job.prerequisites) + bool(job.above)
        for need in job.prerequisites:
            after.setdefault(need, []).append(job)
        if job.above:
            below.setdefault(job.above, []).append(job)
            open_below[job.above] = open_below.get(job.above, 1) + 1
    for need, waiting in (*after.items(), *below.items()):
        if need not in by_id:
            raise ValueError(f"job {waiting[0].id} names job {need}, which is not in it")
    able = [(job.order, job.id) for job in jobs if not awaits[job.id]]
    heapq.heapify(able)
    found = []

    def met(waiting: list[RecordedJob]) -> None:
        for job in waiting:
            awaits[job.id] -= 1
            if not awaits[job.id]:
                heapq.heappush(able, (job.order, job.id))

    while able:
        job = by_id[heapq.heappop(able)[1]]
        found.append(job)
        met(below.get(job.id, []))
        ended = job.id
        while ended:
            open_below[ended] -= 1
            if open_below[ended]:
                break
            met(after.get(ended, []))
            ended = by_id[ended].above
    if len(found) < len(jobs):
        stuck = min(awaits.keys() - {job.id for job in found})
        raise ValueError(f"jobs wait for each other in a circle, job {stuck} among them")
    return found
