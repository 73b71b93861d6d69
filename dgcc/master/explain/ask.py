"""Asks make for the recipe of one target, also of one that is up to date, and for what its recipes are run with.

Make is asked by dry runs in a jail in which the project is an overlay. There the target's file can be removed first,
so that make wants to make it again: that shows the recipe of exactly this target, wherever in a recursive build it
is, and nothing else changes.
"""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from dgcc.master.plan.command import DRY_RUNS, plan_command
from dgcc.master.plan.drylayers import dry_layers
from dgcc.master.plan.parse import parse
from dgcc.master.plan.planned import Plan, PlannedJob
from dgcc.naming.ownplace import OwnPlace
from dgcc.store import jail
from dgcc.store.errors import StoreError

_DEADLINE_S = 300.0
_MOST_OUTPUT = 512 << 20  # bytes
_CLOSE_NAMES = 5
_MOST_COMPARED = 5000
# Removes the files named by the first so many arguments, then becomes the command that the others are.
_REMOVE = b'n=$1; shift; while [ "$n" -gt 0 ]; do [ -d "$1" ] || rm -f -- "$1"; shift; n=$((n - 1)); done; exec "$@"'
_MARK = b"\1dgcc\1"
_GOAL = ".dgcc-surroundings"
_SURROUNDINGS = (
    f"{_GOAL}: ; +@printf '\\001dgcc\\001'; printf '%s\\000' '$(SHELL)' '$(.SHELLFLAGS)'; env -0;"
    " printf '\\001dgcc\\001'"
)


class ExplainError(Exception):
    """The target cannot be explained; the message says why, and what to try."""


class Recipe(Struct, frozen=True):
    """A target in one directory (absolute), with its commands as make prints them; none, if it only needs others.

    makefile, line: where the recipe is; empty and 0 where make has it built in, or there is none.
    """

    directory: bytes
    target: bytes
    commands: tuple[bytes, ...]
    makefile: bytes = b""
    line: int = 0
    prerequisites: tuple[bytes, ...] = ()


class Asked(Struct, frozen=True):
    """The `recipes` of a target, and the shell and environment that make runs recipes with.

    plan: what make would do were the target gone, if it would do anything.
    """

    recipes: tuple[Recipe, ...]
    shell: tuple[bytes, ...]
    environment: Mapping[bytes, bytes]
    plan: Plan | None = None


def ask(target: bytes, arguments: Sequence[str], roots: tuple[bytes, ...], directory: bytes) -> Asked:
    """Return what make, with the user's `arguments`, would run for `target`.

    `target` is a name as make has it or a path from the working directory on; `directory` is where make works,
    which -C may have led away from it. Raises ExplainError.
    """
    make = _Make(list(arguments), roots)
    exact = {os.path.normpath(os.path.join(at, target)) for at in (os.path.realpath(os.getcwdb()), directory)}
    paths = set(exact)  # that make is to find missing
    seen: list[Plan] = []
    goals: list[str] = []
    found: dict[tuple[bytes, bytes], None] = {}
    for attempt in range(3):
        plan = make.plan(goals, paths)
        seen.append(plan)
        named = {key: None for key in _keys(plan) if key[1] == target or _path(key) in exact}
        found = {key: None for key in named if _path(key) in exact} or named
        if any(plan.find(*key) for key in found):
            break
        if found and attempt == 0:
            paths |= {_path(key) for key in found}  # known, and not due: it lies in a directory below
        else:
            goals = [_goal(target, directory)]
    if not found:
        raise ExplainError(_unknown(target, seen, make.complaint))
    shell, environment = make.surroundings()
    recipes = tuple(_recipe(seen, key) for key in found)
    # A name may be known in several directories, of which some have nothing to do for it.
    return Asked(tuple(r for r in recipes if r.commands) or recipes[:1], shell, environment, seen[-1])


def _keys(plan: Plan) -> Iterable[tuple[bytes, bytes]]:
    return dict.fromkeys((*((job.directory, job.target) for job in plan.jobs), *plan.prerequisites))


def _path(key: tuple[bytes, bytes]) -> bytes:
    return os.path.normpath(os.path.join(*key))


def _goal(target: bytes, directory: bytes) -> str:
    """The target's name from make's directory on, where it is given as a path from another working directory."""
    whole = os.path.join(os.getcwdb(), target)
    if b"/" in target and os.path.realpath(os.getcwdb()) != directory and os.path.isdir(os.path.dirname(whole)):
        return os.fsdecode(os.path.relpath(whole, directory))
    return os.fsdecode(target)


