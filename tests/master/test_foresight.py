"""Plan, history and verdicts brought together into what is wanted of each job."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from dgcc.master.durations import Durations, Run
from dgcc.master.foresight import Foresight
from dgcc.master.joblist import Job, JobList, State
from dgcc.master.likeness import likeness
from dgcc.master.memory import Memory
from dgcc.master.plan.planned import Plan, PlannedJob
from dgcc.master.verdict.decide import Verdict
from dgcc.master.want import Want

ROOT = b"/p"
CC = b"cc -c %s.c"


def plan() -> Plan:
    """prog awaits a.o and b.o; a.o has two lines and awaits a.h."""
    needs = {(ROOT, b"prog"): (b"a.o", b"b.o"), (ROOT, b"a.o"): (b"a.h",)}
    commands = [(b"a.h", b"gen a.h"), (b"a.o", CC % b"a"), (b"a.o", b"check a.o"), (b"b.o", CC % b"b"),
                (b"prog", b"cc -o prog")]  # fmt: skip
    by_make = {(0, target): found for (_, target), found in needs.items()}
    return Plan(tuple(PlannedJob(ROOT, *each) for each in commands), needs, by_make)


def history(memory: Memory) -> None:
    took = {b"a.h": 1.0, b"a.o": 4.0, b"b.o": 2.0, b"prog": 3.0}
    Durations(ROOT, memory).save(
        Run(ROOT, job.target, found.command, found.kind, 0, "one", took[job.target], 0.5, 50 << 20)
        for job in plan().jobs if job.command[:5] != b"check" for found in [likeness(job.command)]
    )  # fmt: skip


class Master:
    """A Foresight with the part of a master that it knows."""

    def __init__(self, memory: Memory) -> None:
        self.told: list[dict[int, Want]] = []
        self.foresight = Foresight(ROOT, lambda wants: self.told.append(dict(wants)), memory)
        self.jobs = JobList(self.foresight.moved)
        self.thread = ThreadPoolExecutor(1)

    def release(self, target: bytes, command: bytes, remote: bool = True, rule: str = "") -> Job:
        job = self.jobs.released(ROOT, target)
        request = SimpleNamespace(argv=tuple(command.split()))
        job.work = SimpleNamespace(request=request, verdict=Verdict(remote, "", rule=rule))
        self.foresight.released(job)
        return job

    def end(self, job: Job, wall_s: float) -> None:
        job.remote, job.ran, job.wall_s = True, "one", wall_s
        for state in (State.READY, State.SENT, State.DONE):
            self.jobs.move(job, state, "", 0.0)

    async def know(self, found: Plan | None) -> None:
        reading = asyncio.create_task(self.foresight.read(self.thread))
        if found is not None:
            await self.foresight.planned(found, self.thread)
        await reading


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "builds.sqlite")


def test_the_longest_path_makes_the_priority(memory):
    history(memory)
    master = Master(memory)

    async def build() -> None:
        await master.know(plan())
        want = master.foresight.want
        first, second = master.release(b"a.o", CC % b"a"), master.release(b"a.o", b"check a.o")
        assert want(first) == Want(4.0 + 4.0 + 3.0, 4.0, 50 << 20, True), "the unknown line counts for its target's"
        assert want(second).priority == 4.0 + 3.0
        assert want(master.release(b"b.o", CC % b"b")).priority == 5.0
        assert want(master.release(b"prog", b"cc -o prog", remote=False)) == Want(3.0, 3.0, 50 << 20, False)
        assert not want(master.release(b"x.o", CC % b"x", rule="dgcc.toml:1")).repeatable
        other = want(master.release(b"y.o", CC % b"y"))
        assert other.priority == other.expected_s == pytest.approx(3.0), "not planned: what its like take"

    asyncio.run(build())


def test_jobs_that_came_first_hear_of_plan_and_history(memory):
    history(memory)
    master = Master(memory)

    async def build() -> None:
        early, gone = master.release(b"a.o", CC % b"a"), master.release(b"a.h", b"gen a.h")
        assert master.foresight.want(early).expected_s == 0 and master.foresight.want(early).repeatable
        master.end(gone, 1.0)
        await master.know(plan())
        assert [set(each) for each in master.told] == [{early.id}, {early.id}]
        assert master.told[0][early.id].priority == 4.0
        assert master.told[1][early.id].priority == 11.0
        assert master.foresight.place(gone) == 0 and master.foresight.place(early) == 1

    asyncio.run(build())


def test_a_build_with_nothing_to_do_reads_nothing(memory):
    master = Master(memory)

    async def build() -> None:
        reading = asyncio.create_task(master.foresight.read(master.thread))
        await master.foresight.planned(Plan(), master.thread)
        await asyncio.sleep(0.01)
        assert not reading.done() and not master.told
        reading.cancel()

    asyncio.run(build())


def test_what_ended_well_is_known_to_the_same_and_the_next_build(memory):
    master = Master(memory)

    async def build() -> None:
        early = master.release(b"a.o", CC % b"a")
        master.end(early, 5.0)
        await master.know(None)
        for number in range(3):
            master.end(master.release(b"%d.o" % number, CC % b"%d" % number), 5.0)
        assert master.foresight.want(master.release(b"z.o", CC % b"z")).expected_s == pytest.approx(5.0)
        failed = master.release(b"bad.o", CC % b"bad")
        master.jobs.move(failed, State.HOME_READY, "", 0.0)
        master.jobs.move(failed, State.HOME, "", 0.0)
        master.jobs.move(failed, State.FAILED, "", 0.0)
        master.foresight.remember()

    asyncio.run(build())
    later = Master(memory)

    async def again() -> None:
        await later.know(plan())
        assert later.foresight.want(later.release(b"a.o", CC % b"a")).expected_s == 5.0
        bad = later.release(b"bad.o", CC % b"bad")
        assert not later.foresight.expected(bad).known, "what failed says nothing of its duration"

    asyncio.run(again())


def test_a_job_that_waited_for_others_counts_for_nothing(memory):
    master = Master(memory)

    async def build() -> None:
        job = master.release(b"all", b"make -C sub", remote=False)
        job.nested = True
        for state in (State.HOME_READY, State.HOME, State.DONE):
            master.jobs.move(job, state, "", 0.0)
        job.wall_s = 60.0
        master.foresight.remember()

    asyncio.run(build())
    later = Master(memory)

    async def again() -> None:
        await later.know(plan())
        found = later.foresight.expected(later.release(b"all", b"make -C sub"))
        assert found.known and found.wall_s == 0

    asyncio.run(again())
