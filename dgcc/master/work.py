"""What a released job is run with: who waits for it, what it is, what was decided about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dgcc.master.clients import Client
from dgcc.master.preparation import Prepared
from dgcc.master.verdict import Verdict
from dgcc.master.verdict.needs import Needs
from dgcc.master.wire import Request


@dataclass
class RemoteResult:
    """A slave's result, kept to be compared: DGCC.Result, and where its large outputs lie by their index."""

    result: Any
    large: Mapping[int, Path]


@dataclass
class Work:
    """What the master needs to run a released job."""

    client: Client
    request: Request
    verdict: Verdict
    needs: Needs  # what it needs outside the project: the verdict's, and what it was found to lack
    inputs: tuple[bytes, ...]  # what it needs of the project by name, likewise
    prepared: Prepared | None = None  # what it was last sent with
    layers: list[Any] = field(default_factory=list)  # DGCC.LayerNeed, likewise
    sent_ns: int = 0  # when it was last sent, by the clock that stamps files here
    attempts: int = 1  # it is sent again with what it lacked
    failure: str = ""  # how it failed on a slave, while that is confirmed at home
    remote_result: RemoteResult | None = None  # what a slave made of it, while the same is done at home to compare
