"""What a released job is run with: who waits for it, what it is, what was decided about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from dgcc.master.clients import Client
from dgcc.master.preparation import Prepared
from dgcc.master.verdict.decide import Verdict
from dgcc.master.verdict.needs import Needs
from dgcc.master.wire import Request


class RemoteResult(Struct):
    """A slave's result, kept to be compared: DGCC.Result, and where its large outputs lie by their index."""

    result: Any
    large: Mapping[int, Path]


class Sent(Struct):
    """What a job was sent to a slave with."""

    prepared: Prepared
    layers: list[Any]  # DGCC.LayerNeed
    seen: Mapping[bytes, int]  # the version of each root that it saw at least
    at_ns: int  # when it was sent, by the clock that stamps files here


class Work(Struct):
    """What the master needs to run a released job."""

    client: Client
    request: Request
    verdict: Verdict
    needs: Needs  # what it needs outside the project: the verdict's, and what it was found to lack
    inputs: tuple[bytes, ...]  # what it needs of the project by name, likewise
    sent: dict[int, Sent] = field(default_factory=dict)  # by lease of the slave
    attempts: int = 1  # it is sent again with what it lacked
    failure: str = ""  # how it failed on a slave, while that is confirmed at home
    remote_result: RemoteResult | None = None  # what a slave made of it, while the same is done at home to compare
