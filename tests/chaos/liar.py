"""Slaves that lie, each in its own way: `liar.py NAMING LIE [LIE...]` joins a farm as one slave of one slot for each.

They say their names when they are ready, and end with SIGTERM. A lie is a function below, called with each job.
"""

import contextlib
import hashlib
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from dgcc.corba import CORBA, DGCC, DGCC__POA
from dgcc.naming.contexts import SLAVES, Farm
from dgcc.naming.orb import start_orb
from dgcc.naming.place import parse_address

LIES: dict[str, Callable[["Liar", Any], None]] = {}


class Liar(DGCC__POA.Slave):
    """One lying slave, of every master that invites it."""

    def __init__(self, lie: str, slots: int = 1) -> None:
        self.name, self.slots = lie, slots
        self._lie = LIES[lie]
        self.ref: Any = None
        self.registry: Any = None
        self.overseer: Any = None
        self.lease = 0
        self.held: list[int] = []  # what is told with each renewal
        self.outputs: Callable[[int, int], bytes] = lambda offset, count: b""
        self.refusal = ""
        self.over = threading.Event()

    # ---- what a slave says ------------------------------------------------------------------------------------

    def info(self, **changed: Any) -> Any:
        """A DGCC.SlaveInfo as an honest slave would give it, but for what is changed."""
        info = DGCC.SlaveInfo(self.name, "0", DGCC.PROTOCOL, platform.machine(), self.slots, 1 << 30, [])
        for name, value in changed.items():
            setattr(info, name, value)
        return info

    def result(self, job: Any, files: list[Any], **changed: Any) -> Any:
        """A DGCC.Result of a job that went well."""
        result = DGCC.Result(
            job.id, DGCC.ENDED, "", 0, 0, 0.01, 0.01, 0, time.time_ns(), 0, [], files
        )
        for name, value in changed.items():
            setattr(result, name, value)
        return result

    def done(self, result: Any) -> None:
        """Hand a result over, whatever the master says to it."""
        with contextlib.suppress(CORBA.Exception):
            self.overseer.done(self.lease, result)

    # ---- the servant ------------------------------------------------------------------------------------------

    def _get_info(self) -> Any:
        return self.info()

    def _get_state(self) -> Any:
        return DGCC.SlaveState(self.info(), self.slots, 0, 0, DGCC.HostLoad(0.0, 0.0, 0, self.slots), -1.0, [])

    def _get_store(self) -> Any:
        return None

    def invite(self, who: Any) -> None:
        threading.Thread(target=self._join, args=(who,), daemon=True).start()

    def _join(self, master: Any) -> None:
        parts = master._get_parts()
        self.registry, self.overseer = parts.registry, parts.job_overseer
        starting = STARTS.get(self.name)
        if starting is not None:
            starting(self)
        self.lease = self.registry.enlist(self.info(), self.ref).id
        self.registry.free(self.lease, self.slots)
        threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        with contextlib.suppress(CORBA.Exception):
            while not self.over.wait(0.4):
                self.registry.renew(self.lease, DGCC.HostLoad(0.0, 0.0, 0, self.slots), self.held)

    def run(self, lease: int, what: Any) -> None:
        if self.refusal:
            raise DGCC.Refused(self.refusal)
        self.held.append(what.id)
        threading.Thread(target=self._run, args=(what,), daemon=True).start()

    def _run(self, job: Any) -> None:
        self._lie(self, job)

    def cancel(self, lease: int, which: list[int]) -> None:
        pass

    def output(self, lease: int, job: int, index: int, offset: int, count: int) -> Any:
        return DGCC.Packed(False, self.outputs(offset, count))

    def release(self, lease: int, job: int) -> None:
        pass

    def dismiss(self, lease: int) -> None:
        self.over.set()


STARTS: dict[str, Callable[[Liar], None]] = {}


def lie(function: Callable[[Liar, Any], None]) -> Callable[[Liar, Any], None]:
    """A lie by the name of its function."""
    LIES[function.__name__] = function
    return function


def start(function: Callable[[Liar], None]) -> Callable[[Liar], None]:
    """What the lie of that name does before it registers."""
    STARTS[function.__name__] = function
    return function


# ---- outputs ---------------------------------------------------------------------------------------------------


