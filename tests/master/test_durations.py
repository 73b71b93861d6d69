"""Durations that builds leave: what is read from them, and what becomes of damaged and old files."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from dgcc.master import durations as durations_module
from dgcc.master.durations import Durations, Run, normal, usual
from dgcc.master.expectations import Basis, Expectations, Expected
from dgcc.master.history import HOME, History, Past
from dgcc.master.lacked import Lacked
from dgcc.master.memory import KEEP_S, Memory

ROOT = b"/home/u/p"
COMMAND = b"command1"


class Clock:
    """Seconds since 1970, moved by hand."""

    now = 1e9

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "builds.sqlite", Clock())


def run(target: bytes = b"a.o", **more) -> Run:
    return replace(Run(ROOT, target, COMMAND, "cc -c .c", 1000, "one", 2.0, 1.5, 64 << 20), **more)


def learned(memory: Memory) -> Expectations:
    return Expectations.load(ROOT, memory)


def of(found: Expectations, target: bytes = b"a.o", command: bytes = COMMAND) -> Expected:
    return found.of(ROOT, target, "cc -c .c", 1000, command)


def test_the_next_build_expects_what_the_last_one_took(memory):
    Durations(ROOT, memory).save([run(), run(b"b.o", wall_s=4.0)])
    assert of(learned(memory)) == Expected(2.0, 1.5, 64 << 20, Basis.TARGET)
    assert of(learned(memory), b"b.o").wall_s == 4.0
    assert not of(Expectations.load(b"/other", memory)).known


def test_a_command_that_has_travelled_once_is_known_for_it(memory):
    for travelled in (False, True, False):
        Durations(ROOT, memory).save([run(travelled=travelled), run(b"b.o")])
    found = learned(memory)
    assert found.travelled(ROOT, b"a.o", COMMAND) and not found.travelled(ROOT, b"b.o", COMMAND)
    assert not found.travelled(ROOT, b"a.o", b"command2") and not found.travelled(b"/other", b"a.o", COMMAND)


def test_an_outlier_does_not_rule_and_a_change_does_after_two_builds(memory):
    seen = []
    for wall_s in (2.0, 2.2, 90.0, 2.1, 2.0, 6.0, 6.1, 6.2):
        Durations(ROOT, memory).save([run(wall_s=wall_s)])
        seen.append(of(learned(memory)).wall_s)
    assert max(seen[2:5]) < 2.3 and seen[-2] == pytest.approx(6.0) and seen[-1] == pytest.approx(6.1)


def test_the_most_memory_of_late_counts(memory):
    for mebibytes in (100, 900, 200):
        Durations(ROOT, memory).save([run(memory=mebibytes << 20)])
    assert of(learned(memory)).memory == 900 << 20
    for _ in range(3):
        Durations(ROOT, memory).save([run(memory=200 << 20)])
    assert of(learned(memory)).memory == 200 << 20


def test_durations_are_brought_to_speed_one(memory):
    jobs = [b"%d.o" % number for number in range(20)]
    for turn in range(12):
        host, slower = (("one", 1.0), ("two", 2.0))[turn % 2]
        Durations(ROOT, memory).save(run(job, host=host, wall_s=slower * 3, cpu_s=slower * 2) for job in jobs)
    found = learned(memory)
    assert found.speed("one").wall / found.speed("two").wall == pytest.approx(2, rel=0.1)
    assert found.speed("one").cpu * found.speed("two").cpu == pytest.approx(1)
    for host in ("one", "two"):
        slower = 2 if host == "two" else 1
        assert of(found, b"3.o").wall_s / found.speed(host).wall == pytest.approx(slower * 3, rel=0.1)
    assert found.speed("unknown").wall == 1


def test_speeds_are_known_in_all_projects(memory):
    for host, wall_s in (("one", 1.0), ("two", 2.0)) * 4:
        Durations(ROOT, memory).save(run(b"%d" % n, host=host, wall_s=wall_s) for n in range(9))
    assert Expectations.load(b"/other", memory).speed("one").wall > 1.2
    memory.clock.now += KEEP_S + 9
    Durations(b"/other", memory).save([run(host="three")])
    assert set(Expectations.load(b"/other", memory).hosts) == {"three"}


def test_a_source_that_was_changed_measures_no_speed(memory):
    Durations(ROOT, memory).save(run(b"%d" % n) for n in range(50))
    Durations(ROOT, memory).save(run(b"%d" % n, host="two", wall_s=9.0, size=5000) for n in range(50))
    assert learned(memory).speed("two").wall == 1.0


def test_each_command_of_a_target_has_its_own_durations(memory):
    Durations(ROOT, memory).save([run(), run(command=b"command2", wall_s=6.0)])
    found = learned(memory)
    assert of(found).wall_s == 2.0 and of(found, command=b"command2").wall_s == 6.0
    assert of(found, command=b"changed!").wall_s == 4.0, "all lines together come to what they took"


def test_commands_that_a_target_has_no_more_are_forgotten(memory, tmp_path):
    for turn in range(12):
        Durations(ROOT, memory).save([run(command=b"version%d" % (turn % 10)), run(b"b.o")])
    with sqlite3.connect(tmp_path / "builds.sqlite") as db:
        assert db.execute("SELECT count(*) FROM run WHERE target = ?", (b"a.o",)).fetchone() == (4,)


def test_the_newest_rows_are_kept(memory, monkeypatch):
    monkeypatch.setattr(durations_module, "MOST_ROWS", 10)
    for number in range(15):
        Durations(ROOT, memory).save([run(b"%d.o" % number)])
    found = learned(memory)
    assert [n for n in range(15) if of(found, b"%d.o" % n).known] == list(range(5, 15))


def test_a_project_that_nobody_builds_is_forgotten(memory):
    Durations(ROOT, memory).save([run()])
    memory.clock.now += KEEP_S + 9
    Durations(b"/other", memory).save([run()])
    assert not of(learned(memory)).known


def test_commands_of_the_format_before_are_taken_over_and_have_not_travelled(memory, tmp_path):
    Durations(ROOT, memory).save([run(travelled=True)])
    with sqlite3.connect(tmp_path / "builds.sqlite") as db:
        db.executescript("ALTER TABLE run DROP COLUMN travelled; PRAGMA user_version = 2")
    assert of(learned(memory)).known and not learned(memory).travelled(ROOT, b"a.o", COMMAND)


def test_a_file_of_the_first_format_is_taken_over(tmp_path):
    path = tmp_path / "builds.sqlite"
    past = Past(ROOT, b"a.o", "CC a.o", True, "it compiles a.o", HOME, ended=1e9)
    History(ROOT, Memory(path)).record([past])
    lacked = Lacked(ROOT, Memory(path))
    lacked.add(ROOT, b"a.o", (b"/etc/passwd",))
    lacked.save()
    with sqlite3.connect(path) as db:
        db.executescript("DROP TABLE run; DROP TABLE host; PRAGMA user_version = 1")
    memory = Memory(path)
    assert not of(learned(memory)).known
    assert History(ROOT, memory).of(b"a.o") == [past]
    assert Lacked(ROOT, memory).of(ROOT, b"a.o") == (b"/etc/passwd",)
    Durations(ROOT, memory).save([run()])
    assert of(learned(memory)).known


@pytest.mark.parametrize("samples", [b"short", b"", "text", None, 5])
def test_damaged_rows_cost_the_memory_and_no_build(memory, tmp_path, samples, caplog):
    Durations(ROOT, memory).save([run()])
    with sqlite3.connect(tmp_path / "builds.sqlite") as db:
        db.execute("UPDATE run SET samples = ?", (samples,))
    assert not of(learned(memory)).known
    assert "damaged and was dropped" in caplog.text
    Durations(ROOT, memory).save([run()])
    assert of(learned(memory)).known
    with sqlite3.connect(tmp_path / "builds.sqlite") as db:
        db.execute("UPDATE run SET samples = ?", (samples,))
    Durations(ROOT, memory).save([run()])
    assert not of(learned(memory)).known, "writing finds it as well"


def test_rows_and_hosts_with_nothing_in_them_cost_no_build(memory, tmp_path):
    for damage in ("UPDATE run SET size = NULL", "UPDATE host SET wall = NULL", "UPDATE host SET cpu = 'x'",
                   "UPDATE run SET wall_s = 'x', memory = 'y'"):  # fmt: skip
        Durations(ROOT, memory).save([run(), run(b"b.o")])
        with sqlite3.connect(tmp_path / "builds.sqlite") as db:
            db.execute(damage)
        found = learned(memory)
        assert found.of(ROOT, b"new.o", "cc -c .c", 1000).wall_s >= 0
        assert of(found).wall_s >= 0 and found.speed("one").wall > 0
        Durations(ROOT, memory).save([run()])


def test_figures_that_cannot_be_true_are_held_to_what_can_be_kept(memory):
    Durations(ROOT, memory).save([run(wall_s=1e300, cpu_s=float("inf"), memory=1 << 60)])
    found = of(learned(memory))
    assert found.wall_s <= 1e8 and found.memory < 1 << 43


def test_nothing_is_written_where_nothing_ended(memory, tmp_path):
    Durations(ROOT, memory).save([])
    assert not (tmp_path / "builds.sqlite").exists()


def test_usual_of_few_samples():
    assert usual([(2.0, 1.0, 5), (4.0, 3.0, 4)]).wall_s == 3.0
    assert normal(b"", {}) == []
