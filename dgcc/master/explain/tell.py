"""Says about one target what would become of its commands: for people, and as JSON."""

import datetime
import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from dgcc.master.environment.environments import Environments
from dgcc.master.expectations import Expectations
from dgcc.master.explain.ask import Asked, Recipe
from dgcc.master.explain.schedule import Schedule, Schedules, lines
from dgcc.master.history import HOME, History, Past
from dgcc.master.lacked import Lacked
from dgcc.master.memory import Memory
from dgcc.master.verdict.decide import Verdict, decide
from dgcc.master.verdict.needs import Needs
from dgcc.master.verdict.rules import Rules
from dgcc.store.environment import layer_name
from dgcc.store.errors import StoreError

_SHOWN = 12  # paths of one kind, for people
_WIDTH = 15  # columns before what is said


class Layer(Struct, frozen=True):
    """An environment that a job is sent with: its key, and how many entries and bytes it has."""

    key: bytes
    entries: int
    size: int


class Command(Struct, frozen=True):
    """One command of a recipe: the verdict, and its environments or the trouble with them, which keeps it at home."""

    text: bytes
    verdict: Verdict
    layers: tuple[Layer, ...] = ()
    trouble: str = ""
    schedule: Schedule | None = None


class Explanation(Struct, frozen=True):
    """One target: its recipe, its commands, what it was found to lack, its last build; `roots` are the project's."""

    recipe: Recipe
    roots: tuple[bytes, ...]
    commands: tuple[Command, ...]
    lacked: tuple[bytes, ...]
    last: tuple[Past, ...]


def explain(asked: Asked, roots: tuple[bytes, ...], rules: Rules, environments: Environments | None = None,
            memory: Memory | None = None) -> list[Explanation]:  # fmt: skip
    """Judge the commands of a target as dgcc-master would, and add what is remembered of it.

    With `environments`, those that the commands need are computed, which may take seconds.
    """
    history, lacked = History(roots[0], memory), Lacked(roots[0], memory)
    schedules = Schedules(asked.plan, Expectations.load(roots[0], memory))
    found = []
    for recipe in asked.recipes:
        commands = []
        for text in recipe.commands:
            argv = (*asked.shell, text)
            verdict = decide(argv[0], argv, recipe.directory, asked.environment, roots, rules, recipe.target)
            layers, trouble = _layers(environments, verdict.needs) if environments and verdict.remote else ((), "")
            schedule = None
            if verdict.remote:
                schedule = schedules.of(recipe.directory, recipe.target, text, not verdict.rule)
            commands.append(Command(text, verdict, layers, trouble, schedule))
        past = history.of(recipe.target, recipe.directory)
        known = lacked.of(recipe.directory, recipe.target)
        found.append(Explanation(recipe, roots, tuple(commands), known, tuple(past)))
    return found


def _layers(environments: Environments, needs: Needs) -> tuple[tuple[Layer, ...], str]:
    try:
        keys = environments.prepare(needs)
    except (StoreError, OSError) as error:
        return (), str(error)
    found = ((key, environments.entries(layer_name(key))) for key in keys)
    return tuple(Layer(key, len(e.entries), e.size) for key, e in found if e is not None), ""


def as_text(explanations: Sequence[Explanation], start: bytes) -> str:
    """Return the explanations as lines for people, with paths below the directory `start` relative to it."""
    return "\n".join("\n".join(_lines(each, start)) + "\n" for each in explanations)


def _lines(told: Explanation, start: bytes) -> list[str]:
    recipe = told.recipe
    lines = [f"{_shown(recipe.target)}, in {_shown(recipe.directory)}", _line("project", _list(told.roots))]
    if recipe.prerequisites:
        lines.append(_line("made from", _list(recipe.prerequisites)))
    if recipe.makefile:
        lines.append(_line("recipe at", f"{_shown(recipe.makefile)}:{recipe.line}"))
    elif recipe.commands:
        lines.append(_line("recipe at", "built into make"))
    else:
        lines.append(_line("recipe", "none: it only needs others"))
    for command in told.commands:
        lines.append("")
        lines += _command_lines(command, start)
    lines.append("")
    if told.lacked:
        lines.append(_line("also needs", f"{_list(told.lacked, start)} (found missing in an earlier build)"))
    for past in told.last:
        lines.append(_line("last time", _past(past)))
    if not told.last:
        lines.append(_line("last time", "dgcc-master has not built it yet, or it is long ago"))
    return lines


