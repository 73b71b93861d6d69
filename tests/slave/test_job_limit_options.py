"""What a slave's owner says about limits: options, settings, and mistakes in them."""

import argparse
from typing import Any

import pytest

from dgcc.cli.config import ConfigError, load
from dgcc.cli.joblimits import add_options, job_limits, parse_size
from dgcc.store.jaillimits import Limits, host_limits


def limits(*words: str, **settings: Any) -> Limits:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return job_limits(parser.parse_args(words), settings, 2)


def test_an_option_wins_over_the_file_and_that_over_the_host() -> None:
    assert limits() == host_limits(2)
    given = limits("--job-memory", "1.5G", "--job-seconds", "60", job_memory="3G", job_output="500M", job_processes=99)
    assert (given.memory, given.output, given.processes, given.seconds) == (3 << 29, 500 << 20, 99, 60)
    assert given.files == host_limits(2).files


SIZES = [("16M", 1 << 24), ("2g", 2 << 30), ("1 TiB", 1 << 40), ("99000000", 99000000)]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes(text: str, size: int) -> None:
    assert parse_size("--job-memory", text) == size


@pytest.mark.parametrize("text", ["", "4", "G", "-4G", "4X", "1e9G", "nan", "9" * 12 + "T", "4G4G", "inf"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--job-memory must be a size of at least 16M, such as 4G, not "):
        limits("--job-memory", text) if not text.startswith("-") else limits(f"--job-memory={text}")


@pytest.mark.parametrize("name", ["job_processes", "job_files", "job_open_files", "job_seconds"])
def test_numbers_that_are_none(name: str) -> None:
    for text in ("0", "-1", "x", "1.5"):
        with pytest.raises(ConfigError, match=f"^--{name.replace('_', '-')} must be a whole number, at least "):
            limits(f"--{name.replace('_', '-')}={text}")
        with pytest.raises(ConfigError, match=f"^'{name}' must be a whole number"):
            limits(**{name: text})


def test_the_file_knows_them(tmp_path: Any) -> None:
    (tmp_path / "config.toml").write_text('job_memory = "2G"\njob_processes = 50\n')
    assert load(tmp_path / "config.toml")["job_memory"] == "2G"
    (tmp_path / "config.toml").write_text("job_memory = 2\n")
    with pytest.raises(ConfigError, match="'job_memory' must be a str"):
        load(tmp_path / "config.toml")
