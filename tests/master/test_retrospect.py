"""Looking back on a build: slots in use, the slowest jobs, the longest path, bars."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.joblist import Job, State
from dgcc.master.retrospect import PARTS, Took, look_back, sparkline


def job(number: int, ended: float, wall_s: float, remote: bool = True, state: State = State.DONE, **more) -> Job:
    return Job(number, b"/p", b"%d.o" % number, state, remote=remote, ran="one", wall_s=wall_s,
               story=[(ended, state, "")], **more)  # fmt: skip


def test_slots_in_use_over_time():
    jobs = [job(1, 30.0, 30.0), job(2, 15.0, 10.0)]
    jobs += [job(3, 30.0, 5.0, remote=False), job(4, 20.0, 9.0, state=State.FAILED)]
    past = look_back(jobs, 0.0, 30.0, 2, (), {})
    assert past.slots == 2 and len(past.used) == PARTS
    assert past.used == pytest.approx([2.0 if 5 <= part < 15 else 1.0 for part in range(PARTS)])


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 200), st.floats(0, 50)), max_size=20), st.floats(0.1, 100))
def test_use_is_never_more_than_there_were_jobs(spans, length):
    used = look_back([job(n, *span) for n, span in enumerate(spans)], 0.0, length, 4, (), {}).used
    assert all(-1e-9 <= each <= len(spans) + 1e-6 for each in used)
    inside = sum(max(0.0, min(end, length) - max(end - wall_s, 0.0)) for end, wall_s in spans)
    assert sum(used) * length / PARTS == pytest.approx(inside, abs=1e-3)


def test_the_slowest_come_first_and_what_only_waited_does_not():
    jobs = [job(number, 9.0, float(number)) for number in range(1, 8)]
    jobs.append(job(9, 9.0, 99.0, remote=False, nested=True))
    jobs.append(job(10, 9.0, 6.5, remote=False))
    past = look_back(jobs, 0.0, 9.0, 1, (), {})
    assert past.slowest[:3] == (Took("7.o", "one", 7.0), Took("10.o", "home", 6.5), Took("6.o", "one", 6.0))
    assert len(past.slowest) == 5


def test_the_critical_path_is_the_one_that_took_longest():
    heirs = [[2], [2], [3, 4], [], []]  # 0 and 1, then 2, then 3 and 4
    jobs = [job(number, 9.0, wall_s) for number, wall_s in enumerate((1.0, 4.0, 2.0, 5.0, 3.0))]
    past = look_back(jobs, 0.0, 9.0, 1, heirs, {number: number for number in range(5)})
    assert [each.target for each in past.path] == ["1.o", "2.o", "3.o"] and past.path_s == 11.0
    without = look_back(jobs[:3], 0.0, 9.0, 1, heirs, {0: 0, 2: 2})
    assert [each.target for each in without.path] == ["0.o", "2.o"], "the plan's jobs that never ran do not count"


def test_circles_and_nothing_at_all():
    jobs = [job(0, 9.0, 1.0), job(1, 9.0, 1.0)]
    assert len(look_back(jobs, 0.0, 9.0, 1, [[1], [0]], {0: 0, 1: 1}).path) == 2
    past = look_back([], 5.0, 5.0, 0, (), {})
    assert (past.used, past.path, past.path_s) == ((), (), 0)


def test_bars():
    assert sparkline([0, 1, 4, 8, 9, -1], 8) == " \u2581\u2584\u2588\u2588 "
    assert sparkline([0, 8], 8, blocks=False) == " @"
    assert sparkline([1.0], 0) == ""
