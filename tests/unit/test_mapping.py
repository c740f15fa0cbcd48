"""What a mapping may be, how it finds its values, and what holds for every role, also when a process dies."""

import json
import time
from datetime import timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.counter import CounterDescriptor
from machine_connect.event import EVENT_TYPES, HELD_REASONS, clean_json, missing_keys, uid
from machine_connect.mapping import ROLES, Interpreter, MappingInvalid, SignalMapping, interpret
from machine_connect.reading import Quality, Reading
from tests.unit.mapping_feed import at, events, feed, mapping, reading, refused

calm = settings(deadline=None)
few = settings(deadline=None, max_examples=40)


# roles


def test_the_roles():
    assert {name: role.evaluator for name, role in ROLES.items()} == {
        "state": "state",
        "good": "counter",
        "reject": "counter",
        "rework": "counter",
        "total": "counter",
        "cycle": "cycle",
        "alarm": "alarm",
        "program": "change",
        "order": "change",
        "lot": "lot",
        "scan": "scan",
        "operator": "change",
        "scale": "scale",
        "mode": "change",
        "meter": "summary",
        "energy": "none",
        "condition": "summary",
        "value": "none",
    }


# extraction


@pytest.mark.parametrize(
    ("extraction", "value", "found"),
    [
        ({"bit": 0}, 1, True),
        ({"bit": 15}, -1, True),
        ({"bit": 15}, 32_767, False),
        ({"bit": 63}, 2**63, True),
        ({"bit": 1}, "2", True),
        ({"bit": 1}, 2.0, True),
        ({"slice": [0, 4]}, "AB12CD", "AB12"),
        ({"slice": [2, None]}, "AB12CD", "12CD"),
        ({"slice": [-2, None]}, "AB12CD", "CD"),
        ({"slice": [9, 12]}, "AB12CD", ""),
        ({"regex": r"N(\d+)"}, "G01 N120 X4", "120"),
        ({"regex": r"^[A-Z]+"}, "G01 N120", "G"),
        ({"regex": r"(?:mo|MO)/(\d{1,6})\b"}, "run MO/77 now", "77"),
    ],
)
def test_extraction(extraction, value, found):
    (result,) = feed(mapping("value", extraction=extraction), (0, value))

    assert result.value == found
    assert refused(result) == []


@pytest.mark.parametrize(
    ("extraction", "value", "why"),
    [
        ({"bit": 1}, "word", ("number", "not_a_number")),
        ({"bit": 1}, 2.5, ("extraction", "not_whole")),
        ({"regex": r"N(\d+)"}, "G01 X4", ("extraction", "no_match")),
        ({"regex": r"N(\d+)|G"}, "G01 X4", ("extraction", "no_match")),
    ],
)
def test_what_cannot_be_found_is_refused(extraction, value, why):
    (result,) = feed(mapping("value", extraction=extraction), (0, value))

    assert result.value is None
    assert refused(result) == [why]


def test_an_event_says_how_its_value_was_found():
    (event,) = events(mapping("good", extraction={"regex": r"(\d+)$"}, scale=2), (0, "COUNT 5"), (9, "COUNT 7"))

    assert event.data["delta"] == 4
    assert event.rules[1:3] == (
        {"rule": "extraction", "outcome": "passed", "detail": {"regex": r"(\d+)$"}},
        {"rule": "scale", "outcome": "passed", "detail": {"scale": 2, "offset": 0.0}},
    )


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(a*)*",
        r"(?:a|aa)+$",
        r"(a?){50}b",
        r"a*a*a*a*b",
        r"\w{1,200}\d{1,200}\w{1,200}x",
        r"(a)\1+",
        r"(?=a+)b",
        r"(a",
        "x" * 201,
        7,
        None,
    ],
)
def test_a_pattern_that_a_text_could_hold_up_is_refused(pattern):
    with pytest.raises(MappingInvalid) as error:
        Interpreter(mapping("value", extraction={"regex": pattern}))
    assert (error.value.field, error.value.code) == ("extraction", "expression_invalid")


@pytest.mark.parametrize("pattern", [r"^(\w+)\s(\w+)\s\w+$", r"\w+\W+\w{9}x", r"(?:[a-z]?){1}x"])
def test_the_worst_pattern_is_quick(pattern):
    began = time.process_time()
    feed(mapping("value", extraction={"regex": pattern}), (0, "a " * 5000), (1, "a" * 5000), (2, "a" * 255 + "!"))
    assert time.process_time() - began < 1


# the mapping


