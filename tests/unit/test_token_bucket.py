"""Does no more come through than the rate and the burst allow, whoever takes it and when, and does nobody wait for ever?"""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.token_bucket import TokenBucket

rates = st.floats(0.1, 1000)
bursts = st.integers(1, 1000)
#: (seconds since the one before, tokens wanted)
arrivals = st.lists(st.tuples(st.floats(0, 10), st.integers(1, 50)), max_size=60)


def test_a_full_bucket_gives_its_burst_and_then_its_rate():
    bucket = TokenBucket(rate=2, burst=4, now=100.0)
    taken = []
    for now in (100.0, 100.0, 100.0, 100.0, 100.0, 100.4, 100.5, 100.6, 101.0):
        if not bucket.wait(now):
            bucket.take(now, 1)
            taken.append(now)

    assert taken == [100.0, 100.0, 100.0, 100.0, 100.5, 101.0]
    assert bucket.wait(101.0) == pytest.approx(0.5)


def test_who_brings_much_at_once_waits_longer_afterwards():
    bucket = TokenBucket(rate=10, burst=20, now=0.0)
    bucket.take(0.0, 50)

    assert bucket.level(0.0) == -30
    assert bucket.wait(0.0) == pytest.approx(3.1)
    assert bucket.wait(3.1) == pytest.approx(0.0)


@settings(deadline=None)
@given(rates, bursts, arrivals)
def test_never_more_than_burst_and_rate_come_through(rate, burst, arrivals):
    bucket, now, taken, last = TokenBucket(rate, burst, 0.0), 0.0, 0, 0
    for pause, count in arrivals:
        now += pause
        if not bucket.wait(now):
            bucket.take(now, count)
            taken, last = taken + count, count
        # What was taken in one piece may be owed; nothing more is.
        assert taken <= burst + rate * now + last + 1e-6
        assert bucket.level(now) <= burst


@settings(deadline=None)
@given(rates, bursts, arrivals, st.floats(1, 2000))
def test_whoever_waits_as_long_as_told_is_served(rate, burst, arrivals, wanted):
    bucket, now = TokenBucket(rate, burst, 0.0), 0.0
    for pause, count in arrivals:
        now += pause
        bucket.take(now, count)
    wait = bucket.wait(now, wanted)

    assert math.isfinite(wait) and wait >= 0
    assert bucket.wait(now + wait, wanted) * rate < 1e-6
    if wait * rate > 1e-3:
        assert bucket.wait(now + wait / 2, wanted) > 0, "it need not have waited so long"


@settings(deadline=None)
@given(rates, bursts, st.lists(st.floats(-5, 5), max_size=30))
def test_a_clock_that_goes_back_makes_no_tokens(rate, burst, steps):
    bucket, now, latest = TokenBucket(rate, burst, 0.0), 0.0, 0.0
    bucket.take(0.0, burst)
    for step in steps:
        now += step
        latest = max(latest, now)
        bucket.take(now, 0)
        assert bucket.level(now) <= min(burst, rate * latest) + 1e-6


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.booleans()), max_size=60))
def test_what_many_take_from_one_is_taken_once(steps):
    """Views of one shared bucket that hand in what they took: all of it arrives, whatever comes between claim and settling."""
    shared = TokenBucket(1e-9, 1000, 0.0)
    views = [TokenBucket(1e-9, 1000, 0.0) for _process in range(3)]
    for process, count, is_late in steps:
        view = views[process]
        view.take(0.0, count)
        claimed = view.claim()
        shared.take(0.0, claimed)
        level = shared.level(0.0)
        if is_late:  # another thread of the process takes some while the database answers
            view.take(0.0, 1)
        view.settle(0.0, level)
        assert view.level(0.0) == pytest.approx(level - is_late)
    taken = sum(count + is_late for _process, count, is_late in steps)
    for view in views:
        shared.take(0.0, view.claim())

    assert shared.level(0.0) == pytest.approx(1000 - taken)
