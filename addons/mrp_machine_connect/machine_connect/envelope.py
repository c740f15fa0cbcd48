"""What does a request say happened? CloudEvents 1.0 in structured JSON, one event or a batch, judged one by one.

The formats are those of the CloudEvents JSON Event Format 1.0.2 (``application/cloudevents+json`` and, for a batch,
``application/cloudevents-batch+json``). Who may send what is not asked here, and nothing here depends on the sender.
"""

import hashlib
from dataclasses import dataclass, field, replace
from email.message import Message

from .body import Bounds, Fault, below, first_fault, measure, read, unpack
from .event import Event, uid
from .event_schemas import PREFIX, accepted_types, canonical, envelope_check
from .instants import instant, microseconds
from .refusals import RequestRefused
from .timestamps import from_timestamp, timestamp

#: One event in a request, and many.
SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"

#: The only content type of an event's data.
_JSON = "application/json"
#: How much of what was sent is repeated to say which event is meant.
_SHOWN = 255


@dataclass(slots=True)
class ParsedEvent:
    """An event that can be taken, as its sender said it.

    :param int index: its place in the batch, from 0
    :param str stream: the CloudEvents source: one ordered flow of one sender
    :param str uid: what identifies it in its stream: the CloudEvents id, or where it gives none the digest of
        :func:`machine_connect.event.uid`
    :param str type: ``class.name``, of :data:`machine_connect.event.EVENT_TYPES`
    :param int version: of what its data means
    :param str machine: the CloudEvents subject: the machine's code; empty where only the stream says it
    :param int occurred: when, in microseconds since 1970-01-01 UTC
    :param recorded: when the sender wrote it down, in microseconds, or None
    :param epoch: of the stream, an integer, or None
    :param sequence: its place in the stream, an integer, or None
    :param str correlation: what belongs together; may be empty
    :param dict data: what, by the schema of its type; counters are numbers
    :param str content: the data as JSON, keys sorted, no spaces: what a store may take as it is
    :param str digest: sha256, in hex, of what it says: the same for the same content, however it is written
    :param str quality: a value of :class:`machine_connect.reading.Quality`
    :param status: the protocol's own status of the reading, or None
    :param str signal: the signal that told it; may be empty
    :param str held: why the sender doubts it, of :data:`machine_connect.event.HELD_REASONS`; empty when it does not
    :param bool historical: it comes from a memory
    :param int mapping_version: of the mapping that made it, 0 when not said
    :param dict attributes: of the event that are not known here, kept as they came
    :param tuple extras: what is not known here, as JSON Pointers (RFC 6901): ``("/traceparent", "/data/colour")``
    """

    index: int
    stream: str
    uid: str
    type: str
    version: int
    machine: str
    occurred: int
    recorded: int | None
    epoch: int | None
    sequence: int | None
    correlation: str
    data: dict
    content: str
    digest: str
    quality: str = "good"
    status: int | None = None
    signal: str = ""
    held: str = ""
    historical: bool = False
    mapping_version: int = 0
    attributes: dict = field(default_factory=dict)
    extras: tuple = ()


@dataclass(slots=True)
class Rejected:
    """An event that cannot be taken.

    :param int index: its place in the batch, from 0
    :param str reason: why, of :data:`machine_connect.refusals.EVENT_REFUSALS`
    :param dict params: what a sentence about it needs, JSON only; ``pointer`` is where (JSON Pointer, RFC 6901)
    :param str stream: the CloudEvents source, as far as it can be told; else empty
    :param str uid: the CloudEvents id, as far as it can be told; else empty
    """

    index: int
    reason: str
    params: dict
    stream: str = ""
    uid: str = ""


class _Refused(Exception):
    def __init__(self, reason, pointer, **params):
        super().__init__(reason)
        self.reason = reason
        self.params = {"pointer": pointer, **params}


