"""Which job goes first, and where to: the rules of docs/scheduling.md, on a clock that is given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgcc.master.overseer import Overseer
from dgcc.master.ranking import Ranking
from dgcc.master.want import GoHome, Host, Send, Want, Withdraw

GB = 1 << 30


def farm(*hosts: Host, prefetch: int = 0) -> Overseer:
    """Each host has done a job that nothing was known of."""
    overseer = Overseer(now=0.0, grace_s=5.0, job_s=1000.0, prefetch=prefetch)
    for number, host in enumerate(hosts, 1):
        overseer.joined(number, host, 0.0)
    first = [overseer.ready(10_000 + number, 0.0)[0] for number in range(len(hosts))]
    for sent in first:
        overseer.done(sent.slave, sent.job, 0.0)
    return overseer


def plain(count: int, slots: int = 1) -> list[Host]:
    return [Host(f"s{number}", slots) for number in range(count)]


def job(expected_s: float, after_s: float = 0.0, memory: int = 0) -> Want:
    """A compile of that length, with what takes `after_s` behind it."""
    return Want(expected_s + after_s, expected_s, memory, repeatable=True)


def test_the_longest_path_goes_first_and_of_equals_the_oldest():
    overseer = farm(*plain(1))
    overseer.ready(1, 0.0, job(1))
    for number, after in ((2, 1), (3, 5), (4, 5), (5, 0)):
        assert overseer.ready(number, 0.0, job(1, after)) == []
    order = [1]
    while actions := overseer.done(1, order[-1], 1.0):
        order.append(actions[0].job)
    assert order == [1, 3, 4, 2, 5]


def test_what_is_learned_later_changes_the_order_of_what_waits():
    overseer = farm(*plain(1))
    overseer.ready(1, 0.0)
    overseer.ready(2, 0.0)
    overseer.ready(3, 0.0)
    overseer.reconsider({1: job(9), 3: job(4), 77: job(1)})
    assert overseer.done(1, 1, 1.0) == [Send(3, 1)]


def test_the_fastest_host_is_filled_first():
    overseer = farm(Host("slow", 2, speed=0.5), Host("fast", 2, speed=2.0))
    overseer.ahead_s = 100.0
    assert [overseer.ready(n, 0.0, job(1, 9))[0].slave for n in range(4)] == [2, 2, 1, 1]


def test_equally_fast_hosts_share_the_work():
    overseer = farm(Host("a", 4, speed=1.0), Host("b", 4, speed=1.04))
    assert sorted(overseer.ready(n, 0.0, job(1))[0].slave for n in range(4)) == [1, 1, 2, 2]


def test_a_slow_host_is_left_idle_where_it_would_delay_the_end():
    overseer = farm(Host("fast", 1, speed=1.0), Host("slow", 1, speed=0.1))
    assert overseer.ready(1, 0.0, job(10)) == [Send(1, 1)]
    assert overseer.ready(2, 0.0, job(10)) == [], "it takes 20 s if it waits for the fast one, 100 s on the slow one"
    assert overseer.ready(3, 0.0, job(0.5)) == [Send(3, 2)], "5 s on the slow one delay nothing"
    assert overseer.done(1, 1, 10.0) == [Send(2, 1)]


def test_a_slow_host_is_used_while_much_is_left_to_do():
    overseer = farm(Host("fast", 1, speed=1.0), Host("slow", 1, speed=0.1))
    overseer.ahead_s = 1000.0
    assert [overseer.ready(n, 0.0, job(10))[0].slave for n in (1, 2)] == [1, 2]


def test_a_measured_speed_counts_from_then_on():
    overseer = farm(*plain(2))
    assert overseer.speed(2, 3.0, 0.0) == []
    assert overseer.ready(1, 0.0, job(1)) == [Send(1, 2)]


def test_no_job_goes_to_a_host_without_memory_for_it():
    overseer = farm(Host("small", 4, memory=2 * GB), Host("large", 4, memory=16 * GB))
    assert overseer.ready(1, 0.0, job(1, memory=8 * GB)) == [Send(1, 2)]
    assert overseer.ready(2, 0.0, job(1, memory=8 * GB)) == [], "two of them do not fit"
    assert overseer.ready(3, 0.0, job(1)) == [Send(3, 1)], "what needs none goes past it"
    assert overseer.done(2, 1, 1.0) == [Send(2, 2)]
    needs = "it needs about 34.4 GB of memory, more than any slave has free"
    assert overseer.ready(4, 1.0, job(1, memory=32 * GB)) == [GoHome(4, needs)]


def test_memory_that_others_use_there_is_not_counted_on():
    overseer = farm(Host("a", 4, memory=16 * GB))
    overseer.share(1, 4, 3 * GB, 0.0)
    needs = "it needs about 4.3 GB of memory, more than any slave has free"
    assert overseer.ready(1, 0.0, job(1, memory=4 * GB)) == [GoHome(1, needs)]
    assert overseer.share(1, 4, 12 * GB, 1.0) == []
    assert overseer.ready(2, 1.0, job(1, memory=4 * GB)) == [Send(2, 1)]


def test_a_host_that_its_owner_uses_gets_nothing():
    overseer = farm(*plain(2, slots=2))
    overseer.share(1, 0, 0, 0.0)
    assert [overseer.ready(n, 0.0, job(1)) for n in (1, 2, 3)] == [[Send(1, 2)], [Send(2, 2)], []]
    assert overseer.share(1, 1, 0, 1.0) == [Send(3, 1)], "a slot is lent again"


def test_jobs_go_home_where_all_hosts_are_used_by_their_owners():
    overseer = farm(*plain(1))
    overseer.share(1, 0, 0, 10.0)
    assert overseer.ready(1, 10.0, job(1)) == []
    assert overseer.wakeup(10.0) == 15.0
    assert overseer.tick(15.0) == [GoHome(1, "s0 is used by its owner")]


def test_what_waits_on_one_host_begins_on_another_with_nothing_to_do():
    overseer = farm(*plain(1), prefetch=1)
    overseer.ready(1, 0.0, job(10))
    assert overseer.ready(2, 0.0, job(10)) == [Send(2, 1)]
    assert overseer.joined(2, Host("late", 1), 1.0) == [Withdraw(2, 1), Send(2, 2)]
    assert overseer.done(1, 2, 2.0) is None
    assert overseer.done(2, 2, 11.0) == []


def test_a_straggler_is_run_a_second_time_and_the_first_result_wins():
    overseer = farm(*plain(2))
    overseer.ready(1, 0.0, job(4))
    assert overseer.wakeup(0.0) == 8.0
    assert overseer.tick(7.9) == []
    assert overseer.tick(8.0) == [Send(1, 2, second=True)]
    assert overseer.held_by(1) == overseer.held_by(2) == {1} and overseer.second_runs == 1
    assert overseer.tick(30.0) == [], "and no third time"
    assert overseer.done(2, 1, 31.0) == [Withdraw(1, 1)]
    assert overseer.done(1, 1, 32.0) is None and overseer.running == 0


def test_the_first_job_on_a_host_may_have_to_wait_for_the_toolchain():
    overseer = Overseer(now=0.0, grace_s=5.0, job_s=1000.0)
    overseer.joined(1, Host("new", 1), 0.0)
    overseer.joined(2, Host("newer", 1), 0.0)
    overseer.ready(1, 0.0, job(4))
    assert overseer.tick(27.9) == []
    assert overseer.tick(28.0) == [Send(1, 2, second=True)]


def test_stragglers_wait_while_other_jobs_do():
    overseer = farm(*plain(2))
    overseer.ready(1, 0.0, job(1))
    overseer.ready(2, 0.0, job(50))
    overseer.ready(3, 5.0, job(1))
    assert overseer.done(2, 2, 10.0) == [Send(3, 2)]
    assert overseer.done(2, 3, 11.0) == [Send(1, 2, second=True)]


def test_a_job_without_expectation_is_late_once_it_takes_longer_than_all_before():
    overseer = farm(*plain(2))
    overseer.ready(1, 0.0, Want(repeatable=True))
    overseer.done(1, 1, 6.0)
    slave = overseer.ready(2, 6.0, Want(repeatable=True))[0].slave
    assert overseer.tick(17.0) == []
    assert overseer.tick(18.0) == [Send(2, 3 - slave, second=True)]


def test_what_may_not_be_repeated_runs_once():
    overseer = farm(*plain(2))
    overseer.ready(1, 0.0, Want(1, 1, repeatable=False))
    assert overseer.tick(900.0) == []


@pytest.mark.parametrize("end", ["failed", "lost", "nonsense"])
def test_a_second_run_outlives_the_first(end):
    overseer = farm(*plain(2))
    overseer.ready(1, 0.0, job(1))
    overseer.tick(5.0)
    if end == "failed":
        assert overseer.failed(1, 1, "disk full", 6.0) == []
    elif end == "lost":
        assert overseer.lost(1, "is gone", 6.0) == []
    else:  # the job is the caller's again
        assert overseer.failed(1, 1, "bad digest", 6.0, elsewhere=False) == [Withdraw(1, 2)]
        assert overseer.done(2, 1, 7.0) is None
        return
    assert overseer.holder(1) == 2
    assert overseer.done(2, 1, 7.0) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=50), st.sets(st.integers(0, 9)))
@settings(max_examples=50)
def test_a_ranking_is_in_order_whatever_was_put_and_dropped(puts, drops):
    ranking: Ranking[int] = Ranking()
    expected = {}
    for item, key in puts:
        ranking.put(item, key)
        expected[item] = key
    for item in drops:
        ranking.drop(item)
        expected.pop(item, None)
    assert list(ranking) == sorted(expected, key=lambda item: (expected[item], item))
    assert ranking.first() == next(iter(ranking), None) and len(ranking) == len(expected)


def _events(slaves: int, jobs: int) -> int:
    """How many Python calls one job costs, a farm of this size under load; a count does not depend on the machine."""
    import cProfile

    overseer = farm(*plain(slaves, slots=4), prefetch=1)
    sent = []
    for number in range(jobs):
        sent += overseer.ready(number, 0.0, job(1 + number % 13, number % 17))
    profile = cProfile.Profile()
    profile.enable()
    count = 200
    for place in range(count):
        send = sent[place]
        more = overseer.done(send.slave, send.job, 1.0 + place / 100)
        overseer.wakeup(1.0 + place / 100)
        sent += [action for action in more or () if isinstance(action, Send)]
    profile.disable()
    return sum(entry.callcount for entry in profile.getstats()) // count


def test_the_cost_of_a_job_does_not_grow_with_the_farm_or_the_queue():
    assert _events(slaves=256, jobs=8000) < 1.5 * _events(slaves=16, jobs=500)


def test_nothing_is_sent_ahead_while_the_path_tells_when_the_build_ends():
    overseer = farm(*plain(1), prefetch=1)
    overseer.ready(1, 0.0, job(1, 9))
    assert overseer.ready(2, 0.0, job(1, 8)) == [], "9 s of path, and 1 s of work: it would only stand before others"
    assert overseer.ready(3, 0.0, job(1, 7)) == []
    assert overseer.done(1, 1, 1.0) == [Send(2, 1)]
    overseer.ahead_s = 100.0
    assert overseer.tick(1.0) == [Send(3, 1)], "now the work that is left tells it"


def test_a_host_that_proves_slow_is_known_by_its_results():
    overseer = farm(*plain(2))
    assert overseer.ready(1, 0.0, job(1)) == [Send(1, 1)]
    overseer.done(1, 1, 20.0, taken_s=10.0)
    assert overseer.ready(2, 20.0, job(1)) == [Send(2, 2)]


def test_a_job_on_a_host_known_to_be_slow_is_late_by_what_the_fastest_would_take():
    overseer = farm(Host("fast", 1), Host("slow", 1, speed=0.1))
    overseer.ahead_s = 1000.0
    assert [overseer.ready(n, 0.0, job(10))[0].slave for n in (1, 2)] == [1, 2]
    overseer.ahead_s = 0.0
    assert overseer.done(1, 1, 10.0, taken_s=10.0) == [] and overseer.wakeup(10.0) == 20.0
    assert overseer.tick(20.1) == [Send(2, 1, second=True)]
