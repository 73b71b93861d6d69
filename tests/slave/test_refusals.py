"""A slave and masters that will not have it."""

import logging
from typing import Any

import pytest

from dgcc.corba import DGCC
from dgcc.naming.contexts import Life
from dgcc.slave.meeting import Meeting


class Master:
    """As the stub of a DGCC::Master that refuses every slave."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason

    def _get_parts(self) -> Any:
        return DGCC.MasterParts(self.name, None, self, None)

    def _get_protocol(self) -> int:
        return int(DGCC.PROTOCOL)

    @staticmethod
    def refuse(name: str, parts: Any) -> None:
        raise DGCC.Refused(parts.job_overseer.reason)


class Farm:
    """Who is bound under dgcc/masters."""

    masters: list[tuple[str, Any]] = []

    def bindings(self, kind: str) -> list[tuple[str, Any]]:
        return self.masters

    def prune(self, kind: str, name: str, ref: Any) -> Life:
        return Life.DEAD


def test_a_refusal_is_said_once_for_each_master_and_reason(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgcc.slave.meeting.aside", lambda name, function, *arguments: function(*arguments))
    farm: Any = Farm()
    meeting = Meeting(farm, None, set, Master.refuse)
    one, other = Master("one", "one builds for aarch64"), Master("other", "other has no use for an x86_64")
    with caplog.at_level(logging.ERROR):
        for master in (one, other):
            for _ in range(3):
                meeting.invite(master)
        assert caplog.messages == ["one builds for aarch64", "other has no use for an x86_64"]
        other.reason = "its version is another"
        meeting.invite(other)
        farm.masters = [("one", None)]
        meeting.find_masters()  # `other` has gone, and comes back
        meeting.invite(other)
        meeting.invite(one)
    assert caplog.messages[2:] == ["its version is another"] * 2
