"""A master that lies and errs does a slave no harm: it says so of each job, and serves the next master."""

import json
import subprocess
import sys
from pathlib import Path

from chaos.chaoskit import Chaos, chaos, slow_project
from chaos.test_chaos_lies import beside

_LIAR = str(Path(__file__).with_name("liar_master.py"))


def test_a_master_that_lies_and_errs(tmp_path: Path):
    with chaos(tmp_path, "a", slots=2) as place:
        place.plan(slow_project, 4, 0.1)
        (tmp_path / "beyond").mkdir()
        around = beside(place)
        liar = place.farm._popen([sys.executable, _LIAR, place.farm.naming], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)  # fmt: skip
        out, err = liar.communicate(timeout=120)
        assert liar.returncode == 0, err.decode()
        told = [json.loads(line) for line in out.splitlines()]
        made = "\n".join(f"{name}: {how}" for name, how in told)
        log = place.farm.log("a")
        assert "a mistake of" not in log and "Traceback" not in log, f"{log}\n{made}"
        assert "nothing was heard" not in made and "was answered" not in made and "a mistake of" not in made, made
        assert len(told) == 33 and "the same job twice: 1 results" in made
        refused = {name for name, how in told if not how.startswith("ENDED")}
        assert refused >= {"path upwards", "absolute path", "wrong content", "wrong frame", "cut short", "huge size",
                           "short digest", "empty link", "link with a zero byte in it", "more than was asked"}, made
        assert "\x1b" not in log
        assert beside(place) == around
        serves(place)


def serves(place: Chaos) -> None:
    """The slave is as good as new."""
    place.slots_are_free()
    built = place.farm.master(place.project)
    place.survived(built)
    assert built.jobs["remote"] == 4 and not built.report["slaves"]["a"]["failures"]
