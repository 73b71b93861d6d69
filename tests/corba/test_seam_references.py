"""Object references: as arguments, narrowed, compared, as text; and inheritance of interfaces."""

from typing import Any

import pytest

from dgcc.corba import CORBA


@pytest.fixture
def callback(orb: Any) -> Any:
    from corba import seam_servants

    return seam_servants.Callback()._this()


def test_references_travel(echo: Any, callback: Any) -> None:
    import Seam

    same = echo.same(callback)
    assert same._is_equivalent(callback)
    assert same._narrow(Seam.Callback).called(4) == 40
    assert echo.pick([None, callback], 1).called(5) == 50
    assert echo.pick([None, callback], 0) is None
    assert echo.same(None) is None


def test_a_reference_to_a_base_interface_knows_what_it_really_is(echo: Any) -> None:
    import Seam

    base = echo.same_base(echo)
    assert base._get_who() == "echo"
    assert base._narrow(Seam.Echo).text("x") == "x"
    assert base._narrow(Seam.Callback) is None


def test_narrow_and_is_a(echo: Any) -> None:
    import Seam

    assert echo._is_a(Seam.Echo._NP_RepositoryId)
    assert echo._is_a(Seam.Base._NP_RepositoryId)
    assert echo._is_a("IDL:omg.org/CORBA/Object:1.0")
    assert not echo._is_a(Seam.Callback._NP_RepositoryId)
    assert not echo._is_a("IDL:not/there:1.0")
    assert echo._narrow(Seam.Callback) is None
    assert echo._narrow(CORBA.Object) is not None
    assert not echo._non_existent()


def test_equivalence_and_hash(echo: Any, callback: Any, orb: Any) -> None:
    again = orb.string_to_object(orb.object_to_string(echo))
    assert again._is_equivalent(echo)
    assert again._hash(1000) == echo._hash(1000)
    assert 0 <= echo._hash(1000) <= 1000
    assert not echo._is_equivalent(callback)


def test_text_form(echo: Any, orb: Any) -> None:
    ior = orb.object_to_string(echo)
    assert ior.startswith("IOR:")
    assert orb.string_to_object(ior).twice(21) == 42
    assert orb.string_to_object(orb.object_to_string(None)) is None


def test_a_diamond_of_interfaces(peer: Any) -> None:
    import Seam

    both = peer.refs["both"]
    assert (both._get_who(), both.left_hand(), both.right_hand(), both.twice(2)) == ("both", "left", "right", 4)
    for interface in (Seam.Base, Seam.Left, Seam.Right, Seam.Both):
        assert both._narrow(interface) is not None
    # identifiers that are words of Python get an underscore
    both._set_lambda(7)
    assert both._get_lambda() == 7
    assert both._class(1) == 2


def test_generic_references_must_be_narrowed(peer: Any, orb: Any, remote: Any) -> None:
    import Seam

    # A corbaloc says nothing about the interface.
    ior = orb.object_to_string(peer.refs["echo"])
    generic = remote.same(orb.string_to_object(ior))
    assert generic._narrow(Seam.Echo).text("x") == "x"
    assert isinstance(generic, CORBA.Object)
