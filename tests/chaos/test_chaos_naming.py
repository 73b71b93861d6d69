"""Naming services that die, come back without their log, or stop."""

import os
import signal
import time

from chaos.chaoskit import WAITS, Chaos, slow_project
from farmkit import wait_for


def test_a_naming_service_that_is_killed_and_comes_back_without_its_log(place: Chaos):
    place.plan(slow_project, 16, 1.0)
    master = place.start()
    place.under_way(2)
    place.farm.names.kill()
    time.sleep(1)
    place.farm.names.start()
    bound = lambda: {slave["name"] for slave in place.status()["slaves"]} == {"a", "b"}  # noqa: E731
    wait_for(bound, "both slaves have bound themselves anew", 2.5 * WAITS.look)
    built = place.farm.finish(master, 60)
    place.survived(built)
    assert built.jobs["remote"] == 16 and built.jobs["fallback"] == 0
    (place.project / "shared.h").touch()
    again = place.farm.master(place.project, "S=0")
    assert again.jobs["remote"] == 16 and again.jobs["fallback"] == 0, again.err


def test_a_build_ends_well_without_its_naming_service(place: Chaos):
    place.plan(slow_project, 8, 0.3)
    master = place.start()
    place.under_way(1)
    place.farm.names.kill()
    built = place.farm.finish(master, 60)
    place.farm.names.start()
    wait_for(lambda: len(place.status()["slaves"]) == 2, "both slaves have bound themselves anew", 2.5 * WAITS.look)
    place.survived(built)
    assert built.jobs["remote"] == 8


def test_a_stopped_naming_service_holds_nobody_up(place: Chaos):
    place.plan(slow_project, 8, 0.3)
    master = place.start()
    place.under_way(8)
    os.kill(place.farm.names.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    built = place.farm.finish(master, 60)
    assert time.monotonic() - began < 3 * WAITS.goodbye + 2, "the end of a build does not wait for it"
    os.kill(place.farm.names.process.pid, signal.SIGCONT)
    place.survived(built)
