"""The slave's job list: blocking, fair between masters, and nothing taken that was withdrawn."""

import threading
from dataclasses import dataclass

from dgcc.slave.joblist import JobList


@dataclass
class Job:
    id: int


def test_sessions_take_turns_and_keep_their_own_order():
    jobs = JobList()
    for i in (1, 2, 3):
        jobs.put("a", Job(i))
    jobs.put("b", Job(1))
    jobs.put("b", Job(2))
    taken = [jobs.take() for _ in range(5)]
    assert [(s, j.id) for s, j in taken] == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]


def test_withdrawn_jobs_are_never_taken():
    jobs = JobList()
    for i in (1, 2, 3):
        jobs.put("a", Job(i))
    jobs.put("b", Job(9))
    assert jobs.withdraw("a", [1, 3, 44]) == [1, 3]
    assert [jobs.take()[1].id for _ in range(2)] in ([2, 9], [9, 2])
    assert jobs.withdraw("a") == [] and len(jobs) == 0


def test_takers_block_until_a_job_comes_and_end_when_the_list_is_closed():
    jobs = JobList()
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(jobs.take())) for _ in range(3)]
    for thread in threads:
        thread.start()
    jobs.put("a", Job(1))
    jobs.close(3)
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert got.count(None) >= 2
