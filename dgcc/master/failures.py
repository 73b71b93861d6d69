"""What can go wrong with a job on a slave: types of failure, and the type alone says what follows."""

from typing import ClassVar

_LONGEST = 300  # characters of a message; what a slave says of itself may be anything


def phrase(text: str) -> str:
    """What another process says, fit for a line on a terminal: printable, and not too long."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


class Failure(Exception):
    """Base. The message is a phrase for the user: what went wrong, without the slave's name."""

    kind: ClassVar[str]
    """What it is counted as in the report."""
    rests: ClassVar[bool]
    """Whether the slave is given no job for a while, and then a single one."""
    elsewhere: ClassVar[bool]
    """Whether the job goes to another slave, where there is one; else it goes home."""
    confirmed: ClassVar[bool]
    """Whether it may be the command's own failure: then make hears what the command does at home."""

    def __init__(self, message: str) -> None:
        super().__init__(phrase(message))


class CommandFailed(Failure):
    """The command ran to its end and failed. Not the slave's fault as far as anybody knows."""

    kind, rests, elsewhere, confirmed = "command", False, False, True


class HostFailed(Failure):
    """The slave could not run the job, or is not heard of: connection, lease, deadline, disk, jail."""

    kind, rests, elsewhere, confirmed = "host", True, True, False


class OverLimit(HostFailed):
    """The job went beyond what the slave lets a job use. The slave is well, and another may have more."""

    kind, rests = "limit", False


class ProtocolFailed(Failure):
    """What one side said makes no sense to the other: a bad digest, a path outside the roots, a malformed order.

    The same question would get the same answer, so it is not asked again.
    """

    kind, rests, elsewhere, confirmed = "protocol", True, False, False
