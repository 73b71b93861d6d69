"""Settings that are not on the command line: the environment, the user's configuration file, the project's rules."""

import os
import tomllib
from pathlib import Path
from typing import Any

from dgcc.master.verdict.rules import Rules
from dgcc.master.verdict.rulesfile import PROJECT_FILE, TABLES, RulesError, rules_from

_TYPES: dict[str, type] = {"naming": str, "local_jobs": int, "local_slave": int, "slots": int, "store": str}


class ConfigError(Exception):
    """A setting cannot be used; the message says which, where and what is allowed."""


def config_path() -> Path:
    """Where the user's configuration file is looked for."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "dgcc" / "config.toml"


def load(path: Path | None = None) -> dict[str, Any]:
    """Return the settings of the configuration file and the environment; no file is an empty one.

    The tables of rules in it are not settings: see load_rules. Raises ConfigError for a file that cannot be
    read, a key that does not exist or a value of the wrong type.
    """
    path = path or config_path()
    settings = {key: value for key, value in _tables(path).items() if key not in TABLES}
    for key, value in settings.items():
        if key not in _TYPES:
            known = ", ".join(sorted((*_TYPES, *TABLES)))
            raise ConfigError(f"{path}: unknown setting '{key}'; known are {known}")
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            raise ConfigError(f"{path}: '{key}' must be a {_TYPES[key].__name__}, not {value!r}")
    if os.environ.get("DGCC_NAMING"):
        settings["naming"] = os.environ["DGCC_NAMING"]
    return settings


def load_rules(root: bytes | str | Path, path: Path | None = None) -> Rules:
    """Return the rules of dgcc.toml in the project's `root`, then those of the user's configuration file.

    Raises ConfigError for a file that cannot be read or has a key or value that is not understood.
    """
    project, user = Path(os.fsdecode(root)) / PROJECT_FILE, path or config_path()
    tables = _tables(project)
    for key in tables:
        if key not in TABLES:
            raise ConfigError(f"{project}: unknown key '{key}'; known are {', '.join(TABLES)}")
    try:
        return rules_from(tables, _tables(user), project, user)
    except RulesError as error:
        raise ConfigError(str(error)) from error


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:  # ValueError: what is no TOML, or no UTF-8
        raise ConfigError(f"{path}: {error}") from error
