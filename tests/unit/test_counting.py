"""Which readings are pieces: counters and cycles, and nothing is lost or invented on the way."""

from datetime import datetime, timedelta, timezone

import pytest

from machine_connect.counter import CounterDescriptor
from machine_connect.event import clean_json
from machine_connect.reading import Quality, Reading
from tests.unit.mapping_feed import (
    EVIDENCE,
    START,
    UNAVAILABLE,
    at,
    data,
    events,
    feed,
    mapping,
    reading,
    refused,
    told,
)

# counters


@pytest.mark.parametrize("kind", ["good", "reject", "rework", "total"])
def test_a_count(kind):
    (event,) = events(mapping(kind), (0, 5), reading(3, 8, raw=EVIDENCE))

    assert event.type == "production.count"
    assert event.occurred == event.recorded == at(3)
    assert event.data == {
        "kind": kind,
        "delta": 3,
        "total_before": 5,
        "total_after": 8,
        "unit": "C62",
        "counter": "S",
        "cause": "advance",
        "raw": EVIDENCE,
    }
    assert (event.quality, event.signal, event.held, event.status) == ("good", "S", "", None)
    assert [(rule["rule"], rule["outcome"]) for rule in event.rules] == [
        ("quality", "passed"),
        ("plausibility", "passed"),
    ]


def test_the_first_value_is_a_baseline():
    (result,) = feed(mapping("good"), (0, 41_233))

    assert result.events == ()
    assert result.value == 41_233
    assert result.changed


def test_an_event_says_which_mapping_made_it():
    (event,) = events(mapping("good", version=7, unit="H87"), (0, 5), (1, 6))

    assert event.mapping_version == 7
    assert event.data["unit"] == "H87"


@pytest.mark.parametrize("value", ["8", " 8 ", 8.0, "8.0"])
def test_a_count_in_any_dress(value):
    assert data(mapping("good"), (0, 5), (3, value))[0]["delta"] == 3


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("eight", ("number", "not_a_number")),
        ("8,0", ("number", "not_a_number")),
        ("1_0", ("number", "not_a_number")),
        ("٨", ("number", "not_a_number")),
        ("9" * 5000, ("number", "not_a_number")),
        ("", ("number", "not_a_number")),
        ("nan", ("number", "not_finite")),
        (float("inf"), ("number", "not_finite")),
        (8.5, ("number", "not_whole")),
        (-8, ("number", "negative")),
        (None, ("value", "empty")),
        ([8], ("number", "not_a_number")),
        ("8\ud800", ("number", "not_a_number")),
    ],
)
def test_bad_input_never_costs_data(value, why):
    results = feed(mapping("good"), (0, 5), (1, value), (3, 8))

    assert results[1].events == ()
    assert results[1].value is None
    assert results[1].memory == results[0].memory
    assert refused(results[1]) == [why]
    assert results[2].events[0].data["delta"] == 3
    clean_json(list(results[1].rules))


def test_what_the_rules_say_is_json_whatever_arrived():
    for value in (float("nan"), "\ud800", "\0x", "x" * 10_000, b"\xff", [float("inf")]):
        for role in ("good", "value", "state", "alarm", "program", "cycle"):
            for result in feed(mapping(role), (0, value)):
                clean_json([list(result.rules), [event.as_json() for event in result.events], result.memory])


def test_a_jump_is_held_and_can_be_released():
    (event,) = events(mapping("good"), (0, 5), (1, 500))

    assert event.held == "jump"
    assert event.data["delta"] == 495
    assert event.data["cause"] == "jump"
    assert event.rules[-1]["outcome"] == "held"


def test_what_it_made_while_it_had_no_value_is_held():
    (event,) = events(mapping("good"), (0, 5), (1, UNAVAILABLE), (2, UNAVAILABLE), (60, 9))

    assert (event.held, event.data["delta"], event.data["total_before"]) == ("interrupted", 4, 5)


def test_the_word_unavailable_as_a_good_text_is_the_same():
    (event,) = events(mapping("good"), (0, "5"), (1, "UNAVAILABLE"), (60, "9"))

    assert event.held == "interrupted"


def test_a_lost_connection_is_caught_up():
    lost = reading(5, None, quality=Quality.BAD, code="connection_lost")
    (event,) = events(mapping("good"), (0, 5), lost, (60, 9))

    assert (event.held, event.data["delta"]) == ("", 4)


