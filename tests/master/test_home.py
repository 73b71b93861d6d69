"""The home slots: their bound, and that nested makes never wait for each other."""

import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.home import HEAVY, MOST_PASSED, HomeSlots, parent_of
from dgcc.master.resident import resident


def test_at_most_the_limit_runs_in_order_of_arrival():
    started: list[int] = []
    home = HomeSlots(2, started.append, parent=lambda pid: 1)
    for job in (1, 2, 3, 4):
        home.ask(job, 100 + job)
    assert started == [1, 2] and home.running == 2
    home.release(2)
    home.release(4)  # gave up waiting
    assert started == [1, 2, 3] and home.running == 2


def test_a_recipe_that_waits_for_others_gives_its_slot_back():
    # make 10 runs recipe 20 (a shell), which runs make 30, which runs recipe 40.
    parents = {20: 10, 25: 20, 30: 25, 40: 30, 41: 30}
    started: list[int] = []
    home = HomeSlots(1, started.append, parent=lambda pid: parents.get(pid, 0))
    home.seen(20)
    home.ask(1, 20)
    assert started == [1]
    home.seen(40)
    home.ask(2, 40)
    assert started == [1, 2] and home.running == 1
    home.seen(41)
    home.ask(3, 41)
    assert started == [1, 2]
    home.release(2)
    assert started == [1, 2, 3]
    home.release(3)
    home.release(1)
    assert home.running == 0


def test_parent_of_real_processes():
    assert parent_of(os.getpid()) == os.getppid()
    assert parent_of(2**22 + 1) == 0


def test_the_most_urgent_waits_least_and_what_is_learned_later_counts():
    started = []
    home = HomeSlots(1, started.append, parent=lambda pid: 1)
    for job, urgency in ((1, 0.0), (2, 1.0), (3, 5.0), (4, 5.0), (5, 0.0)):
        home.ask(job, 100 + job, urgency)
    home.rethink(5, 9.0)
    home.rethink(77, 9.0)
    for job in (1, 5, 3, 4):
        home.release(job)
    assert started == [1, 5, 3, 4, 2]


class Machine:
    """Home slots on a machine of 10 GB with a number of slots; jobs use what they need from their start on."""

    def __init__(self, limit: int, need: dict[int, int]) -> None:
        self.started: list[int] = []
        self.running: set[int] = set()
        self.need = need
        self.free = 10 << 30
        self.grown = True
        self.home = HomeSlots(limit, self.start, lambda job: need.get(job, 0), self.available, self.uses, lambda pid: 1)

    def start(self, job: int) -> None:
        self.started.append(job)
        self.running.add(job)

    def available(self) -> int:
        return self.free - sum(self.uses(1000 + job) for job in self.running)

    def uses(self, pid: int) -> int:
        return self.need.get(pid - 1000, 0) if self.grown else 0

    def ask(self, *jobs: int) -> None:
        for job in jobs:
            self.home.ask(job, 1000 + job)

    def end(self, job: int) -> None:
        self.running.discard(job)
        self.home.release(job)


def test_heavy_recipes_run_together_only_as_far_as_memory_goes():
    for grown in (True, False):
        machine = Machine(8, {1: 4 << 30, 2: 4 << 30, 3: 4 << 30})
        machine.grown = grown  # what they have not taken yet is kept for them
        machine.ask(1, 2, 3, 4)
        assert machine.started == [1, 2, 4], "a light one passes"
        machine.end(4)
        assert machine.started == [1, 2, 4]
        machine.end(1)
        assert machine.started == [1, 2, 4, 3]


def test_one_recipe_runs_whatever_it_needs():
    machine = Machine(4, {1: 90 << 30, 2: 90 << 30})
    machine.free = 1 << 30
    machine.ask(1, 2)
    assert machine.started == [1]
    machine.end(1)
    assert machine.started == [1, 2]


def test_a_heavy_recipe_is_not_passed_without_end():
    machine = Machine(2, {1: 9 << 30, 2: 9 << 30})
    machine.ask(1, 2, *range(10, 60))
    light = []
    while 2 not in machine.running:
        (job,) = machine.running - {1} or {1}  # 1 ends only when nothing else runs any more
        light.append(job)
        machine.end(job)
    assert len(light) == MOST_PASSED + 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.integers(0, 12 << 30))), st.integers(1, 3))
def test_whatever_comes_somebody_runs_and_all_get_their_turn(steps, limit):
    need = {job: memory for _, job, memory in steps}
    machine = Machine(limit, need)
    asked: list[int] = []
    for come, job, _ in steps:
        if come and job not in asked:
            asked.append(job)
            machine.ask(job)
        elif not come and machine.running:
            machine.end(min(machine.running))
        assert len(machine.running) <= limit
        assert machine.running or len(machine.started) == len(asked)
        heavy = [each for each in machine.running if need[each] >= HEAVY]
        assert len(heavy) <= 1 or sum(need[each] for each in heavy) <= 10 << 30
    while machine.running:
        machine.end(min(machine.running))
    assert sorted(machine.started) == sorted(asked)


def test_resident_counts_all_processes_below():
    hold = "import time; b = bytearray(60 << 20); print(1, flush=True); time.sleep(60)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        assert 60 << 20 < resident(process.pid) < 200 << 20
    finally:
        os.killpg(process.pid, 9)
        process.communicate()
    assert resident(2**22 + 1) == 0
