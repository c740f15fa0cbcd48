"""What a machine did while nobody could hear it is unknown, also when it says the same before and after."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machine_connect.mapping import Interpreter
from machine_connect.reading import Quality
from tests.unit.mapping_feed import UNAVAILABLE, at, events, mapping, reading

HOUR = 3600
SILENCE = 300


def state(**settings):
    return mapping("state", table="packml_opc_30050", silence=SILENCE, **settings)


def line(found):
    """Return when each event was and what it said: state, the state before, and why."""
    return [
        (
            (event.occurred - at(0)).total_seconds(),
            event.data["state"],
            event.data["previous"],
            event.data.get("reason"),
        )
        for event in found
    ]


def bad(seconds, quality=Quality.BAD, code="bad_status"):
    return reading(seconds, None, quality=quality, code=code)


class Poller:
    """Whoever polls one signal: what it is told, what was stored of it, and the events that came of it."""

    def __init__(self, settings, stored="{}"):
        self._interpreter = Interpreter(settings)
        self.memory = json.loads(stored)
        self.events = []

    def _take(self, result):
        self.memory = json.loads(json.dumps(result.memory, allow_nan=False))
        self.events += result.events
        return result

    def hear(self, seconds, value, own=None):
        return self._take(self._interpreter.interpret(self.memory, reading(seconds, value, own=own)))

    def miss(self, seconds, code="connection_timeout"):
        return self._take(self._interpreter.missed(self.memory, at(seconds), code))


EXECUTE, HELD, STOPPED = 6, 11, 2


def test_an_hour_that_nobody_saw_is_unknown_although_it_says_the_same_afterwards():
    found = events(state(), (0, EXECUTE), (10, EXECUTE), (10 + HOUR, EXECUTE), (11 + HOUR, EXECUTE))

    assert line(found) == [
        (0, "running", None, None),
        (10, "unknown", "running", "no_contact"),
        (10 + HOUR, "running", "unknown", None),
    ]
    assert (found[1].data["raw_value"], found[1].quality, found[1].recorded) == (None, "stale", at(10 + HOUR))


def test_it_is_said_while_it_lasts_and_once():
    poller = Poller(state())
    poller.hear(0, EXECUTE)
    poller.hear(10, EXECUTE)
    for seconds in (60, 309, 310, 311, 400, HOUR):
        poller.miss(seconds)

    assert line(poller.events[1:]) == [(10, "unknown", "running", "no_contact")]
    assert poller.events[1].recorded == at(311), "at 310 s it is as long as it may be, and no longer"
    assert poller.events[1].rules[-1] == {
        "rule": "contact", "outcome": "refused", "detail": {"code": "connection_timeout", "seconds": 301.0},
    }  # fmt: skip

    poller.hear(2 * HOUR, STOPPED)
    poller.hear(2 * HOUR + 1, STOPPED)
    assert line(poller.events[2:]) == [(2 * HOUR, "stopped", "unknown", None)]


def test_said_while_it_lasts_or_afterwards_it_is_the_same_event():
    """So that a worker that died before it could store it, and the one after it, cannot say it twice."""
    first, second = Poller(state()), Poller(state())
    for poller in (first, second):
        poller.hear(0, EXECUTE)
    first.miss(HOUR)
    second.hear(2 * HOUR, EXECUTE)
    said, same = first.events[1], second.events[1]

    assert (said.type, said.occurred, said.data) == (same.type, same.occurred, same.data)


def test_a_short_silence_is_none():
    found = events(state(), (0, EXECUTE), (SILENCE, EXECUTE), (2 * SILENCE, EXECUTE))

    assert line(found) == [(0, "running", None, None)]


def test_nobody_said_how_long_it_may_be_silent():
    never = mapping("state", table="packml_opc_30050")

    assert len(events(never, (0, EXECUTE), (HOUR, EXECUTE))) == 1
    assert Interpreter(never).missed({"seen": 0, "state": "running", "at": 0}, at(HOUR)).events == ()


def test_who_was_never_heard_is_not_lost():
    poller = Poller(state())
    poller.miss(HOUR)
    poller.miss(2 * HOUR)

    assert (poller.events, poller.memory) == ([], {})


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE, Quality.UNCERTAIN])
def test_a_value_that_may_not_be_used_is_no_contact(quality):
    rows = [(0, EXECUTE), *(bad(second, quality) for second in range(60, HOUR, 60)), (HOUR, EXECUTE)]

    assert line(events(state(), *rows)) == [
        (0, "running", None, None),
        (0, "unknown", "running", "no_contact"),
        (HOUR, "running", "unknown", None),
    ]


def test_a_value_that_cannot_be_read_is_no_contact():
    bits = state(extraction={"bit": 0}, codes={1: "running", 0: "stopped"})
    found = events(bits, (0, 1), *((second, "x") for second in range(60, HOUR, 60)), (HOUR, 1))

    assert [row[:2] for row in line(found)] == [(0, "running"), (0, "unknown"), (HOUR, "running")]


def test_a_machine_that_says_it_has_no_value_is_heard():
    rows = [(0, EXECUTE), *((second, UNAVAILABLE) for second in range(60, HOUR, 60)), (HOUR, EXECUTE)]
    found = events(state(), *rows)

    assert line(found) == [
        (0, "running", None, None),
        (60, "unknown", "running", None),
        (HOUR, "running", "unknown", None),
    ]


def test_a_machine_that_returns_without_a_value_was_unknown_before():
    found = events(state(), (0, EXECUTE), (HOUR, UNAVAILABLE), (HOUR + 1, EXECUTE))

    assert line(found) == [
        (0, "running", None, None),
        (0, "unknown", "running", "no_contact"),
        (HOUR, "unknown", "unknown", None),
        (HOUR + 1, "running", "unknown", None),
    ]
    assert found[2].data["unavailable"] is True


def test_what_waits_for_its_code_ends_with_the_contact():
    """Mapped a day later, the time until the next event becomes that state: the silence must not be part of it."""
    found = events(state(), (0, 99), (10, 99), (HOUR, 99))

    assert [(row[0], event.data.get("unmapped")) for row, event in zip(line(found), found, strict=True)] == [
        (0, "99"),
        (10, None),
        (HOUR, "99"),
    ]


# The machine's own time


def test_its_own_time_says_since_when_it_is_so():
    found = events(state(), reading(0, EXECUTE, own=-50), reading(HOUR, STOPPED, own=1800))

    assert [row[:2] for row in line(found)] == [(-50, "running"), (0, "unknown"), (1800, "stopped")]


def test_a_time_that_did_not_move_vouches_for_the_time_between():
    """OPC UA Part 4, 7.11.3: the source timestamp is that of the last change of value or status."""
    rows = [reading(0, EXECUTE, own=-50), reading(HOUR, EXECUTE, own=-50), reading(HOUR + 1, EXECUTE, own=-50)]

    assert line(events(state(), *rows)) == [(-50, "running", None, None)]


def test_a_time_that_did_not_move_takes_back_what_was_said_meanwhile():
    poller = Poller(state())
    poller.hear(0, EXECUTE, own=-50)
    poller.hear(10, EXECUTE, own=-50)
    poller.miss(HOUR)
    poller.hear(2 * HOUR, EXECUTE, own=-50)
    poller.hear(2 * HOUR + 1, STOPPED, own=2 * HOUR)

    assert line(poller.events) == [
        (-50, "running", None, None),
        (10, "unknown", "running", "no_contact"),
        (10, "running", "unknown", None),
        (2 * HOUR, "stopped", "running", None),
    ]


def test_a_time_that_moved_vouches_for_nothing():
    """A device that stamps each reading anew, and one whose value was written again."""
    for stamp in (HOUR - 1, 1800):
        found = events(state(), reading(0, EXECUTE, own=-50), reading(HOUR, EXECUTE, own=stamp))

        assert [row[:2] for row in line(found)] == [(-50, "running"), (0, "unknown"), (stamp, "running")]


def test_another_value_with_the_same_time_vouches_for_nothing():
    found = events(state(), reading(0, EXECUTE, own=-50), reading(HOUR, STOPPED, own=-50))

    assert [row[:2] for row in line(found)] == [(-50, "running"), (0, "unknown"), (HOUR, "stopped")]


def test_our_own_time_vouches_for_nothing():
    found = events(state(), reading(0, EXECUTE, own=0), reading(HOUR, EXECUTE, own=HOUR))

    assert [row[:2] for row in line(found)] == [(0, "running"), (0, "unknown"), (HOUR, "running")]


@pytest.mark.parametrize("ahead", [-7200, 400])
def test_by_a_clock_that_is_off_the_silence_lies_where_the_machines_events_lie(ahead):
    found = events(
        state(),
        reading(0, STOPPED, own=-9000 + ahead),
        reading(60, EXECUTE, own=60 + ahead),
        reading(120, EXECUTE, own=60 + ahead),
        reading(HOUR, EXECUTE, own=HOUR + ahead),
        reading(HOUR + 60, HELD, own=HOUR + 60 + ahead),
    )

    assert [(seconds - ahead, code) for seconds, code, *_rest in line(found)] == [
        (-9000, "stopped"),
        (60, "running"),
        (120, "unknown"),
        (HOUR, "running"),
        (HOUR + 60, "held"),
    ]


def test_the_silence_never_begins_before_the_state_that_it_ends():
    found = events(state(), reading(0, EXECUTE, own=100), reading(HOUR, STOPPED, own=-50))

    assert [event.data["state"] for event in found] == ["running", "unknown", "stopped"]
    moments = [event.occurred for event in found]
    assert moments == sorted(moments)


def test_a_silence_of_weeks_is_not_held_for_its_age():
    """Its time is by our clock, which nobody doubts."""
    found = events(state(), (0, EXECUTE), (30 * 24 * HOUR, EXECUTE))

    assert [event.held for event in found] == ["", "", ""]


# Debounce


def test_what_had_only_begun_is_not_known_to_have_lasted():
    found = events(state(debounce=30.0), (0, EXECUTE), (40, EXECUTE), (50, HELD), (HOUR, HELD), (HOUR + 40, HELD))

    assert [row[:2] for row in line(found)] == [(0, "running"), (50, "unknown"), (HOUR, "held")]


def test_what_begins_after_the_silence_must_last_like_anything_else():
    poller = Poller(state(debounce=30.0))
    for second in (0, 40):
        poller.hear(second, EXECUTE)
    poller.hear(HOUR, HELD)
    assert poller.events[-1].data["state"] == "unknown"
    poller.miss(2 * HOUR)
    poller.hear(2 * HOUR + 1, HELD)
    assert len(poller.events) == 2, "two looks an hour apart are not thirty seconds of it"
    poller.hear(2 * HOUR + 40, HELD)

    assert line(poller.events)[-1] == (2 * HOUR + 1, "held", "unknown", None)


# Whatever happens

#: What happens to a poller, a second or an hour after the last: it hears a value, or does not; it may be killed before.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 60, SILENCE, SILENCE + 1, HOUR]),
        st.sampled_from([EXECUTE, HELD, None]),
        st.booleans(),
        st.sampled_from(["fresh", "still", "none"]),
    ),
    min_size=1,
    max_size=30,
)


@given(STEPS)
def test_no_state_but_unknown_ever_spans_a_silence(steps):
    """By whatever way the silence came and whoever noticed it; with each event stored once, in the order of time."""
    settings = state()
    poller, now, heard, changed_at, last = Poller(settings), 0, [], 0, None
    for pause, value, killed, stamp in steps:
        now += pause
        if killed:
            kept = poller.events
            poller = Poller(settings, json.dumps(poller.memory))
            poller.events = kept
        if value is None:
            poller.miss(now)
            continue
        if value != last or stamp == "fresh":
            changed_at, last = now - 0.5, value
        poller.hear(now, value, own=None if stamp == "none" else changed_at)
        vouched = stamp == "still" and bool(heard) and heard[-1][1:3] == (value, changed_at)
        heard.append((now, value, None if stamp == "none" else changed_at, vouched))

    found = line(poller.events)
    moments = [row[0] for row in found]
    assert moments == sorted(moments)
    assert len({json.dumps([str(event.occurred), event.data]) for event in poller.events}) == len(found)
    for (before, *_rest), (after, _value, _stamp, vouched) in zip(heard, heard[1:], strict=False):
        if after - before > SILENCE and not vouched:
            # A new time of the machine is half a second old here.
            said = [code for moment, code, *_rest in found if moment < after - 0.5]
            assert said[-1] == "unknown", (before, after, found)
