"""The farm of one: what runs at home and what travels, and that nothing stays."""

from pathlib import Path

import farmkit
import pytest
from farmkit import Farm, processes_with


@pytest.fixture
def alone(tmp_path: Path) -> Farm:
    made = farmkit.Farm(None, tmp_path / "alone")  # type: ignore[arg-type]
    made.directory.mkdir()
    return made


@pytest.fixture
def compiles(project: Path) -> Path:
    """Three of them, of S seconds each, so that a slave can join meanwhile."""
    (project / "Makefile").write_text("O = a.o b.o c.o\nS = 0\nall: $O\n%.o: %.c\n\t$(CC) -c -o $@ $< && sleep $S\n"
                                      "clean:\n\trm -f $O\n")  # fmt: skip
    for name in "abc":
        (project / f"{name}.c").write_text("int f(void) { return __LINE__; }\n")
    return project


def build(alone: Farm, project: Path, *arguments: str) -> farmkit.Built:
    built = alone.master(project, *arguments, naming=False)
    assert built.code == 0 and built.jobs["fallback"] == 0, built.err
    return built


def objects(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in project.glob("*.o")}


def test_before_a_slave_has_joined_compiles_run_at_home(alone: Farm, compiles: Path):
    assert build(alone, compiles, "--local-slave", "0", "--local-jobs", "2").jobs["local"] == 3


def test_it_leaves_nothing_behind(alone: Farm, compiles: Path):
    for wanted in (3, 0):
        assert build(alone, compiles, "--home-first", "0").jobs["remote"] == wanted
    assert not processes_with(str(alone.directory))


def test_what_a_slave_has_run_before_runs_at_home_and_what_is_new_travels(alone: Farm, compiles: Path):
    assert build(alone, compiles, "--home-first", "0").jobs["remote"] == 3
    travelled = objects(compiles)
    for _ in range(2):  # that it has run at home since does not matter
        again = build(alone, compiles, "-B")
        assert again.jobs["remote"] == 0 and again.jobs["local"] == 3
        assert not again.report["slaves"], "none was started"
    assert objects(compiles) == travelled
    changed = build(alone, compiles, "-B", "S=2", "--local-jobs", "1")
    assert changed.jobs["remote"] >= 1 and len(changed.report["slaves"]) == 1


def test_everything_travels_again_where_that_is_asked_for(alone: Farm, compiles: Path):
    for _ in range(2):
        assert build(alone, compiles, "-B", "--home-first", "0").jobs["remote"] == 3


def test_what_home_does_soon_needs_no_slave(alone: Farm, compiles: Path):
    built = build(alone, compiles, "--local-jobs", "1")
    assert built.jobs["local"] == 3 and not built.report["slaves"]
