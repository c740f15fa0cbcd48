"""Which readings are news: states, alarms and names when they change, and how long they must last."""

import pytest

from machine_connect.mapping import Interpreter
from machine_connect.reading import Quality
from tests.unit.mapping_feed import EVIDENCE, UNAVAILABLE, at, data, events, feed, mapping, reading, refused, told

# states


def state(**settings):
    return mapping("state", table="mtconnect_execution", **settings)


def test_a_state():
    found = events(state(), (0, "READY"), (1, "READY"), reading(2, "active", raw=EVIDENCE))

    assert [event.type for event in found] == ["machine.state_changed"] * 2
    assert found[0].data == {
        "state": "idle",
        "previous": None,
        "item_state": "not_executing",
        "mode": "processing",
        "raw_value": "READY",
        "signal": "S",
    }
    assert found[1].data == {
        "state": "running",
        "previous": "idle",
        "item_state": "executing",
        "mode": "processing",
        "raw_value": "active",
        "signal": "S",
        "raw": EVIDENCE,
    }
    assert found[1].rules[-1] == {"rule": "mapping", "outcome": "passed", "detail": {"table": "mtconnect_execution"}}


def test_only_a_change_of_the_meaning_is_news():
    assert len(events(state(), (0, "FEED_HOLD"), (1, "INTERRUPTED"), (2, "OPTIONAL_STOP"))) == 1


def test_what_is_not_mapped_is_unknown_and_waits():
    found = data(state(), (0, "ACTIVE"), (1, "WARMING"), (2, "WARMING"), (3, "COOLING"), (4, "ACTIVE"))

    assert [(item["state"], item.get("unmapped")) for item in found] == [
        ("running", None),
        ("unknown", "WARMING"),
        ("unknown", "COOLING"),
        ("running", None),
    ]


def test_what_is_mapped_to_unknown_does_not_wait():
    (item,) = data(mapping("state", table="packml_opc_30050"), (0, 0))

    assert item["state"] == "unknown"
    assert "unmapped" not in item


def test_the_cross_reference_wins_over_the_table():
    codes = {"READY": "starved", "7": {"state": "fault", "reason": "JAM"}, "ACTIVE": {"reason": "SLOW"}}
    found = data(state(codes=codes), (0, "READY"), (1, 7), (2, "7.0"), (3, "ACTIVE"), (4, "STOPPED"))

    assert [(item["state"], item.get("reason")) for item in found] == [
        ("starved", None),
        ("fault", "JAM"),
        ("running", "SLOW"),
        ("stopped", None),
    ]


def test_another_reason_is_news():
    codes = {1: {"state": "fault", "reason": "JAM"}, 2: {"state": "fault", "reason": "DOOR"}}
    found = data(mapping("state", codes=codes), (0, 1), (1, 2))

    assert [(item["state"], item["previous"], item["reason"]) for item in found] == [
        ("fault", None, "JAM"),
        ("fault", "fault", "DOOR"),
    ]


def test_a_code_that_is_mapped_meanwhile_is_understood_without_a_change():
    (before,) = feed(state(), (0, "WARMING"))
    result = Interpreter(state(codes={"WARMING": "setup"})).interpret(before.memory, reading(5, "WARMING"))

    assert [(event.data["state"], event.data["previous"]) for event in result.events] == [("setup", "unknown")]


def test_our_own_words_need_no_table():
    assert [item["state"] for item in data(mapping("state"), (0, "running"), (1, "Fault"))] == ["running", "fault"]


def test_unavailable_is_unknown_and_said_once():
    found = events(state(), (0, "ACTIVE"), (1, UNAVAILABLE), (2, UNAVAILABLE), (3, "ACTIVE"))

    assert [event.data["state"] for event in found] == ["running", "unknown", "running"]
    assert found[1].data["raw_value"] is None
    assert found[1].data["unavailable"] is True
    assert (found[1].quality, found[1].occurred) == ("bad", at(1))


