"""How is a sender? What it says of itself from time to time: its clock, its software, and what it has not yet delivered."""

from dataclasses import dataclass
from functools import cache

from .body import Bounds, first_fault, measure, read, unpack
from .event_schemas import documents
from .refusals import RequestRefused
from .schema_check import compile_schema
from .timestamps import from_timestamp

SCHEMA = "heartbeat.v1.json"
#: A heartbeat is small.
BOUNDS = Bounds(sent=65_536, unpacked=131_072, depth=6, values=8_000, events=1)


@dataclass(frozen=True)
class Heartbeat:
    """What a sender says of itself; whatever it does not say is None.

    :param time: its time, in microseconds since 1970-01-01 UTC
    :param software: the name of what it runs
    :param version: of that
    :param spool_depth: how many events are not delivered yet
    :param oldest_age: seconds for which the oldest of them waits
    :param tuple streams: ``(source, epoch, sequence)`` of the last number that it gave in each stream
    """

    time: int | None = None
    software: str | None = None
    version: str | None = None
    spool_depth: int | None = None
    oldest_age: float | None = None
    streams: tuple = ()


@cache
def _check():
    return compile_schema(documents()[SCHEMA], documents())


def parse(body, content_encoding=""):
    """Return what a heartbeat says: :class:`Heartbeat`. Nothing at all is one too.

    :param bytes body: as sent: a JSON object, or nothing
    :param str content_encoding: the header: ``gzip`` or nothing
    :raise RequestRefused: it cannot be read, or does not keep to its schema
    """
    text = unpack(body, content_encoding, BOUNDS)
    if not text.strip():
        return Heartbeat()
    measure(text, False, BOUNDS)
    said, doubtful = read(text)
    wrong = doubtful and first_fault(said) or _check()(said)
    if wrong:
        raise RequestRefused("body_unfit", reason=wrong[0], pointer=wrong[1])
    spool = said.get("spool") or {}
    time = said.get("time")
    return Heartbeat(
        time=None if time is None else from_timestamp(time),
        software=said.get("software"),
        version=said.get("version"),
        spool_depth=_whole(spool.get("depth")),
        oldest_age=spool.get("oldest_age"),
        streams=tuple(
            (stream["source"], int(stream.get("epoch", 0)), int(stream["sequence"]))
            for stream in said.get("streams", ())
        ),
    )


def _whole(number):
    return None if number is None else int(number)
