"""Slaves give each other tools and compilers, and with TLS that is TLS as well."""

import re
import shutil
from pathlib import Path

from farmkit import Farm, needs_root, wait_for
from trust.trustkit import Trust, small_project


def test_tools_come_from_another_slave(farm: Farm, trust: Trust, tmp_path: Path):
    """To a host that has nothing of it."""
    needs_root("mounts a bare host")
    small_project(tmp_path, *"abcdefghijkl")
    built = farm.master(tmp_path, "a.txt")
    assert built.code == 0 and built.jobs["remote"] == 1, built.err  # `one` has the tools now
    certificate = farm.directory / "store" / "two" / "tls"
    shutil.copytree(trust.place / "two", certificate)
    master = farm.start_master(tmp_path)
    wait_for((tmp_path / "b.txt").exists, "the master knows what `one` has")
    farm.start_slave("two", "--tls", str(certificate), bare=True, warm=False)
    try:
        built = farm.finish(master, 60)
        assert built.code == 0 and built.jobs["fallback"] == 0, built.err
        fetched = re.findall(r", (\d+) MB from peers, 0 MB from the master", farm.log("two"))
        assert sum(map(int, fetched)) > 20, farm.log("two")
    finally:
        farm.stop_slave("two")
