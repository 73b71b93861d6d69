"""Every type in every direction, to a servant in another process and to one in the same."""

from typing import Any

import pytest
from corba import seam_types
from corba.seam_types import plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_SETTINGS = settings(
    max_examples=12, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="session")
def local_turners(orb: Any) -> dict[str, Any]:
    from corba import seam_servants

    return {name: servant()._this() for name, servant in seam_servants.TURNERS.items()}


@pytest.fixture(params=["remote", "local"])
def turners(request: pytest.FixtureRequest, peer: Any, local_turners: dict[str, Any]) -> dict[str, Any]:
    return peer.refs if request.param == "remote" else local_turners


@pytest.mark.parametrize("name", seam_types.NAMES)
def test_round_trips(name: str, turners: dict[str, Any]) -> None:
    import Turns

    ref = turners[name]._narrow(getattr(Turns, name))
    interface = getattr(Turns, name)
    strategy = seam_types.values(Turns)[name][1]

    @_SETTINGS
    @given(st.tuples(strategy, strategy, strategy), st.lists(strategy, max_size=3))
    def check(three: tuple[Any, Any, Any], more: Any) -> None:
        first, second, third = three
        if name in ("AChar", "AnOctet"):  # the mapping has str and bytes for sequences of these
            more = "".join(more) if name == "AChar" else bytes(more)
        # in, inout, return, out
        assert plain(ref.turn(first, second)) == plain([first, second, first])
        # attribute
        ref._set_held(third)
        assert plain(ref._get_held()) == plain(third)
        assert plain(ref._get_seen()) == plain(third)
        # sequence of struct; the servant turns it round, so it has seen its order
        boxes = [interface.Box(first, more), interface.Box(second, more[:0])]
        assert plain(ref.turn_round(boxes)) == plain(boxes[::-1])
        # exception
        with pytest.raises(interface.Carry) as caught:
            ref.fail(third, more)
        assert plain([caught.value.one, caught.value.more]) == plain([third, more])
        # oneway
        assert ref.post(first) is None

    check()


def test_not_a_number_and_infinities(turners: dict[str, Any]) -> None:
    inf = float("inf")
    assert turners["ADouble"].turn(inf, -inf) == (inf, -inf, inf)
    assert turners["AFloat"].turn(inf, -inf) == (inf, -inf, inf)
    result, _, _ = turners["ADouble"].turn(float("nan"), 0)
    assert result != result


def test_integers_are_accepted_as_floats(turners: dict[str, Any]) -> None:
    assert turners["ADouble"].turn(3, True) == (3.0, 1.0, 3.0)


def test_tuples_are_accepted_as_sequences(turners: dict[str, Any]) -> None:
    assert turners["ADoubles"].turn((1.0, 2.0), ())[0] == [1.0, 2.0]


@pytest.mark.parametrize("words", ["", "grüße", "日本語", "\U0001f600 astral", "a\nb\tc", "x" * 100_000])
def test_text_is_utf8(echo: Any, words: str) -> None:
    assert echo.text(words) == words


def test_several_out_parameters(echo: Any) -> None:
    assert echo.swap("a", 7) == (7, "a")
    assert echo.nothing() is None


def test_values_are_copies_also_in_the_same_process(local_turners: dict[str, Any]) -> None:
    import Turns

    point = Turns.Point(1, 2.0)
    received, _, _ = local_turners["APoint"].turn(point, point)
    assert received is not point
    point.x = 5
    assert received.x == 1
