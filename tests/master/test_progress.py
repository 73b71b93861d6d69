"""How far a build is, by time: what is told while synthetic builds run by their own clock, and what then happened."""

import heapq
import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.durations import Run
from dgcc.master.expectations import Expectations
from dgcc.master.foresight import Foresight, foresee
from dgcc.master.joblist import Job, JobList, State
from dgcc.master.likeness import likeness
from dgcc.master.plan.planned import Plan, PlannedJob
from dgcc.master.progress import Progress
from dgcc.master.timeleft import HOME, REMOTE, Item, Pool, Rest, time_left
from dgcc.master.verdict.decide import Verdict

ROOT = b"/p"


class Build:
    """A build on `slots` slots of the farm and two at home, in which jobs take `slower` times what they did before."""

    def __init__(self, took: dict[bytes, float], needs: dict[bytes, list[bytes]], slots: int, slower: float,
                 seed: int) -> None:  # fmt: skip
        self.slots, self.slower, self.chance = slots, slower, random.Random(seed)
        self.took, self.needs = took, needs
        self.now = 0.0
        self.events: list[tuple[float, int, Job]] = []
        self.foresight = Foresight(ROOT, lambda wants: None)
        self.nested: set[int] = set()
        self.progress = Progress(self.foresight, lambda: slots, 2, lambda job: job.id in self.nested, 0.0)
        self.jobs = JobList(self.progress.moved, self.foresight.moved)
        keys = {(ROOT, target): tuple(awaited) for target, awaited in needs.items()}
        by_make = {(0, target): found for (_, target), found in keys.items()}
        plan = Plan(tuple(PlannedJob(ROOT, target, self.command(target)) for target in took), keys, by_make)
        learned = Expectations()
        for target, wall_s in took.items():
            found = likeness(self.command(target))
            learned.ended(Run(ROOT, target, found.command, found.kind, 0, "one", wall_s))
        self.foresight.expectations = learned
        self.foresight.foreseen = foresee(plan, learned)
        self.jobs.plan((job.directory, job.target) for job in plan.jobs)

    @staticmethod
    def command(target: bytes) -> bytes:
        return b"cc -c x.c -o " + target if target.endswith(b".o") else b"ld -o " + target

    def run(self) -> list[tuple[float, float]]:
        """Build; return what was told to be left, and what was left, each second once a fifth was over."""
        unmet = {target: len(awaited) for target, awaited in self.needs.items()}
        heirs: dict[bytes, list[bytes]] = {}
        for target, awaited in self.needs.items():
            for each in awaited:
                heirs.setdefault(each, []).append(target)
        due = [target for target in self.took if not unmet.get(target)]
        queues: tuple[list[Job], list[Job]] = ([], [])
        busy = [0, 0]
        told = []
        second = 1.0
        while True:
            for target in due:
                queues[not target.endswith(b".o")].append(self.release(target))
            due = []
            for pool, limit in ((REMOTE, self.slots), (HOME, 2)):
                while queues[pool] and busy[pool] < limit:
                    busy[pool] += 1
                    first = max(queues[pool], key=lambda job: self.foresight.want(job).priority)
                    queues[pool].remove(first)
                    self.begin(first, pool)
            if not self.events:
                break
            at, _, job = heapq.heappop(self.events)
            while second < at:
                rest = self.progress.rest(second)
                assert rest is not None
                left = time_left(rest)
                self.progress.tell(second, left)
                told.append((second, left))
                second += 1.0
            self.now = at
            busy[job.state is State.HOME] -= 1
            self.jobs.move(job, State.DONE, "", at)
            for heir in heirs.get(job.target, ()):
                unmet[heir] -= 1
                if not unmet[heir]:
                    due.append(heir)
        return [(left, self.now - at) for at, left in told if at > self.now / 5]

    def release(self, target: bytes) -> Job:
        job = self.jobs.released(ROOT, target)
        request = SimpleNamespace(argv=tuple(self.command(target).split()))
        job.work = SimpleNamespace(request=request, verdict=Verdict(target.endswith(b".o"), ""))
        self.foresight.released(job)
        self.jobs.move(job, State.READY if target.endswith(b".o") else State.HOME_READY, "", self.now)
        return job

    def begin(self, job: Job, pool: int) -> None:
        self.jobs.move(job, (State.SENT, State.HOME)[pool], "", self.now)
        took = 0.02 + self.took[job.target] * self.slower * self.chance.lognormvariate(0, 0.15)
        job.remote, job.wall_s = pool == REMOTE, took
        heapq.heappush(self.events, (self.now + took, job.id, job))


def shapes(chance: random.Random, objects: int) -> tuple[dict[bytes, float], dict[bytes, list[bytes]]]:
    """A generator, objects that await it, libraries of them, programs that await libraries."""
    took = {b"gen": 2.0}
    needs: dict[bytes, list[bytes]] = {}
    for number in range(objects):
        took[b"%d.o" % number] = chance.lognormvariate(0.5, 0.8)
        needs[b"%d.o" % number] = [b"gen"] if number % 3 else []
    for number in range(4):
        took[b"lib%d" % number] = chance.uniform(0.1, 1)
        needs[b"lib%d" % number] = [b"%d.o" % n for n in range(number, objects, 4)]
    for number in range(12):
        took[b"prog%d" % number] = chance.uniform(0.5, 4)
        needs[b"prog%d" % number] = [b"lib%d" % (number % 4), b"lib%d" % (number * 7 % 4)]
    return took, needs


