"""How tests feed readings to a mapping, and what they look at of what comes out."""

import json
from datetime import datetime, timedelta, timezone

from machine_connect.counter import CounterDescriptor
from machine_connect.mapping import Interpreter, SignalMapping
from machine_connect.reading import Quality, Reading

START = datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)
UNAVAILABLE = "unavailable"
EVIDENCE = {"unit": 1, "table": "holding", "address": 100, "registers": [0, 5]}


def mapping(role, **settings):
    """Return the mapping of a signal S; a counter is a u16 at one piece a second unless said otherwise."""
    if role in ("good", "reject", "rework", "total"):
        settings.setdefault("counter", CounterDescriptor("absolute", "u16", "unknown", 1.0))
    return SignalMapping("S", role, **{"interval": 1.0, **settings})


def at(seconds):
    """Return a moment of the day on which everything here happens."""
    return START + timedelta(seconds=seconds)


def reading(seconds, value, own=None, quality=Quality.GOOD, code="", raw=None):
    """A value read at ``seconds``; by the machine's own clock it is from ``own``."""
    if value == UNAVAILABLE:
        value, quality, code = None, Quality.BAD, UNAVAILABLE
    read_at = at(seconds)
    return Reading("S", value, read_at if own is None else at(own), read_at, quality, code, None, raw or {})


def feed(settings, *readings):
    """Return the interpretations of readings, each with the memory that its predecessor left, through JSON."""
    interpreter, stored, results = Interpreter(settings), "{}", []
    for item in readings:
        if not isinstance(item, Reading):
            item = reading(*item)
        before = json.loads(stored)
        result = interpreter.interpret(before, item)
        assert before == json.loads(stored), "the memory that was handed in is not to be changed"
        stored = json.dumps(result.memory, allow_nan=False)
        results.append(result)
    return results


def events(settings, *readings):
    """Return the events of readings."""
    return [event for result in feed(settings, *readings) for event in result.events]


def told(settings, *readings):
    """Return type, seconds and data of each event, without what every one has."""
    return [(event.type, (event.occurred - START).total_seconds(), event.data) for event in events(settings, *readings)]


def data(settings, *readings):
    """Return the data of each event."""
    return [event.data for event in events(settings, *readings)]


def refused(result):
    """Return rule and code of each rule that a reading did not pass."""
    return [(rule["rule"], rule["detail"].get("code")) for rule in result.rules if rule["outcome"] == "refused"]
