"""What master, slave and naming service say when they may not start, or must be told something at their start."""

import datetime
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from farmkit import BIN, Farm, needs_root, wait_for
from trust.trustkit import Trust, run, small_project

from dgcc.naming.place import Place
from dgcc.naming.server import NamesProcess, OwnNames
from dgcc.trust.authority import Authority
from dgcc.trust.tls import Credentials, Peer

ELSEWHERE = "192.0.2.1"  # set aside for documentation: no host has it


@pytest.fixture
def copied(trust: Trust, tmp_path: Path) -> Path:
    """A certificate that a test may spoil."""
    shutil.copytree(trust.place / "one", tmp_path / "one")
    return tmp_path / "one"


def slave(farm: Farm, directory: Path, *more: str) -> str:
    """The one line that a slave says which does not start."""
    done = run("dgcc-slave", "--naming", farm.naming, "--tls", str(directory), "--store", str(directory / "s"), *more)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_nothing_beyond_this_host_without_certificates(tmp_path: Path):
    """The address of this host that leads elsewhere, so whoever listens there can be reached from elsewhere."""
    address = own_address()
    home = dict(os.environ, HOME=str(tmp_path))
    home.pop("XDG_CONFIG_HOME", None)
    for command, role in (
        (["dgcc-slave", "--naming", address], "slave"),
        (["dgcc-master", "--naming", address], "master"),
        (["dgcc", "names", "--address", address], "naming"),
    ):
        done = run(*command, cwd=tmp_path, env=home)
        assert done.returncode in (1, 2)
        assert done.stderr.count("\n") == 1, done.stderr
        assert f"the farm at {address}:2809 is beyond this host" in done.stderr
        assert f"`dgcc ca init`, and a certificate with `dgcc ca issue NAME --{role}`" in done.stderr
        assert "give --insecure" in done.stderr


def own_address() -> str:
    import psutil

    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family.name == "AF_INET" and not address.address.startswith("127."):
                return str(address.address)
    pytest.skip("this machine has no address but loopback")


@pytest.mark.parametrize(("name", "spoil", "reason"), [
    ("peer.pem", lambda path: path.unlink(), "peer.pem: No such file or directory; it belongs to what `dgcc ca issue"),
    ("peer.pem", lambda path: path.chmod(0o644), "holds a private key, and others may read or write it: chmod 600"),
    ("peer.pem", lambda path: path.write_text("nonsense"), "peer.pem holds no certificate; copy it from what"),
    ("ca.pem", lambda path: path.unlink(), "ca.pem: No such file or directory"),
    ("ca.pem", lambda path: path.write_bytes(b""), "ca.pem holds no certificate of an authority"),
    ("revoked.pem", lambda path: path.unlink(), "revoked.pem: No such file or directory"),
    ("revoked.pem", lambda path: path.write_text("-----BEGIN X509 CRL-----\n!\n"), "holds no revocation list"),
])  # fmt: skip
def test_spoilt_files(farm: Farm, copied: Path, name: str, spoil: object, reason: str):
    spoil(copied / name)  # type: ignore[operator]
    assert reason in slave(farm, copied)


def test_files_that_do_not_belong_together(farm: Farm, trust: Trust, copied: Path):
    shutil.copy(trust.place / "stranger" / "ca.pem", copied)
    assert "was not issued by the authority in" in slave(farm, copied)
    shutil.copy(trust.place / "one" / "ca.pem", copied)
    shutil.copy(trust.place / "stranger" / "revoked.pem", copied)
    assert "is the revocation list of another authority than" in slave(farm, copied)
    shutil.copy(trust.place / "one" / "revoked.pem", copied)
    key, _, certificate = (trust.place / "two" / "peer.pem").read_text().partition("-----BEGIN CERT")
    other = (copied / "peer.pem").read_text().partition("-----BEGIN CERT")[0]
    (copied / "peer.pem").write_text(f"{other}-----BEGIN CERT{certificate}")
    assert "key and certificate do not belong together" in slave(farm, copied)


def test_a_certificate_of_another_farm_is_told_on_this_side_too(farm: Farm, trust: Trust):
    said = slave(farm, trust.place / "stranger")
    assert f"the naming service at {farm.naming} cannot be used: the certificate of 'names' is not from this " in said


def test_an_expired_and_a_revoked_certificate(farm: Farm, trust: Trust, copied: Path):
    assert "the certificate of 'late' in " in (said := slave(farm, trust.place / "late")) and "has expired on" in said
    shutil.copy(trust.place / "thief" / "peer.pem", copied)
    assert "the certificate of 'thief' in " in (said := slave(farm, copied)) and "has been revoked" in said
    # With a list of before, it finds out from the other side.
    said = slave(farm, trust.place / "thief")
    assert f"the naming service at {farm.naming} cannot be used: it says that our certificate has been revoked" in said


