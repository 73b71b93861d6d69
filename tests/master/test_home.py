"""The home slots: their bound, and that nested makes never wait for each other."""

import os

from dgcc.master.home import HomeSlots, parent_of


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