def file(path: bytes, content: bytes = b"a lie", *, root: bytes = b"", **changed: Any) -> Any:
    """A DGCC.Output of a file, sound but for what is changed."""
    digest = hashlib.sha256(content).digest()
    what = DGCC.Entry(path, DGCC.FILE, 0o644, time.time_ns(), len(content), digest, b"")
    output = DGCC.Output(root, what, False, content, False)
    for name, value in changed.items():
        setattr(output if hasattr(output, name) else what, name, value)
    return output


def wanted(job: Any) -> bytes:
    """The object that the job is to make, by the `-o` in its shell line."""
    return job.argv[-1].partition(b" -o ")[2].split()[0]


def honest_name(job: Any, content: bytes = b"a lie", **changed: Any) -> Any:
    """An output for the object that the job is to make."""
    return file(wanted(job), content, root=job.cwd, **changed)


def _send(self: Liar, job: Any, *files: Any, **changed: Any) -> None:
    for output in files:
        output.root = output.root or job.cwd
    self.done(self.result(job, list(files), **changed))


@lie
def wrong_digest(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job, digest=bytes(32)))


@lie
def wrong_digest_large(self: Liar, job: Any) -> None:
    self.outputs = lambda offset, count: bytes(count)
    _send(self, job, honest_name(job, size=3 << 20, digest=bytes(32), data=b""))


@lie
def stops_early(self: Liar, job: Any) -> None:
    content = os.urandom(3 << 20)
    self.outputs = lambda offset, count: content[offset : offset + count] if offset < 2 << 20 else b""
    _send(self, job, honest_name(job, content, data=b""))


@lie
def drips(self: Liar, job: Any) -> None:
    content = os.urandom(3 << 20)
    self.outputs = lambda offset, count: content[offset : offset + 1]
    _send(self, job, honest_name(job, content, data=b""))


@lie
def too_much_in_a_piece(self: Liar, job: Any) -> None:
    self.outputs = lambda offset, count: bytes(16 << 20)
    _send(self, job, honest_name(job, size=3 << 20, data=b""))


@lie
def ten_gigabytes(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job, size=10 << 30, data=b""))


@lie
def endless_zeros(self: Liar, job: Any) -> None:
    self.outputs = lambda offset, count: bytes(count)
    _send(self, job, honest_name(job, size=1 << 63, data=b""))


@lie
def no_such_output(self: Liar, job: Any) -> None:
    def unknown(offset: int, count: int) -> bytes:
        raise DGCC.UnknownOutput()

    self.outputs = unknown
    _send(self, job, honest_name(job, size=3 << 20, data=b""))


@lie
def upwards(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), file(b"../outside"))


@lie
def absolute(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), file(os.path.dirname(job.cwd) + b"/outside"))


@lie
def down_and_upwards(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), file(b"a/../../outside"))


@lie
def through_a_link(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), file(b"way-out/outside"))


def _link(path: bytes, link: bytes) -> Any:
    return file(path, b"", kind=DGCC.SYMLINK, link=link, digest=b"")


@lie
def through_its_own_link(self: Liar, job: Any) -> None:
    above = os.path.dirname(job.cwd)
    _send(self, job, honest_name(job), _link(b"way-made", above), file(b"way-made/outside"))


@lie
def another_root(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), file(b"outside", root=os.path.dirname(job.cwd)))


@lie
def touches_another_root(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), file(b"project/Makefile", touched=True, root=os.path.dirname(job.cwd)))


@lie
def setuid(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job, mode=0o4755))


@lie
def setuid_by_a_touch(self: Liar, job: Any) -> None:
    made = file(b"Makefile", b"", kind=DGCC.DIRECTORY, mode=0o4755, touched=True, digest=b"")
    _send(self, job, honest_name(job), made)


@lie
def a_mode_that_is_none(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job, mode=0xFFFFFFFF))


@lie
def a_link_that_is_none(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), _link(b"way-made", b"\0"))


@lie
def the_same_twice(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), honest_name(job, b"another lie"))


@lie
def the_repository(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), file(b".git/hooks/post-commit", mode=0o755))


@lie
def nothing_made(self: Liar, job: Any) -> None:
    _send(self, job)


@lie
def something_else_made(self: Liar, job: Any) -> None:
    _send(self, job, file(b"other.o"))


@lie
def many_outputs(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), *(file(b"many/%d" % number, b"") for number in range(200_000)))


