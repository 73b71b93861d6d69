"""Settings that are not on the command line: the environment, then the user's configuration file."""

import os
import tomllib
from pathlib import Path
from typing import Any

RULES = ("ignore", "rule", "secrets")
"""The keys of the configuration file that are rules, for masters: see cli/rules.py."""

_TYPES: dict[str, type] = {"naming": str, "local_jobs": int, "local_slave": int, "slots": int, "store": str}


class ConfigError(Exception):
    """A setting cannot be used; the message says which, where and what is allowed."""


def config_path() -> Path:
    """Where the user's configuration file is looked for."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "dgcc" / "config.toml"


def load(path: Path | None = None) -> dict[str, Any]:
    """Return the settings of the configuration file and the environment; no file is an empty one.

    The rules in it are no settings: see cli/rules.py. Raises ConfigError for a file that cannot be
    read, a key that does not exist or a value of the wrong type.
    """
    path = path or config_path()
    settings = {key: value for key, value in read_toml(path).items() if key not in RULES}
    for key, value in settings.items():
        if key not in _TYPES:
            known = ", ".join(sorted((*_TYPES, *RULES)))
            raise ConfigError(f"{path}: unknown setting '{key}'; known are {known}")
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            raise ConfigError(f"{path}: '{key}' must be a {_TYPES[key].__name__}, not {value!r}")
    if os.environ.get("DGCC_NAMING"):
        settings["naming"] = os.environ["DGCC_NAMING"]
    return settings


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; no file holds nothing. Raises ConfigError for one that cannot be read."""
    try:
        return tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:  # ValueError: what is no TOML, or no UTF-8
        raise ConfigError(f"{path}: {error}") from error
