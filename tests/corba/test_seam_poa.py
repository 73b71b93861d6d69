"""The POA: activation, identities, policies, managers, default servants, deactivation."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from dgcc.corba import CORBA, PortableServer


@pytest.fixture
def new_servant(orb: Any) -> Any:
    from corba import seam_servants

    return seam_servants.Callback


@pytest.fixture
def poa(root_poa: Any) -> Iterator[Any]:
    """A POA with ids of the user's own, with a manager of its own, active."""
    made = root_poa.create_POA("own ids", None, [
        root_poa.create_id_assignment_policy(PortableServer.USER_ID),
        root_poa.create_lifespan_policy(PortableServer.PERSISTENT),
    ])
    made._get_the_POAManager().activate()
    yield made
    made.destroy(True, True)


def test_ids_servants_and_references(poa: Any, new_servant: Any) -> None:
    servant = new_servant()
    poa.activate_object_with_id(b"key\0\xff", servant)
    assert poa.servant_to_id(servant) == b"key\0\xff"
    assert poa.id_to_servant(b"key\0\xff") is servant
    ref = poa.servant_to_reference(servant)
    assert poa.reference_to_id(ref) == b"key\0\xff"
    assert poa.reference_to_servant(ref) is servant
    assert poa.id_to_reference(b"key\0\xff")._is_equivalent(ref)
    assert ref.called(1) == 10
    with pytest.raises(PortableServer.POA.ObjectAlreadyActive):
        poa.activate_object_with_id(b"key\0\xff", new_servant())
    poa.deactivate_object(b"key\0\xff")
    with pytest.raises(CORBA.OBJECT_NOT_EXIST):
        ref.called(1)
    assert ref._non_existent()


def test_references_before_activation(poa: Any, new_servant: Any) -> None:
    import Seam

    ref = poa.create_reference_with_id(b"later", Seam.Callback._NP_RepositoryId)
    with pytest.raises(CORBA.OBJECT_NOT_EXIST):
        ref._narrow(Seam.Callback).called(1)
    poa.activate_object_with_id(b"later", new_servant())
    assert ref._narrow(Seam.Callback).called(2) == 20


def test_system_ids(root_poa: Any, new_servant: Any) -> None:
    servant = new_servant()
    key = root_poa.activate_object(servant)
    assert isinstance(key, bytes) and key
    assert root_poa.id_to_servant(key) is servant
    root_poa.deactivate_object(key)


def test_this_activates_once(root_poa: Any, new_servant: Any) -> None:
    servant = new_servant()
    ref = servant._this()
    assert servant._this()._is_equivalent(ref)
    root_poa.deactivate_object(root_poa.servant_to_id(servant))


def test_this_uses_the_servants_own_poa(root_poa: Any, new_servant: Any) -> None:
    implicit = root_poa.create_POA("implicit", root_poa._get_the_POAManager(), [
        root_poa.create_implicit_activation_policy(PortableServer.IMPLICIT_ACTIVATION),
    ])

    class Elsewhere(new_servant):  # type: ignore[misc]
        def _default_POA(self) -> Any:
            return implicit

    servant = Elsewhere()
    ref = servant._this()
    assert ref.called(3) == 30
    assert implicit.reference_to_servant(ref) is servant
    with pytest.raises(PortableServer.POA.WrongAdapter):
        root_poa.reference_to_id(ref)
    implicit.destroy(True, True)


def test_names_parents_and_finding(root_poa: Any) -> None:
    outer = root_poa.create_POA("outer", root_poa._get_the_POAManager(), [])
    inner = outer.create_POA("inner", root_poa._get_the_POAManager(), ())
    assert inner._get_the_name() == "inner"
    assert inner._get_the_parent()._get_the_name() == "outer"
    assert root_poa._get_the_parent() is None
    assert root_poa.find_POA("outer", False)._get_the_name() == "outer"
    with pytest.raises(PortableServer.POA.AdapterAlreadyExists):
        root_poa.create_POA("outer", None, [])
    outer.destroy(True, True)
    with pytest.raises(PortableServer.POA.AdapterNonExistent):
        root_poa.find_POA("outer", False)


def test_states_of_a_manager(poa: Any, new_servant: Any) -> None:
    manager = poa._get_the_POAManager()
    poa.activate_object_with_id(b"x", new_servant())
    ref = poa.id_to_reference(b"x")
    assert manager.get_state() == PortableServer.POAManager.ACTIVE
    manager.discard_requests(False)
    assert manager.get_state() == PortableServer.POAManager.DISCARDING
    with pytest.raises(CORBA.TRANSIENT):
        ref.called(1)
    manager.hold_requests(False)
    assert manager.get_state() == PortableServer.POAManager.HOLDING
    manager.activate()
    assert ref.called(1) == 10
    manager.deactivate(False, True)
    assert manager.get_state() == PortableServer.POAManager.INACTIVE
    with pytest.raises(PortableServer.POAManager.AdapterInactive):
        manager.activate()


def test_one_default_servant_for_all_ids(root_poa: Any, new_servant: Any) -> None:
    import Seam

    many = root_poa.create_POA("default servant", root_poa._get_the_POAManager(), [
        root_poa.create_request_processing_policy(PortableServer.USE_DEFAULT_SERVANT),
        root_poa.create_id_uniqueness_policy(PortableServer.MULTIPLE_ID),
        root_poa.create_id_assignment_policy(PortableServer.USER_ID),
        root_poa.create_servant_retention_policy(PortableServer.NON_RETAIN),
    ])
    servant = new_servant()
    many.set_servant(servant)
    assert many.get_servant() is servant
    for key in (b"a", b"b"):
        assert many.create_reference_with_id(key, Seam.Callback._NP_RepositoryId).called(1) == 10
    assert servant.numbers == [1, 1]
    many.destroy(True, True)


def test_a_servant_lives_as_long_as_its_object(root_poa: Any, new_servant: Any, remote: Any) -> None:
    servant = new_servant()
    gone = weakref.ref(servant)
    key = root_poa.activate_object(servant)
    ref = root_poa.id_to_reference(key)
    del servant
    gc.collect()
    assert ref.called(1) == 10
    root_poa.deactivate_object(key)
    del ref
    remote.nothing()
    gc.collect()
    assert gone() is None


def test_a_servant_can_be_activated_again(root_poa: Any, new_servant: Any) -> None:
    servant = new_servant()
    for _ in range(20):
        key = root_poa.activate_object(servant)
        assert root_poa.id_to_reference(key).called(1) == 10
        root_poa.deactivate_object(key)
    assert servant.numbers == [1] * 20
