"""The report and the status line: what is shown of a build."""

import json
import os

from dgcc.master.comparison import Comparison, Differing
from dgcc.master.failures import CommandFailed, HostFailed, ProtocolFailed
from dgcc.master.progress import Sample
from dgcc.master.registry import Tally
from dgcc.master.report import Fallback, Report
from dgcc.master.retrospect import Retrospect, Took
from dgcc.master.status import Figures, StatusLine, duration, status_text


def build_report() -> Report:
    return Report(
        exit_code=2, wall_s=1.5, planned=9, remote=5, local=3, failed=1,
        fallbacks=[Fallback(f"f{i}.o", "slave a was lost") for i in range(7)],
        slaves={"b": Tally(2, 1.25, losses=2), "a": Tally(3, 2.0, lost=True, losses=1)},
        bytes_sent=1_234_567, bytes_received=999, master_cpu_s=0.5, client_cpu_s=0.25,
    )  # fmt: skip


def with_failures() -> Report:
    report = build_report()
    for failure in (HostFailed("disk full"), ProtocolFailed("bad digest"), CommandFailed("exit code 1")):
        report.slaves["a"].add(failure)
    return report


def test_json_has_every_figure(tmp_path):
    build_report().write(tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["exit_code"] == 2 and found["wall_s"] == 1.5
    assert found["jobs"] == {"planned": 9, "remote": 5, "local": 3, "fallback": 7, "failed": 1}
    assert found["fallbacks"][0] == {"target": "f0.o", "reason": "slave a was lost"}
    a = {"jobs": 3, "cpu_s": 2.0, "lost": True, "losses": 1, "overtaken": 0, "failures": {}}
    assert found["slaves"]["a"] == a
    b = {"jobs": 2, "cpu_s": 1.25, "lost": False, "losses": 2, "overtaken": 0, "failures": {}}
    assert found["slaves"]["b"] == b
    assert (found["master_cpu_s"], found["client_cpu_s"]) == (0.5, 0.25)
    assert (found["bytes_sent"], found["bytes_received"]) == (1234567, 999)
    assert os.listdir(tmp_path) == ["r.json"]


def test_summary_counts_fallbacks_and_names_the_lost():
    lines = build_report().summary()
    assert lines[0] == "15 jobs in 1.5 s: 5 remote (3 on a, 2 on b), 3 local, 7 fallback, 1 failed"
    assert "1.2 MB sent, 999 B received" in lines[1]
    assert "lost: a, b (came back)" in lines
    assert "fallback: f0.o: slave a was lost" in lines
    assert lines[-1] == "fallback: and 2 more (--report FILE lists all)"


def test_what_slaves_failed_at_is_named_by_its_kind():
    report = with_failures()
    assert "trouble: a failed 2 jobs, the last by: bad digest" in report.summary()
    found = json.loads(report.as_json())["slaves"]["a"]["failures"]
    assert found == {"host": 1, "protocol": 1, "command": 1}


def test_a_comparison_is_told(tmp_path):
    report = build_report()
    report.comparison = Comparison(jobs=2)
    assert "compared: 2 jobs, all equal" in report.summary()
    report.comparison.different += [Differing("b.o", "/p/b.o", "b.o: .text differs"), Differing("b.o", "", "it ended")]
    lines = report.summary()
    assert "compared: 1 of 2 jobs differ" in lines[-3]
    assert "b.o: .text differs" in lines[-2] and "it ended" in lines[-1]
    report.write(tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())["compared"]
    assert found["jobs"] == 2
    assert found["different"][0] == {"target": "b.o", "path": "/p/b.o", "where": "b.o: .text differs"}
    assert "compared" not in json.loads(build_report().as_json())


def test_status_line_leaves_the_builds_output_whole():
    written: list[bytes] = []
    line = StatusLine(written.append)
    line.show(Figures(1, 4, 2, 1, 2))
    line.output(b"gcc -c a.c\n")
    line.output(b"partial")
    line.show(Figures(2, 4, 2, 1, 2))
    line.output(b" end\n")
    line.clear()
    shown = b"".join(written)
    text = b"dgcc: 1/4 done, 2 remote, 1 local, 2 slaves"
    wipe = b"\r\x1b[K"
    assert shown == b"\r" + text + b"\x1b[K" + wipe + b"gcc -c a.c\n\r" + text + b"\x1b[K" + wipe + b"partial end\n"
    assert status_text(Figures(1, 4, 2, 1, 1), 20) == "dgcc: 1/4 done, 2 r"
    assert status_text(Figures(1, 4, 2, 1, 1, 1), 99).endswith("1 slave, 1 fetching the toolchain")


def test_status_line_tells_the_time_left_where_it_is_known():
    figures = Figures(10, 40, 2, 1, 2, percent=33.4, left_s=125.2)
    assert status_text(figures, 99) == "dgcc: 10/40 done (33 %, 2 min 5 s left), 2 remote, 1 local, 2 slaves"
    assert [duration(seconds) for seconds in (0.0, 59.4, 60, 3599.6, 4020)] == [
        "1 s", "59 s", "1 min 0 s", "1 h 0 min", "1 h 7 min",
    ]  # fmt: skip


def long_report() -> Report:
    path = tuple(Took(f"sub/{name}", "a", wall_s) for name, wall_s in
                 (("gen.h", 0.2), ("a.o", 5.0), ("x", 0.01), ("liba.a", 0.4), ("b.o", 3.0), ("prog", 2.0), ("t", 1.0)))
    past = Retrospect(4, (0.0, 2.0, 4.0, 4.4), (path[1], path[4]), path)
    return Report(wall_s=20.0, remote=30, local=2, slaves={"a": Tally(30, 55.0)}, client_cpu_s=5.0, retrospect=past,
                  progress=[Sample(1.0, 5.0, 19.0)])  # fmt: skip


def test_where_the_time_went_is_told_of_a_long_build():
    lines = long_report().summary()
    assert lines[2:] == [
        "slots in use | \u2584\u2588\u2588| of 4; 60.0 s of work, speed-up 3.0",
        "slowest: a.o 5.0 s, b.o 3.0 s",
        "critical path 11.6 s: a.o 5.0 s > liba.a 0.4 s > b.o 3.0 s > prog 2.0 s > t 1.0 s, 1 more",
    ]
    assert long_report().summary(blocks=False)[2].isascii()


def test_where_the_time_went_is_told_of_a_long_build_at_home():
    report = long_report()
    report.remote, report.local, report.slaves = 0, 30, {}
    assert report.summary()[1:3] == ["5.0 s of work, speed-up 0.2", "slowest: a.o 5.0 s, b.o 3.0 s"]


def test_short_builds_say_no_more_than_they_must():
    for more in ({"wall_s": 2.0}, {"remote": 3}, {"remote": 0}):
        report = long_report()
        for name, value in more.items():
            setattr(report, name, value)
        assert len(report.summary()) == (2 if report.remote else 1)


def test_json_tells_where_the_time_went():
    found = json.loads(long_report().as_json())
    assert (found["work_s"], found["speed_up"]) == (60.0, 3.0)
    assert found["slots"] == {"most": 4, "used": [0.0, 2.0, 4.0, 4.4]}
    assert found["slowest"][0] == {"target": "sub/a.o", "ran": "a", "wall_s": 5.0}
    assert found["critical_path"]["wall_s"] == 11.61 and len(found["critical_path"]["jobs"]) == 7
    assert found["progress"] == [{"at_s": 1.0, "percent": 5.0, "left_s": 19.0}]
