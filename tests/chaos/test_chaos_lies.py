"""Slaves that lie, beside an honest one: no lie becomes a file, and each is told with the liar's name."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.chaoskit import Chaos, slow_project
from farmkit import Built, wait_for

_LIAR = Path(__file__).with_name("liar.py")


@contextmanager
def liars(place: Chaos, *lies: str) -> Iterator[subprocess.Popen[bytes]]:
    """Slaves that lie, of one slot each, called by their lies."""
    log = place.farm.directory / "liars.log"
    with log.open("wb") as out:
        process = place.farm._popen([sys.executable, str(_LIAR), place.farm.naming, *lies], stdout=out, stderr=out)
    try:
        wait_for(lambda: b"ready" in log.read_bytes() or process.poll() is not None, "the liars are ready")
        assert process.poll() is None, log.read_text()
        yield process
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.terminate()
        process.wait(10)


OUTPUTS = {
    "wrong_digest": "is not what",
    "wrong_digest_large": "it sent other content for",
    "stops_early": "it sent other content for",
    "drips": "it sent other content for",
    "too_much_in_a_piece": "it sent other content for",
    "ten_gigabytes": "it announced 10240 MiB of output, more than 4096",
    "endless_zeros": "its result makes no sense: ",
    "no_such_output": "its outputs could not be fetched (UnknownOutput)",
    "upwards": "'../outside' is no path below a root",
    "absolute": "/outside' is no path below a root",
    "down_and_upwards": "'a/../../outside' is no path below a root",
    "through_a_link": "it would be reached through something that is not a directory, as the job could see",
    "through_its_own_link": "a slave sent it, and that there is no directory 'way-made' to hold it",
    "another_root": "which is none of the roots",
    "touches_another_root": "which is none of the roots",
    "setuid_by_a_touch": "'Makefile' comes with ",
    "a_mode_that_is_none": "37777777777",
    "a_link_that_is_none": "way-made",
    "the_same_twice": "its result makes no sense: it has '",
    "nothing_made": "it says that the job succeeded, and brought no '",
    "something_else_made": "it says that the job succeeded, and brought no '",
    "many_outputs": "it announced 200001 outputs, more than 200000",
    "many_messages": "it has 40 MiB of the job's messages, more than 32",
    "no_number": "its result makes no sense: its cpu_s is inf",
}


def with_a_way_out(project: Path, *arguments: object) -> None:
    """The project, with a link in it that leads out."""
    slow_project(project, *arguments)  # type: ignore[arg-type]
    (project.parent / "beyond").mkdir()
    (project.parent / "beyond/there.h").touch()
    (project / "way-out").symlink_to("../beyond")


def beside(place: Chaos) -> list[Path]:
    """What lies beside the project."""
    return sorted([*place.top.iterdir(), *(place.top / "beyond").iterdir()])


# These take so long that a second run of their job may end first.
SLOW = ("many_outputs", "drips", "ten_gigabytes", "never_answers", "claims_all_jobs")


def told(built: Built, name: str) -> str:
    """What the summary says of trouble with a slave."""
    lines = built.err.splitlines()
    trouble = next((line for line in lines if line.startswith(f"dgcc: trouble: {name} failed ")), "")
    overtaken = name in SLOW and built.report["slaves"].get(name, {}).get("overtaken", 0)
    if not trouble and overtaken:
        assert any(line.startswith("dgcc: overtaken ") and f"{name} in {overtaken} job" in line for line in lines)
        return OVERTAKEN
    return trouble


OVERTAKEN = "a second run of its job ended first"


def test_results_that_no_job_can_have(place: Chaos):
    """Each liar gets jobs; each job is done at home or by the honest, and nothing is written outside the project."""
    place.plan(with_a_way_out, 60, 0.1)
    around = beside(place)
    words: dict[str, str] = {}
    with liars(place, *OUTPUTS):
        for _ in range(3):  # one that joins late may get no job of a build
            built = place.farm.finish(place.start("-j60"), 120)
            place.came_out(built)
            words |= {name: told(built, name) for name in OUTPUTS if told(built, name)}
            assert beside(place) == around
            assert not {n for n, s in built.report["slaves"].items() if s["jobs"]} - {"a", "b"}
            if len(words) == len(OUTPUTS):
                break
            for path in (*place.outputs, place.project / "all.o"):
                path.unlink()
    place.slots_are_free()
    for name, said in OUTPUTS.items():
        found = words.get(name, "not named")
        assert said in found or found == OVERTAKEN, f"{name}: {found}\n{built.err[-6000:]}"


BEHAVIOUR = {
    "fails_for_ever": "the last by: the disk is\\n\\n\\x1b[31mfull!!!",
    "understands_nothing": "the last by: the order makes no sense",
    "asks_for_a_secret": "the last by: withheld: /etc/shadow",
    "another_job": "the last by: it ",  # does not know of the job, or brought nothing of what that was to make
    "too_large_a_message": "it does not know of the job any more",
    "renews_garbage": "the last by: so much for that",
    "never_answers": "no answer within 7 s",
    "claims_all_jobs": "no answer within 7 s",
    "refuses": "the last by: no,\\x1b[2J thank you",
    "succeeds_twice": "the last by: nothing came of it",
}


def test_slaves_that_do_not_do_what_they_should(place: Chaos):
    """A job that a liar holds on to is given to another when the time for a job is over."""
    slow_project(place.top / "first", 4, 0)
    assert place.farm.master(place.top / "first").jobs["remote"] == 4, "the honest slaves have their environments"
    place.set_waits(job=2, lease=3)
    place.plan(slow_project, 40, 0.1)
    words: dict[str, str] = {}
    reasons = ""
    with liars(place, *BEHAVIOUR, "enlists_for_ever", "setuid", "the_repository"):
        for _ in range(3):  # one that joins late may get no job of a build
            built = place.farm.finish(place.start("-j40"), 120)
            place.came_out(built)
            words |= {name: told(built, name) for name in BEHAVIOUR if told(built, name)}
            reasons += "\n".join(each["reason"] for each in built.report["fallbacks"])
            assert not {n for n, s in built.report["slaves"].items() if s["jobs"]} - {"a", "b"}
            if len(words) == len(BEHAVIOUR) and "(setuid ran it)" in reasons and "(the_repository ran it)" in reasons:
                break
            for path in (*place.outputs, place.project / "all.o"):
                path.unlink()
    place.slots_are_free()
    assert "dgcc: refused: the slave 'enlists_for_ever' offers 0 slots, which no machine has" in built.err.splitlines()
    [lost] = [line for line in built.err.splitlines() if line.startswith("dgcc: lost: ")]
    assert re.search(r" and \d\d more$", lost) and len(lost) < 1000, "a hundred are not all named"
    for name, said in BEHAVIOUR.items():
        found = words.get(name, "not named")
        assert said in found or found == OVERTAKEN, f"{name}: {found}\n{built.err[-6000:]}"
        assert len(words[name]) < 500
    assert "\x1b" not in built.err and "lacked /etc/shadow" not in built.err
    assert "a slave sent a setuid or setgid file (setuid ran it), but succeeded at home" in reasons
    assert "may not write it (the_repository ran it), but succeeded at home" in reasons
