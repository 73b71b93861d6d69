"""What the Overseer is told of jobs and hosts, and what it answers. Values only."""

from msgspec import Struct


class Want(Struct, frozen=True):
    """What is known of a job before it runs. All of it is advice: a wrong figure costs time, never correctness.

    priority: seconds, the expected length of the longest path from the job's start to the build's end, the job
    included, on hosts of speed 1. expected_s: its own expected wall time there; 0: not known. memory: bytes that it is
    expected to need; 0: not known. repeatable: whether it may be run twice at the same time.
    """

    priority: float = 0.0
    expected_s: float = 0.0
    memory: int = 0
    repeatable: bool = False


class Host(Struct, frozen=True):
    """A slave as it registers. memory: bytes, 0: not known. speed: jobs take 1/speed of their expected time there."""

    name: str
    slots: int
    memory: int = 0
    speed: float = 1.0


class Send(Struct, frozen=True):
    """Send the job to the slave. `second`: it runs elsewhere already, and keeps running there."""

    job: int
    slave: int
    second: bool = False


class GoHome(Struct, frozen=True):
    """Run the job at home: the farm cannot."""

    job: int
    reason: str


class Withdraw(Struct, frozen=True):
    """Tell the slave to forget the job, which it has failed if `why` says how."""

    job: int
    slave: int
    why: str = ""


Action = Send | GoHome | Withdraw
