"""What a verdict asks of the machine, once for all recipes of one moment."""

import os
from pathlib import Path

from dgcc.master.verdict.world import THIS_MACHINE, of_one_moment


def test_each_question_is_asked_once(tmp_path: Path) -> None:
    tool, place = tmp_path / "cc", os.fsencode(tmp_path)
    env = {b"PATH": place}
    before = of_one_moment()
    assert before.lookup(b"cc", b"/", env) is None
    assert before.probe(place + b"/cc") is None and before.kind(place + b"/cc") is None
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert before.lookup(b"cc", b"/", env) is None and before.probe(place + b"/cc") is None
    after = of_one_moment()
    for world in (after, THIS_MACHINE, after):
        assert world.lookup(b"cc", b"/", env) == place + b"/cc"
        assert world.probe(place + b"/cc") == (place + b"/cc", False)
        assert world.read(place + b"/cc", 2) == b"#!"


def test_an_answer_is_for_its_own_question(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cc").write_text("")
        (tmp_path / name / "cc").chmod(0o755)
    a, b = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")
    world = of_one_moment()
    assert world.lookup(b"cc", b"/", {b"PATH": a}) == a + b"/cc"
    assert world.lookup(b"cc", b"/", {b"PATH": b}) == b + b"/cc"
    assert world.lookup(b"cc", a, {b"PATH": b"."}) == a + b"/./cc"  # of the working directory
    assert world.lookup(b"cc", b, {b"PATH": b"."}) == b + b"/./cc"