@lie
def many_messages(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), stdio=[DGCC.Chunk(1, bytes(1 << 20)) for _ in range(40)])


@lie
def too_large_a_message(self: Liar, job: Any) -> None:
    """The master's ORB refuses it; what the slave says next is honest enough."""
    _send(self, job, honest_name(job), stdio=[DGCC.Chunk(1, bytes(1 << 20)) for _ in range(70)])
    self.held.clear()


@lie
def no_number(self: Liar, job: Any) -> None:
    _send(self, job, honest_name(job), wall_s=float("nan"), cpu_s=float("inf"))


@lie
def another_job(self: Liar, job: Any) -> None:
    """Results for jobs of others and for none; the job itself is lost."""
    self.held.clear()
    for number in (*range(1, 60), 1 << 40, (1 << 64) - 1):
        if number != job.id:
            _send(self, job, honest_name(job), id=number)


@lie
def fails_for_ever(self: Liar, job: Any) -> None:
    _send(self, job, how=DGCC.HOST_FAILED, trouble="the disk is\n\n\x1b[31mfull" + 5000 * "!")


@lie
def understands_nothing(self: Liar, job: Any) -> None:
    _send(self, job, how=DGCC.PROTOCOL_FAILED, trouble="the order makes no sense")


@lie
def asks_for_a_secret(self: Liar, job: Any) -> None:
    _send(self, job, how=DGCC.HOST_FAILED, trouble="withheld: /etc/shadow")


@lie
def refuses(self: Liar, job: Any) -> None:
    """It never comes so far."""


@start
def refuses(self: Liar) -> None:  # noqa: F811
    self.refusal = "no,\x1b[2J thank you"


@lie
def renews_garbage(self: Liar, job: Any) -> None:
    self.held = [job.id] + [(1 << 64) - 1] * 50_000 + list(range(50_000))
    for slots in (0, (1 << 32) - 1):
        self.registry.free(self.lease, slots)
    time.sleep(1)
    _send(self, job, how=DGCC.HOST_FAILED, trouble="so much for that")


@lie
def never_answers(self: Liar, job: Any) -> None:
    pass


@lie
def claims_all_jobs(self: Liar, job: Any) -> None:
    self.held = list(range(1000))


@lie
def enlists_for_ever(self: Liar, job: Any) -> None:
    _send(self, job, how=DGCC.HOST_FAILED, trouble="nobody is here")


@start
def enlists_for_ever(self: Liar) -> None:  # noqa: F811
    for number in range(300):
        self.registry.enlist(self.info(name=f"one of many {number % 100}"), self.ref)
    for changed in (
        {"name": "\x1b[2J"}, {"name": ""}, {"name": 1000 * "x"}, {"slots": 0}, {"slots": 1 << 30}, {"machine": "\n\n"},
        {"protocol": 99},
    ):  # fmt: skip
        with contextlib.suppress(DGCC.Refused):
            self.registry.enlist(self.info(**changed), self.ref)
            raise AssertionError(f"{changed} was taken")
    for nobody in (None, self.registry):
        with contextlib.suppress(DGCC.Refused):
            self.registry.enlist(self.info(), nobody)
            raise AssertionError("it was taken without a slave")
    with contextlib.suppress(DGCC.UnknownLease):
        self.overseer.done(1, DGCC.Result(1, DGCC.ENDED, "", 0, 0, 0.0, 0.0, 0, 0, 0, [], []))


@lie
def succeeds_twice(self: Liar, job: Any) -> None:
    """Says first that it failed, then that it succeeded, with a wrong object."""
    _send(self, job, how=DGCC.HOST_FAILED, trouble="nothing came of it")
    for _ in range(3):
        _send(self, job, honest_name(job))


def main() -> None:
    """Join, and lie until SIGTERM."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    orb, poa = start_orb()
    farm = Farm(orb, parse_address(sys.argv[1]))
    for name in sys.argv[2:]:
        liar = Liar(name)
        liar.ref = poa.id_to_reference(poa.activate_object(liar))._narrow(DGCC.Slave)
        farm.bind(SLAVES, name, liar.ref)
    print("ready", flush=True)
    over.wait()
    for name in sys.argv[2:]:
        farm.unbind(SLAVES, name)
    orb.destroy()


if __name__ == "__main__":
    main()
