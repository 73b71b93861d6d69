"""What a build has to say at its end: a summary of a few lines, and the same as JSON."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgcc.master.registry import Tally

if TYPE_CHECKING:
    from dgcc.master.comparison import Comparison

_SHOWN_FALLBACKS = 5
_SHOWN_LOST = 20


@dataclass(frozen=True)
class Fallback:
    """A job meant for the farm that ran at home."""

    target: str
    reason: str


@dataclass
class Report:
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

    def as_json(self) -> str:
        """The report as a JSON document; see the README for its keys."""
        compared = self.comparison
        figures: dict[str, Any] = {} if compared is None else {
            "compared": {"jobs": compared.jobs, "different": [vars(each) for each in compared.different]}
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
                           "failures": dict(t.failures)}
                    for name, t in sorted(self.slaves.items())
                },
                "notes": self.notes,
                "master_cpu_s": round(self.master_cpu_s, 3),
                "master_memory": self.master_memory,
                "client_cpu_s": round(self.client_cpu_s, 3),
                "bytes_sent": self.bytes_sent,
                "bytes_received": self.bytes_received,
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

    def summary(self) -> list[str]:
        """The lines for the terminal."""
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
        lost = [name if t.lost else f"{name} (came back)" for name, t in sorted(self.slaves.items()) if t.losses]
        if lost:
            more = f" and {len(lost) - _SHOWN_LOST} more" if len(lost) > _SHOWN_LOST else ""
            lines.append(f"lost: {', '.join(lost[:_SHOWN_LOST])}{more}")
        for name, tally in sorted(self.slaves.items()):
            if tally.trouble:
                count = tally.failures.total() - tally.failures["command"]
                jobs_failed = f"{count} job{'' if count == 1 else 's'}"
                lines.append(f"trouble: {name} failed {jobs_failed}, the last by: {tally.trouble}")
        for fallback in self.fallbacks[:_SHOWN_FALLBACKS]:
            lines.append(f"fallback: {fallback.target}: {fallback.reason}")
        if len(self.fallbacks) > _SHOWN_FALLBACKS:
            lines.append(f"fallback: and {len(self.fallbacks) - _SHOWN_FALLBACKS} more (--report FILE lists all)")
        if self.comparison is not None:
            lines += self.comparison.summary()
        return lines + self.notes


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
