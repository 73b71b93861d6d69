"""What does not fit the IDL is refused at once, by the exception that omniORBpy raises too."""

from typing import Any

import pytest

from dgcc.corba import CORBA


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("text", (1,)), ("text", (b"bytes",)), ("text", (None,)),
        ("blob", ("text",)), ("blob", (5,)), ("blob", (None,)),
        ("add", ("1", 2)), ("add", (1.0, 2)), ("add", (None, 2)), ("add", (1, b"2")),
        ("couple", (5,)), ("couple", (["1"],)), ("couple", (None,)),
        ("same", ("not a reference",)), ("same", (object(),)),
        ("pick", ([1], 0)), ("nap", ("long",)),
    ],
)
def test_wrong_types(echo: Any, operation: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(CORBA.BAD_PARAM) as caught:
        getattr(echo, operation)(*arguments)
    assert caught.value.completed == CORBA.COMPLETED_NO


@pytest.mark.parametrize(
    "arguments", [(1 << 31, 0), (-(1 << 31) - 1, 0), (1 << 70, 0), (0, 256), (0, -1)]
)
def test_integers_out_of_range(echo: Any, arguments: tuple[int, int]) -> None:
    with pytest.raises(CORBA.BAD_PARAM):
        echo.add(*arguments)
    assert echo.add((1 << 31) - 256, 255) == (1 << 31) - 1


@pytest.mark.parametrize("words", ["\0", "a\0b", "end\0"])
def test_embedded_nul(echo: Any, words: str) -> None:
    with pytest.raises(CORBA.BAD_PARAM) as caught:
        echo.text(words)
    assert caught.value.completed == CORBA.COMPLETED_NO


def test_nul_is_welcome_in_octets(echo: Any) -> None:
    assert echo.blob(b"a\0b\0") == b"a\0b\0"


def test_text_that_has_no_utf8(echo: Any) -> None:
    with pytest.raises((CORBA.DATA_CONVERSION, CORBA.BAD_PARAM)):
        echo.text("\ud800")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("nothing", (1,)), ("text", ()), ("text", ("a", "b")), ("add", (1,)), ("_get_who", (1,))],
)
def test_wrong_number_of_arguments(echo: Any, operation: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        getattr(echo, operation)(*arguments)


def test_bounds_are_checked(echo: Any) -> None:
    assert echo.couple([1, 2]) == [1, 2]
    with pytest.raises((CORBA.MARSHAL, CORBA.BAD_PARAM)):
        echo.couple([1, 2, 3])
    assert echo.brief("four") == "four"
    with pytest.raises((CORBA.MARSHAL, CORBA.BAD_PARAM)):
        echo.brief("fives")


def test_structs_lacking_a_member_and_foreign_enum_items(peer: Any) -> None:
    import Turns

    point = Turns.Point(1, 2.0)
    del point.y
    with pytest.raises(CORBA.BAD_PARAM):
        peer.refs["APoint"].turn(point, point)
    with pytest.raises(CORBA.BAD_PARAM):
        peer.refs["AColour"].turn(CORBA.COMPLETED_MAYBE, Turns.RED)
    with pytest.raises(CORBA.BAD_PARAM):
        peer.refs["AColour"].turn(0, Turns.RED)


def test_arrays_of_another_length(peer: Any) -> None:
    with pytest.raises((CORBA.BAD_PARAM, CORBA.MARSHAL)):
        peer.refs["AGrid"].turn([[1, 2, 3]], [[1, 2, 3], [4, 5, 6]])
    with pytest.raises((CORBA.BAD_PARAM, CORBA.MARSHAL)):
        peer.refs["ADigest"].turn(b"12345", b"1234")


@pytest.mark.parametrize("what", ["str", "none", "big", "tuple"])
def test_wrong_results_reach_the_caller(echo: Any, what: str) -> None:
    with pytest.raises(CORBA.BAD_PARAM):
        echo.answer_with(what)
    assert echo.twice(4) == 8


def test_a_wrong_value_does_no_harm_to_later_calls(remote: Any) -> None:
    for _ in range(50):
        with pytest.raises(CORBA.BAD_PARAM):
            remote.pick([None, 3], 0)
    assert remote.twice(3) == 6
