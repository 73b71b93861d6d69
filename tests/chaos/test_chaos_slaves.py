"""Slaves that die, stop and leave in the middle of jobs, alone and all at once."""

import itertools
import os
import signal
import time
from pathlib import Path

import pytest
from chaos.chaoskit import FULL, WAITS, Chaos, jails_asleep, lives, slow_project, stopped_for
from farmkit import wait_for


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])
def test_a_slave_that_ends(place: Chaos, number: int):
    place.plan(slow_project, 12)
    master = place.start()
    place.under_way(2)
    place.farm.stop_slave("a", number)
    built = place.farm.finish(master, 60)
    place.survived(built, said=["lost: a"] if number == signal.SIGKILL else [])
    assert number == signal.SIGKILL or built.report["slaves"]["a"]["losses"] == 0


def test_a_slave_that_is_stopped_for_a_while_is_used_again_at_once(place: Chaos):
    seconds = 30 if FULL else 1.6 * WAITS.lease
    place.plan(slow_project, 120 if FULL else 20, 1.0)
    master = place.start()
    place.under_way(2)
    stopped_for(place.farm.slaves["a"], seconds)
    before = place.farm.log("a").count("serving master")
    wait_for(lambda: place.farm.log("a").count("serving master") > before, "the slave has registered anew", 60)
    built = place.farm.finish(master, 120)
    place.survived(built, said=["lost: a (came back)"])


def test_a_jail_that_is_killed_costs_one_job_another_try(place: Chaos):
    place.plan(slow_project, 8, 1.0)
    master = place.start()
    killed = wait_for(lambda: jails_asleep(place.farm.slaves["a"]), "a jail at work", 60)[0]
    killed.kill()
    built = place.farm.finish(master, 60)
    place.survived(built, said=["trouble: a failed 1 job"])
    assert built.jobs["remote"] == 8 and built.jobs["fallback"] == 0


def test_all_slaves_are_lost_and_one_comes_back(place: Chaos):
    place.plan(slow_project, 18, 0.5)
    master = place.start("--local-jobs", "1")
    place.under_way(2)
    for name in ("a", "b"):
        place.farm.stop_slave(name, signal.SIGKILL)
    place.farm.start_slave("a", slots=2)
    built = place.farm.finish(master, 120)
    place.survived(built, said=["lost: a (came back), b"])
    assert "serving master" in place.farm.log("a").rpartition("offers 2 slots")[2], "it was used again"


def test_when_all_slaves_are_lost_the_build_ends_at_home_and_says_so(place: Chaos):
    place.plan(slow_project, 6, 0.3)
    master = place.start()
    place.under_way(1)
    for name in ("a", "b"):
        place.farm.stop_slave(name, signal.SIGKILL)
    built = place.farm.finish(master, 90)
    place.survived(built, said=["lost: a, b", "fallback: f"])
    assert built.jobs["fallback"] == len(built.report["fallbacks"]) > 0


def _holder(place: Chaos) -> str | None:
    return next((name for name, slave in place.farm.slaves.items() if jails_asleep(slave)), None)


def test_a_job_that_kills_its_slaves_is_run_at_home_and_named(place: Chaos):
    """Each slave that takes the job up is killed."""
    place.plan(slow_project, 1, 5.0 if FULL else 2.0)
    master = place.start()
    for _ in range(2):
        place.farm.stop_slave(wait_for(lambda: _holder(place), "a slave has the job", 60), signal.SIGKILL)
    built = place.farm.finish(master, 60)
    place.survived(built, said=["fallback: f0.o: ", "2 hosts tried"])
    assert built.jobs["fallback"] == 1


def test_scratch_of_a_killed_slave_is_removed_by_its_next_start(place: Chaos):
    """Also a jail of the killed one is gone with it."""
    slow_project(place.project, 4, 20.0)
    master = place.start()
    jail = wait_for(lambda: jails_asleep(place.farm.slaves["a"]), "a jail at work", 60)[0]
    place.farm.stop_slave("a", signal.SIGKILL)
    wait_for(lambda: not lives(jail), "the jail is gone", 5)
    os.killpg(master.pid, signal.SIGINT)
    assert place.farm.finish(master, 20).code == -signal.SIGINT
    place.slots_are_free()


def test_a_slave_ends_at_once_although_its_master_has_stopped(place: Chaos):
    place.plan(slow_project, 4, 1.0)
    master = place.start()
    wait_for(lambda: jails_asleep(place.farm.slaves["a"]), "a jail at work", 60)
    master.send_signal(signal.SIGSTOP)
    time.sleep(1.0 + WAITS.lease / 6)  # results are ready, and renewals under way
    began = time.monotonic()
    assert place.farm.stop_slave("a", signal.SIGTERM) == 0
    assert time.monotonic() - began < 5 * WAITS.goodbye + 2, "far less than a call may take"
    master.send_signal(signal.SIGCONT)
    place.survived(place.farm.finish(master, 60))


def hungry_project(project: Path, count: int, seconds: float) -> None:
    """The first compile takes some 600 MB, for a string literal of which only the length is used."""
    slow_project(project, count, seconds)
    letters = "ABCDEFGHIJK"
    lines = [f'#define {letters[0]} "0123456789abcdef"']
    lines += [f"#define {b} {a} {a} {a} {a}" for a, b in itertools.pairwise(letters)]
    (project / "f0.c").write_text("\n".join([*lines, '#include "shared.h"', "int f0 = sizeof(K K) + SHARED;"]) + "\n")


def test_a_job_that_takes_too_much_memory_runs_at_home_and_its_slaves_stay_in_use(place: Chaos):
    for name in ("a", "b"):
        place.farm.stop_slave(name)
        place.farm.start_slave(name, "--job-memory", "100M", slots=2)
    place.plan(hungry_project, 8, 0.3)
    built = place.farm.master(place.project)
    place.survived(built, said=["fallback: f0.o: ", "of memory", "2 hosts tried", "trouble: a failed 1 job"])
    assert built.jobs["remote"] == 7 and built.jobs["fallback"] == 1
    assert built.report["slaves"]["a"]["failures"] == {"limit": 1}