def test_unavailable_as_text_is_the_same():
    found = data(state(), (0, "ACTIVE"), (1, "UNAVAILABLE"), (2, "UNAVAILABLE"))

    assert [(item["state"], item.get("unavailable")) for item in found] == [("running", None), ("unknown", True)]


@pytest.mark.parametrize("quality", [Quality.UNCERTAIN, Quality.BAD, Quality.STALE])
def test_a_lost_connection_is_no_state_of_the_machine(quality):
    lost = reading(1, None, quality=quality, code="connection_timeout")
    results = feed(state(), (0, "ACTIVE"), lost, (2, "ACTIVE"))

    assert len(results[0].events) == 1
    assert not results[1].events and not results[2].events
    assert results[1].memory == results[0].memory


def test_a_state_that_comes_late_is_told_with_its_own_time():
    """In one batch: the machine was held at 15, which we learn after it stopped at 20."""
    batch = [
        reading(100, value, own=own)
        for own, value in ((10, "ACTIVE"), (20, "STOPPED"), (15, "FEED_HOLD"), (30, "STOPPED"))
    ]
    found = told(state(), *batch)

    assert [(seconds, item["state"], item["previous"]) for _type, seconds, item in found] == [
        (10, "running", None),
        (20, "stopped", "running"),
        (15, "held", None),
    ]


def test_a_state_by_a_clock_that_was_set_back_is_followed():
    found = told(
        state(), reading(10, "ACTIVE", own=10), reading(20, "STOPPED", own=-3580), reading(21, "ACTIVE", own=-3579)
    )

    assert [item["state"] for _type, _seconds, item in found] == ["running", "stopped", "running"]


def test_states_by_bits():
    word = mapping("state", extraction={"bit": 2}, codes={1: "fault", 0: "running"})

    assert [item["state"] for item in data(word, (0, 0b1011), (1, 0b0100), (2, -1), (3, "8"))] == [
        "running",
        "fault",
        "running",
    ]


def test_an_empty_text_is_no_word_that_could_be_mapped():
    (item,) = data(state(), (0, ""))

    assert item["state"] == "unknown"
    assert "unmapped" not in item


# debounce


def test_a_value_speaks_when_it_was_stable_and_from_when_it_became_so():
    found = told(
        state(debounce=5), (0, "READY"), (5, "READY"), (6, "ACTIVE"), (8, "ACTIVE"), (11, "ACTIVE"), (20, "ACTIVE")
    )

    assert [(seconds, item["state"]) for _type, seconds, item in found] == [(0, "idle"), (6, "running")]


def test_a_flicker_says_nothing():
    results = feed(
        state(debounce=5), (0, "READY"), (5, "READY"), (6, "ACTIVE"), (8, "READY"), (14, "ACTIVE"), (15, "READY")
    )

    assert [len(result.events) for result in results] == [0, 1, 0, 0, 0, 0]
    assert refused(results[3]) == [("debounce", None)]
    assert "pending" not in results[3].memory


def test_a_flicker_between_two_others_says_nothing():
    found = data(state(debounce=5), (0, "READY"), (5, "READY"), (6, "ACTIVE"), (8, "STOPPED"), (13, "STOPPED"))

    assert [item["state"] for item in found] == ["idle", "stopped"]


def test_a_value_whose_own_time_proves_that_it_lasted_needs_no_second_look():
    readings = [
        reading(0, "READY", own=-90),
        reading(5, "READY", own=-90),
        reading(65, "ACTIVE", own=20),
        reading(125, "READY", own=110),
        reading(185, "READY", own=110),
    ]
    found = told(state(debounce=5), *readings)

    assert [(seconds, item["state"], item["previous"]) for _type, seconds, item in found] == [
        (-90, "idle", None),
        (20, "running", "idle"),
        (110, "idle", "running"),
    ]


