"""The rules about recipes: those in the project's dgcc.toml, then those in the user's configuration file."""

import os
from pathlib import Path

from dgcc.cli.config import ConfigError, config_path, read_toml
from dgcc.master.verdict.rules import Rules
from dgcc.master.verdict.rulesfile import PROJECT_FILE, TABLES, RulesError, rules_from


def load_rules(root: bytes | str | Path, path: Path | None = None) -> Rules:
    """Return the rules for the project in `root`. `path`: the user's configuration file, where it is another.

    Raises ConfigError for a file that cannot be read or has a key or value that is not understood.
    """
    project, user = Path(os.fsdecode(root)) / PROJECT_FILE, path or config_path()
    tables = read_toml(project)
    for key in tables:
        if key not in TABLES:
            raise ConfigError(f"{project}: unknown key '{key}'; known are {', '.join(TABLES)}")
    try:
        return rules_from(tables, read_toml(user), project, user)
    except RulesError as error:
        raise ConfigError(str(error)) from error
