"""A bare host is bare, and a slave lives on it."""

import json
import re
import subprocess
from pathlib import Path

import barekit
import farmkit
import pytest

_LOOK = """
import json, os, shutil
programs = [os.path.join(top, name) for top, _, names in os.walk("/") for name in names
            if not top.startswith("/proc") and os.access(os.path.join(top, name), os.X_OK)]
print(json.dumps({"bin": os.listdir("/usr/bin"), "usr": os.listdir("/usr"), "programs": programs,
                  "found": [shutil.which(name) for name in ("sh", "gcc", "cc", "as", "make", "ls")],
                  "uid": os.getuid()}))
"""


@pytest.mark.parametrize("user", [0, 54321])
def test_a_bare_host_has_python_and_dgcc_and_nothing_else(tmp_path: Path, user: int):
    farmkit.needs_root("makes mounts")
    command = barekit.command(tmp_path / "host", [barekit.PYTHON, "-c", _LOOK], user=user)
    seen = json.loads(subprocess.run(command, env={}, stdout=subprocess.PIPE, check=True).stdout)
    assert len(seen["bin"]) == 1 and seen["bin"][0].startswith("python3")
    assert set(seen["usr"]) <= {"bin", "lib", "lib64"}
    assert seen["found"] == [None] * 6 and seen["uid"] == user
    known = ("/usr/lib/python3", "/opt/dgcc/")
    programs = [path for path in seen["programs"] if ".so" not in path and not path.startswith(known)]
    assert programs == [f"/usr/bin/{seen['bin'][0]}"]
    assert list((tmp_path / "host").iterdir()) == [], "mounts of a bare host are seen outside"


@pytest.mark.parametrize("user", [None, 54321])
def test_a_slave_starts_on_a_bare_host_and_ends_cleanly(shared_directory: Path, user: int | None):
    farmkit.needs_root("makes mounts")
    with farmkit.farm(shared_directory, "a", bare=True, user=user) as farm:
        assert farm.stop_slave("a") == 0, farm.log("a")
    assert not farmkit.processes_with(str(shared_directory))


def test_a_toolchain_comes_from_a_slave_that_has_it_and_only_once(tmp_path: Path):
    farmkit.needs_root("mounts bare hosts")
    project = tmp_path / "project"
    project.mkdir()
    names = "abcdefgh"
    objects = " ".join(f"{name}.o" for name in names)
    (project / "Makefile").write_text(f"S = 0\nall: {objects}\n%.o: %.c\n\t$(CC) -g -c $< -o $@ && sleep $(S)\n")
    for name in names:
        (project / f"{name}.c").write_text("#include <stdio.h>\nint v;\n")
    with farmkit.farm(tmp_path / "farm") as farm:
        farm.start_slave("one", bare=True)
        assert farm.master(project).jobs["remote"] == 8
        for name in names:
            (project / f"{name}.o").unlink()
        master = farm.start_master(project, "S=0.5")
        farmkit.wait_for((project / "a.o").exists, "the master knows what `one` has")
        farm.start_slave("two", "-v", bare=True, warm=False)
        built = farm.finish(master, 60)
        assert built.jobs["remote"] == 8 and built.report["slaves"]["two"]["jobs"] > 0, built.err
        fetched = re.findall(r"environment \w+: .* (\d+) MB from peers, (\d+) MB from the master", farm.log("two"))
        assert len(fetched) == 2 and all(int(peers) > 0 == int(master) for peers, master in fetched), fetched
        assert built.report["bytes_sent"] < 1_000_000
        assert farm.master(project, "-B").jobs["remote"] == 8
        assert farm.log("two").count("environment ") == 2, "later builds fetch nothing"
