"""Two masters, four slaves, and every few seconds one that is killed, stopped or told to go, and comes back."""

import os
import random
import signal
import threading
import time
from pathlib import Path

from chaos.chaoskit import FULL, WAITS, Chaos, chaos, slow_project
from farmkit import Farm

SLAVES = ("a", "b", "c", "d")
BUILDS = 20 if FULL else 2


class Reaper:
    """Does harm to slaves until it is stopped, and mends it."""

    def __init__(self, farm: Farm, seed: int) -> None:
        self.story: list[str] = []
        self._farm, self._random, self._over = farm, random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._reap)
        self._thread.start()

    def stop(self) -> None:
        """Do no more harm; every slave is up again."""
        self._over.set()
        self._thread.join()

    def _reap(self) -> None:
        began = time.monotonic()
        while not self._over.wait(self._random.uniform(1, 4)):
            name = self._random.choice(SLAVES)
            how = self._random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
            self.story.append(f"{time.monotonic() - began:.1f} s: {name}: {how.name}")
            if how is signal.SIGSTOP:
                self._farm.slaves[name].send_signal(how)
                self._over.wait(self._random.uniform(0.5, 2 * WAITS.lease))
                self._farm.slaves[name].send_signal(signal.SIGCONT)
            else:
                self._farm.stop_slave(name, how)
                self._farm.start_slave(name, slots=2)


def test_builds_survive_whatever_happens_to_their_slaves(tmp_path: Path):
    seed = int(os.environ.get("DGCC_CHAOS_SEED") or random.randrange(1 << 32))
    with chaos(tmp_path, *SLAVES) as place:
        projects = [Chaos(place.farm, tmp_path / "one"), Chaos(place.farm, tmp_path / "two")]
        for project in projects:
            project.top.mkdir()
            project.plan(slow_project, 60 if FULL else 16, 0.5)
        reaper = Reaper(place.farm, seed)
        print(f"seed {seed} (DGCC_CHAOS_SEED repeats it)")
        try:
            for number in range(BUILDS):
                masters = [project.start() for project in projects]
                for project, master in zip(projects, masters, strict=True):
                    built = place.farm.finish(master, 240)
                    project.came_out(built)
                    print(f"build {number}: {built.jobs}", *reaper.story, sep="\n  ")
                    for path in (*project.outputs, project.project / "all.o"):
                        path.unlink()
        finally:
            reaper.stop()
        place.slots_are_free()
