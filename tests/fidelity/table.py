"""docs/fidelity.md: a row for each project, kept from run to run; a run replaces the rows that it has made."""

import re
from collections.abc import Iterable
from pathlib import Path

from fidelity.compare import Comparison

_HEAD = (
    "project", "version", "build", "jobs", "remote", "local", "compiles remote", "fallbacks", "files", "different",
    "make -j2, s", "farm, s",
)  # fmt: skip

_PLACE = re.compile(r"/[^\s()]*/dgcc-fidelity-\w+/work")
_INTRODUCTION = """# Real projects, and whether the farm's files are make's

Made by `make fidelity`. Each project is a Debian source, unmodified, configured at home and then built three times at
one path: twice by plain make and once by `dgcc-master`. Its two slaves have one slot each and share 2 CPUs with make,
so the seconds are no measure of a farm. They live on *bare* hosts: a file system with Python and DGCC and nothing else,
no compiler, no shell, no header (`tests/barekit.py`). The whole tree is compared: kind, mode and content.

*Jobs* are recipe commands: *remote* ones ran on a slave, *local* ones at home because they are no compiles or because
of the reason given below the table. *Compiles remote*: the share of the jobs that compile. *Fallbacks* were meant for
the farm and ran at home. *Different*: paths that are not as plain make leaves them; those at which two plain builds
differ from each other, too, are counted apart, as *own*.
"""


def write(path: Path, made: Iterable[Comparison], versions: dict[str, str], order: Iterable[str]) -> None:
    """Write the table: what is made now, and the rows and remarks of other projects as they stand in the file."""
    old = path.read_text() if path.exists() else ""
    rows, remarks = _rows(old), _remarks(old)
    for comparison in made:
        name = comparison.project.row
        rows[name] = _row(comparison, versions[name])
        remarks[name] = _remark(comparison)
    shown = [name for name in order if name in rows]
    lines = [_INTRODUCTION, _line(_HEAD), _line("---" for _ in _HEAD)]
    lines += [rows[name] for name in shown]
    for name in shown:
        lines += ["", f"## {name}", "", remarks.get(name, "").strip()]
    path.write_text("\n".join(lines) + "\n")


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _rows(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def _remarks(text: str) -> dict[str, str]:
    sections = text.split("\n## ")[1:]
    return {section.partition("\n")[0]: section.partition("\n")[2] for section in sections}


def _row(made: Comparison, version: str) -> str:
    jobs = made.built.jobs
    different = str(len(made.explained) + len(made.unexplained))
    if made.own:
        different += f" (own: {len(made.own)})"
    return _line((
        made.project.row, version, made.project.style, jobs["remote"] + jobs["local"] + jobs["fallback"],
        jobs["remote"], jobs["local"], f"{made.remote_share:.0%}", jobs["fallback"], made.compared, different,
        round(made.plain_s), round(made.farm_s),
    ))  # fmt: skip


def _remark(made: Comparison) -> str:
    lines = []
    if made.own:
        lines.append(f"Two plain builds differ from each other in {_some(sorted(made.own))}.")
    lines += [f"`{path}` differs: {why}." for path, why in sorted(made.explained.items())]
    if made.unexplained:
        lines.append(f"**Different without a known reason**: {_some(sorted(made.unexplained))}.")
    lines += [f"Fallback: `{each['target']}`: {each['reason']}." for each in made.built.report["fallbacks"]]
    lines += [f"Said once: {note}." for note in made.built.report["notes"]]
    # Where the build lay is another place each time.
    reasons = [(_PLACE.sub("...", reason.replace("|", "/")), count) for reason, count in made.homely.most_common()]
    home = [f"{count} × {reason}" for reason, count in reasons]
    if home:
        lines.append(f"At home: {'; '.join(home)}.")
    return "\n\n".join(lines)


def _some(paths: list[str], most: int = 10) -> str:
    shown = ", ".join(f"`{path}`" for path in paths[:most])
    return f"{shown} and {len(paths) - most} more" if len(paths) > most else shown
