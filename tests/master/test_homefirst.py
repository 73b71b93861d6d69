"""Which jobs run at home before there is a farm."""

from types import SimpleNamespace

from dgcc.master.homefirst import HomeFirst
from dgcc.master.joblist import Job, State


def job(state: State = State.READY, rule: str = "") -> Job:
    return Job(1, b"/p", b"a.o", state=state, work=SimpleNamespace(verdict=SimpleNamespace(rule=rule)))


def test_jobs_are_taken_until_a_slave_has_joined_and_never_after() -> None:
    joined = [False]
    first = HomeFirst(2, lambda: 0, lambda: joined[0])
    assert first.takes(job()) and first.takes(job())
    joined[0] = True
    assert not first.takes(job())
    joined[0] = False  # it is lost
    assert not first.takes(job())


def test_not_more_than_may_run_at_home() -> None:
    running = [1]
    first = HomeFirst(2, lambda: running[0], lambda: False)
    assert first.takes(job())
    running[0] = 2
    assert not first.takes(job())
    assert not HomeFirst(0, lambda: 0, lambda: False).takes(job())


def test_neither_what_runs_already_nor_what_a_rule_sends() -> None:
    first = HomeFirst(2, lambda: 0, lambda: False)
    assert not first.takes(job(State.SENT)) and not first.takes(job(State.HOME_READY))
    assert not first.takes(job(rule="dgcc.toml, rule 1"))


def test_alone_what_has_travelled_is_kept_at_home() -> None:
    alone = HomeFirst(2, lambda: 2, lambda: True, alone=True, travelled=lambda job: job.target == b"a.o")
    new = Job(2, b"/p", b"b.o", work=job().work)
    assert alone.keeps(job()) and not alone.keeps(new) and not alone.keeps(job(rule="dgcc.toml, rule 1"))
    assert not HomeFirst(2, lambda: 0, lambda: True, travelled=lambda job: True).keeps(job()), "a farm of several"
    assert not HomeFirst(0, lambda: 0, lambda: True, alone=True, travelled=lambda job: True).keeps(job())
