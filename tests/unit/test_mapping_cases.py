"""Whole stories: what machines said, how it is mapped, what must come of it. Their form: cases/README.md."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from machine_connect.mapping import Interpreter, SignalMapping
from machine_connect.reading import Quality, Reading

CASES = sorted((Path(__file__).parent / "cases" / "mapping").iterdir())


def load(case, name):
    return json.loads((case / f"{name}.json").read_text(encoding="utf-8"))


def moment(start, time):
    return datetime.fromisoformat(time) if isinstance(time, str) else start + timedelta(seconds=time)


def readings(machine):
    start = datetime.fromisoformat(machine["start"])
    for read, signal, value, own, code in (row + [None] * (5 - len(row)) for row in machine["readings"]):
        read_at = moment(start, read)
        quality = Quality.BAD if code else Quality.GOOD
        yield Reading(signal, value, read_at if own is None else moment(start, own), read_at, quality, code or "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case):
    machine = load(case, "machine")
    start = datetime.fromisoformat(machine["start"])
    interpreters = {item["name"]: Interpreter(SignalMapping.from_json(item)) for item in load(case, "mapping")}
    memories, events = {}, []
    for reading in readings(machine):
        stored = json.dumps(memories.get(reading.signal))
        result = interpreters[reading.signal].interpret(json.loads(stored), reading)
        memories[reading.signal] = result.memory
        events += result.events

    found = [(event.type, event.occurred, event.held, event.data) for event in events]
    assert found == [(kind, moment(start, time), held, data) for kind, time, held, data in load(case, "expected")]
