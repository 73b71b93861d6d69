"""Two real masters on one slave: equal shares of its slots' time, and what one leaves idle is the other's."""

from pathlib import Path

from farmkit import farm, wait_for


def _project(place: Path, count: int, seconds: float) -> None:
    """Jobs that write down when they began and ended."""
    place.mkdir()
    (place / "dgcc.toml").write_text('[[rule]]\ncommand = "date"\nwhere = "remote"\n')
    (place / "Makefile").write_text(
        f"all: {' '.join(f'{number}.job' for number in range(count))}\n"
        f"%.job:\n\tdate +%s.%N > $@ && sleep {seconds} && date +%s.%N >> $@\n"
    )


def _runs(place: Path) -> list[tuple[float, float]]:
    """When each of its jobs ran."""
    found = [tuple(map(float, path.read_text().split())) for path in place.glob("*.job")]
    return sorted((run[0], run[1]) for run in found)


def _within(runs: list[tuple[float, float]], begin: float, end: float) -> float:
    return sum(max(0.0, min(run[1], end) - max(run[0], begin)) for run in runs)


def test_two_masters_share_a_slave_by_time_and_lend_what_they_leave_idle(tmp_path: Path):
    few, many = tmp_path / "few", tmp_path / "many"
    _project(few, 6, 1.2)
    _project(many, 8, 0.3)
    with farm(tmp_path / "farm", "a", slots=2) as made:
        long = made.start_master(few)
        wait_for(lambda: "serving master" in made.log("a"), "the first master is served")
        short = made.start_master(many)
        built = [made.finish(short), made.finish(long)]
    assert [(each.code, each.jobs["fallback"]) for each in built] == [(0, 0)] * 2, built[0].err + built[1].err
    longs, shorts = _runs(few), _runs(many)
    assert (len(longs), len(shorts)) == (6, 8)
    begin, end = shorts[0][0], shorts[-1][1]
    # What lies between two short jobs belongs to them, so the long ones' part of both slots tells of each.
    part = _within(longs, begin, end) / (2 * (end - begin))
    assert 0.4 < part < 0.6, f"{part:.2f} of the slots' time while both had work"
    after = longs[-1][1] - end
    assert after > 1.2 and _within(longs, end, longs[-1][1]) > 1.5 * after - 1.2, "both slots serve who is left"
