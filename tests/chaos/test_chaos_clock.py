"""Slaves whose clocks are wrong by an hour, this way and that."""

import os
import sys
import time
from pathlib import Path

from chaos.chaoskit import chaos, slow_project

_OTHERWISE = str(Path(__file__).with_name("otherwise.py"))
_SET = 981173106  # seconds since 1970, 2001-02-03 04:05:06 UTC


def dated_project(place: Path, count: int) -> None:
    """Compiles, and one whose output is given a time."""
    slow_project(place, count, 0.1)
    (place / "dated.c").write_text("int dated;\n")
    with (place / "Makefile").open("a") as file:
        file.write("all.o: dated.o\ndated.o: dated.c\n\t$(CC) -c -o $@ $< && touch -t 200102030405.06 $@\n")


def test_clocks_that_are_an_hour_off(tmp_path: Path):
    with chaos(tmp_path) as place:
        for name, seconds in (("ahead", 3600), ("behind", -3600)):
            place.farm.on[name] = [sys.executable, _OTHERWISE, f"clock={seconds}", "--"]
            place.farm.start_slave(name, slots=2)
        place.farm.environment["TZ"] = "UTC"
        place.plan(dated_project, 8)
        os.utime(place.project / "dated.c", (_SET - 60, _SET - 60))
        began = time.time()
        built = place.farm.master(place.project)
        ended = time.time()
        place.survived(built)
        assert built.jobs["remote"] == 9
        for name in ("ahead", "behind"):
            done = built.report["slaves"][name]
            assert done["jobs"] > 0 and done["losses"] == 0 and not done["failures"]
        assert all(began - 0.05 <= path.stat().st_mtime <= ended for path in place.outputs)
        assert (place.project / "dated.o").stat().st_mtime == _SET
        assert place.farm.plain(place.project, "-q").code == 0, "make finds nothing to do"
        again = place.farm.master(place.project)
        assert again.code == 0 and again.jobs["remote"] == again.jobs["local"] == 0
