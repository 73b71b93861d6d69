"""Builds a project with plain make twice and on a farm once, all at the same path, and tells what differs."""

import fnmatch
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import farmkit
from farmkit import Built, Farm, differing, snapshot
from fidelity.projects import Project

# What Debian's own builds set as well: tools then write this time instead of the present one.
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1700000000"}

_SAID = re.compile(r"^dgcc: (?P<label>.*?): (?P<where>remote|local): (?P<reason>.*)$", re.MULTILINE)
_OBJECTS = (".o", ".lo", ".obj", ".os", ".pico")
_NO_COMPILE = "it compiles nothing"  # the verdict's words for what is by the way in such a recipe, such as mkdir


class BuildFailed(Exception):
    """A build that should succeed did not; the message has its last words."""


@dataclass(frozen=True)
class Tree:
    """A prepared project on disk: where it is built, and an untouched copy of that."""

    project: Project
    place: Path
    pristine: Path

    @property
    def build(self) -> Path:
        """The directory in which make runs."""
        return Path(self.place / "source" / self.project.build).resolve()

    def reset(self) -> None:
        """Make the place as it was before any build."""
        farmkit.fresh_copy(self.pristine, self.place)

    def snapshot(self) -> dict[str, tuple[Any, ...]]:
        """Everything in the place, the build directory beside the source too."""
        return snapshot(self.place)


@dataclass(frozen=True)
class Plain:
    """Two plain builds: what the first made, at which paths the second differs, and the seconds of the faster."""

    files: dict[str, tuple[Any, ...]]
    own: set[str]


def prepare(project: Project, farm: Farm) -> Tree:
    """Unpack and configure a project below the farm's directory. Raises BuildFailed."""
    tree = Tree(project, farm.directory / "work" / project.row, farm.directory / "pristine" / project.row)
    for path in (tree.place, tree.pristine):
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(exist_ok=True)
    farmkit.source(project.source, tree.place / "source")
    done = subprocess.run(
        project.prepare, shell=True, cwd=tree.place / "source", capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise BuildFailed(f"{project.row}: cannot be configured:\n{_end(done.stdout)}\n{_end(done.stderr)}")
    farm.give(farm.directory / "work")
    subprocess.run(["cp", "-a", str(tree.place), str(tree.pristine)], check=True)
    return tree


def build_plain(tree: Tree, farm: Farm) -> Plain:
    """Build twice without the farm. Raises BuildFailed."""
    made = []
    for _ in range(2):
        tree.reset()
        built = farm.plain(tree.build, "-j2", *tree.project.arguments, driver=tree.project.driver, env=ENVIRONMENT)
        succeeded(tree.project, built)
        made.append(tree.snapshot())
    return Plain(made[0], differing(*made))


def farm_arguments(project: Project) -> tuple[str, ...]:
    """What dgcc-master is given for a project."""
    driver = () if project.driver == "make" else ("--driver", project.driver)
    return (*driver, *project.arguments)


def build_on_farm(tree: Tree, farm: Farm) -> Built:
    """Build with dgcc-master. Raises BuildFailed."""
    tree.reset()
    built = farm.master(tree.build, *farm_arguments(tree.project), env=ENVIRONMENT)
    return succeeded(tree.project, built)


def succeeded(project: Project, built: Built) -> Built:
    """Return `built`, or raise BuildFailed."""
    if built.code:
        raise BuildFailed(f"{project.row}: the build failed ({built.code}):\n{_end(built.out)}\n{_end(built.err)}")
    return built


@dataclass(frozen=True)
class Comparison:
    """A farm build held against plain ones.

    own: paths at which two plain builds differ, too. explained: path to reason. unexplained: paths that differ for
    no known reason. homely: why recipes stayed at home, with how often. objects_home: labels of local recipes that
    look like compiles.
    """

    project: Project
    built: Built
    compared: int
    own: set[str]
    explained: dict[str, str]
    unexplained: set[str]
    homely: Counter[str]
    objects_home: list[str]

    @property
    def remote_share(self) -> float:
        """The share of compiles that the farm did, from 0 to 1."""
        jobs = self.built.jobs
        compiles = jobs["remote"] + jobs["fallback"] + len(self.objects_home)
        return jobs["remote"] / compiles if compiles else 0.0


def compare(tree: Tree, plain: Plain, built: Built) -> Comparison:
    """Hold what lies in the tree now against what plain make made there."""
    made = tree.snapshot()
    explained, unexplained, own = {}, set(), set()
    for path in differing(plain.files, made):
        reasons = [why for glob, why in tree.project.explained.items() if fnmatch.fnmatch(path, glob)]
        if path in plain.own:
            own.add(path)
        elif reasons:
            explained[path] = reasons[0]
        else:
            unexplained.add(path)
    local = [said for said in _SAID.finditer(built.err) if said["where"] == "local"]
    return Comparison(
        project=tree.project,
        built=built,
        compared=len(plain.files.keys() | made.keys()),
        own=own,
        explained=explained,
        unexplained=unexplained,
        homely=Counter(said["reason"] for said in local),
        objects_home=[
            said["label"] for said in local if said["label"].endswith(_OBJECTS) and said["reason"] != _NO_COMPILE
        ],
    )


def _end(text: str) -> str:
    return text[-2000:]
