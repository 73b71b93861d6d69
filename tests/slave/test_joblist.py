"""The slave's job list: blocking, fair between masters, and nothing taken that was withdrawn."""

import heapq
import threading
import time
from collections import Counter
from dataclasses import dataclass

import pytest

from dgcc.slave.joblist import PATIENCE_S, JobList


@dataclass
class Job:
    id: int


def test_sessions_take_turns_and_keep_their_own_order():
    jobs = JobList(lambda: 0.0)
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


class Slots:
    """Slots of a slave in a time of their own: each session has jobs of one length, `ahead` of them listed."""

    def __init__(self, slots: int) -> None:
        self.now = 0.0
        self.jobs = JobList(lambda: self.now)
        self.slots = slots
        self.had: Counter[str] = Counter()  # seconds of slots, by session
        self._running: list[tuple[float, int, str, Job]] = []  # by end
        self._ids = 0

    def list(self, session: str, count: int = 1) -> None:
        for _ in range(count):
            self._ids += 1
            self.jobs.put(session, Job(self._ids))

    def run(self, until: float, lengths: dict[str, float], ahead: dict[str, int]) -> None:
        """Let time pass, with the sessions of `lengths` at work."""
        while self.now < until:
            for session, count in ahead.items():
                self.list(session, count - len(self.jobs.waiting(session)))
            while len(self.jobs) and len(self._running) < self.slots:
                session, job = self.jobs.take()
                heapq.heappush(self._running, (self.now + lengths[session], job.id, session, job))
            end, _, session, job = heapq.heappop(self._running)
            spent = min(end, until) - self.now
            self.had[session] += spent
            for _, _, other, _ in self._running:
                self.had[other] += spent
            self.now = end
            self.jobs.done(session, job)


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
def test_masters_share_the_time_of_slots_whatever_their_jobs_are_like(slots):
    place = Slots(slots)
    place.run(2000.0, {"few long": 20.0, "many short": 0.5}, {"few long": slots + 1, "many short": 500})
    few, many = place.had["few long"], place.had["many short"]
    assert abs(few - many) < 0.2 * (few + many) / 2, place.had


def test_an_idle_share_is_lent_and_not_saved_up():
    place = Slots(4)
    place.run(1000.0, {"a": 5.0}, {"a": 5})
    assert place.had["a"] > 0.99 * 4000
    place.had.clear()
    place.run(2000.0, {"a": 5.0, "b": 5.0}, {"a": 5, "b": 5})
    assert abs(place.had["a"] - place.had["b"]) < 400, "b was not here before, and has no more for that"


def test_each_master_is_told_how_many_slots_it_may_count_on():
    now = [0.0]
    jobs = JobList(lambda: now[0])
    assert jobs.share("a", 8) == jobs.share(None, 8) == 8
    for number in range(9):
        jobs.put("a", Job(number))
    assert jobs.share("a", 8) == 8 and jobs.share("b", 8) == 4
    jobs.put("b", Job(100))
    assert jobs.share("a", 8) == 7, "b uses one, and what it leaves is lent"
    for number in range(101, 110):
        jobs.put("b", Job(number))
    assert [jobs.share(session, 8) for session in ("a", "b", "c")] == [4, 4, 3]
    assert jobs.share("c", 1) == 1, "nobody is told that there is no use in waiting"
    jobs.withdraw("b")
    assert jobs.share("a", 8) == 4, "between two of its jobs is a pause"
    now[0] += 3.0
    assert jobs.share("a", 8) == 8
    jobs.withdraw("a")
    jobs.forget("a")
    assert jobs.share("b", 8) == 8


def test_nothing_begins_while_the_owner_uses_the_host_but_what_was_left_here():
    now = [0.0]
    jobs = JobList(lambda: now[0])
    got: list[int] = []
    taker = threading.Thread(target=lambda: [got.append(jobs.take()[1].id) for _ in range(2)])
    jobs.pause(True)
    jobs.put("a", Job(1))
    taker.start()
    time.sleep(0.05)
    assert got == [] and jobs.share("a", 8) == 0 and jobs.paused
    jobs.pause(False)
    until = time.monotonic() + 5
    while got != [1] and time.monotonic() < until:
        time.sleep(0.01)
    jobs.pause(True)
    now[0] = 1.0
    jobs.put("a", Job(2))
    now[0] += PATIENCE_S + 1
    taker.join(5)
    assert got == [1, 2]
