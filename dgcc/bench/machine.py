"""The machine that figures come from, and the versions of what was measured on it."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import dgcc
from dgcc.bench.site import TOP
from dgcc.corba import ENGINE

_VERSIONS = {
    "gcc": ("gcc", "--version"), "make": ("make", "--version"), "distcc": ("distcc", "--version"),
    "icecc": ("icecc", "--version"), "ccache": ("ccache", "--version"), "cmake": ("cmake", "--version"),
}  # fmt: skip


def description() -> dict[str, Any]:
    """CPU model, cores, memory, kernel, system, and the version of each tool that is there."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) // 1024,
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "python": platform.python_version(),
        "versions": {name: said for name, command in _VERSIONS.items() if (said := _first_line(command))},
        "dgcc": {"version": dgcc.__version__, "commit": _commit(), "engine": ENGINE},
    }


def load() -> float:
    """The load average of the last minute: what else the machine did."""
    return os.getloadavg()[0]


def _field(path: str, key: str, separator: str = ":") -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        name, found, value = line.partition(separator)
        if found and name.strip() == key:
            return value.strip()
    return ""


def _first_line(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def _commit() -> str:
    return _first_line(("git", "-C", str(TOP), "describe", "--always", "--dirty", "--exclude=*"))
