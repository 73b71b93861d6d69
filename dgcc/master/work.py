"""What a released job is run with: who waits for it, what it is, what was decided about it."""

from dataclasses import dataclass, field
from typing import Any

from dgcc.master.clients import Client
from dgcc.master.verdict import Verdict
from dgcc.master.wire import Request


@dataclass
class Work:
    """What the master needs to run a released job."""

    client: Client
    request: Request
    verdict: Verdict
    needs: list[Any] = field(default_factory=list)  # DGCC.LayerNeed
    failure: str = ""  # how it failed on a slave, while that is confirmed at home
