"""Says about one target what would become of its commands: for people, and as JSON."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dgcc.master.explain.ask import Asked, Recipe
from dgcc.master.history import HOME, History, Past
from dgcc.master.lacked import Lacked
from dgcc.master.memory import Memory
from dgcc.master.verdict import Rules, Verdict, decide

_SHOWN = 12  # paths of one kind, for people
_WIDTH = 14  # columns before what is said


@dataclass(frozen=True, slots=True)
class Explanation:
    """One target: its recipe, the verdict on each command, what it was found to lack, and its last build."""

    recipe: Recipe
    verdicts: tuple[Verdict, ...]
    lacked: tuple[bytes, ...]
    last: tuple[Past, ...]


def explain(asked: Asked, roots: tuple[bytes, ...], rules: Rules, memory: Memory | None = None) -> list[Explanation]:
    """Judge the commands of a target as dgcc-master would, and add what is remembered of it."""
    history, lacked = History(roots[0], memory), Lacked(roots[0], memory)
    found = []
    for recipe in asked.recipes:
        verdicts = tuple(
            decide(asked.shell[0], (*asked.shell, command), recipe.directory, asked.environment, roots, rules,
                   recipe.target)
            for command in recipe.commands
        )  # fmt: skip
        found.append(Explanation(recipe, verdicts, lacked.of(recipe.directory, recipe.target),
                                 tuple(history.of(recipe.target, recipe.directory))))  # fmt: skip
    return found


def as_text(explanations: Sequence[Explanation], start: bytes) -> str:
    """Return the explanations as lines for people, with paths below the directory `start` relative to it."""
    return "\n".join("\n".join(_lines(each, start)) + "\n" for each in explanations)


def _lines(told: Explanation, start: bytes) -> list[str]:
    recipe = told.recipe
    lines = [f"{_shown(recipe.target)}, in {_shown(recipe.directory)}"]
    if recipe.prerequisites:
        lines.append(_line("made from", _list(recipe.prerequisites)))
    if recipe.makefile:
        lines.append(_line("recipe at", f"{_shown(recipe.makefile)}:{recipe.line}"))
    elif recipe.commands:
        lines.append(_line("recipe at", "built into make"))
    else:
        lines.append(_line("recipe", "none: it only needs others"))
    for command, verdict in zip(recipe.commands, told.verdicts, strict=True):
        lines.append("")
        lines += _command_lines(command, verdict, start)
    lines.append("")
    if told.lacked:
        lines.append(_line("also needs", f"{_list(told.lacked, start)} (found missing in an earlier build)"))
    for past in told.last:
        lines.append(_line("last time", _past(past)))
    if not told.last:
        lines.append(_line("last time", "dgcc-master has not built it yet, or it is long ago"))
    return lines


def _command_lines(command: bytes, verdict: Verdict, start: bytes) -> list[str]:
    needs = verdict.needs
    first, *more = _shown(command).split("\n")
    lines = [_line("command", first), *(" " * _WIDTH + line for line in more)]
    lines.append(_line("verdict", f"{'remote' if verdict.remote else 'local'}: {verdict.reason}"))
    said = [
        ("rule", verdict.rule),
        ("compiler", ", ".join(" ".join(map(_shown, (t.driver, *t.options))) for t in needs.toolchains)),
        ("programs", _list(needs.programs)),
        ("libraries", _list(tuple(b"-l" + name for _, name in needs.libraries))),
        ("outside", _list(needs.paths)),
        ("inputs", _list(verdict.inputs, start)),
        ("outputs", _list(verdict.outputs, start)),
        ("run as", " ".join(map(_shown, verdict.remote_argv or ()))),
    ]
    return lines + [_line(name, text) for name, text in said if text] + [_line("note", text) for text in verdict.notes]


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
    return f"  {name:<{_WIDTH - 2}}{text}"


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
        "commands": [_judged(*pair) for pair in zip(recipe.commands, told.verdicts, strict=True)],
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


def _judged(command: bytes, verdict: Verdict) -> dict[str, Any]:
    needs = verdict.needs
    return {
        "command": _text(command),
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
        "notes": list(verdict.notes),
    }


def _text(path: bytes) -> str:
    return path.decode(errors="backslashreplace")


def _texts(paths: Sequence[bytes]) -> list[str]:
    return [_text(path) for path in paths]
