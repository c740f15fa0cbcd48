"""What an event is, and what makes two of them the same."""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.event import (
    EVENT_TYPES,
    HELD_REASONS,
    Event,
    Sync,
    clean_json,
    instant,
    microseconds,
    missing_keys,
    uid,
)
from machine_connect.roles import ROLES

calm = settings(deadline=None)

NOON = datetime(2026, 1, 5, 12, 0, 0, 7, tzinfo=timezone.utc)


def count(**changes):
    values = {"type": "production.count", "occurred": NOON, "recorded": NOON, "data": {"kind": "good", "delta": 3}}
    return Event(**{**values, **changes})


def test_the_closed_list():
    assert set(EVENT_TYPES) == {
        *("machine.state_changed", "machine.mode_changed", "machine.program_changed"),
        *("production.cycle_completed", "production.count", "production.counter_reset", "production.part_completed"),
        *("production.order_started", "production.order_paused", "production.order_resumed"),
        *("production.order_completed", "production.stock_due", "production.setup_started", "production.setup_ended"),
        *("material.loaded", "material.unloaded", "material.lot_changed", "material.consumed"),
        *("quality.scrap", "quality.defect", "quality.measurement", "quality.check_due"),
        *("downtime.started", "downtime.ended", "downtime.classified", "downtime.split", "downtime.merged"),
        *("condition.exceeded", "condition.cleared"),
        *("alarm.raised", "alarm.acked", "alarm.cleared", "alarm.shelved", "alarm.unshelved", "alarm.suppressed"),
        *("alarm.out_of_service", "meter.reading", "energy.interval", "process.summary", "shift.summary"),
        *("identity.scan", "identity.operator", "agent.birth", "agent.death", "agent.heartbeat", "agent.gap"),
        *("agent.watermark", "agent.config_applied", "agent.clock_offset", "correction.adjust"),
    }
    for name, event_type in EVENT_TYPES.items():
        assert event_type.name == name
        assert event_type.version == 1
        assert isinstance(event_type.sync, Sync)


def test_how_soon():
    soon = {
        name: EVENT_TYPES[name].sync.value for name in ("production.count", "machine.state_changed", "meter.reading")
    }

    assert soon == {
        "production.count": "micro_batch",
        "machine.state_changed": "immediate",
        "meter.reading": "window",
    }
    assert EVENT_TYPES["shift.summary"].sync is Sync.BATCH


def test_every_role_makes_events_of_the_list():
    for role in ROLES.values():
        assert {role.event_type, role.emptied} - {""} <= set(EVENT_TYPES)


def test_what_its_data_lacks():
    assert missing_keys("production.count", {"kind": "good"}) == ["delta"]
    assert missing_keys("agent.heartbeat", {}) == []
    with pytest.raises(KeyError):
        missing_keys("production.guess", {})


def test_the_identity_is_settled():
    """A change here makes every event that is on its way twice."""
    said = b'["urn:mmc:odoo:press","production.count",1767614400000007,{"delta":3,"kind":"good"}]'

    assert uid("urn:mmc:odoo:press", count()) == hashlib.sha256(said).hexdigest()


def test_the_identity_is_what_was_said_where_and_when():
    said = uid("a", count())

    assert said == uid(
        "a", count(recorded=NOON + timedelta(1), quality="uncertain", held="jump", rules=({},), status=4)
    )
    assert said == uid("a", count(data={"delta": 3, "kind": "good"}))
    assert said == uid("a", count(occurred=NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))))
    others = {
        uid("b", count()),
        uid("a", count(type="quality.scrap")),
        uid("a", count(occurred=NOON + timedelta(microseconds=1))),
        uid("a", count(data={"kind": "good", "delta": 4})),
        uid("a", count(data={"kind": "good", "delta": "3"})),
    }
    assert len(others | {said}) == 6


def test_no_two_streams_run_into_each_other():
    assert uid('a","production.count', count()) != uid("a", count())


def test_what_is_no_json_has_no_identity():
    with pytest.raises(ValueError):
        uid("a", count(data={"value": float("nan")}))


@calm
@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_a_moment_survives_to_the_microsecond(moment):
    assert instant(microseconds(moment)) == moment
    assert instant(microseconds(moment)).tzinfo is timezone.utc


@calm
@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_a_number_of_microseconds_survives(us):
    assert microseconds(instant(us)) == us


def test_a_moment_without_a_zone_is_no_moment():
    with pytest.raises(TypeError):
        microseconds(datetime(2026, 1, 5))  # noqa: DTZ001


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
)  # fmt: skip


@calm
@given(json_values)
def test_clean_json_leaves_what_is_clean(value):
    assert clean_json(value) == value
    assert json.loads(json.dumps(clean_json(value), allow_nan=False)) == value


def test_clean_json_leaves_big_numbers_and_turns_tuples_and_enums():
    class Colour(str, Enum):
        RED = "red"

    class Level(int):
        pass

    assert clean_json({"a": 2**64 - 1, "b": (1, Colour.RED, Level(3))}) == {"a": 2**64 - 1, "b": [1, "red", 3]}
    assert type(clean_json(Level(3))) is int
    assert type(clean_json(Colour.RED)) is str


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (float("nan"), r"^\$: nan"),
        ({"a": [1, {"b": float("inf")}]}, r"^\$\.a\[1\]\.b: inf"),
        ({"a": "x\0"}, r"^\$\.a: the text holds a NUL"),
        ({"a\0": 1}, r"NUL"),
        (["\ud800"], r"^\$\[0\]: .*surrogate"),
        ({1: 2}, r"the key 1 is not text"),
        ({"a": b"bytes"}, r"^\$\.a: bytes is not JSON"),
        ({"a": NOON}, r"^\$\.a: datetime is not JSON"),
    ],
)
def test_clean_json_says_where_it_is_not(value, where):
    with pytest.raises(ValueError, match=where):
        clean_json(value)


@calm
@given(st.sampled_from(sorted(HELD_REASONS)), json_values)
def test_an_event_survives_json(held, value):
    event = count(held=held, data={"kind": "good", "delta": 1, "more": value}, rules=({"rule": "clock"},), status=7)

    assert Event.from_json(json.loads(json.dumps(event.as_json()))) == event


def test_an_event_cannot_be_changed():
    with pytest.raises(AttributeError):
        count().held = "jump"
