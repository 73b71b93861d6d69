"""Masters that are killed, interrupted and whose terminal is closed, at any moment."""

import fcntl
import os
import pty
import random
import signal
import subprocess
import termios
import time

import farmkit
import pytest
from chaos.chaoskit import FULL, Chaos, family, jails_asleep, lives, slow_project
from farmkit import differing, snapshot, wait_for


def _under_way(place: Chaos) -> int:
    return sum(len(jails_asleep(slave)) for slave in place.farm.slaves.values())


def test_of_a_killed_master_nothing_is_left_after_ten_seconds(place: Chaos):
    place.plan(slow_project, 8, 60.0)
    master = place.start()
    wait_for(lambda: _under_way(place) >= 4, "jobs under way on both slaves", 60)
    below = family(master)
    began = time.monotonic()
    master.kill()
    place.farm.finish(master)
    wait_for(lambda: not any(map(lives, below)), "make is gone", 10)
    assert not place.outputs, "make goes with its master, and does not go on at home"

    def forgotten() -> bool:
        status = place.status()
        served = any(slave["masters"] for slave in status["slaves"])
        return not served and not status["masters"] and not any(map(family, place.farm.slaves.values()))

    wait_for(forgotten, "jobs and bindings are gone", began + 10 - time.monotonic())
    place.slots_are_free(1)
    # Its own directory is removed by the next master of this user.
    time.sleep(max(0.0, began + 2.5 - time.monotonic()))
    place.survived(place.farm.master(place.project, "S=0"))


def unbuilt(place: Chaos) -> None:
    """Remove what a build has made."""
    for path in (*place.outputs, place.project / "all.o"):
        path.unlink(missing_ok=True)


def test_ctrl_c_at_any_moment(place: Chaos):
    place.plan(slow_project, 12, 0.1)
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    began = time.monotonic()
    place.survived(place.farm.master(place.project))
    longest = time.monotonic() - began
    print(f"seed {seed}, of {longest:.2f} s")
    unbuilt(place)
    for _ in range(60 if FULL else 8):
        master = place.start()
        time.sleep(moments.uniform(0.0, longest))
        began = time.monotonic()
        os.killpg(master.pid, signal.SIGINT)
        built = place.farm.finish(master, 30)
        if built.code == 0:  # it was ready before
            place.survived(built)
        elif built.code == 1 and f"{farmkit.TOP}/dgcc/" not in built.err:  # Python itself was not up yet
            assert built.err.rstrip().endswith("KeyboardInterrupt"), built.err
        else:
            assert built.code == -signal.SIGINT, built.err
            assert "Traceback" not in built.err, built.err
            assert time.monotonic() - began < 5
        now = snapshot(place.project)
        assert {path for path in differing(place.wanted, now) if path in now} == set(), "half a file was left"
        unbuilt(place)
    place.slots_are_free()
    place.survived(place.farm.master(place.project, "S=0"))


@pytest.mark.parametrize("how", ["closed", "hung up"])
def test_a_terminal_that_goes_takes_the_build_along(place: Chaos, how: str):
    place.plan(slow_project, 6, 60.0)
    ours, theirs = pty.openpty()
    command = [str(farmkit.BIN / "dgcc-master"), "--naming", place.farm.naming]
    environment = {**os.environ, **place.farm.environment, "HOME": str(place.farm.directory)}
    master = subprocess.Popen(command, cwd=place.project, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
                              start_new_session=True,
                              preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # fmt: skip
    os.close(theirs)
    wait_for(lambda: _under_way(place), "jobs under way", 60)
    below = family(master)
    if how == "closed":
        os.close(ours)
    else:
        master.send_signal(signal.SIGHUP)
    assert master.wait(10) == -signal.SIGHUP
    assert not any(map(lives, below))
    if how == "hung up":
        os.close(ours)
    assert not place.outputs
    place.slots_are_free()
    place.survived(place.farm.master(place.project, "S=0"))
