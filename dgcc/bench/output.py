"""Tables as Markdown for readers, and everything, raw samples too, as one JSON file; a run replaces its own."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dgcc.bench import machine
from dgcc.bench.figures import Bar, Figure, Table

_JSON = "results.json"


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - _magnitude(value))}f}"


def _magnitude(value: float) -> int:
    return int(f"{abs(value):e}".partition("e")[2])


def shown(cell: Figure | str) -> str:
    """A cell for people: the median with its unit, and the range where there are several samples."""
    if isinstance(cell, str):
        return cell.replace("|", "\\|").replace("\n", " ")
    unit = f" {cell.unit}" if cell.unit else ""
    several = len(cell.samples) > 1
    spread = f" ({number(min(cell.samples))} to {number(max(cell.samples))})" if several else ""
    return f"{number(cell.median)}{unit}{spread}"


def markdown(table: Table) -> str:
    """One table with its bars and notes."""
    columns = [column for column in table.columns if any(column in row.cells for row in table.rows)]
    lines = [f"## {table.title}", "", table.about, "",
             f"| {' | '.join((table.first, *columns))} |", "|---" * (len(columns) + 1) + "|"]  # fmt: skip
    for row in table.rows:
        cells = (shown(row.cells[column]) if column in row.cells else "" for column in columns)
        lines.append(f"| {' | '.join((row.name, *cells))} |")
    lines += ["", *(f"- {_held(bar)}" for bar in table.bars)] if table.bars else []
    lines += ["", *table.notes] if table.notes else []
    return "\n".join(lines) + "\n"


def _held(bar: Bar) -> str:
    unit = f" {bar.unit}" if bar.unit else ""
    asked = f"{'at most' if bar.most else 'at least'} {number(bar.bound)}{unit}"
    seen = "not measured" if bar.value is None else f"{number(bar.value)}{unit}"
    return f"{bar.what}: {seen}; asked: {asked}: {'met' if bar.met else '**not met**'}"


class Results:
    """The directory of results."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, name: str, tables: Sequence[Table]) -> None:
        """Write NAME.md, and put the benchmark's figures into results.json in place of older ones."""
        self._directory.mkdir(parents=True, exist_ok=True)
        here, now = machine.description(), datetime.now(UTC)
        told = (f"{now:%Y-%m-%d}, {here['cores']} x {here['cpu']}, {here['memory_mb']:,} MB, Linux {here['kernel']}, "
                f"{here['system']}; {'; '.join(here['versions'].values())}; DGCC {here['dgcc']['commit']}. "
                f"Load when it ended: {machine.load():.1f}.")  # fmt: skip
        told += " Figures are medians, with the least and the largest of the samples; results.json has all of them."
        self._replace(f"{name}.md", "\n".join((f"# {name}", "", told, "", *(markdown(table) for table in tables))))
        path = self._directory / _JSON
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        known[name] = {"date": now.isoformat(timespec="seconds"), "machine": here, "load": machine.load(),
                       "tables": [_plain(table) for table in tables]}  # fmt: skip
        self._replace(_JSON, json.dumps(known, indent=1, sort_keys=True) + "\n")

    def _replace(self, name: str, text: str) -> None:
        part = self._directory / f"{name}.tmp"
        part.write_text(text)
        os.replace(part, self._directory / name)


def _plain(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "rows": {row.name: {column: _figure(cell) for column, cell in row.cells.items()} for row in table.rows},
        "bars": [{"what": bar.what, "value": bar.value, "bound": bar.bound, "unit": bar.unit,
                  "most": bar.most, "met": bar.met} for bar in table.bars],
        "notes": list(table.notes),
    }  # fmt: skip


def _figure(cell: Figure | str) -> Any:
    if isinstance(cell, str):
        return cell
    return {"unit": cell.unit, "median": cell.median, "samples": list(cell.samples)}
