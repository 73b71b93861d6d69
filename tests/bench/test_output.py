"""What a benchmark found, for readers and for programs; a run replaces its own results only."""

import json
from pathlib import Path

import pytest

from dgcc.bench import output
from dgcc.bench.__main__ import main
from dgcc.bench.figures import Bar, Figure, Row, Table

TABLE = Table(
    "Speed", "How quick it is.", "farm", ("time", "part", "unused"),
    (Row("ours", {"time": Figure("ms", (3.0, 1.0, 2.0))}),
     Row("theirs", {"time": Figure("ms", (10.0,)), "part": Figure("", (0.2,))}),
     Row("nobody's", {"time": "not installed | at all"})),
    (Bar("time", 2.0, 2.5, unit="ms"), Bar("rate", 2.0, 400, most=False), Bar("size", None, 1.0)),
    ("A note.",),
)  # fmt: skip


def test_figures():
    assert Figure("s", (3.0, 1.0, 2.0)).median == 2.0
    assert Figure("s", (1.0, 3.0)).over(Figure("s", (4.0,))).median == 0.5
    with pytest.raises(ValueError, match="at least one sample"):
        Figure("s", ())


@pytest.mark.parametrize("value, shown", [
    (0, "0"), (0.00456, "0.00456"), (0.4567, "0.457"), (4.567, "4.57"), (45.67, "45.7"), (456.7, "457"),
    (45678.9, "45,679"), (-1.87, "-1.87"),
])  # fmt: skip
def test_numbers_have_three_digits(value: float, shown: str):
    assert output.number(value) == shown


def test_markdown():
    lines = output.markdown(TABLE).splitlines()
    assert lines[:8] == [
        "## Speed", "", "How quick it is.", "",
        "| farm | time | part |",
        "|---|---|---|",
        "| ours | 2.00 ms (1.00 to 3.00) |  |",
        "| theirs | 10.0 ms | 0.200 |",
    ]  # fmt: skip
    assert lines[8] == "| nobody's | not installed \\| at all |  |"
    assert lines[10:13] == [
        "- time: 2.00 ms; asked: at most 2.50 ms: met",
        "- rate: 2.00; asked: at least 400: **not met**",
        "- size: not measured; asked: at most 1.00: **not met**",
    ]
    assert lines[-1] == "A note."


def test_a_run_replaces_its_own_results(tmp_path: Path):
    results = output.Results(tmp_path / "docs")
    results.write("one", [TABLE])
    results.write("two", [TABLE])
    results.write("one", [Table("Other", "", "farm", (), ())])
    found = json.loads((tmp_path / "docs" / "results.json").read_text())
    assert set(found) == {"one", "two"}
    assert [table["title"] for table in found["one"]["tables"]] == ["Other"]
    (table,) = found["two"]["tables"]
    assert table["rows"]["ours"]["time"] == {"unit": "ms", "median": 2.0, "samples": [3.0, 1.0, 2.0]}
    assert [bar["met"] for bar in table["bars"]] == [True, False, False]
    machine = found["two"]["machine"]
    assert machine["cores"] >= 1 and machine["memory_mb"] > 100 and machine["cpu"] and machine["kernel"]
    assert "gcc" in machine["versions"]["gcc"]
    assert "# two" in (tmp_path / "docs" / "two.md").read_text()


@pytest.mark.parametrize("arguments, said", [
    (["nonsense"], "no such benchmark: nonsense; there are: developer, one"),
    (["one", "--repeats", "0"], "--repeats must be at least 1"),
])  # fmt: skip
def test_wrong_arguments(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
