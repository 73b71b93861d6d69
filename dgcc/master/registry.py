"""The Slave Registry's state: which slaves are in the farm, under which lease. Owned by the master's loop.

Calls to a slave leave the loop through that slave's own sender, one thread that makes them one after the other, so
a slave that does not answer can hold up nobody else. Bulk (outputs) has a second thread, so that
it does not stand in the way of the next job.
"""

import platform
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

from dgcc.corba import DGCC
from dgcc.master.failures import Failure, phrase
from dgcc.naming.deadlines import deadlines
from dgcc.naming.sender import Sender

# More than any farm has; a slave that goes mad is not to take all jobs, or all of this machine's memory.
MOST_SLAVES = 1000  # each costs two threads
_MOST_SLOTS = 4096
SIMULATED = "simulated"
"""The kind of machine that a slave gives itself which only simulates: no master takes it that builds."""


class Tally(Struct):
    """What one slave did in this build, for the report."""

    jobs: int = 0
    cpu_s: float = 0.0
    lost: bool = False  # and not come back
    losses: int = 0
    failures: Counter[str] = field(default_factory=Counter)  # by kind, see failures.py
    trouble: str = ""  # the last of them that was the slave's
    slots: int = 0
    overtaken: int = 0  # jobs that were run a second time elsewhere, and ended there first

    def add(self, failure: Failure) -> None:
        """Count a failure."""
        self.failures[failure.kind] += 1
        if not failure.confirmed:
            self.trouble = str(failure)


class SlaveLink(Struct):
    """One registered slave: its reference, its lease and the threads that call it."""

    lease: int
    info: Any  # DGCC.SlaveInfo
    ref: Any  # DGCC.Slave, for short calls by the sender
    bulk: Any  # the same slave, for long calls by the fetcher
    expires: float
    tally: Tally
    load: Any = None  # DGCC.HostLoad, as it last told
    joined: bool = False  # it has reported free slots, so it may be sent jobs
    probed: bool = False  # it is being asked whether it lives
    lacking: set[int] = field(default_factory=set)  # jobs sent to it that it did not have when it last told
    environments: set[bytes] = field(default_factory=set)  # keys of those that it has for certain
    store: Any = None  # DGCC.Source of its environments, once it has been asked
    asked_for_store: bool = False
    sender: Sender = field(default_factory=lambda: Sender("sender"))
    fetcher: Sender = field(default_factory=lambda: Sender("fetcher"))

    @property
    def name(self) -> str:
        """The name that the slave gave itself."""
        return str(self.info.name)

    def close(self) -> None:
        """Make no further calls; those under way end by their own deadline."""
        self.sender.shutdown()
        self.fetcher.shutdown()


def unfit(slave: str, version: str, protocol: int) -> str:
    """What is to be said of a slave of another protocol."""
    slave, version = phrase(slave), phrase(version)
    return (
        f"the slave '{slave}' (DGCC {version}) speaks protocol {protocol}, this master {DGCC.PROTOCOL}: "
        "install the same version of DGCC on both"
    )


class SlaveRegistry:
    """The slaves of one master, by lease."""

    def __init__(self, machine: str = platform.machine()) -> None:
        """`machine`: the kind of machine that a slave must be."""
        self._machine = machine
        self._links: dict[int, SlaveLink] = {}
        self.slots = 0  # of all of them
        self.most_slots = 0  # at a time, so far
        self.tallies: dict[str, Tally] = {}  # by name, of every slave that was ever here

    def __iter__(self) -> Iterator[SlaveLink]:
        return iter(list(self._links.values()))

    def __len__(self) -> int:
        return len(self._links)

    def get(self, lease: int) -> SlaveLink | None:
        """Return the slave that holds this lease, or None."""
        return self._links.get(lease)

    def named(self, name: str) -> SlaveLink | None:
        """Return the slave of that name, or None."""
        return next((link for link in self._links.values() if link.name == name), None)

    def enlist(self, info: Any, ref: Any, bulk: Any, now: float) -> SlaveLink:
        """Take a slave in. Raises DGCC.Refused with what the slave's owner should do."""
        if info.protocol != DGCC.PROTOCOL:
            raise DGCC.Refused(unfit(info.name, info.version, info.protocol))
        if info.machine != self._machine:
            raise DGCC.Refused(self._wrong_kind(info.name, info.machine))
        if not 1 <= info.slots <= _MOST_SLOTS:
            raise DGCC.Refused(f"the slave '{info.name}' offers {info.slots} slots, which no machine has")
        if len(self._links) >= MOST_SLAVES:
            raise DGCC.Refused(f"{MOST_SLAVES} slaves serve this master already")
        tally = self.tallies.setdefault(info.name, Tally())
        tally.lost = False
        tally.slots = info.slots
        link = SlaveLink(secrets.randbits(63), info, ref, bulk, now + deadlines().lease, tally)
        self._links[link.lease] = link
        self.slots += info.slots
        self.most_slots = max(self.most_slots, self.slots)
        return link

    def _wrong_kind(self, name: str, machine: str) -> str:
        if machine == SIMULATED:
            return f"the slave '{name}' only simulates, this master builds: start both with --simulate, or neither"
        if self._machine == SIMULATED:
            return f"the slave '{name}' does not simulate, this master does: start both with --simulate, or neither"
        return (
            f"the slave '{name}' is a machine of the kind {machine}, this master's is {self._machine}: its compilers "
            "cannot run there"
        )

    def renew(self, lease: int, now: float) -> SlaveLink:
        """Extend a lease. Raises DGCC.UnknownLease if it has ended."""
        link = self._links.get(lease)
        if link is None:
            raise DGCC.UnknownLease()
        link.expires = now + deadlines().lease
        return link

    def remove(self, lease: int, *, lost: bool) -> SlaveLink | None:
        """Forget a slave; `lost` marks it so in the report."""
        link = self._links.pop(lease, None)
        if link is not None:
            self.slots -= link.info.slots
            link.tally.lost = lost
            link.tally.losses += lost
            link.close()
        return link

    def late(self, now: float) -> list[SlaveLink]:
        """The slaves that should have renewed by `now` and are not yet being asked why."""
        due = now + deadlines().lease - deadlines().late
        return [link for link in self._links.values() if not link.probed and link.expires <= due]

    def expired(self, now: float) -> list[SlaveLink]:
        """The slaves whose lease has run out at `now`."""
        return [link for link in self._links.values() if link.expires <= now]