def test_a_certificate_for_something_else(farm: Farm, trust: Trust, tmp_path: Path):
    assert "is for master, and here one for slave is needed: issue it with `dgcc ca issue desk --slave`" in slave(
        farm, trust.place / "desk"
    )
    assert "--name other: the certificate is that of 'one'" in slave(farm, trust.place / "one", "--name", "other")
    with_status = ("dgcc", "status", "--naming", farm.naming, "--tls")
    done = run(*with_status, str(trust.place / "one"))
    assert done.returncode == 2 and "here one for master is needed" in done.stderr
    assert "one" in run(*with_status, str(trust.place / "desk")).stdout
    done = run("dgcc-master", "--naming", farm.naming, "--tls", str(trust.place / "desk"), "--local-slave", "1",
               cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2 and "issue one with `dgcc ca issue desk --master --slave`" in done.stderr


def test_a_naming_service_that_is_none(farm: Farm, trust: Trust, tmp_path: Path):
    """A naming service with a slave's certificate is not asked for names, nor is one that speaks no TLS."""
    place = Place(port=29918, tls=True)
    false = Credentials(trust.place / "one", Peer("one", frozenset()), ())
    for names, reason in (
        (NamesProcess(place, tmp_path, subprocess.DEVNULL, false),
         "has the certificate of 'one', which is for slave and not for naming"),
        (OwnNames(), "it hangs up at once, so it does not speak TLS"),
    ):  # fmt: skip
        with names:
            done = run("dgcc-master", "--naming", str(names.place), "--tls", str(trust.place / "desk"), cwd=tmp_path)
        assert done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_the_end_is_told_a_month_ahead(trust: Trust, tmp_path: Path):
    short = Authority(tmp_path / "ca")
    short.make(days=20)
    short.issue("all", ["naming", "master", "slave"], tmp_path / "all", days=10)
    process = subprocess.Popen([str(BIN / "dgcc"), "names", "--address", "127.0.0.1:29917", "--data",
                                str(tmp_path / "names"), "--tls", str(tmp_path / "all")],
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stderr is not None
    said = ""
    while "listening" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0
    day = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=10)).strftime("%Y-%m-%d")
    assert f"the certificate of 'all' in {tmp_path / 'all' / 'peer.pem'} ends on {day}, in 9 days" in said
    assert "the farm's authority in" in said and "the revocation list" in said
    done = run("dgcc-master", "--naming", "127.0.0.1:29917", "--tls", str(tmp_path / "all"), cwd=tmp_path)
    assert "dgcc: the certificate of 'all'" in done.stderr


def test_a_list_of_who_is_let_in(farm: Farm, trust: Trust, tmp_path: Path):
    """`admit` keeps out whoever is not named, though the authority has issued them a certificate; both are told."""
    config = tmp_path / "config" / "dgcc" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('admit = ["two"]\n')
    small_project(tmp_path, "a")
    before = len(farm.log("one"))
    reason = "'one' is not among those whom the setting 'admit' lets in"
    master = farm.start_master(tmp_path, env={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    told = f"the master refuses this slave: {reason}"
    wait_for(lambda: told in farm.log("one")[before:], "the slave is told")
    farm.start_slave("two")
    built = farm.finish(master)
    farm.stop_slave("two")
    assert built.code == 0 and built.jobs["remote"] == 1, built.err
    assert {name for name, slave in built.report["slaves"].items() if slave["jobs"]} == {"two"}
    assert f"refused a call of 'one': {reason}" in built.err
    config.write_text('admit = "two"\n')
    built = farm.master(tmp_path, env={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert built.code == 2 and "'admit' must be a list" in built.err


def test_certificates_are_found_without_being_named(farm: Farm, trust: Trust, tmp_path: Path):
    """In ~/.config/dgcc/tls, or where DGCC_TLS says."""
    (tmp_path / "Makefile").write_text("all:\n\ttrue\n")
    home = tmp_path / "home"
    shutil.copytree(trust.place / "desk", home / ".config" / "dgcc" / "tls")
    found = dict(os.environ, HOME=str(home), DGCC_NAMING=farm.naming)
    found.pop("XDG_CONFIG_HOME", None)
    done = run("dgcc-master", cwd=tmp_path, env=found)
    assert done.returncode == 0, done.stderr
    named = dict(os.environ, HOME=str(tmp_path), DGCC_NAMING=farm.naming, DGCC_TLS=str(trust.place / "desk"))
    done = run("dgcc-master", cwd=tmp_path, env=named)
    assert done.returncode == 0, done.stderr


def test_a_key_of_another_user(copied: Path, farm: Farm):
    needs_root("gives a file to another user")
    os.chown(copied / "peer.pem", 4321, 4321)
    assert "belongs to user 4321, who could exchange it" in slave(farm, copied)
