"""Options and settings of a slave's owner for what a job may use."""

import argparse
import re
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dgcc.cli.config import ConfigError
from dgcc.store.jaillimits import Limits, host_limits

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LEAST_BYTES = 1 << 24  # less, and not even a compiler starts
_MOST = 1 << 62


def parse_size(what: str, text: str) -> int:
    """Bytes of a size such as `4G`, `1.5G` or `500M`. Raises ConfigError that names `what`."""
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if not _LEAST_BYTES <= size <= _MOST:
        raise ConfigError(f"{what} must be a size of at least 16M, such as 4G, not {text!r}")
    return size


def _number(least: int) -> Callable[[str, str], int]:
    def parse(what: str, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < least:
            raise ConfigError(f"{what} must be a whole number, at least {least}, not {text!r}")
        return int(text)

    return parse


# Setting: field of Limits, placeholder, help, parser of its value.
_SETTINGS: dict[str, tuple[str, str, str, Callable[[str, str], int]]] = {
    "job_memory": ("memory", "SIZE", "memory of one job, with its private /tmp, such as 4G", parse_size),
    "job_output": ("output", "SIZE", "what one job may write, likewise", parse_size),
    "job_files": ("files", "N", "files that one job may make", _number(1)),
    "job_processes": ("processes", "N", "processes and threads of one job", _number(16)),
    "job_open_files": ("open_files", "N", "open files of one process", _number(64)),
    "job_seconds": ("seconds", "N", "seconds that one job may run, if its master does not ask for less", _number(1)),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each setting: `--job-memory` and so on."""
    group = parser.add_argument_group("what one job may use")
    for name, (_, placeholder, text, _) in _SETTINGS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar=placeholder, help=text)


def job_limits(args: argparse.Namespace, settings: dict[str, Any], slots: int) -> Limits:
    """What each of `slots` jobs may use: as this host suggests, but for what is set. Raises ConfigError."""
    changed = {}
    for name, (field, _, _, parse) in _SETTINGS.items():
        option = getattr(args, name)
        what = f"--{name.replace('_', '-')}" if option is not None else f"'{name}'"
        given = option if option is not None else settings.get(name)
        if given is not None:
            changed[field] = parse(what, str(given))
    return replace(host_limits(slots), **changed)
