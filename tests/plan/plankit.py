"""Runs real make in made trees, once for its plan and once for the build, and reads what both say."""

import os
import re
import subprocess
from pathlib import Path

from dgcc.master.plan import Plan, parse, plan_command

_DUE = re.compile(
    rb"(?:.+:[0-9]+|<builtin>): (?:target '(.*)' does not exist|update target '(.*)' due to: .*)"
)


def write(root: Path, files: dict[str, str]) -> None:
    """Write files, with their directories; `>` at the start of a line stands for a recipe's tab."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"(?m)^>", "\t", text))


def environment() -> dict[str, str]:
    """Give an environment without what a make above these tests may have left."""
    left = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
    return {**{k: v for k, v in os.environ.items() if k not in left}, "LC_ALL": "C"}


def plan_of(root: Path, *arguments: str) -> Plan:
    """Ask make for its plan in `root`."""
    command = plan_command(["make"], arguments)
    assert command is not None
    run = subprocess.run(command, cwd=root, env=environment(), capture_output=True, timeout=60)
    return parse(run.stdout.splitlines(keepends=True), os.fsencode(root))


def build(root: Path, *arguments: str) -> list[bytes]:
    """Build for real and return the targets that make updated, in its order."""
    run = subprocess.run(
        ["make", "--trace", *arguments],
        cwd=root,
        env=environment(),
        capture_output=True,
        timeout=120,
        check=True,
    )
    found = (_DUE.fullmatch(line) for line in run.stdout.splitlines())
    return [match[1] if match[1] is not None else match[2] for match in found if match]


def targets(plan: Plan) -> list[bytes]:
    """Return the planned targets, each once, in the plan's order."""
    return list(dict.fromkeys(job.target for job in plan.jobs))


def commands(plan: Plan, target: bytes) -> list[bytes]:
    """Return the commands planned for a target in any directory."""
    return [job.command for job in plan.jobs if job.target == target]
