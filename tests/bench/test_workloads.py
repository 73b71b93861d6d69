"""Farms and workloads: what counts as remote is what the builder says, and who is not installed is one line."""

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from dgcc.bench import made, workloads
from dgcc.bench.farms.base import Farm, started
from dgcc.bench.farms.distcc import Distcc, Pump
from dgcc.bench.farms.plain import Make
from dgcc.bench.processes import Ended
from dgcc.bench.setting import BenchFailed
from dgcc.bench.site import Site


def test_a_build_with_plain_make_is_all_the_developers(tmp_path: Path):
    (tmp_path / "Makefile").write_text("all:\n\t@pwd; echo $$HOME $$MAKEFLAGS\n")
    with Make(Site(tmp_path / "site"), 2) as farm:
        built = farm.build(tmp_path, ["all"], 30)
        assert built.cpu_s > 0 and built.builder_cpu_s == 0 and built.remote == 0
        assert farm.said().read_text().splitlines()[0] == str(tmp_path)
        assert str(tmp_path / "site" / "home") in farm.said().read_text()
        with pytest.raises(BenchFailed, match=r"make -j2 none failed \(2\)"):
            farm.build(tmp_path, ["none"], 30)


def test_what_is_not_installed_is_one_line(tmp_path: Path):
    class Absent(Make):
        name = "absent"
        needs = ("no-such-program",)

    with pytest.raises(BenchFailed, match="^absent: not installed: no-such-program$"):
        Absent(Site(tmp_path), 2).__enter__()


def test_what_does_not_come_up_is_one_line(tmp_path: Path):
    class Broken(Make):
        name = "broken"

        def start(self) -> None:
            self.daemon("thing", ["sh", "-c", "echo no port; exit 1"], self.site.environment(), lambda: False)

    with pytest.raises(BenchFailed, match="^broken: thing does not come up; it said: no port$"):
        Broken(Site(tmp_path), 2).__enter__()


def test_pump_mode_that_is_none_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    farm: Farm = Pump(Site(tmp_path), 2)
    monkeypatch.setattr(farm, "environment", dict)
    monkeypatch.setattr(farm, "command", list)
    monkeypatch.setattr(farm, "remote", lambda: 0)

    def run(*_: object, **__: object) -> Ended:
        farm.said().write_text("cc -c x.c\nWARNING include server: Preprocessing locally. Internal error\n")
        return Ended(0, 1.0, 1.0)

    monkeypatch.setattr("dgcc.bench.processes.run", run)
    with pytest.raises(BenchFailed, match="falls back to plain distcc: WARNING include server"):
        farm.build(tmp_path, [], 30)
    assert isinstance(farm, Distcc)


def test_the_made_project_compiles(tmp_path: Path):
    made.heavy_headers(tmp_path, 3)
    planned = subprocess.run(["make", "-n", "objects"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert planned.stdout.count(" -c ") == 3
    options = "CXXFLAGS=-Iinclude -fsyntax-only"
    done = subprocess.run(["make", "-s", options, "f2.o"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_objects_only_from_compile_commands(tmp_path: Path):
    (tmp_path / "a.c").write_text("int a;\n")
    command = f"/usr/bin/cc -o sub/a.c.o -c {tmp_path}/a.c"
    entry = {"directory": str(tmp_path), "command": command, "file": f"{tmp_path}/a.c"}
    (tmp_path / "compile_commands.json").write_text(json.dumps([entry]))
    arguments, compiles = workloads.LEVELDB.objects(tmp_path)
    assert compiles == 1
    done = subprocess.run(["make", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"cc -o sub/a.c.o -c {tmp_path}/a.c"]
    again = subprocess.run(["make", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert "Nothing to be done" in again.stdout


def test_a_farm_that_cannot_start_does_not_keep_the_others(tmp_path: Path):
    class Absent(Make):
        name = "absent"
        needs = ("no-such-program",)

    with ExitStack() as stack:
        farms, failed = started([Absent, Make], lambda name: Site(tmp_path / name), 2, stack)
        assert list(farms) == ["make"] and failed == {"absent": "absent: not installed: no-such-program"}
