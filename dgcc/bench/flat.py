"""Projects made of many recipes that await nothing, sent by a rule."""

from collections.abc import Sequence
from pathlib import Path


def recipes(place: Path, commands: Sequence[str], named: str) -> Path:
    """Make a project at `place` with one target for each command; `named`: the command's name, for the rule."""
    place.mkdir(parents=True)
    targets = [f"t{number}" for number in range(len(commands))]
    rules = "\n".join(f"{target}:\n\t@{command}" for target, command in zip(targets, commands, strict=True))
    (place / "Makefile").write_text(f".PHONY: all {' '.join(targets)}\nall: {' '.join(targets)}\n{rules}\n")
    (place / "dgcc.toml").write_text(f'[[rule]]\ncommand = "{named}"\nwhere = "remote"\n')
    return place
