"""How long a simulated job takes: what its command says, or a recording of a build, or a default."""

import gzip
import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

DEFAULT_S = 0.1
_SLEEP = re.compile(rb"(?:.*[\s;&/])?sleep\s+([0-9]+(?:\.[0-9]+)?)(?:[\s;&].*)?", re.DOTALL)

_NOTHING = re.compile(rb"(?:.*/)?true(?:\s.*)?", re.DOTALL)


class BadRecording(Exception):
    """A recording cannot be used; the message says where, and what is wrong with it."""


class Cost(Struct, frozen=True):
    """What a job takes: seconds, and bytes of memory."""

    wall_s: float
    cpu_s: float = 0.0
    max_rss: int = 0


class Durations:
    """What jobs take, by their commands.

    A recording is one JSON object a line, as `dgcc-master --record` writes it, compressed if its name ends in ".gz": a
    header first, then one for each job with `directory`, `target`, `wall_s`, `cpu_s` and `max_rss`.
    """

    def __init__(self, recording: Path | None = None) -> None:
        """Raises BadRecording."""
        self._by_path: dict[bytes, Cost] = {}
        self._by_name: dict[bytes, Cost] = {}  # where a project lies elsewhere than when it was recorded
        if recording is not None:
            self._read(recording)

    def __len__(self) -> int:
        return len(self._by_path)

    def of(self, argv: Sequence[bytes], cwd: bytes) -> Cost:
        """Tell what a command takes: `sleep SECONDS`, alone or in a line for the shell, so long; `true` nothing; one
        that names a target of the recording what that took."""
        line = b" ".join(argv)
        slept = _SLEEP.fullmatch(line)
        if slept:
            return Cost(float(slept[1]))
        if _NOTHING.fullmatch(line):
            return Cost(0.0)
        words = line.split()
        for find, known in ((lambda word: os.path.normpath(os.path.join(cwd, word)), self._by_path),
                            (os.path.basename, self._by_name)):  # fmt: skip
            # What a command writes comes late in it, as in `cc -c x.c -o x.o`.
            cost = next((known[at] for word in reversed(words) if (at := find(word)) in known), None)
            if cost is not None:
                return cost
        return Cost(DEFAULT_S)

    def _read(self, recording: Path) -> None:
        try:
            with gzip.open(recording) if recording.suffix == ".gz" else recording.open("rb") as file:
                lines = file.read().splitlines()
        except (OSError, EOFError, zlib.error) as error:
            raise BadRecording(f"{recording} cannot be read: {error}") from error
        for number, line in enumerate(lines[1:], 2):
            try:
                self._add(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BadRecording(
                    f"{recording}, line {number} is not of a recording ({error}); make one with dgcc-master --record"
                ) from error
        if not self._by_path:
            raise BadRecording(f"{recording} has no job in it; make one with dgcc-master --record")

    def _add(self, job: Mapping[str, Any]) -> None:
        target = os.fsencode(job["target"])
        cost = Cost(float(job["wall_s"]), float(job["cpu_s"]), int(job["max_rss"]))
        if not 0 <= cost.wall_s <= 1e6 or not 0 <= cost.cpu_s <= 1e6 or not 0 <= cost.max_rss < 1 << 63:
            raise ValueError(f"{job['target']} cannot take that")
        self._by_path[os.path.normpath(os.path.join(os.fsencode(job["directory"]), target))] = cost
        self._by_name[os.path.basename(target)] = cost
