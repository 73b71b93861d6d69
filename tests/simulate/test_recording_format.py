"""Recordings as files: what is written is read again, and what is no recording is refused in one sentence."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from simulate.simulatekit import recording

from dgcc.master.recording import Recording, RecordingError, read, write

GOOD = recording({"target": "ü\udcff.o"}, {"prerequisites": (1,), "remote": False}, {"above": 2})


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def put(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    whole = Recording(GOOD.jobs, "2026-01-01", {"name": "n", "cpus": 2}, ("make", "all"), {"s": 4}, 2, 1.5)
    write(tmp_path / name, whole)
    assert read(tmp_path / name) == whole
    first = (tmp_path / name).read_bytes()
    write(tmp_path / name, whole)
    assert (tmp_path / name).read_bytes() == first


def test_jobs_come_after_all_that_had_to_end_before_them(tmp_path: Path) -> None:
    # Job 1 awaits job 2, whose recipe runs the make of job 3; the orders say otherwise.
    odd = recording({"prerequisites": (2,)}, {"remote": False}, {"above": 2})
    write(tmp_path / "r", odd)
    assert [job.id for job in read(tmp_path / "r").jobs] == [2, 3, 1]


def test_keys_of_later_versions_are_ignored(tmp_path: Path) -> None:
    write(tmp_path / "r", GOOD)
    head, *jobs = lines_of(tmp_path / "r")
    put(tmp_path / "r", [{**head, "more": 1}, *({**job, "more": [2]} for job in jobs)])
    assert read(tmp_path / "r") == GOOD


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text
    return text


def test_foreign_files(tmp_path: Path) -> None:
    place = tmp_path / "r.jsonl"
    assert "No such file" in refusal(place)
    assert "Is a directory" in refusal(tmp_path)
    for content, said in (
        (b"", "it is empty"),
        (b"all: a.o\n", "line 1: not a recording of a build: it is no JSON"),
        (b"\x7fELF\xff\xfe\n", "not a recording of a build"),
        (b'{"a": 1}\n', "dgcc-master --record makes one"),
        (b"[1]\n", "not a recording of a build"),
        (b"[" * 100_000 + b"\n", "it is no JSON"),
        (b'{"dgcc_recording": 2}\n', "version 2, and this DGCC reads version 1"),
    ):
        place.write_bytes(content)
        assert said in refusal(place)
    (tmp_path / "r.gz").write_bytes(b"no gzip")
    assert "damaged or cut short" in refusal(tmp_path / "r.gz")


def test_damaged_files(tmp_path: Path) -> None:
    place = tmp_path / "r.jsonl"
    write(place, GOOD)
    whole = place.read_bytes()
    place.write_bytes(whole[:-1])
    assert "line 4: the file is cut short" in refusal(place)
    packed = gzip.compress(whole)
    (tmp_path / "r.gz").write_bytes(packed[:-20])
    assert "damaged or cut short" in refusal(tmp_path / "r.gz")
    (tmp_path / "r.gz").write_bytes(packed[:20] + b"\0\0\0\0" + packed[24:])
    assert "damaged" in refusal(tmp_path / "r.gz") or "JSON" in refusal(tmp_path / "r.gz")


@pytest.mark.parametrize(
    ("line", "key", "value", "said"),
    [
        (0, "home", 0, "line 1: 'home' is 0"),
        (0, "slots", {"s": "two"}, "line 1: the slots of 's' are 'two'"),
        (0, "wall_s", None, "line 1: 'wall_s' is None, and not of type float"),
        (2, "wall_s", -1, "line 3: 'wall_s' is -1"),
        (2, "cpu_s", float("nan"), "line 3: 'cpu_s' is nan"),
        (2, "remote", 1, "line 3: 'remote' is 1, and not of type bool"),
        (2, "prerequisites", ["1"], "line 3: 'prerequisites' has something that is not an id"),
        (2, "prerequisites", [9], "job 2 names job 9, which is not in it"),
        (2, "id", 1, "two jobs have the same id"),
        (1, "prerequisites", [2], "in a circle, job 1 among them"),
        (2, "prerequisites", [3], "in a circle, job 2 among them"),  # it awaits a job that its own recipe makes
        (3, "above", 3, "in a circle, job 3 among them"),
    ],
)
def test_values_that_make_no_sense(tmp_path: Path, line: int, key: str, value: Any, said: str) -> None:
    write(tmp_path / "r", GOOD)
    lines = lines_of(tmp_path / "r")
    lines[line][key] = value
    assert said in refusal(put(tmp_path / "r", lines))


def test_a_key_that_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "r", GOOD)
    lines = lines_of(tmp_path / "r")
    del lines[2]["label"]
    assert "line 3: 'label' is missing" in refusal(put(tmp_path / "r", lines))
    assert "line 2: it is no job" in refusal(put(tmp_path / "r", [lines[0], 7]))
