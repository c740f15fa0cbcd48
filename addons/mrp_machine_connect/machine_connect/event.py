"""What happened that business cares about, and how is it told apart from everything else that happened?

The types are a closed list, version 1 each; on the wire they are CloudEvents types (``mmc.production.count.v1``). An
event's identity is a digest of what it says, so that the same reading mapped twice is one event.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from math import isfinite
from typing import NamedTuple

from .instants import instant, microseconds


class Sync(str, Enum):
    """How soon an event has its effect, by what a delay would cost."""

    IMMEDIATE = "immediate"
    MICRO_BATCH = "micro_batch"
    WINDOW = "window"
    BATCH = "batch"


class EventType(NamedTuple):
    """A kind of event.

    :param str name: ``class.name``
    :param int version: of what its data means
    :param Sync sync: the default
    :param tuple required: keys without which its data says nothing
    """

    name: str
    version: int
    sync: Sync
    required: tuple


def _types():
    now, micro, window, batch = Sync.IMMEDIATE, Sync.MICRO_BATCH, Sync.WINDOW, Sync.BATCH
    rows = [
        ("machine.state_changed", now, "state previous"),
        ("machine.mode_changed", now, "value"),
        ("machine.program_changed", now, "value"),
        ("production.cycle_completed", micro, "qty"),
        ("production.count", micro, "kind delta"),
        ("production.counter_reset", now, "from to cause"),
        ("production.part_completed", now, "serial status"),
        ("production.order_started", now, "order"),
        ("production.order_paused", now, "order"),
        ("production.order_resumed", now, "order"),
        ("production.order_completed", now, "order"),
        ("production.stock_due", now, "production_id rule"),
        ("production.setup_started", now, ""),
        ("production.setup_ended", now, ""),
        ("material.loaded", now, "lot"),
        ("material.unloaded", now, "lot"),
        ("material.lot_changed", now, "value"),
        ("material.consumed", window, "qty"),
        ("quality.scrap", now, "qty"),
        ("quality.defect", now, "characteristic"),
        ("quality.measurement", now, "characteristic value"),
        ("quality.check_due", now, "rule"),
        ("downtime.started", now, "interval"),
        ("downtime.ended", now, "interval"),
        ("downtime.classified", now, "interval reason"),
        ("downtime.split", now, "interval"),
        ("downtime.merged", now, "interval"),
        ("condition.exceeded", now, "condition value"),
        ("condition.cleared", now, "condition value"),
        ("alarm.raised", now, "code"),
        ("alarm.acked", now, "code"),
        ("alarm.cleared", now, "code"),
        ("alarm.shelved", now, "code"),
        ("alarm.unshelved", now, "code"),
        ("alarm.suppressed", now, "code"),
        ("alarm.out_of_service", now, "code"),
        ("meter.reading", window, "value unit"),
        ("energy.interval", micro, "start end"),
        ("process.summary", batch, "n start end"),
        ("shift.summary", batch, "start end"),
        ("identity.scan", now, "value"),
        ("identity.operator", now, "value"),
        ("agent.birth", now, "epoch"),
        ("agent.death", now, ""),
        ("agent.heartbeat", now, ""),
        ("agent.gap", now, "first last"),
        ("agent.watermark", now, ""),
        ("agent.config_applied", now, "version"),
        ("agent.clock_offset", now, "offset"),
        ("correction.adjust", now, "kind delta why"),
    ]
    return {name: EventType(name, 1, sync, tuple(required.split())) for name, sync, required in rows}


#: Every type of event there is, by its name.
EVENT_TYPES = _types()

#: Why an event's data is in doubt, with what it says in English for logs.
HELD_REASONS = {
    "jump": "more than the machine can make in the time",
    "interrupted": "made while the machine itself said that it has no value",
    "implausible_drop": "the counter fell, and neither a wrap nor a reset explains it",
    "clock_late": "the machine's clock is too far behind",
    "clock_early": "the machine's clock is ahead",
}


def clock_doubt(behind, late, early):
    """Return why a machine's clock is not believed, of :data:`HELD_REASONS`; empty when it is.

    :param int behind: microseconds that its time lies before ours, negative when it is ahead
    :param late: microseconds that it may lie before ours, None: any
    :param early: microseconds that it may lie ahead of ours, None: any
    """
    if late is not None and behind > late:
        return "clock_late"
    if early is not None and -behind > early:
        return "clock_early"
    return ""


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    :param str type: a name of :data:`EVENT_TYPES`
    :param datetime occurred: when, by the machine's clock where it has one; aware, UTC
    :param datetime recorded: when we learned of it; aware, UTC
    :param dict data: what, JSON only
    :param str quality: a value of :class:`machine_connect.reading.Quality`
    :param status: the protocol's own status of the reading, or None
    :param str signal: the name of the signal that told it
    :param str held: why it waits for a person, from :data:`HELD_REASONS`; empty when it does not
    :param tuple rules: what each rule made of it: ``{"rule", "outcome", "detail"}``; shared, not to be changed
    :param int mapping_version: the version of the mapping that made it
    """

    type: str
    occurred: datetime
    recorded: datetime
    data: dict
    quality: str = "good"
    status: int | None = None
    signal: str = ""
    held: str = ""
    rules: tuple = field(default=(), compare=False)
    mapping_version: int = 0

    def as_json(self):
        """Return a JSON object that :meth:`from_json` understands."""
        return {
            "type": self.type,
            "occurred": microseconds(self.occurred),
            "recorded": microseconds(self.recorded),
            "data": self.data,
            "quality": self.quality,
            "status": self.status,
            "signal": self.signal,
            "held": self.held,
            "rules": list(self.rules),
            "mapping_version": self.mapping_version,
        }

    @classmethod
    def from_json(cls, values):
        """Return the event of a JSON object."""
        times = {name: instant(values[name]) for name in ("occurred", "recorded")}
        return cls(**{**values, **times, "rules": tuple(values.get("rules", ()))})


