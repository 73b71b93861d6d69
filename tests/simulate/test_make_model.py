"""The model of make against make itself: recipes that end when they are told to, in the same order in both."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from simulate.simulatekit import graph

from dgcc.simulate.graph import Graph
from dgcc.simulate.make import Make

# Programs of two objects each, one object that two of them need, a recipe of two lines, and a chain.
TREE = {
    "all": ("p1", "p2", "p3", "last"),
    "p1": ("a", "b"),
    "p2": ("c", "shared"),
    "p3": ("shared", "d"),
    "last": ("s3",),
    "s3": ("s2",),
    "s2": ("s1",),
}
LEAVES = ("a", "b", "c", "shared", "d", "s1")


class RealMake:
    """A make whose recipes write a line when they begin and wait on a fifo."""

    def __init__(self, directory: Path, jobs: int) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.log.touch()
        rules = []
        for target in (*LEAVES, *TREE):
            lines = 2 if target == "c" else 1
            for line in range(lines):
                os.mkfifo(directory / f"{target}.{line}")
            recipe = "".join(f"\t@echo {target}.{n} >> log; read x < {target}.{n}\n" for n in range(lines))
            rules.append(f"{target}: {' '.join(TREE.get(target, ()))}\n{recipe}")
        (directory / "Makefile").write_text(f"goal: all\n.PHONY: {' '.join((*LEAVES, *TREE))}\n" + "".join(rules))
        self.process = subprocess.Popen(["make", f"-j{jobs}", "-s"], cwd=directory, start_new_session=True)

    def begun(self, count: int) -> list[str]:
        """Wait until so many recipe lines have begun, and return all that have."""
        until = time.monotonic() + 20
        while len(lines := self.log.read_text().split()) < count and time.monotonic() < until:
            time.sleep(0.005)
        return lines

    def end(self, line: str) -> None:
        with open(self.directory / line, "w") as fifo:
            fifo.write("\n")


@contextmanager
def real_make(directory: Path, jobs: int) -> Iterator[RealMake]:
    made = RealMake(directory, jobs)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            os.killpg(made.process.pid, signal.SIGKILL)  # its recipes as well, which would wait for ever
        made.process.wait()


def tree_graph() -> tuple[Graph, list[str]]:
    """The same as a graph, with the names of its jobs. Its order of release is that of make -j1."""
    jobs: dict[str, dict[str, object]] = {}

    def visit(target: str) -> int:
        if f"{target}.0" not in jobs:
            needs = tuple(visit(need) for need in TREE.get(target, ()))
            jobs[f"{target}.0"] = {"target": target, "prerequisites": needs}
            if target == "c":
                jobs["c.1"] = {"target": "c", "prerequisites": (len(jobs),)}
        last = "c.1" if target == "c" else f"{target}.0"
        return list(jobs).index(last) + 1

    visit("all")
    return graph(*jobs.values()), list(jobs)


@pytest.mark.parametrize(("jobs", "seed"), [(1, 0), (2, 1), (2, 2), (3, 3), (4, 4), (50, 5)])
def test_the_model_releases_what_make_starts(tmp_path: Path, jobs: int, seed: int) -> None:
    shape, names = tree_graph()
    released: list[int] = []
    model = Make(shape, jobs, released.append)
    model.start()
    running: list[int] = []
    chance = random.Random(seed)
    with real_make(tmp_path, jobs) as make:
        seen = 0
        while model.left:
            fresh = [names[job] for job in released[seen:]]
            begun = make.begun(len(released))
            # What make starts in one go begins in any order.
            assert sorted(begun[seen:]) == sorted(fresh)
            running += released[seen:]
            seen = len(released)
            assert len(running) <= jobs
            job = running.pop(chance.randrange(len(running)))
            make.end(names[job])
            model.ended(job)
        assert make.process.wait(20) == 0
        assert sorted(make.begun(seen)) == sorted(names)


def test_makes_in_recipes_share_the_tokens() -> None:
    # A recipe (0) runs a make of three jobs; beside it two more jobs. With -j2: one of the sub-make's jobs has the
    # recipe's own token.
    shape = graph(
        {"remote": False}, {"above": 1, "make": 1}, {"above": 1, "make": 1}, {"above": 1, "make": 1}, {}, {},
        {"prerequisites": (1,)},
    )  # fmt: skip
    released: list[int] = []
    model = Make(shape, 2, released.append)
    model.start()
    assert released == [0, 4]  # the sub-make has not come to its jobs
    model.begin_makes(0)
    assert released == [0, 4, 1]
    assert model.ended(1) == [] and released[3:] == [2]
    assert model.ended(4) == [] and released[4:] == [5]  # the first make has waited for a token for longer
    assert model.ended(2) == [] and released[5:] == [3]
    assert model.ended(3) == [0] and model.ended(0) == [] and released[6:] == [6]
