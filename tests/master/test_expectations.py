"""Estimates: of unknown commands from their like, also while the build runs; and what makes commands alike."""

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.durations import Run
from dgcc.master.expectations import Basis, Expectations, host_of
from dgcc.master.history import HOME
from dgcc.master.likeness import input_size, likeness, text_of
from dgcc.master.siblings import Siblings

KIND = "cc -c .c"


def ended(found: Expectations, target: bytes, size: int, wall_s: float, directory: bytes = b"/p", **more) -> None:
    found.ended(Run(directory, target, b"c%06d" % size, KIND, size, "one", wall_s, wall_s, **more))


def test_an_unknown_target_is_estimated_from_its_siblings_and_its_size():
    found = Expectations()
    first = found.of(b"/p", b"new.o", KIND, 50_000)
    assert first.basis is Basis.NOTHING and 0.1 < first.wall_s < 5
    for size in (10_000, 20_000, 40_000, 80_000):
        ended(found, b"%d.o" % size, size, 0.2 + size * 5e-5, memory=70 << 20)
    guess = found.of(b"/p", b"new.o", KIND, 60_000)
    assert guess.basis is Basis.SIBLINGS and guess.wall_s == pytest.approx(3.2, rel=0.01)
    assert guess.memory == 70 << 20 and not guess.known
    assert found.of(b"/elsewhere", b"new.o", KIND, 60_000).basis is Basis.KIND
    assert found.of(b"/p", b"new.o", "c++ -c .cc", 60_000).basis is Basis.NOTHING
    assert found.of(b"/p", b"new.o", KIND, 0).wall_s == pytest.approx(2.075), "the mean, where the size is not known"


def test_siblings_near_by_count_before_others():
    siblings = Siblings()
    for _ in range(20):
        siblings.add(b"/far", KIND, 1000, 9.0, 0)
    for number in range(3):
        assert siblings.guess(b"/near", KIND, 1000).near is False
        siblings.add(b"/near", KIND, 1000 + number, 1.0, 0)
    assert siblings.guess(b"/near", KIND, 1000).wall_s == pytest.approx(1.0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(0.0, 1e6)), min_size=1, max_size=30), st.integers(0, 10**12))
def test_guesses_stay_near_what_was_seen(seen: list[tuple[int, float]], size: int) -> None:
    siblings = Siblings()
    for bytes_, wall_s in seen:
        siblings.add(b"/p", KIND, bytes_, wall_s, 0)
    guess = siblings.guess(b"/p", KIND, size)
    most = max(wall_s for _, wall_s in seen)
    assert 0 <= guess.wall_s <= 2 * most + 1e-6


def test_one_outlier_does_not_spoil_the_estimate_of_all_others():
    siblings = Siblings()
    for number in range(50):
        siblings.add(b"/p", KIND, 10_000 + number, 1.0, 0)
    siblings.add(b"/p", KIND, 10_000, 5000.0, 0)
    assert siblings.guess(b"/p", KIND, 10_000).wall_s < 1.3


def test_a_target_that_ended_in_this_build_is_known():
    found = Expectations()
    ended(found, b"a.o", 100, 7.0)
    assert found.of(b"/p", b"a.o", KIND, 100, b"c000100").wall_s == 7.0


def test_our_own_slave_is_this_machine_whatever_its_number():
    assert host_of("local-123") == host_of(HOME) == socket.gethostname()
    assert host_of("one") == "one" and host_of("local-area") == "local-area"


@pytest.mark.parametrize(
    "printed, argv",
    [
        (b'cc -DX=\\"a\\" -c a.c', [b"cc", b'-DX="a"', b"-c", b"a.c"]),
        (b"cc -c  a.c \\\n -o a.o", [b"/bin/sh", b"-c", b"cc -c  a.c \\\n -o a.o"]),
        (b"cc -c 'a b.c'", [b"cc", b"-c", b"a b.c"]),
        (b"set -e; cc -c a.c", [b"bash", b"-ec", b"set -e; cc -c a.c"]),
    ],
)
def test_a_planned_command_is_known_again_when_it_is_executed(printed, argv):
    assert likeness(printed).command == likeness(text_of(argv)).command


@pytest.mark.parametrize(
    "text, kind, sources",
    [
        (b"/usr/bin/gcc -O2 -c -o a.o a.c", "gcc -c .c", (b"a.c",)),
        (b"cd /b && /usr/bin/c++ -c /s/x.cc -o x.o", "c++ -c .cc", (b"/s/x.cc",)),
        (b"CCACHE_DISABLE=1 cc -c x.c", "cc -c .c", (b"x.c",)),
        (b"cc -c `test -f 'a.c' || echo '../'`a.c", "cc -c .c", (b"a.c", b"a.c")),
        (b"ar rc liba.a a.o", "ar", ()),
        (b"\xff\xfe", "\\xff\\xfe", ()),
        (b"A=1", "A=1", ()),
        (b"", "", ()),
    ],
)
def test_the_kind_of_a_command(text, kind, sources):
    found = likeness(text)
    assert (found.kind, found.sources) == (kind, sources)


def test_the_size_of_sources(tmp_path):
    (tmp_path / "a.c").write_bytes(b"x" * 300)
    directory = bytes(tmp_path)
    assert input_size(likeness(b"cc -c a.c b.c a.c"), directory) == 300
    assert input_size(likeness(b"cc -c a\0.c"), directory) == 0


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_text_is_like_something(text: bytes) -> None:
    assert len(likeness(text).command) == 8
    assert likeness(text_of([b"sh", b"-c", text])) == likeness(text)
