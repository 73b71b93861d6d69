"""Builds a project with plain make twice and on a farm once, all at the same path, and tells what differs."""

import fnmatch
import re
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import farmkit
from farmkit import Built, Farm, differing, snapshot

from dgcc.bench.projects import Project

# What Debian's own builds set as well: tools then write this time instead of the present one.
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1700000000"}

_SAID = re.compile(r"^dgcc: (?P<label>.*?): (?P<where>remote|local): (?P<reason>.*)$", re.MULTILINE)
_LONGEST_S = 1800
_OBJECTS = (".o", ".lo", ".obj", ".os", ".pico")
# The verdict's words for commands that compile nothing, though they may help to make an object. What is not known here
# counts as a compile.
_NO_COMPILE = re.compile(
    "it compiles nothing|it runs another build|it links|libtool does not compile|"
    r"\S+ is not a command that travels$|\S+ is given a whole directory"
)


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
    """Two plain builds: what the first made, at which paths the second differs, and the second's seconds."""

    files: dict[str, tuple[Any, ...]]
    own: set[str]
    seconds: float


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


def build_plain(tree: Tree, farm: Farm, times: int = 2) -> Plain:
    """Build without the farm: twice, or once if two are known to be equal. Raises BuildFailed."""
    project, made, seconds = tree.project, [], 0.0
    for _ in range(times):
        tree.reset()
        started = time.monotonic()
        built = farm.plain(tree.build, "-j2", *project.arguments, driver=project.driver, env=ENVIRONMENT)
        seconds = time.monotonic() - started
        succeeded(project, built)
        made.append(tree.snapshot())
    return Plain(made[0], differing(made[0], made[-1]), seconds)


def build_on_farm(tree: Tree, farm: Farm) -> Built:
    """Build with dgcc-master. Raises BuildFailed."""
    return build_on_farm_at_once([tree], farm)[0]


def build_on_farm_at_once(trees: list[Tree], farm: Farm) -> list[Built]:
    """Build each tree with a dgcc-master of its own, all at the same time. Raises BuildFailed."""
    for tree in trees:
        tree.reset()
    masters = []
    for tree in trees:
        driver = () if tree.project.driver == "make" else ("--driver", tree.project.driver)
        masters.append(farm.start_master(tree.build, *driver, *tree.project.arguments, env=ENVIRONMENT))
    built = _finished(masters, farm)
    return [succeeded(tree.project, each) for tree, each in zip(trees, built, strict=True)]


def _finished(masters: list[subprocess.Popen[bytes]], farm: Farm) -> list[Built]:
    """Wait for all at once: a master whose pipes nobody reads would wait as well."""
    with ThreadPoolExecutor(len(masters)) as pool:
        return list(pool.map(lambda master: farm.finish(master, _LONGEST_S), masters))


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
    plain_s: float
    objects_home: list[str]

    @property
    def farm_s(self) -> float:
        """Seconds of the build on the farm."""
        return float(self.built.report["wall_s"])

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
        plain_s=plain.seconds,
        objects_home=[
            said["label"]
            for said in local
            if said["label"].endswith(_OBJECTS) and not _NO_COMPILE.match(said["reason"])
        ],
    )


def _end(text: str) -> str:
    return text[-2000:]