@pytest.mark.parametrize("quality", [Quality.UNCERTAIN, Quality.BAD, Quality.STALE])
def test_only_good_values_count(quality):
    results = feed(mapping("good"), (0, 5), reading(1, 6, quality=quality, code="bad_status"), (3, 7))

    assert results[1].events == ()
    assert results[1].memory == results[0].memory
    assert refused(results[1]) == [("quality", "bad_status")]
    assert results[2].events[0].data["delta"] == 2


def test_uncertain_ones_if_the_signal_allows():
    settings = mapping("good", allow_uncertain=True)
    (event,) = events(settings, (0, 5), reading(3, 6, quality=Quality.UNCERTAIN, code="bad_status"))

    assert event.quality == "uncertain"
    assert event.rules[0] == {"rule": "quality", "outcome": "passed", "detail": {"quality": "uncertain"}}
    assert not events(settings, (0, 5), reading(3, 6, quality=Quality.BAD, code="bad_status"))


def test_a_reset_tells_itself_and_counts_what_was_made_since():
    settings = mapping("good", counter=CounterDescriptor("absolute", "u32", "SHIFT", 1.0))
    reset, count = events(settings, (0, 500), (60, 3))

    assert reset.type == "production.counter_reset"
    assert reset.data == {"from": 500, "to": 3, "policy": "SHIFT", "cause": "reset", "counter": "S"}
    assert (count.type, count.data["delta"], count.data["cause"]) == ("production.count", 3, "reset")


def test_a_reset_to_nothing_is_no_production():
    assert [event.type for event in events(mapping("good"), (0, 500), (60, 0))] == ["production.counter_reset"]


def test_a_counter_that_comes_back_books_the_gain_or_says_that_there_is_none():
    gain = told(mapping("good"), (0, 500), (60, 0), (61, 501))
    none = told(mapping("good"), (0, 500), (60, 0), (61, 500))

    assert [(kind, item.get("delta"), item["cause"]) for kind, _at, item in gain] == [
        ("production.counter_reset", None, "reset"),
        ("production.count", 1, "returned"),
    ]
    assert [(kind, item["cause"]) for kind, _at, item in none] == [
        ("production.counter_reset", "reset"),
        ("production.counter_reset", "returned"),
    ]


def test_a_drop_that_nothing_explains_is_held():
    settings = mapping("good", counter=CounterDescriptor("absolute", None, "LIFE", 1.0))
    (event,) = events(settings, (0, 500), (60, 3))

    assert (event.held, event.data["delta"], event.data["total_before"]) == ("implausible_drop", 3, 500)


def test_a_wrap():
    (event,) = events(mapping("good"), (0, 65_534), (60, 3))

    assert (event.data["delta"], event.data["cause"], event.held) == (5, "rollover", "")


def test_a_count_that_may_hide_whole_wraps_says_so():
    settings = mapping("good", counter=CounterDescriptor("absolute", "u8", "LIFE", 1.0))
    (event,) = events(settings, (0, 5), (600, 9))

    assert event.rules[-1]["outcome"] == "doubtful"
    assert event.rules[-1]["detail"]["modulus"] == 256


def test_a_count_over_a_time_when_nobody_looked_names_it():
    looked = events(mapping("good"), (0, 5), (3, 6))
    away = events(mapping("good"), (0, 5), (3.5, 6))

    assert "window" not in looked[0].data
    assert away[0].data["window"] == ["2026-03-02T06:00:00+00:00", "2026-03-02T06:00:03.500000+00:00"]


def test_a_slow_machine_that_was_looked_at_all_the_time_names_none():
    """Also when the machine's own time of the value stands still until it changes."""
    polls = [reading(second, 5, own=-40) for second in range(60)]
    (event,) = events(mapping("good"), *polls, reading(60, 6, own=59.5))

    assert "window" not in event.data


def test_a_held_count_names_its_window_too():
    (event,) = events(mapping("good"), (0, 5), (30, 5_000))

    assert event.held == "jump"
    assert len(event.data["window"]) == 2


