"""Slaves that become slow: what they hold is run a second time elsewhere, and the first result counts."""

import time

from chaos.chaoskit import WAITS, Chaos, jails_asleep, slow_project
from farmkit import wait_for


def test_the_last_jobs_of_a_slave_that_has_stopped_are_run_elsewhere_before_it_is_given_up(place: Chaos):
    place.plan(slow_project, 12, 0.3)
    assert place.farm.master(place.project).code == 0, "now it is known what each job takes"
    for path in (*place.outputs, place.project / "all.o"):
        path.unlink()
    place.set_waits(lease=60, late=50)  # a stopped slave would be waited for so long
    master = place.start()
    place.under_way(5)  # each slave has done some, so that none is thought to fetch the toolchain
    wait_for(lambda: jails_asleep(place.farm.slaves["a"]), "a job on the slave", 30)
    stopped = place.farm.slaves["a"]
    stopped.send_signal(19)
    began = time.monotonic()
    try:
        built = place.farm.finish(master, 60)
    finally:
        stopped.send_signal(18)
    place.came_out(built, said=["overtaken by a second run elsewhere: a in "])
    assert time.monotonic() - began < 45, "far less than the lease"
    assert built.report["slaves"]["a"]["overtaken"] >= 1 and built.report["slaves"]["a"]["losses"] == 0
    assert built.jobs["fallback"] == 0
    place.slots_are_free(60)


def test_a_second_run_that_fails_leaves_the_first_one_alone(place: Chaos):
    """Both are stopped in turn: whichever ends brings the result, and the tree is right."""
    place.plan(slow_project, 4, 1.5)
    assert place.farm.master(place.project).code == 0
    for path in (*place.outputs, place.project / "all.o"):
        path.unlink()
    master = place.start()
    for name in ("a", "b"):
        slave = place.farm.slaves[name]
        wait_for(lambda held=slave: jails_asleep(held) or master.poll() is not None, "a job on the slave", 30)
        slave.send_signal(19)
        time.sleep(WAITS.lease / 2)
        slave.send_signal(18)
    built = place.farm.finish(master, 60)
    place.survived(built)
