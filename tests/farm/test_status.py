"""`dgcc status` tells what a farm is doing, and `[deadlines]` how long it waits."""

import json
import os
import signal
import subprocess
from pathlib import Path

import farmkit
import pytest
from farmkit import Farm, wait_for

from dgcc.cli.config import ConfigError, load
from dgcc.naming.deadlines import Deadlines


def test_it_tells_what_each_slave_is_doing(two: Farm, project: Path):
    (project / "Makefile").write_text("x.o: x.c\n\t$(CC) -c -o $@ $< && sleep 60\n")
    (project / "x.c").write_text("int x;\n")
    idle = two.run("dgcc", "status", "--naming", two.naming)
    assert idle.stdout.splitlines()[0] == "2 slaves, 2 of 2 slots free" and idle.stdout.endswith("0 masters\n")
    told = json.loads(two.run("dgcc", "status", "--json", "--naming", two.naming).stdout)
    assert [(s["slots"], s["idle"]) for s in told["slaves"]] == [(1, 1), (1, 1)] and told["masters"] == []
    master = two.start_master(project)
    busy = wait_for(lambda: _if("1 of 2 slots free", two), "a slot is taken")
    assert "0 of 1 slot free" in busy and "serves " in busy and "1 master\n" in busy
    os.killpg(master.pid, signal.SIGINT)
    two.finish(master)
    wait_for(lambda: _if("2 of 2 slots free", two), "the slot is free again")


def _if(words: str, farm: Farm) -> str | None:
    said = farm.run("dgcc", "status", "--naming", farm.naming).stdout
    return said if words in said else None


def test_a_slave_that_is_stopped_is_named(tmp_path: Path):
    with farmkit.farm(tmp_path / "farm", "a") as farm:
        (farm.directory / ".config/dgcc").mkdir(parents=True)
        (farm.directory / ".config/dgcc/config.toml").write_text("[deadlines]\nprobe = 1\n")
        farm.slaves["a"].send_signal(signal.SIGSTOP)
        said = farm.run("dgcc", "status", "--naming", farm.naming)
        assert said.returncode == 0 and "a                    does not answer (TIMEOUT)" in said.stdout


def test_without_a_farm_it_says_so():
    environment = {name: value for name, value in os.environ.items() if name != "DGCC_NAMING"}
    for arguments, words in (([], "which farm?"), (["--naming", "127.0.0.1:1"], "no naming service answers")):
        command = [str(farmkit.BIN / "dgcc"), "status", *arguments]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert said.returncode == 2 and words in said.stderr and len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deadlines = 3", "'deadlines' must be a table"),
        ("[deadlines]\nlaese = 3", "unknown deadline 'laese'; known are answer, bulk, call"),
        ("[deadlines]\nlease = 0", "the deadline 'lease' must be a number of seconds from 0.1 on, not 0"),
        ("[deadlines]\nlease = true", "not True"),
        ("[deadlines]\nlease = nan", "not nan"),
        ("[deadlines]\nlease = 'x'", "not 'x'"),
    ],
)
def test_a_deadline_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert said in str(refused.value) and str(path) in str(refused.value)


def test_deadlines_come_from_the_configuration_file(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_text("[deadlines]\nlease = 3\njob = 7.5\n")
    assert load(path)["deadlines"] == Deadlines(lease=3, job=7.5)
    assert load(tmp_path / "none")["deadlines"] == Deadlines()
