"""What a simulation has to say: as text, and as JSON."""

import os
from typing import Any

from msgspec.structs import asdict, replace

from dgcc.master.recording import Recording
from dgcc.simulate.graph import Graph
from dgcc.simulate.setting import Setting
from dgcc.simulate.simulation import Outcome

_SHOWN = 12  # jobs of the critical path, and fallbacks


def as_text(recording: Recording, graph: Graph, setting: Setting, outcomes: dict[str, Outcome]) -> str:
    """Return the report: a column for each of the `outcomes`, the one that was asked for first."""
    far = [s for s, job in zip(graph.seconds, graph.jobs, strict=True) if job.remote]
    near = [s for s, job in zip(graph.seconds, graph.jobs, strict=True) if not job.remote]
    slots = f"{setting.slots} slots on {len(setting.slaves)} slaves"
    window = f"make -j{setting.window}, {setting.home} recipes at home, {setting.prefetch} prefetched"
    columns = list(outcomes.values())
    bound = columns[0].bound
    reason = max(("critical path", bound.path), ("remote work", bound.work), ("home", bound.home), key=lambda b: b[1])
    lines = [
        f"build         {' '.join(recording.command)}, {recording.date}, {recording.wall_s:.1f} s",
        f"jobs          {len(far)} remote ({sum(far):.2f} s), {len(near)} local ({sum(near):.2f} s)",
        f"farm          {slots}, {window}",
        "",
        _row("", [f"{name:>14}" for name in outcomes]),
        _row("makespan", [f"{o.makespan:12.3f} s" for o in columns]),
        _row("lower bound", [f"{o.bound.seconds:12.3f} s" for o in columns]) + f"   ({reason[0]})",
        _row("ratio", [f"{o.ratio:14.4f}" for o in columns]),
        _row("tight bound", [f"{o.bound.tight:12.3f} s" for o in columns]),
        _row("slot use", [f"{o.slot_use * 100:12.1f} %" for o in columns]),
        _row("run twice", [f"{o.twice:14d}" for o in columns]),
        _row("fallbacks", [f"{len(o.fallbacks):14d}" for o in columns]),
        _row("Overseer", [f"{o.event_us:8.1f} us/ev." for o in columns]),
        "",
        f"critical path {bound.path:.3f} s: {_chain(graph, bound.chain)}",
    ]
    for target, why in columns[0].fallbacks[:_SHOWN]:
        lines.append(f"fallback      {target}: {why}")
    return "\n".join(lines) + "\n"


def as_json(setting: Setting, graph: Graph, outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """Return the same as a JSON value. Times are seconds."""
    return {
        "slots": setting.slots,
        "slaves": [asdict(slave) for slave in setting.slaves],
        "window": setting.window,
        "home": setting.home,
        "prefetch": setting.prefetch,
        "jobs": len(graph),
        **{name: _outcome(graph, outcome) for name, outcome in outcomes.items()},
    }


def _outcome(graph: Graph, outcome: Outcome) -> dict[str, Any]:
    bound = outcome.bound
    return {
        "makespan_s": round(outcome.makespan, 6),
        "bound_s": round(bound.seconds, 6),
        "path_s": round(bound.path, 6),
        "work_s": round(bound.work, 6),
        "home_s": round(bound.home, 6),
        "tight_bound_s": round(bound.tight, 6),
        "ratio": round(outcome.ratio, 6),
        "slot_use": round(outcome.slot_use, 6),
        "run_twice": outcome.twice,
        "fallbacks": [{"target": target, "reason": why} for target, why in outcome.fallbacks],
        "critical_path": [graph.jobs[place].target for place in bound.chain],
        "overseer": {"events": outcome.events, "us_per_event": round(outcome.event_us, 3)},
    }


def other_order(setting: Setting) -> Setting:
    """The same farm with the other order: make's own, or by the longest path."""
    return replace(setting, by_path=not setting.by_path)


def _row(name: str, columns: list[str]) -> str:
    return f"{name:<14}{''.join(f'{column:>16}' for column in columns)}"


def _chain(graph: Graph, chain: tuple[int, ...]) -> str:
    """The targets of a path, each once, with what is between the first and the last ones counted."""
    jobs = (graph.jobs[place] for place in chain)
    names = list(dict.fromkeys(os.path.basename(job.target) or job.label for job in jobs))
    if len(names) > _SHOWN:
        half = _SHOWN // 2
        names = [*names[:half], f"({len(names) - 2 * half} more)", *names[-half:]]
    return " > ".join(names)
