"""Settings that are not on the command line: the environment, then the user's configuration file."""

import os
import stat
from pathlib import Path
from typing import Any

from dgcc.naming.deadlines import Deadlines

RULES = ("ignore", "rule", "secrets")
"""The keys of the configuration file that are rules, for masters: see cli/rules.py."""

_LARGEST = 1 << 20  # bytes of a configuration file that a person wrote
_TYPES: dict[str, type] = {
    "deadlines": dict, "naming": str, "local_jobs": int, "local_slave": int, "home_first": int, "slots": int,
    "store": str, "job_memory": str, "job_output": str, "job_files": int, "job_processes": int, "job_open_files": int,
    "job_seconds": int, "tls": str, "admit": list, "niceness": int, "owner_load": str,
}  # fmt: skip
_ENVIRONMENT = {"naming": "DGCC_NAMING", "tls": "DGCC_TLS"}


class ConfigError(Exception):
    """A setting cannot be used; the message says which, where and what is allowed."""


def config_path() -> Path:
    """Where the user's configuration file is looked for."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "dgcc" / "config.toml"


def load(path: Path | None = None) -> dict[str, Any]:
    """Return the settings of the configuration file and the environment; no file is an empty one.

    `deadlines` is there always, as Deadlines. The rules in it are no settings: see cli/rules.py.
    Raises ConfigError for a file that cannot be read, a key that does not exist or a value of the wrong type.
    """
    path = path or config_path()
    settings = {key: value for key, value in read_toml(path).items() if key not in RULES}
    for key, value in settings.items():
        if key not in _TYPES:
            known = ", ".join(sorted((*_TYPES, *RULES)))
            raise ConfigError(f"{path}: unknown setting '{key}'; known are {known}")
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            wanted = "table" if _TYPES[key] is dict else _TYPES[key].__name__
            raise ConfigError(f"{path}: '{key}' must be a {wanted}, not {value!r}")
    if not all(isinstance(name, str) for name in settings.get("admit", [])):
        raise ConfigError(f"{path}: 'admit' must be a list of names, as in admit = [\"one\", \"two\"]")
    try:
        settings["deadlines"] = Deadlines().changed(settings.get("deadlines", {}))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    for key, variable in _ENVIRONMENT.items():
        if os.environ.get(variable):
            settings[key] = os.environ[variable]
    return settings


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; no file holds nothing. Raises ConfigError for one that cannot be read."""
    try:
        text = _text(path).decode()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is no text in UTF-8 (at byte {error.start + 1})") from error
    import tomllib  # now, because few users have such a file

    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: its values are nested too deeply") from error


def _text(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe or device would hold everything up
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: it is no regular file; write the configuration into one, or remove it")
        if status.st_size > _LARGEST:
            raise ConfigError(f"{path}: it is larger than {_LARGEST >> 20} MiB, and so no configuration file")
        return os.read(fd, _LARGEST)
    finally:
        os.close(fd)
