"""`make fidelity`: builds the projects on bare slaves and writes docs/fidelity.md; exits 1 unless all are equal."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import farmkit
from farmkit import Farm
from fidelity import table
from fidelity.compare import (
    BuildFailed,
    Comparison,
    Plain,
    Tree,
    build_on_farm,
    build_on_farm_at_once,
    build_plain,
    compare,
    prepare,
)

from dgcc.bench.projects import DRILL, PROJECTS, Project

_TABLE = farmkit.TOP / "docs" / "fidelity.md"
_ROWS = [project.row for project in (*PROJECTS, *DRILL)]


class Session:
    """Projects built one after the other on one farm; the table is written after each."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self.failed: list[str] = []

    def one(self, project: Project) -> None:
        """Build a project and note what came out."""
        self._guarded(project.row, lambda: self._note([self._compared(*self._plain(project))]))

    def at_once(self, projects: Iterable[Project]) -> None:
        """Build projects with a master each, at the same time."""
        projects = list(projects)

        def build() -> None:
            prepared = [self._plain(project) for project in projects]
            built = build_on_farm_at_once([tree for tree, _ in prepared], self._farm)
            self._note([compare(tree, plain, each) for (tree, plain), each in zip(prepared, built, strict=True)])

        self._guarded(" and ".join(project.row for project in projects), build)

    def _plain(self, project: Project) -> tuple[Tree, Plain]:
        _say(f"{project.row}: {project.source}, {project.style}")
        tree = prepare(project, self._farm)
        return tree, build_plain(tree, self._farm)

    def _compared(self, tree: Tree, plain: Plain) -> Comparison:
        return compare(tree, plain, build_on_farm(tree, self._farm))

    def _note(self, made: list[Comparison]) -> None:
        for each in made:
            jobs = each.built.jobs
            _say(
                f"{each.project.row}: {jobs['remote']} remote, {jobs['local']} local, {jobs['fallback']} fallback, "
                f"{each.remote_share:.0%} of compiles remote; {each.compared} files, "
                f"{len(each.explained)} differ for a known reason, {len(each.unexplained)} for none"
            )
            if each.unexplained:
                self.failed.append(each.project.row)
            for path in sorted(each.unexplained)[:10]:
                _say(f"  differs: {path}")
        versions = {each.project.row: farmkit.source_version(each.project.source) for each in made}
        table.write(_TABLE, made, versions, _ROWS)

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        started = time.monotonic()
        try:
            work()
        except BuildFailed as error:
            _say(str(error))
            self.failed.append(name)
        _say(f"{name}: {time.monotonic() - started:.0f} s in all")


def _say(line: str) -> None:
    print(f"fidelity: {line}", flush=True)


def main(wanted: list[str]) -> int:
    """Build the wanted rows, or all; returns the exit code."""
    unknown = set(wanted) - set(_ROWS)
    if unknown:
        _say(f"no such project: {', '.join(sorted(unknown))}; there are: {', '.join(_ROWS)}")
        return 2
    if os.geteuid() != 0:
        _say("needs root: bare hosts are made of mounts")
        return 2
    # Below no version control: the project's root would be its top.
    with tempfile.TemporaryDirectory(prefix="dgcc-fidelity-") as name:
        Path(name).chmod(0o755)
        with farmkit.farm(Path(name), "a", "b", bare=True) as farm:
            session = Session(farm)
            for project in PROJECTS:
                if not wanted or project.row in wanted:
                    session.one(project)
            drill = [project for project in DRILL if not wanted or project.row in wanted]
            if drill:
                session.at_once(drill)
    if session.failed:
        _say(f"not as plain make's: {', '.join(session.failed)}")
    return 1 if session.failed else 0


if __name__ == "__main__":
    for _variable in [name for name in os.environ if name.startswith(("MAKE", "MFLAGS"))]:
        del os.environ[_variable]
    sys.exit(main(sys.argv[1:]))
