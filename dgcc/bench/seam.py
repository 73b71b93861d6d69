"""The CORBA seam: null call, 1 KiB and 1 MiB, against omniORBpy where that can be imported; and what TLS costs."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dgcc.bench.figures import Bar, Figure, Row, Table
from dgcc.bench.setting import BenchFailed, Setting
from dgcc.corba import bench as seam
from dgcc.corba.engine import BUILTIN, OMNIORBPY
from dgcc.trust import bench as trust

_RUN_S = 300.0
_ABOUT = """Calls between two processes of this machine, through the interfaces that DGCC uses. Each sample is the best
of 25 rounds, because what is measured is the seam and not what else the machine does; engines take turns."""
_ABOUT_TLS = """The same over plain TCP, mutual TLS, and the private sockets of a farm of one, with our own engine."""


def run(setting: Setting) -> Iterator[Table]:
    """A table for the engines, one for the transports."""
    engines = [BUILTIN, OMNIORBPY] if importlib.util.find_spec("omniORB") else [BUILTIN]
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(1 if setting.quick else setting.repeats):
        for engine in engines:
            for figure, value in _measured(engine, setting.directory / "seam.json").items():
                found.setdefault(figure, {}).setdefault(engine, []).append(value["best"])
    notes = () if OMNIORBPY in engines else ("omniORBpy cannot be imported here.",)
    bars = tuple(
        Bar(what, Figure(unit, tuple(found[what][BUILTIN])).median, bound, not more, unit)
        for what, unit, bound, more in seam.BARS
    )
    yield _table("CORBA seam", _ABOUT, found, tuple(engines), bars, notes)
    try:
        transports = trust.measure()
    except (subprocess.SubprocessError, OSError) as error:
        raise BenchFailed(f"the transports: {error}") from error
    yield _table("What TLS costs", _ABOUT_TLS, transports, trust.TRANSPORTS)


def _table(
    title: str, about: str, found: dict[str, dict[str, list[float]]], columns: tuple[str, ...],
    bars: tuple[Bar, ...] = (), notes: tuple[str, ...] = (),
) -> Table:  # fmt: skip
    units = {what: unit for what, unit, *_ in (*seam.BARS, *seam.MORE)}
    rows = tuple(
        Row(what, {column: Figure(units[what], tuple(values)) for column, values in by.items()})
        for what, by in found.items()
    )
    return Table(title, about, "call", columns, rows, bars, notes)


def _measured(engine: str, file: Path) -> dict[str, Any]:
    """One run of the seam's own benchmark; which bars it meets is judged here."""
    command = [sys.executable, "-m", "dgcc.corba.bench", "--json", str(file)]
    file.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            command, env={**os.environ, "DGCC_ORB": engine}, capture_output=True, text=True, timeout=_RUN_S
        )
    except subprocess.TimeoutExpired as error:
        raise BenchFailed(f"the seam's benchmark has not ended after {_RUN_S:.0f} s") from error
    if not file.exists():
        raise BenchFailed(f"the seam's benchmark with {engine}: {done.stderr.strip()[-300:]}")
    return dict(json.loads(file.read_text())["figures"])