def test_a_machine_that_has_no_value_is_told_at_once():
    found = told(
        state(debounce=5), (0, "READY"), (5, "READY"), (6, "ACTIVE"), (7, UNAVAILABLE), (8, "ACTIVE"), (13, "ACTIVE")
    )

    assert [(seconds, item["state"]) for _type, seconds, item in found] == [(0, "idle"), (7, "unknown"), (8, "running")]


# alarms


def alarm(**settings):
    return mapping("alarm", **settings)


@pytest.mark.parametrize("normal", [0, False, "", "0", 0.0, "NORMAL", "normal", " "])
def test_no_alarm(normal):
    assert events(alarm(), (0, normal), (1, normal)) == []


def test_a_number_is_its_code():
    found = told(alarm(), (0, 0), (5, 700), (6, 700), (9, 0))

    assert found == [
        ("alarm.raised", 5, {"code": "700", "text": "", "raw_value": 700, "signal": "S"}),
        (
            "alarm.cleared",
            9,
            {"code": "700", "text": "", "since": "2026-03-02T06:00:05+00:00", "raw_value": 0, "signal": "S"},
        ),
    ]


def test_another_code_ends_the_first():
    assert [(kind, item["code"]) for kind, _at, item in told(alarm(), (0, 0), (5, 700), (6, 701))] == [
        ("alarm.raised", "700"),
        ("alarm.cleared", "700"),
        ("alarm.raised", "701"),
    ]


def test_an_alarm_that_is_active_already_is_raised():
    assert [kind for kind, _at, _data in told(alarm(), (0, "E-STOP TRIGGERED"))] == ["alarm.raised"]


def test_a_text_is_its_code_and_its_text():
    long = "hydraulic oil " * 20
    (item,) = data(alarm(), (0, long))

    assert item["code"] == long.strip()[:128]
    assert item["text"] == long.strip()


def test_a_bit():
    found = data(alarm(extraction={"bit": 3}), (0, 0), (1, 8), (2, 0))

    assert [item["code"] for item in found] == ["S", "S"]


def test_the_cross_reference_words_an_alarm():
    codes = {
        "700": {"code": "F700", "text": "Jam", "severity": 800},
        "701": "Door open",
        "OK": "",
        "702": {"code": "F700", "text": "Jam again"},
    }
    found = told(alarm(codes=codes), (0, "ok"), (1, 700), (2, 702), (3, "701"), (4, "OK"))

    assert [(kind, item["code"], item["text"], item.get("severity")) for kind, _at, item in found] == [
        ("alarm.raised", "F700", "Jam", 800),
        ("alarm.cleared", "F700", "Jam", 800),
        ("alarm.raised", "701", "Door open", None),
        ("alarm.cleared", "701", "Door open", None),
    ]


def test_an_alarm_whose_code_is_said_to_be_none_meanwhile_clears():
    stored = feed(mapping("alarm"), (0, 0), (5, 17))[-1].memory
    interpreter = Interpreter(mapping("alarm", codes={17: ""}))
    results = [interpreter.interpret(stored, reading(second, 17)) for second in (10,)]
    results.append(interpreter.interpret(results[0].memory, reading(15, 17)))

    assert [[event.type for event in result.events] for result in results] == [["alarm.cleared"], []]


def test_a_program_whose_name_is_translated_meanwhile_is_told_once():
    stored = feed(mapping("program"), (0, "O1234"))[-1].memory
    interpreter = Interpreter(mapping("program", codes={"O1234": "Flange"}))
    first = interpreter.interpret(stored, reading(10, "O1234"))
    second = interpreter.interpret(first.memory, reading(20, "O1234"))

    assert [event.data["value"] for event in first.events] == ["Flange"]
    assert second.events == ()


def test_a_machine_that_has_no_value_clears_no_alarm():
    found = events(
        alarm(), (0, 700), (1, UNAVAILABLE), reading(2, None, quality=Quality.BAD, code="connection_lost"), (3, 700)
    )

    assert [event.type for event in found] == ["alarm.raised"]


