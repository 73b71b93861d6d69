"""A slave and masters that will not have it."""

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from slave.systemkit import OWNER

from dgcc.corba import DGCC
from dgcc.naming.contexts import Life
from dgcc.naming.orb import start_orb
from dgcc.slave.service import Slave, SlaveOptions


class Master:
    """As the stub of a DGCC::Master and of its registry."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason

    def _get_name(self) -> str:
        return self.name

    def _get_protocol(self) -> int:
        return int(DGCC.PROTOCOL)

    def _get_registry(self) -> Any:
        return self

    def _get_job_overseer(self) -> Any:
        return None

    def _get_store(self) -> Any:
        return None

    def enlist(self, info: Any, who: Any) -> Any:
        assert info.machine == os.uname().machine
        raise DGCC.Refused(self.reason)


class Farm:
    """Who is bound under dgcc/masters."""

    masters: list[tuple[str, Any]] = []

    def bindings(self, kind: str) -> list[tuple[str, Any]]:
        return self.masters

    def prune(self, kind: str, name: str, ref: Any) -> Life:
        return Life.DEAD

    def unbind(self, kind: str, name: str, ref: Any) -> None:
        pass


def test_a_refusal_is_said_once_for_each_master_and_reason(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    farm = Farm()
    options = SlaveOptions("here", 1, top / "store", False, OWNER)
    slave = Slave(start_orb()[1], farm, options, threading.Event())  # type: ignore[arg-type]
    try:
        other = Master("other", "other has no use for an x86_64")
        with caplog.at_level(logging.ERROR):
            for master in (Master("one", "one builds for aarch64"), other):
                for _ in range(3):
                    slave._register(master)
            assert caplog.messages == ["one builds for aarch64", "other has no use for an x86_64"]
            other.reason = "its version is another"
            slave._register(other)
            farm.masters = [("one", None)]
            slave._find_masters()  # `other` has gone, and comes back
            slave._register(other)
            slave._register(Master("one", "one builds for aarch64"))
        assert caplog.messages[2:] == ["its version is another"] * 2
    finally:
        slave._runner.close()
        slave._blobs.close()
