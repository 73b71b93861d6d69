"""What a valid certificate is not good for: another role, another's lease, another's name."""

import json
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from farmkit import wait_for
from trust.trustkit import Farm, Trust, small_project

from dgcc.corba import DGCC

INTRUDER = Path(__file__).with_name("intruder.py")
FOREIGN = 4711  # a lease that nobody has


class Intruder:
    """See intruder.py."""

    def __init__(self, farm: Farm, certificate: Path, log: Path) -> None:
        command = [sys.executable, str(INTRUDER), str(certificate), farm.names.host, str(farm.names.port)]
        with log.open("wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err,
                                            text=True)  # fmt: skip

    def call(self, uri: str, interface: str, operation: str, *arguments: Any) -> str:
        """What comes of a call."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([uri, interface, operation, arguments]) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def part(self, master: str, name: str) -> str:
        """The IOR of a part of a master."""
        answer = self.call(master, "Master", f"parts.{name}")
        assert answer.startswith("answered IOR:"), answer
        return answer.removeprefix("answered ")

    def bindings(self, kind: str) -> dict[str, str]:
        """The farm's members of a kind, with their IORs."""
        return dict(json.loads(self.call("", "", "bindings", kind)))


@contextmanager
def intruder(farm: Farm, trust: Trust, name: str) -> Iterator[Intruder]:
    made = Intruder(farm, trust.place / name, farm.directory / f"intruder-{name}.log")
    try:
        yield made
    finally:
        made.process.communicate(timeout=20)


def info(name: str) -> dict[str, Any]:
    return {"struct": "SlaveInfo", "members": [name, "1", DGCC.PROTOCOL, platform.machine(), 1, 1, []]}


def load() -> dict[str, Any]:
    return {"struct": "HostLoad", "members": [0.0, 0.0, 0, 1]}


def test_a_master_is_no_slave(farm: Farm, trust: Trust, desk: subprocess.Popen[bytes]):
    trust_other = trust.place / "desk2"
    if not trust_other.exists():
        trust.issue("desk2", "master")
    with intruder(farm, trust, "desk2") as other:
        (master,) = other.bindings("masters").values()
        registry = other.part(master, "registry")
        source = other.part(master, "store")
        assert other.call(registry, "SlaveRegistry", "enlist", info("desk2"), "ref").startswith(
            "Refused the master refuses this slave: its certificate is for master, not for slave"
        )
        for operation, arguments in (("renew", [FOREIGN, load(), []]), ("free", [FOREIGN, 1]), ("leave", [FOREIGN])):
            assert other.call(registry, "SlaveRegistry", operation, *arguments) == "NO_PERMISSION", operation
        for operation, arguments in (("changes", ["x", 0]), ("blobs", [[]])):
            assert other.call(source, "Source", operation, *arguments) == "NO_PERMISSION", operation


def test_a_slave_is_no_master(farm: Farm, trust: Trust, desk: subprocess.Popen[bytes]):
    with intruder(farm, trust, "two") as two:
        (slave,) = two.bindings("slaves").values()
        for operation, arguments in (
            ("_get_info", []), ("_get_state", []), ("_get_store", []), ("cancel", [FOREIGN, [1]]),
            ("output", [FOREIGN, 1, 0, 0, 1]),
        ):  # fmt: skip
            assert two.call(slave, "Slave", operation, *arguments) == "NO_PERMISSION", operation


def test_a_lease_is_of_no_use_to_another_slave(farm: Farm, trust: Trust, desk: subprocess.Popen[bytes]):
    with intruder(farm, trust, "two") as two, intruder(farm, trust, "one") as one:
        (master,) = two.bindings("masters").values()
        registry = two.part(master, "registry")
        overseer = two.part(master, "job_overseer")
        leased = two.call(registry, "SlaveRegistry", "enlist", info("two"), "ref")
        assert leased.startswith("answered DGCC.Lease(id="), leased
        lease = int(leased.partition("id=")[2].partition(",")[0])
        assert one.call(registry, "SlaveRegistry", "renew", lease, load(), []) == "UnknownLease"
        assert one.call(registry, "SlaveRegistry", "free", lease, 1) == "UnknownLease"
        one.call(registry, "SlaveRegistry", "leave", lease)
        # It is in force all the same, for whom it was granted.
        assert two.call(registry, "SlaveRegistry", "renew", lease, load(), []) == "answered None"
        assert two.call(registry, "SlaveRegistry", "leave", lease) == "answered None"
        assert two.call(registry, "SlaveRegistry", "renew", lease, load(), []) == "UnknownLease"
        assert overseer.startswith("IOR:")