@pytest.mark.parametrize(
    ("settings", "field", "code"),
    [
        (SignalMapping("S", "speed"), "role", "unknown_choice"),
        (SignalMapping("S", "good"), "counter", "missing"),
        (SignalMapping("S", "state", table="packml"), "table", "unknown_choice"),
        (SignalMapping("S", "state", codes={"1": "walking"}), "codes", "unknown_choice"),
        (SignalMapping("S", "value", zone="Mars/Olympus"), "zone", "unknown_zone"),
        (SignalMapping("S", "value", zone="../../etc/passwd"), "zone", "unknown_zone"),
        (SignalMapping("S", "value", scale=0), "scale", "out_of_range"),
        (SignalMapping("S", "value", scale=float("nan")), "scale", "not_a_number"),
        (SignalMapping("S", "value", offset="1"), "offset", "not_a_number"),
        (SignalMapping("S", "value", deadband=-1), "deadband", "out_of_range"),
        (SignalMapping("S", "value", debounce=-1), "debounce", "out_of_range"),
        (SignalMapping("S", "meter", window=-1), "window", "out_of_range"),
        (SignalMapping("S", "cycle", pieces_per_cycle=0), "pieces_per_cycle", "out_of_range"),
        (SignalMapping("S", "value", extraction={"bit": 64}), "extraction", "expression_invalid"),
        (SignalMapping("S", "value", extraction={"bit": True}), "extraction", "expression_invalid"),
        (SignalMapping("S", "value", extraction={"slice": [1]}), "extraction", "expression_invalid"),
        (SignalMapping("S", "value", extraction={"slice": ["a", 2]}), "extraction", "expression_invalid"),
        (SignalMapping("S", "value", extraction={"bit": 1, "slice": [1, 2]}), "extraction", "expression_invalid"),
        (SignalMapping("S", "value", extraction={"path": "a"}), "extraction", "expression_invalid"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_what_is_wrong(settings, field, code):
    with pytest.raises(MappingInvalid) as error:
        Interpreter(settings)
    assert (error.value.field, error.value.code) == (field, code)


def test_a_mapping_survives_json():
    settings = mapping(
        "good", extraction={"slice": [0, 4]}, codes={"1": "x"}, cycle_values=("A", "B"), zone="Europe/Berlin"
    )

    assert SignalMapping.from_json(json.loads(json.dumps(settings.as_json()))) == settings
    with pytest.raises(TypeError):
        SignalMapping.from_json({"name": "S", "role": "good", "speed": 1})


def test_interpret_is_the_interpreters_short_form():
    settings = mapping("good")
    first = interpret(settings, None, reading(0, 5))

    assert interpret(settings, first.memory, reading(1, 6)) == Interpreter(settings).interpret(
        first.memory, reading(1, 6)
    )


# what holds for all roles


SETTINGS = {
    "good": mapping("good"),
    "pulse": mapping("good", counter=CounterDescriptor("pulse", None, "unknown", 5.0), debounce=0.5),
    "delta": mapping("good", counter=CounterDescriptor("delta", None, "unknown", 5.0)),
    "scaled": mapping("good", scale=2, extraction={"regex": r"(\d+)"}),
    "state": mapping("state", table="mtconnect_execution", codes={"1": {"state": "fault", "reason": "JAM"}}),
    "state debounced": mapping("state", table="mtconnect_execution", debounce=3),
    "cycle": mapping("cycle", cycle_values=("PROGRAM_COMPLETED", 1)),
    "alarm": mapping("alarm", codes={"5": "Jam"}),
    "alarm debounced": mapping("alarm", debounce=3),
    "order": mapping("order"),
    "program debounced": mapping("program", debounce=3),
    "value": mapping("value", deadband=2, scale=0.5),
    "summary": mapping("meter", window=10, scale=0.5),
    "scale": mapping("scale", deadband=3),
    "scale debounced": mapping("scale", debounce=3),
}

values = st.one_of(
    st.integers(0, 12),
    st.integers(-5, 70_000),
    st.sampled_from(
        ["ACTIVE", "READY", "PROGRAM_COMPLETED", "UNAVAILABLE", "NORMAL", "", "5", "WARMING", "N7", "\0", "x\ud800"]
    ),
    st.booleans(),
    st.floats(),
    st.text(max_size=5),
    st.none(),
)
qualities = st.sampled_from(
    [(Quality.GOOD, "")] * 6 + [(Quality.BAD, "unavailable"), (Quality.STALE, ""), (Quality.BAD, "no_answer")]
)
steps = st.tuples(st.integers(0, 4), st.integers(-3, 6), values, qualities)
flows = st.tuples(st.booleans(), st.lists(steps, max_size=25))


def flow(items):
    """Readings as they may come: in batches, twice, late, by the machine's time or by ours, of any value."""
    timed, items = items
    read, own, found = 0.0, 0.0, []
    for gap, step, value, (quality, code) in items:
        read += gap
        own += step
        value = None if quality is Quality.BAD else value
        found.append(Reading("S", value, at(own if timed else read), at(read), quality, code, None, {"v": str(value)}))
    return found


@pytest.mark.parametrize("name", SETTINGS)
@few
@given(flows)
def test_a_crash_between_two_readings_changes_nothing(name, items):
    settings = SETTINGS[name]
    interpreter, memory, stored = Interpreter(settings), {}, "{}"
    for item in flow(items):
        ours = interpreter.interpret(memory, item)
        others = Interpreter(settings).interpret(json.loads(stored), item)
        assert ours == others
        assert [uid("s", event) for event in ours.events] == [uid("s", event) for event in others.events]
        memory, stored = ours.memory, json.dumps(others.memory, allow_nan=False)
        assert json.loads(stored) == memory


@pytest.mark.parametrize("name", SETTINGS)
@few
@given(flows)
def test_a_memory_that_need_not_be_stored_need_not_be_stored(name, items):
    """Kept only when it says that it changed, it makes the same of what follows: but for how sure we are of a count."""
    if name in ("good", "scaled", "pulse", "delta"):
        return  # there the time moves on; see the next test
    interpreter, memory, lazy = Interpreter(SETTINGS[name]), {}, {}
    for item in flow(items):
        exact, result = interpreter.interpret(memory, item), interpreter.interpret(lazy, item)
        if name != "cycle":
            assert exact.events == result.events
        memory = exact.memory
        lazy = result.memory if result.changed else lazy


@calm
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2)), min_size=1, max_size=40))
def test_a_counter_that_is_stored_lazily_counts_the_same(batches):
    interpreter, memory, lazy = Interpreter(mapping("good")), {}, {}
    now, shown, exact_total, lazy_total = 0, 0, 0, 0
    for gap, pieces in batches:
        now += gap
        shown += min(pieces, gap)
        item = reading(now, shown)
        exact, result = interpreter.interpret(memory, item), interpreter.interpret(lazy, item)
        exact_total += sum(event.data["delta"] for event in exact.events)
        lazy_total += sum(event.data["delta"] for event in result.events)
        memory = exact.memory
        lazy = result.memory if result.changed else lazy
    assert exact_total == lazy_total


