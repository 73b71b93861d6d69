"""A recording made of the job list and the plan of a build."""

import datetime

from dgcc.master.joblist import Job, JobList, State
from dgcc.master.plan.planned import Plan, PlannedJob
from dgcc.master.recorder import record
from dgcc.master.recording import RecordedJob

DATE = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class Build:
    """A job list whose jobs have run at known times."""

    def __init__(self) -> None:
        self.jobs = JobList()

    def ran(self, target: bytes, since: float, until: float, *, remote: bool = False, make: int = 1,
            above: int = 0) -> Job:  # fmt: skip
        job = self.jobs.released(b"/p", target)
        job.make, job.above, job.verdict = make, above, remote
        if remote:
            job.remote, job.ran, job.wall_s, job.max_rss, job.bytes_in, job.bytes_out = True, "s", 0.25, 9, 8, 7
            states = [(State.READY, since), (State.SENT, since)]
        else:
            states = [(State.HOME_READY, since), (State.HOME, since)]
        for state, at in (*states, (State.DONE, until)):
            self.jobs.move(job, state, "", at)
        return job

    def recorded(self, plan: Plan | None = None) -> dict[int, RecordedJob]:
        made = record(self.jobs, plan, command=["make"], slots={"s": 1}, home=2, wall_s=9.0, date=DATE)
        assert [job.order for job in made.jobs] == list(range(len(made.jobs)))
        return {job.id: job for job in made.jobs}


def plan_of(*jobs: tuple[bytes, tuple[bytes, ...]]) -> Plan:
    return Plan(tuple(PlannedJob(b"/p", target, b"x") for target, _ in jobs), {}, {(0, t): needs for t, needs in jobs})


def test_edges_of_the_plan_in_the_order_of_release() -> None:
    build = Build()
    b = build.ran(b"b", 0.1, 1.0, remote=True)
    a = build.ran(b"a", 0.0, 1.0)
    prog = build.ran(b"prog", 1.0, 1.5)
    more = build.ran(b"prog", 1.5, 2.0)
    needs = (b"a", b"b", b"c")
    plan = plan_of((b"a", ()), (b"b", ()), (b"c", ()), (b"prog", needs), (b"prog", needs))
    made = build.recorded(plan)
    assert list(made) == [a.id, b.id, prog.id, more.id]
    assert made[prog.id].prerequisites == (a.id, b.id)  # c was not made
    assert made[more.id].prerequisites == (prog.id,)
    assert made[b.id].remote and made[b.id].ran == "s" and not made[a.id].ran
    assert (made[b.id].wall_s, made[b.id].max_rss, made[b.id].bytes_in, made[b.id].bytes_out) == (0.25, 9, 8, 7)
    assert made[a.id].wall_s == 1.0 and made[a.id].max_rss == 0
    assert all(not job.prerequisites for job in build.recorded(None).values())


def test_edges_that_did_not_hold_are_left_out() -> None:
    build = Build()
    late = build.ran(b"late", 0.5, 3.0)
    prog = build.ran(b"prog", 1.0, 2.0)
    inner = build.ran(b"inner", 1.1, 1.9, above=prog.id, make=2)
    plan = plan_of((b"late", ()), (b"prog", (b"late",)), (b"inner", (b"prog",)))
    made = build.recorded(plan)
    assert made[late.id].prerequisites == made[prog.id].prerequisites == made[inner.id].prerequisites == ()


def test_a_recipe_that_runs_makes_has_its_own_time_alone() -> None:
    build = Build()
    sub = build.ran(b"sub", 1.0, 5.0)
    x = build.ran(b"x", 1.5, 3.0, above=sub.id, make=2)
    y = build.ran(b"y", 2.5, 4.0, above=sub.id, make=2)
    made = build.recorded()
    assert made[sub.id].wall_s == 1.5 and made[x.id].wall_s == made[y.id].wall_s == 1.5
    assert (made[sub.id].make, made[x.id].make, made[x.id].above) == (0, 1, sub.id)


def test_makes_that_a_recipe_runs_one_after_another() -> None:
    build = Build()
    sub = build.ran(b"sub", 0.0, 5.0)
    first = [build.ran(name, 1.0, 2.0, above=sub.id, make=2) for name in (b"a", b"b")]
    then = [build.ran(name, 2.01, 3.0, above=sub.id, make=3) for name in (b"c", b"d")]
    beside = build.ran(b"e", 2.5, 3.0, above=sub.id, make=4)
    made = build.recorded()
    assert all(made[job.id].prerequisites == (first[0].id, first[1].id) for job in then)
    assert all(not made[job.id].prerequisites for job in first)
    assert made[beside.id].prerequisites == ()  # it ran while the second did


def test_jobs_that_never_ran_are_not_in_it() -> None:
    build = Build()
    build.jobs.plan([(b"/p", b"planned")])
    gone = build.jobs.released(b"/p", b"gone")
    build.jobs.move(gone, State.READY, "", 0.0)
    build.jobs.move(gone, State.CANCELLED, "", 1.0)
    assert build.recorded() == {}