def test_a_revoked_certificate_ends_what_it_had_begun(farm: Farm, trust: Trust, desk: subprocess.Popen[bytes]):
    """Nobody is started anew for it: the new list is taken up, and open connections are of no more use."""
    trust.issue("leaving", "master", "slave")
    with intruder(farm, trust, "leaving") as leaving:
        (master,), (slave,) = leaving.bindings("masters").values(), leaving.bindings("slaves").values()
        assert leaving.call(master, "Master", "_get_name").startswith("answered")
        assert leaving.call(slave, "Slave", "_get_info").startswith("answered")
        trust.authority.revoke("leaving")
        trust.hand_out_list("names", "desk", "one")
        refused = "NO_PERMISSION"
        wait_for(lambda: leaving.call(master, "Master", "_get_name") == refused, "the master refuses", 4)
        wait_for(lambda: leaving.call(slave, "Slave", "_get_info") == refused, "the slave refuses", 4)
        wait_for(lambda: leaving.call("", "", "bindings", "slaves") == "NamingError", "the naming service refuses", 4)
    with intruder(farm, trust, "leaving") as leaving:
        assert leaving.call("", "", "asked") == ""
    assert "it says that our certificate has been revoked" in (farm.directory / "intruder-leaving.log").read_text()
    assert "the certificate of 'leaving' has been revoked" in farm.log("one")


def test_a_slave_has_the_name_in_its_certificate(farm: Farm, trust: Trust, desk: subprocess.Popen[bytes]):
    with intruder(farm, trust, "two") as two:
        (master,) = two.bindings("masters").values()
        registry = two.part(master, "registry")
        for wrong in ("one", "two-", "two-x", "two-2-2", "twofold"):
            answer = two.call(registry, "SlaveRegistry", "enlist", info(wrong), "ref")
            assert answer.startswith(f"Refused the slave '{wrong}' has the certificate of 'two'"), answer
        lease = two.call(registry, "SlaveRegistry", "enlist", info("two-2"), "ref")
        assert lease.startswith("answered DGCC.Lease"), lease
        two.call(registry, "SlaveRegistry", "leave", int(lease.partition("id=")[2].partition(",")[0]))


def test_what_is_bound_as_a_slave_must_be_one(farm: Farm, trust: Trust, tmp_path: Path):
    """A master calls nobody without a slave's certificate, whatever name it is bound to."""
    small_project(tmp_path, "a")
    with intruder(farm, trust, "desk") as other:
        assert other.call("", "", "bind", "slaves", "impostor") == "bound"
        built = farm.master(tmp_path)
        assert built.code == 0, built.err
        assert built.jobs["remote"] == 1, built.err  # on the real one
        assert other.call("", "", "asked") == ""
        wrong = "what answers at 127.0.0.1 has the certificate of 'desk', which is for master and not for slave\n"
        assert f"slave impostor cannot be invited: {wrong}" in built.err


def test_nobody_is_called_without_tls(farm: Farm, trust: Trust, tmp_path: Path):
    """A reference may lead anywhere; not even a connection is made where it does not lead to TLS."""
    small_project(tmp_path, "a")
    with socket.create_server(("127.0.0.1", 0)) as plain, intruder(farm, trust, "two") as two:
        uri = f"corbaloc:iiop:1.2@127.0.0.1:{plain.getsockname()[1]}/slave"
        assert two.call(uri, "", "bind", "slaves", "plain") == "bound"
        built = farm.master(tmp_path)
        assert built.code == 0 and built.jobs["remote"] == 1, built.err
        assert "plain" not in two.bindings("slaves")  # as one that nobody can reach
        plain.setblocking(False)
        with pytest.raises(BlockingIOError):
            plain.accept()


def test_what_is_bound_as_a_master_must_be_one(farm: Farm, trust: Trust):
    """A slave registers with nobody who has another slave's certificate."""
    with intruder(farm, trust, "two") as other:
        assert other.call("", "", "bind", "masters", "impostor") == "bound"
        # A slave looks around when it starts.
        farm.start_slave("two")
        try:
            wrong = "what answers at 127.0.0.1 has the certificate of 'two', which is for slave and not for master"
            wait_for(lambda: f"a master cannot be served: {wrong}" in farm.log("two"), "it is told")
            assert other.call("", "", "asked") == ""
        finally:
            farm.stop_slave("two")