def test_an_alarm_that_bounces():
    found = told(
        alarm(debounce=2), (0, 0), (2, 0), (3, 7), (4, 0), (5, 7), (7, 7), (8, 0), (9, 7), (12, 7), (13, 0), (15, 0)
    )

    assert [(kind, seconds) for kind, seconds, _data in found] == [("alarm.raised", 5), ("alarm.cleared", 13)]


# names


@pytest.mark.parametrize(
    ("role", "event_type"),
    [
        ("program", "machine.program_changed"),
        ("mode", "machine.mode_changed"),
        ("lot", "material.lot_changed"),
        ("operator", "identity.operator"),
    ],
)
def test_a_name(role, event_type):
    assert told(mapping(role), (0, "A.NC"), (1, " A.NC "), (2, "B.NC"), (3, ""), (4, "B.NC")) == [
        (event_type, 0, {"value": "A.NC", "previous": None, "signal": "S"}),
        (event_type, 2, {"value": "B.NC", "previous": "A.NC", "signal": "S"}),
        (event_type, 3, {"value": "", "previous": "B.NC", "signal": "S"}),
        (event_type, 4, {"value": "B.NC", "previous": "", "signal": "S"}),
    ]


def test_an_order_that_is_no_longer_named_is_paused():
    found = told(mapping("order"), (0, ""), (1, "MO/7"), (2, "MO/8"), (3, ""))

    assert [(kind, item["order"], item["previous"]) for kind, _at, item in found] == [
        ("production.order_started", "MO/7", ""),
        ("production.order_started", "MO/8", "MO/7"),
        ("production.order_paused", "MO/8", "MO/8"),
    ]


def test_names_that_are_numbers_keep_their_zeros():
    assert [item["value"] for item in data(mapping("program"), (0, "0700"), (1, 700), (2, 7.0), (3, True))] == [
        "0700",
        "700",
        "7",
        "1",
    ]


def test_a_name_that_is_not_there_is_no_name():
    assert [item["value"] for item in data(mapping("program"), (0, "A"), (1, "UNAVAILABLE"), (2, "A"))] == ["A"]


def test_a_name_in_the_cross_reference():
    assert data(mapping("lot", codes={"17": "LOT-0017"}), (0, 17))[0]["value"] == "LOT-0017"


def test_a_name_that_comes_late_is_told_and_does_not_stay():
    batch = [reading(100, value, own=own) for own, value in ((10, "A"), (20, "C"), (15, "B"), (30, "C"))]

    assert [
        (seconds, item["value"], item["previous"]) for _type, seconds, item in told(mapping("program"), *batch)
    ] == [
        (10, "A", None),
        (20, "C", "A"),
        (15, "B", None),
    ]


def test_padded_text_ends_at_its_first_nul():
    assert data(mapping("program"), (0, "A.NC\0\0garbage"))[0]["value"] == "A.NC"


def test_half_a_surrogate_is_no_text():
    (result,) = feed(mapping("program"), (0, "A\ud800"))

    assert result.events == ()
    assert refused(result) == [("text", "not_text")]


# values


@pytest.mark.parametrize("role", ["value", "meter", "energy", "condition"])
def test_plain_values_make_no_events(role):
    results = feed(mapping(role, scale=0.1, offset=-40), (0, 650), (1, "text"), (2, True))

    assert [result.value for result in results] == [25.0, "text", True]
    assert not any(result.events for result in results)


def test_a_deadband():
    results = feed(mapping("value", deadband=1), (0, 20.0), (1, 20.9), (2, 20.95), (3, 21.0), (4, 19.9))

    assert [result.changed for result in results] == [True, False, False, True, True]
    assert refused(results[1]) == [("deadband", None)]
    assert [result.value for result in results] == [20.0, 20.9, 20.95, 21.0, 19.9]
