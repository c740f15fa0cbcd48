"""What may the data of each type of event be? The schemas beside this file, one a type and version, and their checks."""

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from .event import EVENT_TYPES
from .schema_check import compile_fits, compile_schema, compile_writer

#: Before each type on the wire.
PREFIX = "mmc."


class Accepted(NamedTuple):
    """A type and version of event that is taken.

    :param str name: ``class.name``, of :data:`machine_connect.event.EVENT_TYPES`
    :param int version: of what its data means
    :param check: of its data, see :func:`machine_connect.schema_check.compile_schema`
    :param write: of its data, see :func:`machine_connect.schema_check.compile_writer`
    :param frozenset keys: of data that the schema knows
    :param tuple counters: keys of data that may hold a counter as text
    """

    name: str
    version: int
    check: object
    write: object
    keys: frozenset
    counters: tuple


def _make_canonical():
    """Return a function of a value that returns it as JSON, keys sorted, no spaces."""
    make = json.encoder.c_make_encoder
    if make is None:  # a Python without the standard library's accelerator
        return json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
    # What JSONEncoder.encode makes anew at each call, made once: for the small data of an event that is half of the time.
    # Without markers: what was just read from JSON holds nothing that holds itself.
    encode = make(None, None, json.encoder.encode_basestring, None, ":", ",", True, False, False)
    return lambda value: "".join(encode(value, 0))


#: A value as JSON, keys sorted, no spaces: what an event's digest is made of.
canonical = _make_canonical()


@cache
def documents():
    """Return every schema by the name of its file."""
    folder = files(__package__) / "schemas"
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()}


def schema_name(event_type, version):
    """Return the name of the schema of a type's data."""
    return f"{event_type}.v{version}.json"


@cache
def envelope_check():
    """Return what looks at an event's attributes: ``(fits, check, names)``, the names those that are known."""
    schema = documents()["cloudevent.json"]
    names = frozenset(schema["properties"])
    schema = _without(schema, "time", "recordedtime", "data")
    return compile_fits(schema, documents()), compile_schema(schema, documents()), names


@cache
def accepted_types():
    """Return each :class:`Accepted` by its type on the wire: ``mmc.production.count.v1``."""
    return {f"{PREFIX}{name}.v{kind.version}": _accepted(name, kind.version) for name, kind in EVENT_TYPES.items()}


def _accepted(name, version):
    schema = documents()[schema_name(name, version)]
    counters = [key for key, item in schema["properties"].items() if item.get("$ref", "").endswith("/counter")]
    check = compile_schema(schema, documents())
    write = compile_writer(schema, documents(), canonical)
    return Accepted(name, version, check, write, frozenset(schema["properties"]), tuple(counters))


def _without(schema, *keys):
    """Return a schema that takes whatever stands under some keys: who reads it checks it on the way."""
    return {**schema, "properties": {**schema["properties"], **dict.fromkeys(keys, True)}}
