"""What a sender says of itself is read with bounds; whatever is not of its form is refused in words."""

import gzip
import json

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from machine_connect.event_schemas import documents
from machine_connect.heartbeat import BOUNDS, SCHEMA, Heartbeat, parse
from machine_connect.refusals import RequestRefused

FULL = {
    "time": "2026-01-05T12:00:00.000007Z",
    "software": "Gateway",
    "version": "2.1",
    "spool": {"depth": 7, "oldest_age": 12.5},
    "streams": [{"source": "line/1", "epoch": 1, "sequence": f"{9:020d}"}, {"source": "line/2", "sequence": 3}],
}


def refusal(body, encoding=""):
    with pytest.raises(RequestRefused) as refused:
        parse(body, encoding)
    return refused.value.code, refused.value.params.get("pointer")


def test_all_of_it():
    assert parse(json.dumps(FULL).encode()) == Heartbeat(
        time=1767614400000007,
        software="Gateway",
        version="2.1",
        spool_depth=7,
        oldest_age=12.5,
        streams=(("line/1", 1, 9), ("line/2", 0, 3)),
    )


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b'{"colour": "red"}'])
def test_nothing_is_a_heartbeat_too(body):
    assert parse(body) == Heartbeat()


def test_packed():
    assert parse(gzip.compress(json.dumps(FULL).encode()), "gzip").software == "Gateway"


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"time": "yesterday"}, "/time"),
        ({"time": 7}, "/time"),
        ({"software": "x" * 65}, "/software"),
        ({"version": ""}, "/version"),
        ({"spool": []}, "/spool"),
        ({"spool": {"depth": -1}}, "/spool/depth"),
        ({"spool": {"depth": 1.5}}, "/spool/depth"),
        ({"spool": {"depth": True}}, "/spool/depth"),
        ({"spool": {"oldest_age": 1e12}}, "/spool/oldest_age"),
        ({"streams": [{"source": "a"}]}, "/streams/0"),
        ({"streams": [{"source": "a", "sequence": "x"}]}, "/streams/0/sequence"),
        ({"streams": [{"source": "a", "sequence": 10**18}]}, "/streams/0/sequence"),
        ({"streams": [{"source": "a", "sequence": 1}] * 1001}, "/streams"),
        ([], ""),
        (7, ""),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_not_of_its_form(said, pointer):
    assert refusal(json.dumps(said).encode()) == ("body_unfit", pointer)
    registry = Registry().with_resources(
        (name, DRAFT202012.create_resource(schema)) for name, schema in documents().items()
    )
    if said != {"time": "yesterday"}:  # the library looks at no format
        assert not Draft202012Validator(documents()[SCHEMA], registry=registry).is_valid(said)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "not_json"),
        (b"\xff", "not_utf8"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b"[" * 50_000, "too_deep"),
        (b" " * (BOUNDS.sent + 1), "body_too_big"),
        (b'{"software": "\\u0000"}', "body_unfit"),
        (b'{"software": "\\ud800"}', "body_unfit"),
        (b'{"spool": {"depth": NaN}}', "body_unfit"),
        (b'{"software": "a", "software": "b"}', "body_unfit"),
    ],
)
def test_what_cannot_be_read(body, code):
    assert refusal(body)[0] == code


def test_what_unpacks_to_too_much():
    assert refusal(gzip.compress(b" " * 10_000_000), "gzip")[0] == "unpacked_too_big"