def missing_keys(event_type, data):
    """Return the keys that the data of such an event lacks.

    :raise KeyError: there is no such type
    """
    return [key for key in EVENT_TYPES[event_type].required if key not in data]


def uid(stream, event):
    """Return what identifies an event in its stream: sha256 over stream, type, time and data, in hex.

    :param str stream: one ordered flow of a sender, naming the machine: two machines may well say the same at once
    :param Event event: its data must be clean JSON
    :raise ValueError: the data holds what JSON cannot say
    """
    said = [stream, event.type, microseconds(event.occurred), event.data]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def clean_json(value):
    """Return a value as JSON that every store takes: tuples as lists, enums as their values, numbers as they are.

    :raise ValueError: it holds NaN, infinity, a NUL or half a surrogate pair, or is no JSON at all; says where

    >>> clean_json({"a": [1, float("nan")]})
    Traceback (most recent call last):
    ValueError: $.a[1]: nan is not JSON
    """
    try:
        return _clean(value)
    except _Dirty as error:
        raise ValueError(f"${error.path}: {error}") from None


class _Dirty(ValueError):
    path = ""


def _clean(value):
    kind = value.__class__
    if kind is int or value is None or kind is bool:
        return value
    if kind is str:
        if value.isascii() and "\0" not in value:
            return value
        return _clean_text(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise _Dirty(f"{value!r} is not JSON")
        return float(value)
    result, place = {}, None
    try:
        if isinstance(value, Mapping):
            for place, item in value.items():
                if not isinstance(place, str):
                    raise _Dirty(f"the key {place!r} is not text")
                result[_clean(place)] = _clean(item)
            return result
        if isinstance(value, (list, tuple)):
            for place, item in enumerate(value):
                result[place] = _clean(item)
            return list(result.values())
    except _Dirty as error:
        error.path = (f".{place}" if isinstance(place, str) else f"[{place!r}]") + error.path
        raise
    if isinstance(value, Enum):
        return _clean(value.value)
    if isinstance(value, str):
        return _clean_text(str(value))
    if isinstance(value, int):
        return int(value)
    raise _Dirty(f"{kind.__name__} is not JSON")


def _clean_text(text):
    if "\0" in text:
        raise _Dirty("the text holds a NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _Dirty("the text holds half a surrogate pair") from None
    return text


__all__ = [
    "EVENT_TYPES",
    "HELD_REASONS",
    "Event",
    "EventType",
    "Sync",
    "clean_json",
    "instant",
    "microseconds",
    "missing_keys",
    "uid",
]