@pytest.mark.parametrize("name", SETTINGS)
@few
@given(flows)
def test_every_event_is_fit_to_be_sent(name, items):
    for event in events(SETTINGS[name], *flow(items)):
        assert event.type in EVENT_TYPES
        assert missing_keys(event.type, event.data) == []
        assert clean_json(event.data) == event.data
        assert event.held in ("", *HELD_REASONS)
        assert event.occurred.tzinfo is timezone.utc
        assert event.quality == "good" or event.data.get("unavailable")
        assert [rule for rule in event.rules if set(rule) != {"rule", "outcome", "detail"}] == []
        uid("s", event)


@pytest.mark.parametrize("name", SETTINGS)
@few
@given(flows)
def test_the_same_reading_twice_is_told_once(name, items):
    """What came late in a batch may be told again, as the very same event."""
    if name == "pulse":
        items = False, items[1]  # of levels that come out of order nobody can tell which one lasted
    once = flow(items)
    twice = [item for item in once for _again in range(2)]
    expected, found = ([uid("s", event) for event in events(SETTINGS[name], *given)] for given in (once, twice))

    assert list(dict.fromkeys(found)) == list(dict.fromkeys(expected))


@pytest.mark.parametrize("name", SETTINGS)
@few
@given(flows)
def test_no_memory_grows(name, items):
    for result in feed(SETTINGS[name], *flow(items)):
        assert len(json.dumps(result.memory)) < 1000


@pytest.mark.parametrize("name", ["state", "cycle", "alarm", "order", "state debounced"])
def test_nothing_new_is_nothing_to_store(name):
    interpreter = Interpreter(SETTINGS[name])
    memory = {}
    for second in range(10):
        memory = interpreter.interpret(memory, reading(second, "ACTIVE")).memory
    result = interpreter.interpret(memory, reading(11, "ACTIVE"))

    assert result.memory is memory
    assert not result.changed


def test_a_counter_that_stands_still_is_nothing_that_must_be_stored():
    interpreter = Interpreter(mapping("good"))
    memory = interpreter.interpret({}, reading(0, 5)).memory
    again = interpreter.interpret(memory, reading(0, 5))
    later = interpreter.interpret(memory, reading(1, 5))

    assert again.memory is memory
    assert later.memory != memory
    assert not later.changed
