"""What a build has to say at its end: a summary of a few lines, and the same as JSON."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import asdict

from dgcc.master.progress import Sample
from dgcc.master.registry import Tally
from dgcc.master.retrospect import Retrospect, Took, sparkline

if TYPE_CHECKING:
    from dgcc.master.comparison import Comparison

_SHOWN_FALLBACKS = 5
_SHOWN_LOST = 20
# Where the time went is told of builds of so many jobs and so many seconds.
_MANY = 10
_LONG_S = 10.0
_SHOWN_SLOWEST = 3
_SHOWN_STEPS = 5
_SHOWN_S = 0.05  # steps of the critical path that took less are not shown


class Fallback(Struct, frozen=True):
    """A job meant for the farm that ran at home."""

    target: str
    reason: str


class Report(Struct):
    """The figures of one build. Times are seconds, sizes bytes of content as it crossed the wire."""

    exit_code: int = 0
    wall_s: float = 0.0
    planned: int = 0
    remote: int = 0
    local: int = 0
    failed: int = 0
    fallbacks: list[Fallback] = field(default_factory=list)
    slaves: dict[str, Tally] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    comparison: "Comparison | None" = None
    master_cpu_s: float = 0.0
    master_memory: int = 0
    client_cpu_s: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0
    progress: list[Sample] = field(default_factory=list)
    retrospect: Retrospect = Retrospect()

    @property
    def work_s(self) -> float:
        """The CPU seconds of the work done: on slaves, and by what ran at home."""
        return sum(tally.cpu_s for tally in self.slaves.values()) + self.client_cpu_s

    @property
    def speed_up(self) -> float:
        """How many CPUs were at work on average."""
        return self.work_s / self.wall_s if self.wall_s else 0.0

    def as_json(self) -> str:
        """The report as a JSON document; see the README for its keys."""
        compared = self.comparison
        figures: dict[str, Any] = {} if compared is None else {
            "compared": {"jobs": compared.jobs, "different": [asdict(each) for each in compared.different]}
        }  # fmt: skip
        return json.dumps(
            {
                "exit_code": self.exit_code,
                "wall_s": round(self.wall_s, 3),
                "jobs": {
                    "planned": self.planned,
                    "remote": self.remote,
                    "local": self.local,
                    "fallback": len(self.fallbacks),
                    "failed": self.failed,
                },
                "fallbacks": [{"target": f.target, "reason": f.reason} for f in self.fallbacks],
                "slaves": {
                    name: {"jobs": t.jobs, "cpu_s": round(t.cpu_s, 3), "lost": t.lost, "losses": t.losses,
                           "overtaken": t.overtaken, "failures": dict(t.failures)}
                    for name, t in sorted(self.slaves.items())
                },
                "notes": self.notes,
                "master_cpu_s": round(self.master_cpu_s, 3),
                "master_memory": self.master_memory,
                "client_cpu_s": round(self.client_cpu_s, 3),
                "bytes_sent": self.bytes_sent,
                "bytes_received": self.bytes_received,
                "work_s": round(self.work_s, 3),
                "speed_up": round(self.speed_up, 2),
                "slots": {"most": self.retrospect.slots, "used": [round(used, 2) for used in self.retrospect.used]},
                "slowest": _all_took(self.retrospect.slowest),
                "critical_path": {
                    "wall_s": round(self.retrospect.path_s, 3), "jobs": _all_took(self.retrospect.path),
                },
                "progress": [
                    {"at_s": round(s.at_s, 2), "percent": round(s.percent, 1), "left_s": round(s.left_s, 2)}
                    for s in self.progress
                ],
                **figures,
            },
            indent=2,
        )

    def write(self, path: Path) -> None:
        """Write the JSON document atomically. Raises OSError."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(self.as_json() + "\n")
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def summary(self, blocks: bool = True) -> list[str]:
        """The lines for the terminal; `blocks`: it can show block elements."""
        cpu = sum(t.cpu_s for t in self.slaves.values())
        by_slave = ", ".join(f"{t.jobs} on {name}" for name, t in sorted(self.slaves.items()) if t.jobs)
        jobs = self.remote + self.local + len(self.fallbacks)
        lines = [
            f"{jobs} job{'' if jobs == 1 else 's'} in {self.wall_s:.1f} s: {self.remote} remote"
            + (f" ({by_slave})" if by_slave else "")
            + f", {self.local} local, {len(self.fallbacks)} fallback"
            + (f", {self.failed} failed" if self.failed else "")
        ]
        if self.remote:
            lines.append(
                f"{cpu:.1f} s of CPU on slaves, {self.client_cpu_s:.1f} s at home, {self.master_cpu_s:.1f} s master; "
                f"{_size(self.bytes_sent)} sent, {_size(self.bytes_received)} received"
            )
        if self.remote + self.local >= _MANY and self.wall_s >= _LONG_S:
            lines += self._retrospect(blocks)
        overtaken = [f"{name} in {_jobs(t.overtaken)}" for name, t in sorted(self.slaves.items()) if t.overtaken]
        if overtaken:
            lines.append(f"overtaken by a second run elsewhere: {_first(overtaken)}")
        lost = [name if t.lost else f"{name} (came back)" for name, t in sorted(self.slaves.items()) if t.losses]
        if lost:
            lines.append(f"lost: {_first(lost)}")
        for name, tally in sorted(self.slaves.items()):
            if tally.trouble:
                count = tally.failures.total() - tally.failures["command"]
                lines.append(f"trouble: {name} failed {_jobs(count)}, the last by: {tally.trouble}")
        for fallback in self.fallbacks[:_SHOWN_FALLBACKS]:
            lines.append(f"fallback: {fallback.target}: {fallback.reason}")
        if len(self.fallbacks) > _SHOWN_FALLBACKS:
            lines.append(f"fallback: and {len(self.fallbacks) - _SHOWN_FALLBACKS} more (--report FILE lists all)")
        if self.comparison is not None:
            lines += self.comparison.summary()
        return lines + self.notes


    def _retrospect(self, blocks: bool) -> list[str]:
        """Where the time went, in a build that took long enough to ask."""
        past = self.retrospect
        work = f"{self.work_s:.1f} s of work, speed-up {self.speed_up:.1f}"
        bars = sparkline(past.used, past.slots, blocks)
        lines = [f"slots in use |{bars}| of {past.slots}; {work}" if self.remote else work]
        if past.slowest:
            lines.append(f"slowest: {', '.join(map(_shown, past.slowest[:_SHOWN_SLOWEST]))}")
        steps = [each for each in past.path if each.wall_s >= _SHOWN_S]
        if steps:
            left_out = sorted(steps, key=lambda each: -each.wall_s)[_SHOWN_STEPS:]
            shown = [_shown(each) for each in steps if each not in left_out]
            more = f", {len(left_out)} more" if left_out else ""
            lines.append(f"critical path {past.path_s:.1f} s: {' > '.join(shown)}{more}")
        return lines


def _shown(took: Took) -> str:
    return f"{os.path.basename(took.target) or took.target} {took.wall_s:.1f} s"


def _all_took(jobs: Iterable[Took]) -> list[dict[str, Any]]:
    return [{"target": each.target, "ran": each.ran, "wall_s": round(each.wall_s, 3)} for each in jobs]


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_LOST} more" if len(names) > _SHOWN_LOST else ""
    return ", ".join(names[:_SHOWN_LOST]) + more


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
