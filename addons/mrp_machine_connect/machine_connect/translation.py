"""What does JSON that knows nothing of us say happened? Rules make CloudEvents of it, which the envelope then judges.

The form is that of Telegraf's data format «json»: one metric ``{"name", "tags", "fields", "timestamp"}``, or many as
``{"metrics": [...]}``. It is bounded like everything else that a stranger sends: see :mod:`machine_connect.body`.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache

from .body import Bounds, Fault, below, first_fault, measure, read, unpack
from .envelope import Rejected, judge, media_type
from .event_schemas import PREFIX, accepted_types
from .refusals import RequestRefused
from .timestamps import END, FIRST, from_timestamp, timestamp

#: What is translated.
JSON = "application/json"
#: Where a value of an event's data comes from: a field or a tag of the metric, the rule itself, the metric's time.
ORIGINS = ("field", "tag", "constant", "time")
#: Of each unit of a timestamp (Telegraf's ``json_timestamp_units``): how many of it are a second.
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
#: What stands in a table of values for each value that has no line of its own.
ANY_OTHER = "*"

_SECOND = 1_000_000
_METRIC = {"name": str, "tags": dict, "fields": dict}
#: How much of a name is repeated to say which metric is meant.
_SHOWN = 255


@dataclass(frozen=True)
class Entry:
    """One value of an event's data.

    :param str key: of the data
    :param str origin: of :data:`ORIGINS`
    :param said: of a field or tag: its name; a constant itself, JSON only; of the time: how many whole seconds before it
    :param dict values: what a value becomes, by how it is written in JSON, texts without quotation marks:
        ``{"1": "running", "*": "unknown"}``; one without a line stays as it is
    """

    key: str
    origin: str
    said: object
    values: dict


@dataclass(frozen=True)
class Rule:
    """What a metric becomes.

    A rule is for each metric of its name that has its tag, all fields and all tags that its entries take.

    :param str identity: is part of each event's id: to be the same as long as the rule is the same rule
    :param str metric: the metric's name
    :param str type: of the event, of :data:`machine_connect.event.EVENT_TYPES`
    :param str stream: the CloudEvents source
    :param tuple entries: each an :class:`Entry`
    :param str tag: what the metric is chosen by beside its name; empty: by its name alone
    :param str tag_value: of that tag
    :param str machine: the machine's code; empty: it is in a tag
    :param str machine_tag: the tag with the machine's code
    :param str signal: the signal that tells it; may be empty
    :param str unit: of the timestamp, of :data:`UNITS`
    """

    identity: str
    metric: str
    type: str
    stream: str
    entries: tuple
    tag: str = ""
    tag_value: str = ""
    machine: str = ""
    machine_tag: str = ""
    signal: str = ""
    unit: str = "s"

    def fits(self, metric):
        """Return whether a metric is one of those that this rule is for."""
        tags, held = metric["tags"], {"field": metric["fields"], "tag": metric["tags"]}
        return (
            metric["name"] == self.metric
            and (not self.tag or tags.get(self.tag) == self.tag_value)
            and all(entry.said in held[entry.origin] for entry in self.entries if entry.origin in held)
        )


class _Wrong(Exception):
    def __init__(self, reason, pointer):
        super().__init__(reason)
        self.reason, self.pointer = reason, pointer


def translate(body, content_type, content_encoding, rules, bounds=None):
    """Return what each event says that rules make of a body: as :func:`machine_connect.envelope.parse` returns it.

    The order is that of the metrics, and of the rules for each metric. A metric that no rule is for, or that is none, is
    one :class:`machine_connect.envelope.Rejected` and holds up no other.

    :param bytes body: as sent
    :param str content_type: the header: ``application/json``, with no charset or UTF-8
    :param str content_encoding: the header: ``gzip`` or nothing
    :param rules: each a :class:`Rule`, in the order of the answer
    :param Bounds bounds: how much the request may bring; its events are counted before and after translation
    :raise RequestRefused: the request as a whole cannot be taken
    """
    bounds = bounds or Bounds()
    media_type(content_type, (JSON,))
    text = unpack(body, content_encoding, bounds)
    measure(text, False, bounds)
    value, doubtful = read(text)
    if value.__class__ is Fault:
        return [Rejected(0, value.code, {"pointer": ""})]
    if value.__class__ is not dict:
        raise RequestRefused("not_an_object")
    is_batch = "metrics" in value
    metrics = value["metrics"] if is_batch else [value]
    if metrics.__class__ is not list:
        raise RequestRefused("not_an_array")
    said = []
    for place, metric in enumerate(metrics):
        pointer = f"/metrics/{place}" if is_batch else ""
        said += _translated(metric, rules, pointer, doubtful)
        # As it grows, so that many rules for many metrics are never built.
        if len(said) > bounds.events:
            raise RequestRefused("too_many_events", limit=bounds.events)
    return judge(said, bounds)


def constant(text):
    """Return the value that a text says: what JSON understands as a number, ``true``, ``false`` or ``null``, else itself.

    >>> constant("1"), constant("null"), constant('"1"'), constant("good")
    (1, None, '1', 'good')
    """
    try:
        value, doubtful = read(text.encode("utf-8"))
    except (RequestRefused, UnicodeEncodeError, RecursionError):
        return text
    return text if doubtful or value.__class__ in (dict, list, Fault) else value


def value_table(text):
    """Return the table of values that a text says: ``1=running, 2=stopped, *=unknown``, apart by commas or lines.

    :raise ValueError: a part is not of this form, or says a value again; the part

    >>> value_table("1=running, *=null")
    {'1': 'running', '*': None}
    """
    table = {}
    for part in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        value, equals, becomes = (piece.strip() for piece in part.partition("="))
        if not (value and equals and becomes) or value in table:
            raise ValueError(part)
        table[value] = constant(becomes)
    return table


def _translated(metric, rules, pointer, doubtful):
    """Return the CloudEvents that a metric becomes, or one Rejected."""
    try:
        _look_at(metric, doubtful)
        made = [_cloud_event(metric, rule) for rule in rules if rule.fits(metric)]
        if not made:
            raise _Wrong("translation_missing", "")
    except _Wrong as wrong:
        stream = rules[0].stream if rules else ""
        return [Rejected(0, wrong.reason, {"pointer": pointer + wrong.pointer}, stream, _shown(metric))]
    return made


def _look_at(metric, doubtful):
    """Refuse what is no metric."""
    if metric.__class__ is Fault:
        raise _Wrong(metric.code, "")
    if doubtful and (found := first_fault(metric)):
        raise _Wrong(*found)
    if metric.__class__ is not dict:
        raise _Wrong("wrong_type", "")
    for key, kind in _METRIC.items():
        if key not in metric:
            raise _Wrong("missing", below(key))
        if metric[key].__class__ is not kind:
            raise _Wrong("wrong_type", below(key))
    if "timestamp" not in metric:
        raise _Wrong("missing", "/timestamp")


def _cloud_event(metric, rule):
    """Return what a rule makes of a metric that it is for."""
    moment = _moment(metric["timestamp"], rule.unit)
    version = _version(rule.type)
    said = {
        "specversion": "1.0",
        "id": _identity(metric, rule),
        "source": rule.stream,
        "type": f"{PREFIX}{rule.type}.v{version}",
        "time": timestamp(moment),
        "data": {entry.key: _value(metric, entry, moment) for entry in rule.entries},
    }
    # Without one the source speaks for no such machine: that is the answer.
    machine = rule.machine or metric["tags"].get(rule.machine_tag)
    optional = {"subject": machine, "signal": rule.signal}
    return said | {name: value for name, value in optional.items() if value not in (None, "")}


@cache
def _version(event_type):
    """Return the newest version of a type of event."""
    return max(item.version for item in accepted_types().values() if item.name == event_type)


def _identity(metric, rule):
    """Return what tells an event from all others: name, tags and time make a metric unique in Telegraf, and so does its rule.

    Its values are not part of it: the same metric sent again is known even when its rule was changed in between.
    """
    said = [rule.identity, metric["name"], metric["tags"], metric["timestamp"]]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _moment(said, unit):
    """Return the moment of a metric, in microseconds; what is finer is cut off."""
    if said.__class__ is str:  # Telegraf's json_timestamp_format
        try:
            return from_timestamp(said)
        except ValueError:
            raise _Wrong("malformed", "/timestamp") from None
    if said.__class__ is not int:
        raise _Wrong("wrong_type", "/timestamp")
    moment = said * _SECOND // UNITS[unit]
    if not FIRST <= moment < END:
        raise _Wrong("out_of_range", "/timestamp")
    return moment


def _value(metric, entry, moment):
    if entry.origin == "constant":
        return entry.said
    if entry.origin == "time":
        # Not before the first moment that can be said; that it may not lie there is the envelope's to judge.
        return timestamp(max(FIRST, moment - entry.said * _SECOND))
    value = metric["fields" if entry.origin == "field" else "tags"][entry.said]
    if not entry.values or value.__class__ in (dict, list):
        return value
    written = value if value.__class__ is str else json.dumps(value)
    return entry.values.get(written, entry.values.get(ANY_OTHER, value))


def _shown(metric):
    """Return the name of a metric that was rejected, as far as it can be shown to anybody."""
    name = metric.get("name") if metric.__class__ is dict else None
    return name[:_SHOWN] if name.__class__ is str and not first_fault(name) else ""