def parse(body, content_type, content_encoding="", bounds=None):
    """Return what each event of a request says, in the order sent: :class:`ParsedEvent` or :class:`Rejected`.

    :param bytes body: as sent
    :param str content_type: the header (RFC 9110, 8.3): one of the two of CloudEvents, with no charset or UTF-8
    :param str content_encoding: the header (RFC 9110, 8.4): ``gzip`` or nothing
    :param Bounds bounds: how much the request may bring; by default those of :class:`machine_connect.body.Bounds`
    :raise RequestRefused: the request as a whole cannot be taken
    """
    bounds = bounds or Bounds()
    is_batch = _is_batch(content_type)
    text = unpack(body, content_encoding, bounds)
    measure(text, is_batch, bounds)
    value, doubtful = read(text)
    if not is_batch:
        if value.__class__ not in (dict, Fault):
            raise RequestRefused("not_an_object")
        value = [value]
    elif value.__class__ is not list:
        raise RequestRefused("not_an_array")
    if len(value) > bounds.events:
        raise RequestRefused("too_many_events", limit=bounds.events)
    return [_judged(index, said, doubtful, bounds) for index, said in enumerate(value)]


def _is_batch(content_type):
    return media_type(content_type, (SINGLE, BATCH)) == BATCH


def media_type(content_type, supported):
    """Return the media type that a header names.

    :param str content_type: the header (RFC 9110, 8.3)
    :param supported: the media types that may be sent
    :raise RequestRefused: it is none of them, or not in UTF-8
    """
    header = Message()
    header["Content-Type"] = content_type or ""
    found = header.get_content_type()
    if found not in supported:
        raise RequestRefused("media_type_unsupported", supported=list(supported))
    charset = header.get_param("charset", "utf-8")
    if not isinstance(charset, str) or charset.lower() not in ("utf-8", "utf8"):
        raise RequestRefused("charset_unsupported")
    return found


def judge(events, bounds=None):
    """Return what events say that were made here of what was sent: as :func:`parse` returns it, with their places.

    :param events: each a CloudEvent as a dict without a :class:`machine_connect.body.Fault`, or a :class:`Rejected` that
        stays what it is
    :param Bounds bounds: how big one may be
    """
    bounds = bounds or Bounds()
    return [
        replace(said, index=index) if said.__class__ is Rejected else _judged(index, said, False, bounds)
        for index, said in enumerate(events)
    ]


def _judged(index, said, doubtful, bounds):
    try:
        if doubtful:
            found = first_fault(said)
            if found:
                raise _Refused(*found)
        return _parsed(index, said, bounds)
    except _Refused as refused:
        stream, identity = _shown(said, "source"), _shown(said, "id")
        return Rejected(index, refused.reason, refused.params, stream, identity)


def _parsed(index, said, bounds):
    if said.__class__ is not dict:
        raise _Refused("wrong_type", "")
    find = said.get
    fits, check, known = envelope_check()
    # Attributes that are all known and well are seen to be so at one look; of others it is found out what is wrong.
    # The three that are read further down are looked at there, but for being null.
    is_usual = fits(said) and None not in (find("time"), find("recordedtime", ""), find("data", ""))
    if not is_usual:
        # JSON Event Format 1.0.2, 2.2: an attribute that is null is not there.
        said = {name: value for name, value in said.items() if value is not None}
        find = said.get
        wrong = check(said)
        if wrong:
            raise _Refused(wrong[0], wrong[1], **wrong[2])
    accepted = accepted_types().get(said["type"]) or _unknown_type(said["type"])
    occurred = _moment(said, "time")
    data, content = find("data"), None
    if is_usual and data.__class__ is dict and find("datacontenttype", _JSON) == _JSON:
        content = accepted.write(data)
    if content is None:
        is_usual = False
        data = _data(said, accepted)
        content = canonical(data)
    if len(content) > bounds.event:
        raise _Refused("event_too_big", "/data", limit=bounds.event)
    stream, machine, quality = said["source"], find("subject", ""), find("quality", "good")
    event = ParsedEvent(
        index,
        stream,
        find("id", ""),
        accepted.name,
        accepted.version,
        machine,
        occurred,
        _moment(said, "recordedtime") if "recordedtime" in said else None,
        int(said["epoch"]) if "epoch" in said else None,
        int(said["sequence"]) if "sequence" in said else None,
        find("correlationid", ""),
        data,
        content,
        _digest(accepted, machine, occurred, quality, content),
        quality,
        find("rawstatus"),
        find("signal", ""),
        find("held", ""),
        find("historical", False),
        find("cfgver", 0),
    )
    if not event.uid:
        moment = instant(occurred)
        event.uid = uid(stream, Event(accepted.name, moment, moment, data))
    if not (is_usual or (said.keys() <= known and data.keys() <= accepted.keys)):
        event.attributes = {name: value for name, value in said.items() if name not in known}
        unknown = [f"/data{below(key)}" for key in data if key not in accepted.keys]
        event.extras = (*map(below, event.attributes), *unknown)
    return event


