"""Values that are read often become one line a window, and nothing of them is counted twice or lost."""

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.mapping import interpret
from tests.unit.mapping_feed import at, feed, mapping, reading


def summaries(results):
    return [event for result in results for event in result.events]


def test_a_window_ends_with_the_first_reading_after_it():
    # START is a whole hour, so windows of ten seconds begin at its tens.
    results = feed(mapping("meter", window=10, unit="KWH"), (1, 5.0), (3, 2.0), (9, 8.0), (11, 7.0), (25, 1.0))
    first, second = summaries(results)

    assert first.type == "process.summary"
    assert first.occurred == at(10)
    assert first.data == {
        "n": 3,
        "start": at(0).isoformat(),
        "end": at(10).isoformat(),
        "min": 2.0,
        "max": 8.0,
        "avg": 5.0,
        "last": 8.0,
        "last_at": at(9).isoformat(),
        "unit": "KWH",
        "signal": first.signal,
    }
    assert (second.data["n"], second.occurred) == (1, at(20))
    assert [result.value for result in results] == [5.0, 2.0, 8.0, 7.0, 1.0]


def test_without_a_window_there_is_none():
    assert not summaries(feed(mapping("condition", window=0), (1, 5.0), (3000, 2.0)))


def test_what_the_machine_does_not_have_is_not_summed_up():
    results = feed(mapping("meter", window=10), (1, 5.0), (2, "UNAVAILABLE"), (3, 7.0), (15, 1.0))
    (summary,) = summaries(results)
    assert (summary.data["n"], summary.data["min"]) == (2, 5.0)


def test_another_length_begins_anew():
    memory = feed(mapping("meter", window=3600), (1, 5.0))[-1].memory
    found = interpret(mapping("meter", window=10), memory, reading(5, 2.0))
    assert (found.events, found.memory["n"]) == ((), 1)


def test_a_value_that_the_machine_did_not_write_anew_counts_once():
    results = feed(mapping("meter", window=10), (1, 5.0, 1), (2, 5.0, 1), (3, 5.0, 1), (12, 6.0, 11))
    assert [event.data["n"] for event in summaries(results)] == [1]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(-1e308, 1e308)), min_size=1, max_size=60),
    st.sampled_from([1, 7, 10, 60]),
)
def test_all_summaries_together_hold_each_value_once(steps, window):
    second, readings = 0, []
    for step, value in steps:
        second += step
        readings.append((second, value))
    results = feed(mapping("meter", window=window), *readings, (second + 1000, 0.0))
    groups = {}
    base = int(at(0).timestamp())
    for moment, value in readings:
        groups.setdefault((base + moment) // window, []).append(value)
    told = summaries(results)
    assert [event.data["n"] for event in told] == [len(group) for group in groups.values()]
    for event, group in zip(told, groups.values(), strict=True):
        assert (event.data["min"], event.data["max"], event.data["last"]) == (min(group), max(group), group[-1])
        expected = float(sum(map(Fraction, group)) / len(group))
        assert math.isclose(event.data["avg"], expected, rel_tol=1e-6, abs_tol=max(map(abs, group)) * 1e-6 + 1e-300)
