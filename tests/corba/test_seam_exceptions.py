"""User and system exceptions on their way to the caller, and how they show themselves."""

from typing import Any

import pytest

from dgcc.corba import CORBA, PortableServer


def test_user_exceptions_carry_their_members(echo: Any) -> None:
    import Seam

    with pytest.raises(Seam.Sad) as caught:
        echo.cry("grau")
    assert (caught.value.why, caught.value.how_much) == ("grau", 4)
    assert isinstance(caught.value, CORBA.UserException)
    with pytest.raises(Seam.Empty):
        echo.cry("")


def test_undeclared_exceptions_are_unknown(echo: Any) -> None:
    with pytest.raises(CORBA.UNKNOWN) as caught:
        echo.undeclared()
    assert caught.value.completed == CORBA.COMPLETED_MAYBE
    assert echo.twice(1) == 2


def test_a_servant_cannot_end_its_process_by_an_exception(echo: Any) -> None:
    with pytest.raises(CORBA.UNKNOWN):
        echo.leave()
    assert echo.twice(1) == 2


def test_what_an_undeclared_exception_was_is_shown_where_it_happened(new_peer: Any) -> None:
    peer = new_peer()
    with pytest.raises(CORBA.UNKNOWN):
        peer.refs["echo"].undeclared()
    assert "nobody declared this" in peer.stop()


@pytest.mark.parametrize("number", range(3))
def test_system_exceptions_keep_minor_and_completion(echo: Any, number: int) -> None:
    completed = [CORBA.COMPLETED_YES, CORBA.COMPLETED_NO, CORBA.COMPLETED_MAYBE][number]
    with pytest.raises(CORBA.NO_RESOURCES) as caught:
        echo.raise_system(0x41540000 + 77, number)
    assert caught.value.minor == 0x41540000 + 77
    assert caught.value.completed == completed
    assert isinstance(caught.value, CORBA.SystemException)


def test_text_of_a_system_exception_names_minor_and_completion() -> None:
    assert repr(CORBA.NO_RESOURCES(5, CORBA.COMPLETED_YES)) == "CORBA.NO_RESOURCES(0x5, CORBA.COMPLETED_YES)"
    known = CORBA.TRANSIENT(0x41540002, CORBA.COMPLETED_NO)
    assert repr(known) == "CORBA.TRANSIENT(omniORB.TRANSIENT_ConnectFailed, CORBA.COMPLETED_NO)"


def test_operations_that_a_servant_lacks(orb: Any) -> None:
    import Seam__POA

    class Idle(Seam__POA.Callback):
        pass

    with pytest.raises(CORBA.NO_IMPLEMENT):
        Idle()._this().called(1)


def test_unknown_names_and_broken_references(orb: Any) -> None:
    with pytest.raises(CORBA.ORB.InvalidName):
        orb.resolve_initial_references("NoSuchService")
    with pytest.raises(CORBA.SystemException):
        orb.string_to_object("IOR:zz")
    with pytest.raises(CORBA.SystemException):
        orb.string_to_object("nonsense")


def test_errors_of_the_poa(root_poa: Any) -> None:
    import Seam__POA

    with pytest.raises(PortableServer.POA.ObjectNotActive):
        root_poa.deactivate_object(b"not there")
    with pytest.raises(PortableServer.POA.AdapterNonExistent):
        root_poa.find_POA("not there", False)
    with pytest.raises(PortableServer.POA.WrongPolicy):
        root_poa.get_servant()
    with pytest.raises(PortableServer.POA.InvalidPolicy) as caught:
        root_poa.create_POA("odd", None, [
            root_poa.create_request_processing_policy(PortableServer.USE_ACTIVE_OBJECT_MAP_ONLY),
            root_poa.create_servant_retention_policy(PortableServer.NON_RETAIN),
        ])
    assert caught.value.index in (0, 1)
    servant = Seam__POA.Callback()
    key = root_poa.activate_object(servant)
    with pytest.raises(PortableServer.POA.ServantAlreadyActive):
        root_poa.activate_object(servant)
    root_poa.deactivate_object(key)


def test_activating_what_is_no_servant(root_poa: Any) -> None:
    for wrong in (object(), None, PortableServer.Servant()):
        with pytest.raises((CORBA.BAD_PARAM, TypeError)):
            root_poa.activate_object(wrong)