def _digest(accepted, machine, occurred, quality, content):
    """Return what tells an event from one with the same id and another content.

    How it travelled (sequence, time of recording, traces) is not in it: a resend may well differ in that.
    """
    # No line feed but in the machine, which is last: no two different contents are one text.
    said = f"{accepted.name}\n{accepted.version}\n{occurred}\n{quality}\n{content}\n{machine}"
    return hashlib.sha256(said.encode()).hexdigest()


def _unknown_type(said):
    name, _dot, version = said.removeprefix(PREFIX).rpartition(".v")
    versions = [item.version for item in accepted_types().values() if item.name == name]
    if said.startswith(PREFIX) and versions and version.isdecimal():
        raise _Refused("version_unknown", "/type", type=name, supported=versions)
    raise _Refused("type_unknown", "/type", type=said)


def _moment(said, name):
    text = said[name]
    if text.__class__ is not str:
        raise _Refused("wrong_type", f"/{name}")
    try:
        return from_timestamp(text)
    except ValueError:
        raise _Refused("malformed", f"/{name}") from None


def _data(said, accepted):
    data_type = said.get("datacontenttype", _JSON)
    if data_type != _JSON and data_type.partition(";")[0].strip().lower() != _JSON:
        raise _Refused("data_not_json", "/datacontenttype")
    if "data_base64" in said:
        raise _Refused("data_not_json", "/data_base64")
    data = said.get("data", {})
    if data.__class__ is not dict:
        raise _Refused("data_not_json", "/data")
    wrong = accepted.check(data)
    if wrong:
        raise _Refused(wrong[0], f"/data{wrong[1]}", **wrong[2])
    for key in accepted.counters:
        if data.get(key).__class__ is str:
            data[key] = int(data[key])
    return data


def _shown(said, name):
    """Return an attribute of an event that was rejected, as far as it can be shown to anybody."""
    value = said.get(name) if said.__class__ is dict else None
    return value[:_SHOWN] if value.__class__ is str and not first_fault(value) else ""


def cloud_event(event, stream, machine, epoch=None, sequence=None, identity=""):
    """Return an event as a CloudEvent that :func:`parse` understands, JSON only.

    What each rule made of it stays with whoever made it.

    :param Event event: the event
    :param str stream: the CloudEvents source
    :param str machine: the machine's code
    :param int epoch: of the stream, from 0, or None
    :param int sequence: its place in the stream, from 0, or None
    :param str identity: the id; by default the digest of :func:`machine_connect.event.uid`
    """
    said = {
        "specversion": "1.0",
        "id": identity or uid(stream, event),
        "source": stream,
        "type": f"{PREFIX}{event.type}.v1",
        "subject": machine,
        "time": timestamp(microseconds(event.occurred)),
        "recordedtime": timestamp(microseconds(event.recorded)),
        "datacontenttype": "application/json",
        "quality": getattr(event.quality, "value", event.quality),
        "cfgver": event.mapping_version,
        "data": event.data,
    }
    optional = {"rawstatus": event.status, "signal": event.signal, "held": event.held, "epoch": epoch}
    said |= {name: value for name, value in optional.items() if value not in (None, "")}
    if sequence is not None:
        said["sequence"] = f"{sequence:020d}"  # CloudEvents extension «sequence»: ordered as text
    return said
