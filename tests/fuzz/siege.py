"""A real farm under attack: a slave that serves a real master, both sent broken messages, and a build that must come
out right all the same."""

import random
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farmkit import Built, Farm, farm, wait_for
from fuzz.giop import HEADER, message
from fuzz.intruder import Intruder, Target, half_open
from fuzz.vitals import Vitals, settled

from dgcc.naming.contexts import MASTERS
from dgcc.naming.contexts import Farm as Naming
from dgcc.naming.orb import OWN_THREADS, start_orb
from dgcc.naming.place import Place
from dgcc.naming.sender import Sender

OBJECTS = 6
# Memory that an attack may leave a process with, in bytes: caches that fill once, and what omniORB 4.2.5 loses of each
# object reference that is broken inside a fragmented message.
_ONCE, _PER_MESSAGE = 96 << 20, 400
_POOL = 110  # threads that connections beyond those share
_THREADS, _FILES = 40, 60


@dataclass
class Siege:
    """The farm, the intruder in it, and the real master's build."""

    farm: Farm
    intruder: Intruder
    project: Path
    master: subprocess.Popen[bytes]
    ended: "Future[Built]"  # reads all the while what the master says of its visitors

    @property
    def slave_pid(self) -> int:
        """The process of the real slave."""
        return self.farm.slaves["a"].pid

    def assault(self, target: Target, pid: int, messages: int) -> str:
        """Attack a process; returns what it has more of than it may, once it has come to rest."""
        before = Vitals.of(pid)
        self.intruder.attack(target, messages)
        return settled(pid, before, _ONCE + _PER_MESSAGE * messages, _THREADS, _FILES)

    def besiege(self, target: Target, pid: int, count: int) -> str:
        """Have many half-open connections, each begun otherwise, and ask something all the while."""
        before = Vitals.of(pid)
        begun = random.Random(count).choice(_BEGUN)
        with half_open(target.address, count, begun):
            for _ in range(5):
                whole = target.breaker.answered()
                assert self.intruder.send(target.address, whole), "no answer beside half-open connections"
            during = Vitals.of(pid)
        assert during.threads < before.threads + OWN_THREADS + _POOL, during
        return settled(pid, before, _ONCE, OWN_THREADS + _POOL, _FILES)  # they linger for a while

    def relieve(self) -> Built:
        """Let the master's build go on, and end."""
        (self.project / "go").touch()
        return self.ended.result(120)


# A connection with nothing, with half a header, with a header alone, and with a promise of much.
_BEGUN = (b"", b"GIOP\1\2", message(0, b"", size=100), message(0, b"\0" * HEADER, size=60 << 20))


def make_project(place: Path) -> None:
    """A project whose compiles begin when there is a file `go`."""
    place.mkdir()
    names = [f"f{number}" for number in range(OBJECTS)]
    (place / "Makefile").write_text(
        f"all: {' '.join(name + '.o' for name in names)}\n"
        "wait:\n\t@while [ ! -e go ]; do sleep 0.05; done\n"
        "%.o: %.c wait\n\t$(CC) -O1 -c -o $@ $<\n"
    )
    for number, name in enumerate(names):
        (place / f"{name}.c").write_text(f"int {name}(void) {{ return {number}; }}\n")


@contextmanager
def siege(top: Path, seed: int) -> Iterator[Siege]:
    """A farm with a slave `a` of two slots, a master whose build waits for `relieve`, and an intruder."""
    orb, poa = start_orb()
    with farm(top / "farm", "a", slots=2) as made:
        project = top / "project"
        make_project(project)
        naming = Naming(orb, Place(made.names.host, made.names.port))
        master = made.start_master(project)
        reader = Sender("reader")
        ended = reader.submit(made.finish, master, 3600)
        try:
            wait_for(lambda: list(naming.bindings(MASTERS)), "the master is bound")
            yield Siege(made, Intruder(orb, poa, naming, seed), project, master, ended)
        finally:
            (project / "go").touch()  # else make would outlive its master
            if master.poll() is None:
                master.kill()
            reader.shutdown()


def check_build(result: Built, *, all_remote: bool) -> None:
    """The build came out right: nothing failed, and travelled where it could."""
    said: Any = (result.err[-3000:], result.report)
    assert result.code == 0, said
    assert result.jobs["failed"] == 0, said
    if all_remote:
        assert result.jobs["remote"] == OBJECTS and result.jobs["fallback"] == 0, said


def seed_of_now() -> int:
    """A seed that nobody has used before."""
    return time.time_ns() % 1_000_000_007
