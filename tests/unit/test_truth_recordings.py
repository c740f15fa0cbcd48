"""What two real machines did on two real days, and what we make of it."""

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from machine_connect.counter import CounterDescriptor
from machine_connect.mapping import Interpreter, SignalMapping
from machine_connect.reading import Quality, Reading

RECORDINGS = Path(__file__).parent / "recordings"
TRUTH = json.loads((RECORDINGS / "truth.json").read_text())
PLATES = "plate-op2-20parts-Hurco04.txt"
SILENT = "Hurco01-20170809-20170810.txt"


def observations(name):
    """Yield time, key and value of each observation of an SHDR file, in its order."""
    for line in (RECORDINGS / name).read_text().splitlines():
        stamp, *pairs = line.split("|")
        seconds, _, fraction = stamp.rstrip("Z").partition(".")
        at = datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}").replace(tzinfo=timezone.utc)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            yield at, key, value


def feed(name, key, settings):
    """Interpret each observation of a key at once, without sampling; memory goes through JSON between any two."""
    interpreter, memory, events = Interpreter(settings), {}, []
    for at, observed, value in observations(name):
        if observed != key:
            continue
        if value == "UNAVAILABLE":
            reading = Reading(key, None, at, at, Quality.BAD, "unavailable")
        else:
            reading = Reading(key, value, at, at)
        result = interpreter.interpret(memory, reading)
        memory = json.loads(json.dumps(result.memory))
        events.extend(result.events)
    return events


def seconds_in_states(events):
    spent = {}
    for event, following in zip(events, events[1:], strict=False):
        state = event.data["raw_value"] or "UNAVAILABLE"
        spent[state] = spent.get(state, 0) + (following.occurred - event.occurred).total_seconds()
    return {state: round(seconds, 3) for state, seconds in spent.items()}


def states():
    return SignalMapping("Program_Status", "state", table="mtconnect_execution", late_window=None)


def pieces(fastest):
    counter = CounterDescriptor("absolute", "u32", "unknown", max_rate=1 / fastest)
    return SignalMapping("Part_Count", "good", counter=counter, interval=1.0, late_window=None)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        (PLATES, "b7cc95dea954f464e22ea1918998502918cfdfecbe2ac6bdd791bba30d104fa0"),
        (SILENT, "1b30e0015d554b61779930a1ba92f4305bb1e9b8bb097f4ac53ff4eefcc12b07"),
    ],
)
def test_the_recordings_are_what_the_machines_said(name, digest):
    assert hashlib.sha256((RECORDINGS / name).read_bytes()).hexdigest() == digest
    assert sum(1 for _observation in observations(name)) == TRUTH[name]["lines"]


def test_twenty_plates_by_their_cycles():
    cycles = feed(PLATES, "Program_Status", SignalMapping("Program_Status", "cycle", late_window=None))

    assert len(cycles) == TRUTH[PLATES]["state_counts"]["PROGRAM_COMPLETED"] == 20
    assert sum(event.data["qty"] for event in cycles) == 20
    assert cycles[0].data["cycle_s"] is None
    assert cycles[1].data["cycle_s"] == 522.578125
    assert (
        sum(event.data["cycle_s"] for event in cycles[1:]) == (cycles[-1].occurred - cycles[0].occurred).total_seconds()
    )


def test_nineteen_by_their_counter_after_its_baseline():
    counts = feed(PLATES, "Part_Count", pieces(fastest=50))

    assert [event.data["delta"] for event in counts] == [1] * 19
    assert (counts[0].data["total_before"], counts[-1].data["total_after"]) == (1089, 1108)
    assert {event.held for event in counts} == {""}


def test_the_time_that_it_cut():
    changes = feed(PLATES, "Program_Status", states())
    spent = seconds_in_states(changes)

    assert len(changes) == TRUTH[PLATES]["state_changes"]
    assert spent == TRUTH[PLATES]["seconds_in_state_until_last_change"]
    assert spent["ACTIVE"] == 1061.359
    assert {event.data["state"] for event in changes} == {"running", "held", "completed"}


def test_one_piece_on_the_day_of_silence():
    """0, then 3763: no production. 3763, silence, 3766: nobody knows when. 3766, 3767: one piece."""
    counts = feed(SILENT, "Part_Count", pieces(fastest=5))

    assert [
        (event.held, event.data["delta"], event.data["total_before"], event.data["total_after"]) for event in counts
    ] == [
        ("jump", 3763, 0, 3763),
        ("interrupted", 3, 3763, 3766),
        ("", 1, 3766, 3767),
    ]
    assert {event.type for event in counts} == {"production.count"}


def test_silence_is_unknown_and_nothing_else():
    changes = feed(SILENT, "Program_Status", states())

    assert [event.data["state"] for event in changes if event.data.get("unavailable")] == ["unknown"] * 3
    assert seconds_in_states(changes) == TRUTH[SILENT]["seconds_in_state_until_last_change"]


def test_one_cycle_on_the_day_of_silence():
    cycles = feed(SILENT, "Program_Status", SignalMapping("Program_Status", "cycle", late_window=None))

    assert [event.occurred.isoformat() for event in cycles] == ["2017-08-09T12:31:00.328125+00:00"]
