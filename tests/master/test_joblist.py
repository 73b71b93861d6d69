"""The Job List: matching what make releases with what the plan named, and states that only move legally."""

import pytest

from dgcc.master.joblist import IllegalTransition, JobList, State


def test_released_jobs_take_their_planned_place_in_order():
    jobs = JobList()
    jobs.plan([(b"/p", b"a.o"), (b"/p", b"a.o"), (b"/p", b"b.o")])
    first, second = jobs.released(b"/p", b"a.o"), jobs.released(b"/p", b"a.o")
    assert (first.id, second.id) == (1, 2) and first.planned
    third = jobs.released(b"/p", b"a.o")
    assert not third.planned and jobs.total == 4 and jobs.planned == 3


def test_a_plan_that_comes_late_does_not_count_jobs_twice():
    jobs = JobList()
    jobs.released(b"/p", b"a.o")
    jobs.plan([(b"/p", b"a.o"), (b"/p", b"b.o")])
    assert jobs.total == 2 and jobs.planned == 2


def test_counts_follow_every_move_and_illegal_moves_are_refused():
    jobs = JobList()
    job = jobs.released(b"/p", b"a.o")
    for state in (State.READY, State.SENT, State.READY, State.SENT, State.DONE):
        jobs.move(job, state, "test", 1.0)
    assert jobs.counts[State.DONE] == 1 and jobs.ended == 1
    assert [s for _, s, _ in job.story][-1] is State.DONE
    with pytest.raises(IllegalTransition, match=r"a\.o.*done -> sent"):
        jobs.move(job, State.SENT, "again", 2.0)
    assert sum(jobs.counts.values()) == 1


def test_label_of_an_unknown_target_is_its_directory():
    jobs = JobList()
    assert jobs.released(b"/p\xff", b"").label == "/p\\xff"
