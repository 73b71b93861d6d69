"""The Overseer's rules, with numbers for jobs and slaves and a clock that is given."""

from dgcc.master.overseer import GoHome, Host, Overseer, Send, Withdraw


def farm(*slots: int, prefetch: int = 1) -> Overseer:
    overseer = Overseer(now=0.0, grace_s=5.0, job_s=1000.0, prefetch=prefetch)
    for slave, count in enumerate(slots, 1):
        assert overseer.joined(slave, Host(f"s{slave}", count), 0.0) == []
    return overseer


def test_jobs_spread_over_slaves_before_any_prefetch():
    overseer = farm(1, 1)
    sent = [overseer.ready(job, 1.0) for job in (1, 2, 3, 4, 5)]
    assert [a[0].slave for a in sent[:2]] == [1, 2]
    assert sorted(a[0].slave for a in sent[2:4]) == [1, 2]
    assert sent[4] == []
    assert overseer.free == [] and overseer.busy == [1, 2] and overseer.running == 4
    assert overseer.done(2, sent[1][0].job, 2.0) == [Send(5, 2)]


def test_without_slaves_jobs_wait_for_the_grace_and_go_home():
    overseer = farm()
    assert overseer.ready(1, 1.0) == []
    assert overseer.wakeup(1.0) == 5.0
    assert overseer.tick(4.9) == []
    assert overseer.tick(5.0) == [GoHome(1, "no slave in the farm")]
    assert overseer.joined(1, Host("late", 1), 6.0) == []
    assert overseer.ready(2, 6.0) == [Send(2, 1)]


def test_jobs_wait_longer_for_slaves_that_are_known_of():
    overseer = farm()
    assert overseer.ready(1, 1.0) == []
    overseer.expect_some(9.0)
    assert overseer.tick(5.0) == [] and overseer.wakeup(5.0) == 9.0
    assert overseer.joined(1, Host("slow", 1), 8.0) == [Send(1, 1)]


def test_a_slave_that_is_wanted_late_is_waited_for_from_then_on():
    overseer = farm()
    overseer.expect_some(110.0)
    assert overseer.ready(1, 100.0) == [] and overseer.wakeup(100.0) == 110.0
    assert overseer.joined(1, Host("own", 1), 101.0) == [Send(1, 1)]


def test_a_lost_slaves_jobs_go_to_another_and_after_two_hosts_home():
    overseer = farm(2, 2)
    first = overseer.ready(1, 1.0)[0]
    assert overseer.lost(first.slave, "was killed", 2.0) == [Send(1, 3 - first.slave)]
    assert overseer.joined(9, Host("s9", 2), 2.0) == []
    [home] = overseer.lost(3 - first.slave, "was killed", 3.0)
    assert home == GoHome(1, f"s{first.slave} was killed, s{3 - first.slave} was killed; 2 hosts tried")
    assert overseer.done(first.slave, 1, 4.0) is None, "a late result of a lost slave counts for nothing"


def test_only_what_a_lost_slave_was_running_counts_against_a_job():
    overseer = farm(1)
    overseer.ready(1, 1.0)
    overseer.ready(2, 1.0)
    assert overseer.held_by(1) == {1, 2}
    assert overseer.lost(1, "was killed", 2.0) == []
    overseer.joined(2, Host("s2", 2), 3.0)
    assert overseer.held_by(2) == {1, 2}
    assert overseer.lost(2, "was killed", 4.0) == [GoHome(1, "s1 was killed, s2 was killed; 2 hosts tried")]
    late = overseer.joined(3, Host("s3", 1), 5.0)
    assert late == [Send(2, 3)], "it had waited on the first, so only one was its fault"


def test_what_a_slave_gives_back_is_not_held_against_the_job():
    overseer = farm(1)
    overseer.ready(1, 1.0)
    for slave in range(2, 9):
        assert overseer.left(slave - 1, 2.0) == []
        assert overseer.joined(slave, Host(f"s{slave}", 1), 2.0) == [Send(1, slave)]