@pytest.mark.parametrize("slots", [4, 40])
@pytest.mark.parametrize("slower", [0.75, 1.0, 1.35])
def test_what_is_told_comes_true(slots: int, slower: float):
    wrong, all_ = [], 0
    for seed in range(2):
        build = Build(*shapes(random.Random(seed), 100), slots, slower, seed)
        for left, truth in build.run():
            all_ += 1
            if abs(left - truth) > 0.2 * truth + 0.5:
                wrong.append((left, truth))
        percents = [sample.percent for sample in build.progress.samples]
        assert percents == sorted(percents) and percents[-1] > 90
    assert len(wrong) <= all_ * 0.1, wrong


def test_the_first_jobs_are_not_taken_for_slow_while_slaves_fetch_the_toolchain():
    build = Build({b"%d.o" % n: 1.0 for n in range(100)}, {}, 10, 1.0, 1)
    jobs = [build.release(b"%d.o" % n) for n in range(10)]
    for job in jobs:
        build.begin(job, REMOTE)
    assert time_left(build.progress.rest(9.0)) == pytest.approx(10)
    jobs[0].wall_s = 1.0
    build.jobs.move(jobs[0], State.DONE, "", 10.0)
    assert time_left(build.progress.rest(10.0)) == pytest.approx(9, abs=0.5)


def test_a_sub_make_that_waits_is_not_taken_for_a_slow_job():
    build = Build({b"a.o": 1.0, b"sub": 0.0, b"prog": 5.0}, {b"prog": [b"sub"]}, 1, 1.0, 1)
    sub = build.release(b"sub")
    build.begin(sub, HOME)
    build.nested.add(sub.id)
    build.begin(build.release(b"a.o"), REMOTE)
    assert time_left(build.progress.rest(100.0)) == pytest.approx(5, abs=0.1)


def test_little_is_told_where_little_is_known():
    build = Build(*shapes(random.Random(1), 20), 4, 1.0, 1)
    assert build.progress.now(0.0) == (None, 0.0)
    build.foresight.foreseen = foresee(build.foresight.foreseen.plan, Expectations())
    assert build.progress.rest(0.0) is None
    build.foresight.foreseen = None
    assert build.progress.rest(0.0) is None


def test_time_goes_on_between_two_looks():
    build = Build(*shapes(random.Random(1), 20), 4, 1.0, 1)
    build.progress.tell(10.0, 30.0)
    assert build.progress.now(12.0) == (25.0, 28.0)
    assert build.progress.now(99.0) == (25.0, 0.0)
    build.progress.tell(20.0, 80.0)
    assert build.progress.now(20.0)[0] == 25.0, "what was told is not taken back"
    for number in range(300):
        build.progress.tell(30.0 + number, 1.0)
    samples = build.progress.samples
    assert len(samples) <= 64 and samples[0].at_s == 10 and samples[-1].at_s == 329


def rest(planned=(), running=(), heirs=(), missing=(), remote=2, home=1, speed=1.0, held=()) -> Rest:
    return Rest(heirs, missing, planned, running, (), held, (Pool(remote, speed), Pool(home)))


def test_the_rest_is_played_through():
    assert time_left(rest()) == 0
    assert time_left(rest(running=[Item(4, REMOTE), Item(3, HOME)], speed=2.0)) == 3
    chain = [Item(2, REMOTE, 0, 5), Item(5, HOME, 1)]
    assert time_left(rest(chain, heirs=[[1], []], missing=[0, 1])) == 7
    three = [Item(2, REMOTE, place) for place in range(3)]
    assert time_left(rest(three, heirs=[[]] * 3, missing=[0] * 3)) == 4
    assert time_left(rest(three, heirs=[[]] * 3, missing=[0] * 3, remote=0)) == 6, "at home, where there is no slave"
    longest_first = [Item(1, REMOTE, 0, 0), Item(1, REMOTE, 1, 0), Item(1, REMOTE, 2, 9), Item(9, HOME, 3)]
    assert time_left(rest(longest_first, heirs=[[], [], [3], []], missing=[0, 0, 0, 1], remote=1)) == 10
    held = [Item(0, HOME, 1)]
    assert time_left(rest([Item(3, REMOTE, 0), Item(1, REMOTE, 2)], held=held, heirs=[[1], [2], []],
                          missing=[0, 1, 1])) == 4  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1)), max_size=12), st.integers(1, 3), st.integers(1, 3))
def test_the_rest_takes_no_less_than_it_must_and_no_more_than_one_after_the_other(jobs, remote, home):
    planned = [Item(work, pool, place) for place, (work, pool) in enumerate(jobs)]
    found = time_left(rest(planned, heirs=[[]] * len(jobs), missing=[0] * len(jobs), remote=remote, home=home))
    for pool, slots in ((REMOTE, remote), (HOME, home)):
        assert found >= sum(item.work for item in planned if item.pool == pool) / slots - 1e-6
    assert found <= sum(item.work for item in planned) + 1e-6
