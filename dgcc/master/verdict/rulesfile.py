"""Reads rules from the tables of a configuration file, and says in one sentence what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgcc.master.verdict.rules import DEFAULT_SECRETS, Rule, Rules, Where

PROJECT_FILE = "dgcc.toml"
"""The name of the project's configuration, in the root of the project."""

TABLES = ("ignore", "rule", "secrets")
"""The keys of a configuration file that are read here."""

_KEYS = {
    "where": str, "command": str, "target": str, "directory": str, "inputs": list, "environment": list,
}  # fmt: skip
_MATCHERS = ("command", "target", "directory")


class RulesError(Exception):
    """A rule cannot be used; the message says in which file and key, why, and what is allowed."""


def rules_from(project: Mapping[str, Any], user: Mapping[str, Any], project_file: Path, user_file: Path) -> Rules:
    """Make the rules of the tables in the project's file and in the user's, other keys left alone.

    Raises RulesError.
    """
    ignore = _texts(project, "ignore", str(project_file)) + _texts(user, "ignore", str(user_file))
    secrets = _texts(project, "secrets", str(project_file)) + _texts(user, "secrets", str(user_file))
    return Rules(
        _rules(project, project_file),
        _rules(user, user_file),
        tuple(text.encode() for text in ignore),
        (*DEFAULT_SECRETS, *secrets),
    )


def _rules(tables: Mapping[str, Any], file: Path) -> tuple[Rule, ...]:
    found = tables.get("rule", [])
    if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise RulesError(f"{file}: 'rule' must be written as [[rule]], one table for each rule")
    return tuple(_rule(table, file, number) for number, table in enumerate(found, 1))


def _rule(table: Mapping[str, Any], file: Path, number: int) -> Rule:
    place = f"{file}: [[rule]] {number}"
    for key, value in table.items():
        if key not in _KEYS:
            raise RulesError(f"{place}: unknown key '{key}'; known are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            kind = "a list of strings" if _KEYS[key] is list else "a string"
            raise RulesError(f"{place}: '{key}' must be {kind}, not {value!r}")
        if "\0" in str(value) or value == "":
            raise RulesError(f"{place}: '{key}' is empty, or has a zero byte in it: leave it out, or give a pattern")
    allowed = ", ".join(f'"{where.value}"' for where in Where)
    if table.get("where") not in [where.value for where in Where]:
        given = repr(table["where"]) if "where" in table else "missing"
        raise RulesError(f"{place}: 'where' is {given}; allowed are {allowed}")
    where = Where(table["where"])
    if not any(key in table for key in _MATCHERS):
        raise RulesError(f"{place}: it matches nothing; give at least one of {', '.join(_MATCHERS)}")
    inputs, environment = _texts(table, "inputs", place), _texts(table, "environment", place)
    if (inputs or environment) and where is not Where.REMOTE:
        key = "inputs" if inputs else "environment"
        raise RulesError(f"{place}: '{key}' goes with where = \"remote\" only, not with \"{where.value}\"")
    for path in environment:
        if not path.startswith("/") or path.strip("/") == "" or "/../" in path + "/":
            raise RulesError(f"{place}: 'environment' has {path!r}; it must be an absolute path, not '/' itself")
    for path in inputs:
        if path.startswith("/") or "/../" in f"/{path}/":
            raise RulesError(f"{place}: 'inputs' has {path!r}; it must be relative to the project's root and inside it")
    matchers = {key: str(table.get(key, "")).encode() for key in _MATCHERS}
    return Rule(
        where,
        **matchers,
        inputs=tuple(text.encode() for text in inputs),
        environment=tuple(text.rstrip("/").encode() for text in environment),
        origin=f"{file.name}, rule {number}",
    )


def _texts(table: Mapping[str, Any], key: str, place: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(text, str) and text and "\0" not in text for text in value):
        raise RulesError(f"{place}: '{key}' must be a list of strings that are not empty, not {value!r}")
    return value