def test_a_slave_that_comes_back_is_used_at_once():
    overseer = farm(1)
    overseer.ready(1, 1.0)
    overseer.lost(1, "was killed", 2.0)
    assert overseer.joined(2, Host("s1", 1), 2.0) == [Send(1, 2)]


def test_a_job_without_an_answer_is_taken_back():
    overseer = farm(1, 1)
    slave = overseer.ready(1, 1.0)[0].slave
    assert overseer.wakeup(1.0) == 1001.0
    assert overseer.tick(1000.9) == []
    assert overseer.tick(1001.0) == [Withdraw(1, slave, "no answer within 1000 s"), Send(1, 3 - slave)]
    assert overseer.done(slave, 1, 1002.0) is None
    assert overseer.done(3 - slave, 1, 1002.0) == []


def test_after_its_rest_a_slave_is_on_trial_with_one_job():
    overseer = farm(3)
    overseer.ready(1, 0.0)
    overseer.failed(1, 1, "disk full", 0.0)
    for job in (2, 3, 4):
        assert overseer.ready(job, 0.5) == []
    assert overseer.tick(1.0) == [Send(2, 1)]
    assert overseer.free == [] and overseer.busy == [1]
    assert overseer.done(1, 2, 2.0) == [Send(3, 1), Send(4, 1)]


def test_jobs_go_home_when_no_slave_can_take_them_soon():
    overseer = farm(1)
    now = 0.0
    for job in (1, 2, 3):
        overseer.ready(job, now)
        overseer.failed(1, job, "disk full", now)
        now = overseer.wakeup(now)
    overseer.ready(4, now)
    overseer.failed(1, 4, "disk full", now)  # rests for 8 seconds now, longer than the grace of 5
    assert overseer.ready(5, now) == [GoHome(5, "s1 rests after: disk full")]


def test_nonsense_sends_the_job_home_and_the_slave_to_rest():
    overseer = farm(1, 1)
    slave = overseer.ready(1, 0.0)[0].slave
    assert overseer.failed(slave, 1, "bad digest", 0.0, elsewhere=False) == []
    assert overseer.holder(1) is None and overseer.running == 0
    assert overseer.ready(2, 0.1) == [Send(2, 3 - slave)]


def test_jobs_that_fail_together_make_a_slave_rest_once():
    overseer = farm(3)
    for job in (1, 2, 3):
        overseer.ready(job, 0.0)
    for job in (1, 2, 3):
        overseer.failed(1, job, "disk full", 0.1)
    assert overseer.wakeup(0.1) == 1.1


def test_a_slave_whose_job_went_too_far_does_not_rest():
    overseer = farm(1, 1)
    slave = overseer.ready(1, 0.0)[0].slave
    assert overseer.failed(slave, 1, "too much memory", 0.0, rests=False) == [Send(1, 3 - slave)]
    assert overseer.ready(2, 0.0) == [Send(2, slave)]


def test_a_failing_host_rests_longer_each_time():
    overseer = farm(1)
    rests = []
    now = 0.0
    for job in range(1, 5):
        overseer.ready(job, now)
        assert overseer.holder(job) == 1
        home = [GoHome(job, "s1: disk full; there is no other slave")]
        assert overseer.failed(1, job, "disk full", now) == home
        until = overseer.wakeup(now)
        rests.append(until - now)
        now = until
    assert rests == [1.0, 2.0, 4.0, 8.0]
    overseer.ready(9, now)
    overseer.done(1, 9, now)
    assert overseer.failed(1, 9, "late", now) is None
    assert overseer.wakeup(now) is None


def test_cancelling():
    overseer = farm(1, prefetch=0)
    overseer.ready(1, 1.0)
    overseer.ready(2, 1.0)
    overseer.ready(3, 1.0)
    assert overseer.cancelled(2, 2.0) == []
    assert overseer.cancelled(1, 2.0) == [Withdraw(1, 1), Send(3, 1)]
    assert overseer.cancelled(77, 2.0) == []
