"""Builds leave word of what they did, and later builds read it, whatever has become of the file meanwhile."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from dgcc.master import history as history_module
from dgcc.master import lacked as lacked_module
from dgcc.master.history import HOME, History, Past, past_of
from dgcc.master.joblist import Job, State
from dgcc.master.lacked import MOST_PATHS, Lacked
from dgcc.master.memory import KEEP_S, Memory

ROOT = b"/home/u/p"
KEYS = (b"\1" * 32, b"\2" * 32)


class Clock:
    """Seconds since 1970, moved by hand."""

    now = 1e9

    def __call__(self) -> float:
        return self.now


def past(target: bytes, **more) -> Past:
    row = Past(ROOT, target, "CC x", True, "it compiles x", "one", "", 0, 1.5, 1.25, 1e9, KEYS)
    return replace(row, **more)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "cache" / "builds.sqlite", Clock())


def test_a_later_build_reads_what_an_earlier_one_recorded(memory):
    rows = [
        past(b"a.o"),
        past(b"\xff.o", label="CC ?.o", ran=HOME, fallback="slave one was lost", exit_code=None, environments=()),
        past(b"a.o", label="CC caf\u00e9.o", remote=False, reason="it compiles nothing", ran=HOME, exit_code=137),
    ]
    History(ROOT, memory).record(rows)
    assert History(ROOT, memory).of(b"a.o") == [rows[0], rows[2]]
    assert History(ROOT, memory).of(b"\xff.o", ROOT) == [rows[1]]
    assert History(ROOT, memory).of(b"a.o", b"/elsewhere") == []
    assert History(b"/home/u/q", memory).of(b"a.o") == []


def test_reasons_may_name_any_path(memory):
    History(ROOT, memory).record([past(b"a.o", fallback="'x\udcff' cannot be written")])
    assert History(ROOT, memory).of(b"a.o")[0].fallback == "'x\\udcff' cannot be written"


def test_only_the_last_build_of_each_target_is_kept(memory):
    first = History(ROOT, memory)
    first.record([past(b"a.o"), past(b"a.o"), past(b"b.o")])
    again = past(b"a.o", wall_s=9.0)
    first.record([again])
    first.record([])
    assert first.of(b"a.o") == [again]
    assert first.of(b"b.o") == [past(b"b.o")]


def test_the_newest_rows_are_kept(memory, monkeypatch):
    monkeypatch.setattr(history_module, "MOST_ROWS", 10)
    History(ROOT, memory).record([past(b"%d.o" % n, ended=float(n)) for n in range(25)])
    kept = [n for n in range(25) if History(ROOT, memory).of(b"%d.o" % n)]
    assert kept == list(range(15, 25))


def test_a_project_that_nobody_builds_is_forgotten(memory):
    History(ROOT, memory).record([past(b"a.o")])
    Lacked(ROOT, memory).add(ROOT, b"a.o", (b"/etc/passwd",))
    memory.clock.now += KEEP_S + 1
    History(b"/other", memory).record([past(b"b.o")])
    assert History(ROOT, memory).of(b"a.o") == []


def test_twenty_thousand_jobs_are_one_transaction(memory, tmp_path):
    rows = [past(b"dir%d/file%d.o" % (n % 100, n)) for n in range(20_000)]
    History(ROOT, memory).record(rows)
    History(ROOT, memory).record(rows)
    assert History(ROOT, memory).of(b"dir99/file19999.o") == [rows[-1]]
    with sqlite3.connect(tmp_path / "cache" / "builds.sqlite") as db:
        assert db.execute("SELECT count(*) FROM job").fetchone() == (20_000,)


def test_builds_that_end_at_the_same_time_all_leave_word(memory):
    def build(number: int) -> None:
        for turn in range(5):
            History(b"/p%d" % (number % 2), memory).record([past(b"%d-%d.o" % (number, turn))])

    threads = [threading.Thread(target=build, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(History(b"/p%d" % (n % 2), memory).of(b"%d-%d.o" % (n, t)) for n in range(6) for t in range(5))


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + os.urandom(5000)])
def test_a_damaged_file_is_dropped(tmp_path, content, caplog):
    path = tmp_path / "builds.sqlite"
    path.write_bytes(content)
    memory = Memory(path)
    assert History(ROOT, memory).of(b"a.o") == []
    assert "damaged and was dropped" in caplog.text
    History(ROOT, memory).record([past(b"a.o")])
    assert History(ROOT, memory).of(b"a.o") == [past(b"a.o")]


def test_a_file_of_another_format_is_dropped(tmp_path, caplog):
    path = tmp_path / "builds.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    assert Lacked(ROOT, Memory(path)).of(ROOT, b"a.o") == ()
    assert "format 99" in caplog.text and not path.exists()


def test_a_place_that_cannot_be_written_costs_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "builds.sqlite")
    History(ROOT, memory).record([past(b"a.o")])
    lacked = Lacked(ROOT, memory)
    lacked.add(ROOT, b"a.o", (b"/etc/passwd",))
    lacked.save()
    assert lacked.of(ROOT, b"a.o") == (b"/etc/passwd",)
    assert caplog.text.count("is not used") == 1, "and only one"


def test_reading_makes_no_file(tmp_path):
    assert History(ROOT, Memory(tmp_path / "x" / "builds.sqlite")).of(b"a.o") == []
    assert os.listdir(tmp_path) == []


def test_the_file_lies_in_the_users_cache(tmp_path):
    code = "from dgcc.master.history import *; History(b'/p').record([Past(b'/p', b'x', 'x', False, 'no', HOME)])"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)}, check=True)
    assert (tmp_path / "dgcc" / "builds.sqlite").is_file()


def test_what_jobs_lacked_is_known_to_later_builds(memory, tmp_path):
    needed, gone = os.fsencode(tmp_path / "needed.h"), os.fsencode(tmp_path / "gone.h")
    for path in (needed, gone):
        Path(os.fsdecode(path)).write_text("")
    lacked = Lacked(ROOT, memory)
    lacked.add(ROOT, b"a.o", (needed, gone))
    lacked.add(ROOT, b"a.o", (needed,))
    assert lacked.of(ROOT, b"a.o") == (needed, gone)
    assert Lacked(ROOT, memory).of(ROOT, b"a.o") == (), "nothing is written before the end"
    lacked.save()
    assert set(Lacked(ROOT, memory).of(ROOT, b"a.o")) == {needed, gone}
    assert Lacked(ROOT, memory).of(b"/other", b"a.o") == ()
    os.unlink(gone)
    later = Lacked(ROOT, memory)
    assert later.of(ROOT, b"a.o") == (needed,)
    later.save()
    Path(os.fsdecode(gone)).write_text("")
    assert Lacked(ROOT, memory).of(ROOT, b"a.o") == (needed,)


def test_the_list_of_lacked_files_is_bounded(memory, monkeypatch, tmp_path):
    paths = []
    for number in range(MOST_PATHS + 10):
        (tmp_path / f"{number}.h").write_text("")
        paths.append(os.fsencode(tmp_path / f"{number}.h"))
    lacked = Lacked(ROOT, memory)
    lacked.add(ROOT, b"a.o", tuple(paths))
    assert lacked.of(ROOT, b"a.o") == tuple(paths[:MOST_PATHS])
    lacked.save()
    monkeypatch.setattr(lacked_module, "MOST_ROWS", 5)
    memory.clock.now += 1
    lacked.add(ROOT, b"b.o", tuple(paths[:3]))
    lacked.save()
    later = Lacked(ROOT, memory)
    assert later.of(ROOT, b"b.o") == tuple(paths[:3]), "the newest are kept"
    assert len(later.of(ROOT, b"a.o")) <= 2


def test_an_ended_job_is_kept_as_it_ended():
    job = Job(1, ROOT, b"a.o", State.DONE, remote=True, verdict=True, reason="it compiles a.o", command="CC a.o",
              ran="one", wall_s=1.5, cpu_s=1.25, environments=KEYS)  # fmt: skip
    assert past_of(job, 1e9) == past(b"a.o", label="CC a.o", reason="it compiles a.o")
    job.remote, job.state, job.exit_code, job.fallback = False, State.FAILED, -9, "one was lost"
    kept = past_of(job, 1e9)
    assert (kept.ran, kept.exit_code, kept.fallback) == (HOME, 137, "one was lost")
    job.state = State.CANCELLED
    assert past_of(job, 1e9).exit_code is None
    job.target = b""
    assert past_of(job, 1e9).target == b"CC a.o", "ninja tells no target"