def _recipe(plans: list[Plan], key: tuple[bytes, bytes]) -> Recipe:
    found = (plan.find(*key) for plan in plans)
    jobs: tuple[PlannedJob, ...] = next((jobs for jobs in found if jobs), ())
    needs = next((plan.prerequisites[key] for plan in plans if plan.prerequisites.get(key)), ())
    if not jobs:
        return Recipe(*key, (), prerequisites=needs)
    return Recipe(*key, tuple(job.command for job in jobs), jobs[0].makefile, jobs[0].line, jobs[0].prerequisites)


def _unknown(target: bytes, plans: list[Plan], complaint: str) -> str:
    shown = os.fsdecode(target)
    names = {os.fsdecode(key[1]) for plan in plans for key in _keys(plan)}
    names = {name for name in names if "%" not in name and not (name.startswith(".") and "/" not in name)}
    base = os.path.basename(shown)
    close = sorted(name for name in names if os.path.basename(name) == base)
    if len(names) > _MOST_COMPARED:
        names = {name for name in names if os.path.basename(name)[:1] == base[:1]}
    close += difflib.get_close_matches(shown, sorted(names), _CLOSE_NAMES, 0.6)
    close = list(dict.fromkeys(close))[:_CLOSE_NAMES]
    text = f"make knows no target '{shown}'"
    if os.path.exists(target):
        text += ": that file is there, and nothing makes it"
    if close:
        return f"{text}; close names are {', '.join(close)}"
    return f"{text} ({complaint})" if complaint else text


class _Make:
    """Dry runs of make in a jail."""

    def __init__(self, arguments: list[str], roots: tuple[bytes, ...]) -> None:
        self._arguments = arguments
        self._roots = roots
        self._environment = _own_environment()
        self.complaint = ""  # make's own first one, if it had any

    def plan(self, goals: list[str], gone: Iterable[bytes]) -> Plan:
        """Return what make would do if the files `gone` were not there. Raises ExplainError."""
        command = plan_command(["make"], [*self._arguments, *goals])
        if command is None:
            raise ExplainError("make's arguments ask for no build; leave out -n, -q, -t, -p and their like")
        printed, said = self._run(command, gone, {**self._environment, b"LC_ALL": b"C"})
        complaints = [line for line in said.decode(errors="replace").splitlines() if "***" in line]
        self.complaint = self.complaint or next(iter(complaints), "")
        return parse(printed.splitlines(keepends=True), os.getcwdb())

    def surroundings(self) -> tuple[tuple[bytes, ...], dict[bytes, bytes]]:
        """Return the shell with its flags, and the environment, with which make at the top runs its recipes."""
        command = plan_command(["make"], [f"--eval={_SURROUNDINGS}", *self._arguments, _GOAL])
        printed = b"" if command is None else self._run([c for c in command if c != "-p"], (), self._environment)[0]
        parts = printed.split(_MARK)
        if len(parts) < 3:  # a makefile that knows better; its own recipes run with what we have, more or less
            return (b"/bin/sh", b"-c"), self._environment
        shell, flags, *entries = parts[1].split(b"\0")
        pairs = (entry.partition(b"=") for entry in entries if b"=" in entry)
        return (shell, *(flags.split() or (b"-c",))), {name: value for name, _, value in pairs}

    def _run(
        self, command: list[str], gone: Iterable[bytes], environment: Mapping[bytes, bytes]
    ) -> tuple[bytes, bytes]:
        """Return what a command has printed on stdout and on stderr."""
        removed = sorted(path for path in gone if path.startswith(tuple(root + b"/" for root in self._roots)))
        argv = (b"sh", b"-c", _REMOVE, b"sh", b"%d" % len(removed), *removed, *(os.fsencode(word) for word in command))
        try:
            with OwnPlace(DRY_RUNS, "/var/tmp", jail.remove_scratch) as scratch:
                spec = jail.JailSpec(
                    scratch=scratch, program=b"/bin/sh", argv=argv, cwd=os.getcwdb(), inside_uid=os.getuid(),
                    env=tuple(name + b"=" + value for name, value in environment.items()), inside_gid=os.getgid(),
                    binds=(), host_root=True, overlays=dry_layers(self._roots),
                )  # fmt: skip
                result = jail.run(spec, merge=False, deadline_s=_DEADLINE_S, max_output=_MOST_OUTPUT)
        except (StoreError, OSError) as error:
            raise ExplainError(f"make cannot be asked: {error}") from error
        if result.exit_code == 127:
            raise ExplainError("make cannot be asked: there is no make in PATH")
        printed, said = (b"".join(data for fd, data in result.chunks if fd == wanted) for wanted in (1, 2))
        return printed, said


def _own_environment() -> dict[bytes, bytes]:
    """The environment of this process as its user gave it: Python may have added its own LC_CTYPE (PEP 538)."""
    given = Path("/proc/self/environ").read_bytes()
    own = b"\0LC_CTYPE=" in b"\0" + given
    return {name: value for name, value in os.environb.items() if own or name != b"LC_CTYPE"}
