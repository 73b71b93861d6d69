"""A place to run jobs in: a project as lower layer, scratch directories, and what came of each job."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dgcc.store.entry import Kind
from dgcc.store.jail import (
    NOBODY,
    Bind,
    Change,
    Ignored,
    JailResult,
    JailSpec,
    Overlay,
    changes,
    remove_scratch,
    run,
)

ROOT = os.geteuid() == 0
OUTSIDE = (NOBODY, NOBODY) if ROOT else (os.geteuid(), os.getegid())

HOST_SYSTEM = tuple(
    Bind(path, path, optional=True)
    for path in (b"/usr", b"/bin", b"/sbin", b"/lib", b"/lib32", b"/libx32", b"/lib64", b"/etc", b"/opt")
)
"""The directories of this host that hold its programs."""


@dataclass(frozen=True)
class Outcome:
    """A job that has ended: its result, what it printed, what it changed under the first overlay."""

    result: JailResult
    changes: list[Change]
    ignored: list[Ignored] = field(default_factory=list)

    @property
    def text(self) -> str:
        return b"".join(data for _, data in self.result.chunks).decode()

    @property
    def brief(self) -> list[tuple[str, Kind]]:
        return [(os.fsdecode(change.path), change.kind) for change in self.changes]

    def change(self, path: str) -> Change:
        return next(change for change in self.changes if change.path == os.fsencode(path))


class Place:
    """Runs shell scripts in jails whose project, at `inside`, is an overlay over the directory `lower`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.lower = top / "lower"
        self.lower.mkdir()
        self.inside = b"/home/someone/project"
        self._count = 0

    def write(self, name: str, content: str = "", mode: int = 0o644, *, where: Path | None = None) -> Path:
        path = (where or self.lower) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    def give_away(self, *paths: Path) -> None:
        """As a root slave does with its mirrors: their files belong to the identity of the jobs."""
        for top in (self.lower, *paths) if ROOT else ():
            for directory, _, files in os.walk(top):
                for path in (directory, *(os.path.join(directory, name) for name in files)):
                    os.chown(path, *OUTSIDE, follow_symlinks=False)

    def spec(self, script: str, **changed: Any) -> JailSpec:
        self._count += 1
        scratch = self.top / f"scratch-{self._count}"
        scratch.mkdir()
        self.give_away()
        spec = JailSpec(
            scratch=scratch,
            program=b"/bin/sh",
            argv=(b"sh", b"-c", script.encode()),
            env=(b"PATH=/usr/bin:/bin",),
            cwd=self.inside,
            binds=HOST_SYSTEM,
            overlays=(Overlay(self.inside, (os.fsencode(self.lower),)),),
        )
        return replace(spec, **changed)

    def sh(self, script: str, *, merge: bool = True, max_output: int = 1 << 22, **changed: Any) -> Outcome:
        return self.do(self.spec(script, **changed), merge=merge, max_output=max_output)

    def do(self, spec: JailSpec, *, merge: bool = True, max_output: int = 1 << 22) -> Outcome:
        try:
            result = run(spec, merge=merge, deadline_s=60, max_output=max_output)
            ignored: list[Ignored] = []
            changed = []
            if spec.overlays and spec.overlays[0].writable:
                lower = [Path(os.fsdecode(path)) for path in spec.overlays[0].lower]
                changed = changes(spec.upper(0), lower, ignored)
            return Outcome(result, changed, ignored)
        finally:
            remove_scratch(spec.scratch)
            assert not spec.scratch.exists()