def test_a_mould_with_four_cavities():
    counter = CounterDescriptor("absolute", "u16", "unknown", max_rate=4 / 20)
    shots = [(second, 4 * (second // 20)) for second in range(90)]

    assert [item["delta"] for item in data(mapping("good", counter=counter, pieces_per_cycle=4), *shots)] == [
        4,
        4,
        4,
        4,
    ]
    assert {event.held for event in events(mapping("good", counter=counter), *shots)} == {"jump"}


def test_a_counter_is_never_dead_banded():
    assert [item["delta"] for item in data(mapping("good", deadband=100), (0, 5), (2, 6), (4, 7))] == [1, 1]


def test_scale_and_offset():
    counter = CounterDescriptor("absolute", "u23", "LIFE", 10.0)
    tenths = mapping("good", scale=10.0, counter=counter)
    dozens = mapping("good", scale=12, offset=-24, counter=CounterDescriptor("absolute", None, "LIFE", 10.0))

    assert data(tenths, (0, 838_857.6), (130, 10.2))[0]["delta"] == 8_388_608 - 8_388_576 + 102
    assert data(dozens, (0, 2), (130, 4))[0] | {"raw": 0} == {
        **data(dozens, (0, 2), (130, 4))[0],
        "delta": 24,
        "total_before": 0,
        "total_after": 24,
        "raw": 0,
    }
    (result,) = feed(tenths, (0, 1e308))
    assert refused(result) == [("scale", "not_finite")]


def test_big_counters_stay_exact():
    settings = mapping("good", counter=CounterDescriptor("absolute", "u64", "LIFE", 1.0))

    assert data(settings, (0, 2**63 + 1), (60, 2**63 + 3))[0]["delta"] == 2


def test_a_delta_counts_each_value_with_a_time_of_its_own():
    settings = mapping("good", counter=CounterDescriptor("delta", None, "unknown", 1.0))
    readings = [reading(0, 9, own=-1), reading(5, 3, own=4), reading(6, 3, own=4), reading(9, 3, own=8)]

    assert [item["delta"] for item in data(settings, *readings)] == [3, 3]


def test_a_delta_without_a_time_of_its_own_is_never_counted():
    """A register that stands at 3 and is read four times says three pieces once, or four times: nobody can tell."""
    settings = mapping("good", counter=CounterDescriptor("delta", None, "unknown", 1.0))
    results = feed(settings, (0, 3), (10, 3), (20, 3), (30, 4))

    assert [result.events for result in results] == [(), (), (), ()]
    assert results[-1].rules[-1]["detail"] == {"code": "delta_without_time"}


def test_a_delta_counts_once_also_when_the_clock_is_dead():
    settings = mapping("good", counter=CounterDescriptor("delta", None, "unknown", 1.0))
    year_2000 = -26 * 365 * 86_400
    found = events(settings, *(reading(second, 3, own=year_2000) for second in range(0, 50, 10)))

    assert found == []


def test_an_older_delta_of_the_same_batch_is_held_not_lost():
    settings = mapping("good", counter=CounterDescriptor("delta", None, "unknown", 1.0))
    readings = [reading(100, value, own=own) for own, value in ((10, 9), (20, 3), (15, 2), (30, 4))]

    assert [(event.data["delta"], event.held) for event in events(settings, *readings)] == [
        (3, ""),
        (2, "jump"),
        (4, ""),
    ]


def test_a_pulse():
    settings = mapping("good", counter=CounterDescriptor("pulse", None, "unknown", 1.0))
    levels = [(0, False), (1, True), (2, True), (3, False), (4, "1"), (5, 0), (6, 1.0)]

    assert [item["delta"] for item in data(settings, *levels)] == [1, 1, 1]


def test_a_pulse_that_bounces():
    counter = CounterDescriptor("pulse", None, "unknown", 1.0)
    levels = [
        (0, 0),
        (0.5, 0),
        (1.00, 1),
        (1.01, 0),
        (1.02, 1),
        (1.2, 1),
        (2.0, 0),
        (2.01, 1),
        (2.02, 0),
        (2.3, 0),
        (3, 1),
        (4, 1),
    ]
    found = told(mapping("good", counter=counter, debounce=0.1), *levels)

    assert [(seconds, item["delta"]) for _type, seconds, item in found] == [(1.02, 1), (3.0, 1)]
    assert {event.held for event in events(mapping("good", counter=counter), *levels)} == {"", "jump"}


def test_a_pulse_that_bounces_was_looked_at_all_the_time():
    settings = mapping("good", counter=CounterDescriptor("pulse", None, "unknown", 1.0), debounce=1.5)
    levels = [(0, 0), (2, 0), *((second, second % 2) for second in range(3, 20)), (20, 1), (21, 1), (22, 1)]

    assert [(item["delta"], "window" in item) for item in data(settings, *levels)] == [(1, False)]


def test_an_interrupted_pulse_that_bounces():
    settings = mapping("good", counter=CounterDescriptor("pulse", None, "unknown", 1.0), debounce=0.1)

    assert [event.held for event in events(settings, (0, 0), (0.5, 0), (1, UNAVAILABLE), (9, 0), (10, 1), (11, 1))] == [
        ""
    ]


# counters and time


def test_an_older_value_of_the_same_batch_says_nothing():
    readings = [reading(100, value, own=own) for own, value in ((10, 1), (20, 2), (10, 1), (15, 1), (21, 2), (30, 3))]
    results = feed(mapping("good"), *readings)

    assert [event.data["delta"] for result in results for event in result.events] == [1, 1]
    assert refused(results[2]) == [("sequence", "older")]


def test_a_machine_clock_that_is_set_back_loses_no_piece():
    hours = [
        reading(second, 5 + second // 10, own=second if second < 60 else second - 3600) for second in range(0, 120, 5)
    ]
    found = events(mapping("good"), *hours)

    assert sum(event.data["delta"] for event in found) == 11
    assert {event.held for event in found} == {""}


def test_a_machine_clock_that_fell_to_the_year_2000_is_held():
    year_2000 = (datetime(2000, 1, 1, tzinfo=timezone.utc) - START).total_seconds()
    fallen = [reading(second, 5 + second // 10, own=year_2000 + second) for second in range(60, 120, 5)]
    found = events(mapping("good"), reading(0, 5), reading(55, 10), *fallen)

    assert [(event.held, event.data["delta"]) for event in found] == [("", 5), *[("clock_late", 1)] * 6]
    assert found[1].occurred.year == 2000
    assert found[1].recorded == at(60)
    assert found[1].rules[-1]["rule"] == "clock"


def test_a_machine_clock_that_runs_ahead_is_held_and_gives_no_time_to_count_in():
    ahead = reading(10, 4_000, own=86_400)
    (event,) = events(mapping("good"), reading(0, 5), ahead)

    assert event.held == "jump"
    (event,) = events(mapping("good"), reading(0, 5), reading(10, 6, own=86_400))
    assert event.held == "clock_early"


def test_the_windows_can_be_moved_and_switched_off():
    old = [reading(0, 5, own=-8 * 86_400), reading(60, 6, own=-8 * 86_400 + 60)]

    assert [event.held for event in events(mapping("good"), *old)] == ["clock_late"]
    assert [event.held for event in events(mapping("good", late_window=9 * 86_400), *old)] == [""]
    assert [event.held for event in events(mapping("good", late_window=None), *old)] == [""]
    early = [reading(0, 5, own=601), reading(60, 6, own=661)]
    assert [event.held for event in events(mapping("good"), *early)] == ["clock_early"]
    assert [event.held for event in events(mapping("good", early_window=None), *early)] == [""]


@pytest.mark.parametrize(
    ("seconds", "held"), [(-7 * 86_400, ""), (-7 * 86_400 - 1, "clock_late"), (600, ""), (601, "clock_early")]
)
def test_the_edges_of_the_windows(seconds, held):
    (event,) = events(mapping("state", table="mtconnect_execution"), reading(0, "ACTIVE", own=seconds))

    assert event.held == held


def test_a_clock_that_shows_local_time():
    """A controller in Kolkata shows 11:30 when it is 06:00 UTC, and the protocol says that this is UTC."""
    settings = mapping("state", table="mtconnect_execution", zone="Asia/Kolkata")
    labelled = Reading("S", "ACTIVE", START + timedelta(hours=5, minutes=30), at(1))
    naive = Reading("S", "ACTIVE", (START + timedelta(hours=5, minutes=30)).replace(tzinfo=None), at(1))
    ours = reading(0, "ACTIVE")

    for item in (labelled, naive, ours):
        (event,) = events(settings, item)
        assert event.occurred == START
        assert event.occurred.tzinfo is timezone.utc
        assert event.held == ""
    (event,) = events(
        mapping("state", table="mtconnect_execution"), Reading("S", "ACTIVE", START.replace(tzinfo=None), at(1))
    )
    assert event.occurred == START


# cycles


def cycle(**settings):
    return mapping("cycle", **settings)


def test_a_cycle():
    found = events(
        cycle(pieces_per_cycle=2),
        (0, "ACTIVE"),
        (50, "PROGRAM_COMPLETED"),
        (60, "ACTIVE"),
        reading(110, "PROGRAM_COMPLETED", raw=EVIDENCE),
    )

    assert [event.type for event in found] == ["production.cycle_completed"] * 2
    assert found[0].data == {"qty": 2, "value": "PROGRAM_COMPLETED", "cycle_s": None, "unit": "C62", "signal": "S"}
    assert found[1].data == {
        "qty": 2,
        "value": "PROGRAM_COMPLETED",
        "cycle_s": 60.0,
        "unit": "C62",
        "signal": "S",
        "raw": EVIDENCE,
    }


def test_the_first_reading_is_no_cycle():
    assert events(cycle(), reading(1, "PROGRAM_COMPLETED", own=0), reading(2, "PROGRAM_COMPLETED", own=0)) == []


def test_a_new_time_is_a_cycle_also_when_nothing_was_seen_in_between():
    readings = [reading(60 * number, "PROGRAM_COMPLETED", own=55 * (number // 3)) for number in range(9)]
    found = told(cycle(), *readings)

    assert [(seconds, item["cycle_s"]) for _type, seconds, item in found] == [(55, 55.0), (110, 55.0)]


def test_our_own_time_is_no_new_time():
    """A protocol without times gives each reading the time of the read."""
    polls = [(second, "PROGRAM_COMPLETED") for second in range(100)]

    assert events(cycle(), *polls) == []
    assert len(events(cycle(), (-1, "ACTIVE"), *polls, (100, "ACTIVE"), (101, "PROGRAM_COMPLETED"))) == 2


def test_a_device_that_stamps_each_reading_anew():
    """By the fastest cycle, or by being told, one sees that such a time is none."""
    stamps = [reading(second, "PROGRAM_COMPLETED", own=second - 0.1) for second in range(100)]
    fastest = CounterDescriptor("absolute", None, "unknown", max_rate=1 / 20)

    assert events(cycle(counter=fastest), *stamps) == []
    assert events(cycle(time_is_change=False), *stamps) == []
    again = [reading(100, "ACTIVE", own=99.9), reading(130, "PROGRAM_COMPLETED", own=129.9)]
    assert len(events(cycle(counter=fastest), *stamps, *again)) == 1
    assert len(events(cycle(time_is_change=False), *stamps, *again)) == 1
    unseen = [reading(200, "PROGRAM_COMPLETED", own=199)]
    assert len(events(cycle(counter=fastest), *stamps, *unseen)) == 1


def test_the_same_completion_again_is_none():
    readings = [
        reading(0, "ACTIVE", own=0),
        reading(50, "PROGRAM_COMPLETED", own=49),
        reading(51, "ACTIVE", own=50),
        reading(52, "PROGRAM_COMPLETED", own=49),
        reading(53, "PROGRAM_COMPLETED", own=49),
    ]

    assert len(events(cycle(), *readings)) == 1


def test_an_older_reading_of_the_same_batch_is_none():
    batch = [
        reading(100, value, own=own)
        for own, value in ((0, "ACTIVE"), (50, "PROGRAM_COMPLETED"), (20, "ACTIVE"), (45, "PROGRAM_COMPLETED"))
    ]

    assert len(events(cycle(), *batch)) == 1


def test_what_a_machine_says_again_after_it_had_no_value_is_none():
    readings = [
        reading(0, "ACTIVE", own=0),
        reading(50, "PROGRAM_COMPLETED", own=49),
        reading(60, UNAVAILABLE),
        reading(90, "PROGRAM_COMPLETED", own=80),
        reading(91, "PROGRAM_COMPLETED", own=80),
        reading(130, "PROGRAM_COMPLETED", own=129),
    ]

    assert [item["cycle_s"] for item in data(cycle(), *readings)] == [None, 49.0]


def test_an_interrupted_cycle_is_one_when_it_ends():
    assert len(events(cycle(), (0, "ACTIVE"), (1, UNAVAILABLE), (2, "ACTIVE"), (50, "PROGRAM_COMPLETED"))) == 1


@pytest.mark.parametrize(
    ("values", "ready", "done"), [(("1",), 0, 1), (("true",), False, True), ((True,), "0", "1"), (("17",), 6, 17.0)]
)
def test_bits_and_numbers(values, ready, done):
    assert len(events(cycle(cycle_values=values), (0, ready), (50, done), (60, ready), (110, done))) == 2


def test_bad_values_of_a_cycle_cost_nothing():
    lost = reading(55, None, quality=Quality.BAD, code="connection_lost")

    assert len(events(cycle(), (0, "ACTIVE"), (50, "PROGRAM_COMPLETED"), lost, (60, "PROGRAM_COMPLETED"))) == 1
