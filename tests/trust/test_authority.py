"""`dgcc ca`: what it writes, for whom to read, what it refuses, each in one sentence."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from trust.trustkit import run

from dgcc.trust.authority import Authority
from dgcc.trust.tls import TrustError


def ca(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run("dgcc", "ca", *map(str, arguments), cwd=cwd)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_life_of_an_authority(tmp_path: Path):
    done = ca("init", "farm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = ca("issue", "one", "--slave", "--master", "--ca", "farm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a master and slave until" in done.stdout
    assert {path.name: mode(path) for path in (tmp_path / "one").iterdir()} == {
        "peer.pem": 0o600, "ca.pem": 0o644, "revoked.pem": 0o644,
    }  # fmt: skip
    assert mode(tmp_path / "one") == mode(tmp_path / "farm") == 0o700
    assert mode(tmp_path / "farm" / "key.pem") == mode(tmp_path / "farm" / "issued.json") == 0o600
    done = ca("revoke", "one", "--ca", "farm", cwd=tmp_path)
    assert done.returncode == 0 and str(tmp_path / "farm" / "revoked.pem") in done.stdout
    assert "revoked" in ca("list", "--ca", "farm", cwd=tmp_path).stdout.splitlines()[1]
    listed = x509.load_pem_x509_crl((tmp_path / "farm" / "revoked.pem").read_bytes())
    issued = x509.load_pem_x509_certificate((tmp_path / "one" / "peer.pem").read_bytes())
    assert [entry.serial_number for entry in listed] == [issued.serial_number]


@pytest.mark.parametrize(("arguments", "reason"), [
    (["init", "farm"], "exists and is not empty: an authority is never overwritten"),
    (["issue", "one", "--slave", "--ca", "nowhere"], "nowhere has no authority: make one with `dgcc ca init`"),
    (["issue", "one", "--ca", "farm"], "for what is 'one'? Give one or more of --master, --slave, --naming"),
    (["issue", "a/b", "--slave", "--ca", "farm"], "'a/b' cannot be a name"),
    (["issue", "taken", "--slave", "--ca", "farm"], "taken exists: move it away, or name another place with --out"),
    (["issue", "taken-2", "--slave", "--ca", "farm"], "'taken-2' cannot stand beside 'taken'"),
    (["revoke", "nobody", "--ca", "farm"], "no certificate of 'nobody' is in force; there are taken"),
])  # fmt: skip
def test_refusals(tmp_path: Path, arguments: list[str], reason: str):
    Authority(tmp_path / "farm").make()
    Authority(tmp_path / "farm").issue("taken", ["slave"], tmp_path / "taken")
    before = {path: path.read_bytes() for path in (tmp_path / "farm").iterdir()}
    done = ca(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "farm").iterdir()} == before


def test_an_open_key_of_the_authority_is_not_used(tmp_path: Path):
    authority = Authority(tmp_path / "farm")
    authority.make()
    (tmp_path / "farm" / "key.pem").chmod(0o640)
    with pytest.raises(TrustError, match="others may read or write it: chmod 600"):
        authority.issue("one", ["slave"], tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_no_certificate_outlives_its_authority(tmp_path: Path):
    authority = Authority(tmp_path / "farm")
    authority.make(days=3)
    authority.issue("one", ["slave"], tmp_path / "one", days=700)
    certificate = x509.load_pem_x509_certificate((tmp_path / "one" / "peer.pem").read_bytes())
    farm = x509.load_pem_x509_certificate((tmp_path / "farm" / "ca.pem").read_bytes())
    assert certificate.not_valid_after_utc == farm.not_valid_after_utc


def test_nobody_else_loads_what_the_authority_needs():
    """`cryptography`, ctypes and the TLS library take time to load, and a build without TLS needs none of them."""
    loaded = "import sys, dgcc.cli.master, dgcc.cli.slave, dgcc.cli.dgcc; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