def _command_lines(command: Command, start: bytes) -> list[str]:
    verdict, needs = command.verdict, command.verdict.needs
    said = [
        ("command", _shown(command.text)),
        ("verdict", f"{'remote' if verdict.remote else 'local'}: {verdict.reason}"),
        ("rule", verdict.rule),
        ("compiler", ", ".join(" ".join(map(_shown, (t.driver, *t.options))) for t in needs.toolchains)),
        ("programs", _list(needs.programs)),
        ("libraries", _list(tuple(b"-l" + name for _, name in needs.libraries))),
        ("outside", _list(needs.paths)),
        ("inputs", _list(verdict.inputs, start)),
        ("outputs", _list(verdict.outputs, start)),
        ("there run as", _shown((verdict.remote_argv or (b"",))[-1])),  # what its shell is given
    ]
    said += [("environment", f"{layer.key.hex()[:12]}, {layer.entries} entries, {layer.size / 1e6:.0f} MB")
             for layer in command.layers]  # fmt: skip
    said += lines(command.schedule) if command.schedule else []
    said += [("trouble", command.trouble), *(("note", text) for text in verdict.notes)]
    return [_line(name, text) for name, text in said if text]


def _past(past: Past) -> str:
    when = datetime.datetime.fromtimestamp(past.ended).astimezone().isoformat(" ", "seconds")
    how = "with an unknown exit code" if past.exit_code is None else f"exit code {past.exit_code}"
    where = "at home" if past.ran == HOME else f"on {past.ran}"
    text = f"{when}: {past.label or 'it'} ran {where}, {how}, {past.wall_s:.2f} s"
    if past.cpu_s:
        text += f" ({past.cpu_s:.2f} s of CPU)"
    text += f"; {past.fallback}" if past.fallback else "" if past.remote else f"; {past.reason}"
    if past.environments:
        text += f"; environments {', '.join(key.hex()[:12] for key in past.environments)}"
    return text


def _line(name: str, text: str) -> str:
    return f"  {name:<{_WIDTH - 2}}" + text.replace("\n", "\n" + " " * _WIDTH)


def _list(paths: Sequence[bytes], start: bytes = b"") -> str:
    shown = [_shown(_relative(path, start)) for path in paths[:_SHOWN]]
    return " ".join(shown) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def _relative(path: bytes, start: bytes) -> bytes:
    return path[len(start) + 1:] if start and path.startswith(start + b"/") else path


def _shown(text: bytes) -> str:
    """Text for a terminal: what is not printable is escaped, line ends and tabs are left."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode()
                   for c in text.decode(errors="backslashreplace"))  # fmt: skip


def as_json(explanations: Sequence[Explanation]) -> str:
    """Return the same as a JSON document: a list of targets. Bytes that are no UTF-8 are escaped."""
    return json.dumps([_document(each) for each in explanations], indent=2, ensure_ascii=False)


def _document(told: Explanation) -> dict[str, Any]:
    recipe = told.recipe
    return {
        "target": _text(recipe.target),
        "directory": _text(recipe.directory),
        "makefile": _text(recipe.makefile),
        "line": recipe.line,
        "prerequisites": _texts(recipe.prerequisites),
        "roots": _texts(told.roots),
        "commands": [_judged(command) for command in told.commands],
        "lacked": _texts(told.lacked),
        "last": [
            {
                "label": past.label, "remote": past.remote, "reason": past.reason, "ran": past.ran,
                "fallback": past.fallback, "exit_code": past.exit_code, "wall_s": round(past.wall_s, 3),
                "cpu_s": round(past.cpu_s, 3), "ended": round(past.ended, 3),
                "environments": [key.hex() for key in past.environments],
            }
            for past in told.last
        ],
    }  # fmt: skip


def _scheduled(schedule: Schedule | None) -> dict[str, Any] | None:
    if schedule is None:
        return None
    expected = schedule.expected
    return {
        "wall_s": round(expected.wall_s, 3),
        "cpu_s": round(expected.cpu_s, 3),
        "memory": expected.memory,
        "basis": expected.basis.value,
        "path_s": round(schedule.path_s, 3),
        "path": _texts(schedule.path),
        "repeatable": schedule.repeatable,
        "late_s": round(schedule.late_s, 3),
        "speeds": {name: round(speed, 3) for name, speed in schedule.speeds.items()},
    }


def _judged(command: Command) -> dict[str, Any]:
    verdict, needs = command.verdict, command.verdict.needs
    return {
        "command": _text(command.text),
        "remote": verdict.remote,
        "reason": verdict.reason,
        "label": verdict.label,
        "rule": verdict.rule,
        "compilers": [{"driver": _text(t.driver), "options": _texts(t.options)} for t in needs.toolchains],
        "programs": _texts(needs.programs),
        "libraries": [_text(name) for _, name in needs.libraries],
        "paths": _texts(needs.paths),
        "inputs": _texts(verdict.inputs),
        "outputs": _texts(verdict.outputs),
        "remote_argv": None if verdict.remote_argv is None else _texts(verdict.remote_argv),
        "environments": [{"key": x.key.hex(), "entries": x.entries, "bytes": x.size} for x in command.layers],
        "schedule": _scheduled(command.schedule),
        "trouble": command.trouble,
        "notes": list(verdict.notes),
    }


def _text(path: bytes) -> str:
    return path.decode(errors="backslashreplace")


def _texts(paths: Sequence[bytes]) -> list[str]:
    return [_text(path) for path in paths]
