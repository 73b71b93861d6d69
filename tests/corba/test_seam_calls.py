"""Calls as such: bulk, callbacks, threads, one at a time, oneway, time limits."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from dgcc.corba import CORBA, PortableServer, set_call_timeout

MIB = 1 << 20


def test_64_mib_in_pieces(remote: Any) -> None:
    whole = os.urandom(MIB) * 64
    back = b"".join(remote.blob(whole[at : at + MIB]) for at in range(0, len(whole), MIB))
    assert back == whole


def test_sizes_around_every_boundary(echo: Any) -> None:
    for size in [0, 1, 7, 8, 4095, 4096, 4097, 8191, 8192, 8193, 65535, 65536, 1_000_003]:
        data = os.urandom(size)
        assert echo.blob(data) == data
        assert echo.zeros(size) == bytes(size)


def test_a_message_over_the_limit_is_refused_and_the_next_is_not(remote: Any) -> None:
    with pytest.raises((CORBA.MARSHAL, CORBA.COMM_FAILURE)):
        remote.blob(bytes(3 * MIB))
    with pytest.raises((CORBA.MARSHAL, CORBA.COMM_FAILURE)):
        remote.zeros(3 * MIB)
    assert remote.blob(b"small") == b"small"


def test_callbacks_while_a_call_is_out(echo: Any, orb: Any) -> None:
    from corba import seam_servants

    servant = seam_servants.Callback()
    assert echo.back(servant._this(), 5) == 100
    assert servant.numbers == [0, 1, 2, 3, 4]


def test_callbacks_that_call_back(remote: Any, orb: Any) -> None:
    import Seam__POA

    class Deep(Seam__POA.Callback):
        def __init__(self) -> None:
            self.left = 4  # omniORB opens at most 5 connections to one peer, one for each call that is out

        def called(self, number: int) -> int:
            self.left -= 1
            return remote.back(self._this(), 1) + 1 if self.left else 0

    assert remote.back(Deep()._this(), 1) == 3


def test_8_threads_at_once(echo: Any) -> None:
    def work(number: int) -> bool:
        for i in range(100):
            data = bytes([number]) * (number * 1000 + i)
            assert echo.blob(data) == data
            assert echo.text(f"{number} {i}") == f"{number} {i}"
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_upcalls_run_side_by_side(remote: Any) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(remote.nap, [0.2] * 4))
    assert remote.most_naps() > 1


def test_single_thread_model_makes_upcalls_one_by_one(peer: Any) -> None:
    serial = peer.refs["serial"]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(serial.nap, [0.01] * 16))
    assert serial.most_naps() == 1


def test_single_thread_model_in_the_same_process(root_poa: Any) -> None:
    from corba import seam_servants

    serial = root_poa.create_POA("serial", root_poa._get_the_POAManager(), [
        root_poa.create_thread_policy(PortableServer.SINGLE_THREAD_MODEL)
    ])
    servant = seam_servants.Echo()
    serial.activate_object(servant)
    ref = serial.servant_to_reference(servant)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ref.nap, [0.01] * 16))
    assert servant.most_naps() == 1
    serial.destroy(True, True)


def test_python_runs_on_while_a_call_is_out(remote: Any) -> None:
    counted = 0
    thread = threading.Thread(target=remote.nap, args=(0.3,))
    thread.start()
    while thread.is_alive():
        counted += 1
        time.sleep(0.001)
    thread.join()
    assert counted > 10


def test_oneway_returns_at_once_and_arrives(echo: Any) -> None:
    words = f"note {time.monotonic_ns()}"
    assert echo.note(words) is None
    deadline = time.monotonic() + 10
    while words not in echo.notes():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_call_timeout_holds_for_one_reference(remote: Any, orb: Any) -> None:
    limited = orb.string_to_object(orb.object_to_string(remote))
    set_call_timeout(limited, 100)
    started = time.monotonic()
    with pytest.raises((CORBA.TRANSIENT, CORBA.TIMEOUT)):
        limited.nap(1.5)
    assert time.monotonic() - started < 1.4
    remote.nap(0.2)
    set_call_timeout(limited, 0)
    limited.nap(0.2)


def _growth(work: Callable[[], Any], times: int) -> int:
    """By how many bytes the process grows in `times` calls, after as many to warm up."""
    process = psutil.Process()
    for _ in range(times):
        work()
    before = process.memory_info().rss
    for _ in range(times):
        work()
    return process.memory_info().rss - before


def test_calls_do_not_grow_the_process(echo: Any, orb: Any) -> None:
    import Seam
    from corba import seam_servants

    callback = seam_servants.Callback()._this()

    def work() -> None:
        echo.text("some words" * 20)
        echo.blob(b"x" * 5000)
        echo.same(callback)
        with pytest.raises(Seam.Sad):
            echo.cry("why")
        with pytest.raises(CORBA.BAD_PARAM):
            echo.pick([callback, callback, 1], 0)
        echo.swap("a" * 1000, 2)

    assert _growth(work, 1700) < 2 * MIB  # 10,200 calls: a leak of 200 bytes in each would show


def test_servants_do_not_grow_the_process(root_poa: Any) -> None:
    from corba import seam_servants

    def work() -> None:
        key = root_poa.activate_object(seam_servants.Callback())
        root_poa.id_to_reference(key).called(1)
        root_poa.deactivate_object(key)

    assert _growth(work, 2000) < MIB
