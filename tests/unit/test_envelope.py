"""What a request says happened, and everything that may be wrong with one."""

import gzip
import hashlib
import json
import tracemalloc
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.body import Bounds, measure
from machine_connect.envelope import BATCH, SINGLE, ParsedEvent, Rejected, cloud_event, parse
from machine_connect.event import Event, clean_json, microseconds, uid
from machine_connect.refusals import EVENT_REFUSALS, REQUEST_REFUSALS, RequestRefused
from machine_connect.timestamps import from_timestamp, timestamp
from tests.unit.test_mapping_cases import CASES, load, moment

calm = settings(deadline=None)

STREAM = "urn:mmc:agent-1:press-7"
NOON = datetime(2026, 1, 5, 12, 0, 0, 7, tzinfo=timezone.utc)


def said(*without, **changes):
    """One event as its sender writes it."""
    values = {
        "specversion": "1.0",
        "id": "0198c0de-1f6e-7a52-8c1b-5f0f3f0a9d11",
        "source": STREAM,
        "type": "mmc.production.count.v1",
        "subject": "press-7",
        "time": "2026-01-05T12:00:00.000007Z",
        "data": {"kind": "good", "delta": 3},
        **changes,
    }
    return {name: value for name, value in values.items() if name not in without}


def batch(*events):
    return json.dumps(events).encode()


def parse_one(event):
    (result,) = parse(batch(event), BATCH)
    return result


def rejected(event):
    """Return reason and place of an event that must be rejected."""
    result = parse_one(event)
    assert isinstance(result, Rejected), result
    return result.reason, result.params["pointer"]


def refused(body, content_type=BATCH, content_encoding="", bounds=None):
    """Return code and HTTP status of a request that must be refused as a whole."""
    with pytest.raises(RequestRefused) as told:
        parse(body, content_type, content_encoding, bounds)
    return told.value.code, told.value.status


# ------------------------------------------------------------------------------------------------------- what fits


def test_an_event_is_what_its_sender_said():
    event = parse_one(
        said(
            recordedtime="2026-01-05T13:00:01+01:00",
            epoch=3,
            sequence="00000000000000000042",
            correlationid="c-1",
            quality="uncertain",
            rawstatus=2147483648,
            signal="good",
            held="jump",
            historical=True,
            cfgver=4,
        )
    )

    assert (event.index, event.stream, event.uid) == (0, STREAM, "0198c0de-1f6e-7a52-8c1b-5f0f3f0a9d11")
    assert (event.type, event.version, event.machine) == ("production.count", 1, "press-7")
    assert (event.occurred, event.recorded) == (1_767_614_400_000_007, 1_767_614_401_000_000)
    assert (event.epoch, event.sequence, event.correlation) == (3, 42, "c-1")
    assert (event.quality, event.status, event.signal, event.held) == ("uncertain", 2147483648, "good", "jump")
    assert (event.historical, event.mapping_version) == (True, 4)
    assert event.data == {"kind": "good", "delta": 3}
    assert event.content == '{"delta":3,"kind":"good"}'
    assert (event.attributes, event.extras) == ({}, ())


def test_what_is_not_said_is_not_made_up():
    event = parse_one(said("subject"))

    assert (event.machine, event.recorded, event.epoch, event.sequence, event.status) == ("", None, None, None, None)
    assert (event.quality, event.held, event.signal, event.correlation) == ("good", "", "", "")


def test_an_attribute_that_is_null_is_not_there():
    nothing = dict.fromkeys(["epoch", "correlationid", "recordedtime", "subject", "traceparent"])

    assert parse_one(said(**nothing)) == parse_one(said("subject"))
    assert parse_one(said(type="mmc.agent.heartbeat.v1", data=None)).data == {}
    assert rejected(said(time=None)) == ("missing", "")


@pytest.mark.parametrize("content_type", [SINGLE, f"{SINGLE}; charset=UTF-8", f'{SINGLE.upper()};charset="utf-8"'])
def test_one_event_alone(content_type):
    assert parse(json.dumps(said()).encode(), content_type) == parse(batch(said()), BATCH)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_packed_request(encoding):
    assert parse(gzip.compress(batch(said())), BATCH, encoding) == parse(batch(said()), BATCH)


def test_an_empty_batch_is_one():
    assert parse(b"[]", BATCH) == []


def test_each_event_is_judged_alone_and_answered_in_its_place():
    results = parse(batch(said(id="a"), said("time", id="b"), 7, said(id="d")), BATCH)

    assert [result.index for result in results] == [0, 1, 2, 3]
    assert [result.__class__ for result in results] == [ParsedEvent, Rejected, Rejected, ParsedEvent]
    assert (results[1].stream, results[1].uid, results[1].reason) == (STREAM, "b", "missing")
    assert results[1].params == {"pointer": "", "key": "time"}
    assert (results[2].stream, results[2].uid, results[2].reason) == ("", "", "wrong_type")


def test_without_an_id_it_is_what_was_said_where_and_when():
    event = Event("production.count", NOON, NOON, {"kind": "good", "delta": 3})

    assert parse_one(said("id")).uid == uid(STREAM, event)


def test_what_is_not_known_is_kept_and_reported():
    event = parse_one(said(traceparent="00-1", data={"kind": "good", "delta": 3, "colour": {"rgb": [1, 2]}}))

    assert event.extras == ("/traceparent", "/data/colour")
    assert event.attributes == {"traceparent": "00-1"}
    assert event.data["colour"] == {"rgb": [1, 2]}


@pytest.mark.parametrize("value", [0, 2**53 + 1, 2**64 - 1])
def test_a_counter_of_64_bits_as_number_and_as_text_is_the_same(value):
    as_number = parse_one(said(data={"kind": "good", "delta": 1, "total_after": value}))
    as_text = parse_one(said(data={"kind": "good", "delta": 1, "total_after": str(value)}))

    assert as_text.data["total_after"] == value
    assert type(as_text.data["total_after"]) is int
    assert as_text == as_number


@pytest.mark.parametrize("text", ["18446744073709551616", "-1", "1.5", "", "0x10", "١٢", "1e3", " 1", "1\n"])
def test_a_counter_as_text_is_digits_of_64_bits(text):
    data = {"kind": "good", "delta": 1, "total_after": text}

    assert rejected(said(data=data)) == ("malformed", "/data/total_after")


# ----------------------------------------------------------------------------------------------------------- digest


def test_the_digest_is_settled():
    """A change here makes every resend of what was taken before look like another content."""
    text = 'production.count\n1\n1767614400000007\ngood\n{"delta":3,"kind":"good"}\npress-7'

    assert parse_one(said()).digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_same_content_has_the_same_digest_however_it_is_written_and_travels():
    digest = parse_one(said()).digest

    assert parse_one(said(data={"delta": 3.0, "kind": "good"})).digest == digest
    assert parse_one(said(time="2026-01-05T13:00:00.000007000+01:00")).digest == digest
    resent = said(sequence=9, epoch=2, recordedtime="2026-01-06T12:00:00Z", traceparent="00-2", id="x")
    assert parse_one(resent).digest == digest


def test_another_content_has_another_digest():
    others = [
        said(),
        said(subject="press-8"),
        said("subject"),
        said(time="2026-01-05T12:00:00.000008Z"),
        said(quality="uncertain"),
        said(data={"kind": "good", "delta": 4}),
        said(data={"kind": "good", "delta": 3, "colour": "red"}),
        said(type="mmc.quality.scrap.v1", data={"qty": 3}),
        said(data={"kind": "good", "delta": 3, "colour": "red\n"}),
    ]

    assert len({parse_one(event).digest for event in others}) == len(others)


# ---------------------------------------------------------------------------------------------- refused as a whole

BOMB = gzip.compress(b"[" + b" " * 300_000_000 + b"]", compresslevel=9)
WHOLE = [
    (batch(said()), "application/json", "", "media_type_unsupported", 415),
    (batch(said()), "", "", "media_type_unsupported", 415),
    (batch(said()), None, "", "media_type_unsupported", 415),
    (batch(said()), "text/plain", "", "media_type_unsupported", 415),
    (batch(said()), f"{BATCH}; charset=iso-8859-1", "", "charset_unsupported", 415),
    (batch(said()), f"{BATCH}; charset*=utf-8''utf-8", "", "charset_unsupported", 415),
    (batch(said()), BATCH, "br", "encoding_unsupported", 415),
    (batch(said()), BATCH, "gzip, gzip", "encoding_unsupported", 415),
    (b" " * 1_048_577, BATCH, "", "body_too_big", 413),
    (BOMB, BATCH, "gzip", "unpacked_too_big", 413),
    (b"\x1f\x8b garbage", BATCH, "gzip", "gzip_broken", 400),
    (b"", BATCH, "gzip", "gzip_broken", 400),
    (gzip.compress(batch(said()))[:-1], BATCH, "gzip", "gzip_broken", 400),
    (gzip.compress(batch(said())) + b"\0", BATCH, "gzip", "gzip_broken", 400),
    (batch(said()), BATCH, "gzip", "gzip_broken", 400),
    (b"\xef\xbb\xbf" + batch(said()), BATCH, "", "byte_order_mark", 400),
    (batch(said()).decode().encode("utf-16"), BATCH, "", "not_utf8", 400),
    (json.dumps([said(subject="Säge")], ensure_ascii=False).encode("latin-1"), BATCH, "", "not_utf8", 400),
    (b'["\xed\xa0\x80"]', BATCH, "", "not_utf8", 400),
    (b'["\xc0\x80"]', BATCH, "", "not_utf8", 400),
    (b"", BATCH, "", "not_json", 400),
    (b"[{}", BATCH, "", "not_json", 400),
    (b"[{}]]", BATCH, "", "not_json", 400),
    (b"[{},]", BATCH, "", "not_json", 400),
    (b'["a\0b"]', BATCH, "", "not_json", 400),
    (b'["\t"]', BATCH, "", "not_json", 400),
    (b"[01]", BATCH, "", "not_json", 400),
    (b"['a']", BATCH, "", "not_json", 400),
    (batch(said()).decode().encode("utf-16-le"), BATCH, "", "not_json", 400),
    (b"[" * 100_000, BATCH, "", "too_deep", 400),
    (b"[" * 300_000, BATCH, "", "too_deep", 400),
    (b"[" * 17 + b"]" * 17, BATCH, "", "too_deep", 400),
    (b'[{"a":' * 60_000, BATCH, "", "too_deep", 400),
    (b'["\\\\",' + b"[" * 17 + b"]" * 18, BATCH, "", "too_deep", 400),
    (b"[" + b"0," * 200_001 + b"0]", BATCH, "", "too_many_values", 413),
    (b"[" + b"[]," * 100_001 + b"[]]", BATCH, "", "too_many_values", 413),
    (b"[" + b"{}," * 1_000 + b"{}]", BATCH, "", "too_many_events", 413),
    (b"[" + b"0," * 1_000 + b"0]", BATCH, "", "too_many_events", 413),
    (b"[]", SINGLE, "", "not_an_object", 400),
    (b"7", SINGLE, "", "not_an_object", 400),
    (b"{}", BATCH, "", "not_an_array", 400),
]


@pytest.mark.parametrize(("body", "content_type", "encoding", "code", "status"), WHOLE)
def test_a_request_that_is_refused_as_a_whole(body, content_type, encoding, code, status):
    assert refused(body, content_type, encoding) == (code, status)


#: What does not come from reading a batch: the connection, the pressure, and the routes beside that of the events.
ELSEWHERE = {"body_cut", "rate_exceeded", "backlog_full", "body_unfit", "query_unfit", "trace_unknown"}


def test_every_reason_to_refuse_a_request_was_given_above():
    assert {code for _body, _type, _encoding, code, _status in WHOLE} == REQUEST_REFUSALS.keys() - ELSEWHERE


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (BOMB, "gzip"),
        (gzip.compress(gzip.compress(b"[" * 50_000_000)), "gzip"),
        (b"[" * 1_000_000, ""),
        (b"[" + b"[]," * 300_000 + b"[]]", ""),
        (b"[" + b'{"":0},' * 140_000 + b"{}]", ""),
        (gzip.compress(b"[" + b"1e5," * 2_000_000 + b"0]"), "gzip"),
    ],
    ids=["bomb", "bomb in a bomb", "deep", "arrays", "objects", "numbers"],
)
def test_what_is_too_much_is_refused_before_it_is_built(body, encoding):
    bounds = Bounds()
    tracemalloc.start()
    try:
        refused(body, BATCH, encoding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 3 * bounds.unpacked


@pytest.mark.parametrize(
    "text",
    ["[[[[", "]]]]", "{}{}{}{}", '\\"', '"', "\\\\", '\\\\\\"', "a,b", 'x"[[[', "\n", "\n[[["],
    ids=lambda text: text,
)
def test_what_stands_in_a_text_is_not_counted(text):
    bounds = Bounds(depth=3, values=7, events=1)

    measure(json.dumps([{text: text, "b": [text]}]).encode(), True, bounds)


@pytest.mark.parametrize("text", [b"[{},{}]", b'[{"a":[{},{}]},[[]]]', b"[[],{}]", b'["[",{},{}]'])
def test_the_events_of_a_batch_are_counted_before_they_are_built(text):
    measure(text, True, Bounds(events=2))
    measure(text, False, Bounds(events=1))
    with pytest.raises(RequestRefused) as told:
        measure(text, True, Bounds(events=1))
    assert told.value.code == "too_many_events"


@calm
@given(
    st.recursive(
        st.none() | st.integers() | st.text('[]{},"\\\n'),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text('[]{},"\\\n', max_size=5), inner, max_size=4)
        ),
        max_leaves=30,
    ),
    st.booleans(),
)
def test_depth_is_measured_to_the_level(value, spaces):
    def depth(item):
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    text = json.dumps([value], indent=1 if spaces else None).encode()
    true = depth([value])

    measure(text, False, Bounds(depth=true))
    with pytest.raises(RequestRefused) as told:
        measure(text, False, Bounds(depth=true - 1))
    assert told.value.code == "too_deep"


# ------------------------------------------------------------------------------------------------ rejected alone

COUNT = '{"kind": "good", "delta": 3, %s}'
WRITTEN = ["10000000000000000", "1e16", "10000000000000000.0", "1.0E+16", '"10000000000000000"']
ALONE = [
    (said("specversion"), "missing", ""),
    (said("source"), "missing", ""),
    (said("type"), "missing", ""),
    (said("time"), "missing", ""),
    (said(data={"kind": "good"}), "missing", "/data"),
    (said("data"), "missing", "/data"),
    (said(specversion="0.3"), "unknown_choice", "/specversion"),
    (said(specversion=1.0), "wrong_type", "/specversion"),
    (said(id=7), "wrong_type", "/id"),
    (said(id=""), "too_short", "/id"),
    (said(id="x" * 256), "too_long", "/id"),
    (said(type="mmc.production.guess.v1"), "type_unknown", "/type"),
    (said(type="production.count"), "type_unknown", "/type"),
    (said(type="com.example.production.count.v1"), "type_unknown", "/type"),
    (said(type="mmc.production.count"), "type_unknown", "/type"),
    (said(type="mmc.production.count.vx"), "type_unknown", "/type"),
    (said(type="mmc.production.count.v2"), "version_unknown", "/type"),
    (said(type="mmc.production.count.v01"), "version_unknown", "/type"),
    (said(time=1767614400), "wrong_type", "/time"),
    (said(time={}), "wrong_type", "/time"),
    (said(time=["2026-01-05T12:00:00Z"]), "wrong_type", "/time"),
    (said(time=True), "wrong_type", "/time"),
    (said(time="yesterday"), "malformed", "/time"),
    (said(time="2026-01-05"), "malformed", "/time"),
    (said(time="2026-01-05T12:00:00"), "malformed", "/time"),
    (said(time="2026-02-30T12:00:00Z"), "malformed", "/time"),
    (said(time="2026-W01-1T12:00:00Z"), "malformed", "/time"),
    (said(time="1969-12-31T23:59:59Z"), "malformed", "/time"),
    (said(time="2100-01-01T00:00:00Z"), "malformed", "/time"),
    (said(time="9999-12-31T23:59:59-23:59"), "malformed", "/time"),
    (said(recordedtime="soon"), "malformed", "/recordedtime"),
    (said(sequence=-1), "out_of_range", "/sequence"),
    (said(sequence="-1"), "malformed", "/sequence"),
    (said(sequence=1.5), "wrong_type", "/sequence"),
    (said(epoch=True), "wrong_type", "/epoch"),
    (said(quality="perfect"), "unknown_choice", "/quality"),
    (said(held="because"), "unknown_choice", "/held"),
    (said(datacontenttype="text/xml"), "data_not_json", "/datacontenttype"),
    (said("data", data_base64="e30="), "data_not_json", "/data_base64"),
    (said("data", type="mmc.agent.heartbeat.v1", data_base64="e30="), "data_not_json", "/data_base64"),
    (said(data=[]), "data_not_json", "/data"),
    (said(data="{}"), "data_not_json", "/data"),
    (said(data={"kind": "best", "delta": 3}), "unknown_choice", "/data/kind"),
    (said(data={"kind": "good", "delta": "3"}), "wrong_type", "/data/delta"),
    (said(data={"kind": "good", "delta": True}), "wrong_type", "/data/delta"),
    (said(data={"kind": "good", "delta": 1e30}), "out_of_range", "/data/delta"),
    (said(data={"kind": "good", "delta": 1, "total_after": 2**64}), "out_of_range", "/data/total_after"),
    (said(data={"kind": "good", "delta": 1, "total_after": -1}), "out_of_range", "/data/total_after"),
    (said(data={"kind": "good", "delta": 1, "window": ["2026-01-05T12:00:00Z"]}), "too_short", "/data/window"),
    (said(data={"kind": "good", "delta": 1, "window": ["2026-01-05T12:00:00Z", "x"]}), "malformed", "/data/window/1"),
    (said(data={"kind": "good", "delta": 1, "cause": "x" * 1025}), "too_long", "/data/cause"),
    (said(data={"kind": "good", "delta": 1, "note": "x" * 4097}), "too_long", "/data/note"),
    (said(data={"kind": "good", "delta": 1, "note": [0] * 1001}), "too_long", "/data/note"),
    (said(data={"kind": "good", "delta": 1, "k" * 129: 1}), "too_long", "/data/" + "k" * 64),
    (said(data={"kind": "good", "delta": 1, **dict.fromkeys(map(str, range(99)), 1)}), "too_long", "/data"),
    (said(data={"kind": "good", "delta": 1, "a/b~c": {"d": "x" * 4097}}), "too_long", "/data/a~1b~0c/d"),
    (said(data={"kind": "good", "delta": 1, "note": ["x" * 4096] * 16}), "event_too_big", "/data"),
    (said(data={"kind": "good", "delta": 1, "cause": "a\0b"}), "nul", "/data/cause"),
    (said(data={"kind": "good", "delta": 1, "a\0b": 1}), "nul", "/data"),
    (said(subject="\ud800"), "half_surrogate", "/subject"),
    (said(id="\udc00\ud800"), "half_surrogate", "/id"),
    (said(data={"kind": "good", "delta": 1, "note": [{"x": "\udfff"}]}), "half_surrogate", "/data/note/0/x"),
    (COUNT % '"total_after": NaN', "not_finite", "/data/total_after"),
    (COUNT % '"note": [-Infinity]', "not_finite", "/data/note/0"),
    (COUNT % '"note": 1e400', "out_of_range", "/data/note"),
    (COUNT % '"note": -1e400', "out_of_range", "/data/note"),
    (COUNT % f'"note": 1{"0" * 30}', "out_of_range", "/data/note"),
    (COUNT % f'"note": {"9" * 100_000}', "out_of_range", "/data/note"),
    (COUNT % f'"note": 0.{"3" * 100_000}', "out_of_range", "/data/note"),
    (COUNT % '"kind": "good"', "key_twice", "/data"),
    (COUNT % '"note": {"a": 1, "\\u0061": 2}', "key_twice", "/data/note"),
]


def written(event):
    """An event as text; where only its data is given, that is JSON as no library writes it."""
    if isinstance(event, dict):
        return json.dumps(event)
    return json.dumps(said(data="DATA")).replace('"DATA"', event)


@pytest.mark.parametrize(("event", "reason", "pointer"), ALONE, ids=range(len(ALONE)))
def test_an_event_that_is_rejected_holds_up_no_other(event, reason, pointer):
    good = json.dumps(said())
    before, result, after = parse(f"[{good}, {written(event)}, {good}]".encode(), BATCH)

    assert isinstance(before, ParsedEvent)
    assert isinstance(after, ParsedEvent)
    assert (result.index, result.reason, result.params["pointer"]) == (1, reason, pointer)
    # What is said of it can be stored and answered.
    assert clean_json(result.params) == result.params
    clean_json([result.stream, result.uid])


def test_every_reason_to_reject_an_event_was_given_above():
    # Pressure and translation do not read a batch either.
    assert {reason for _event, reason, _pointer in ALONE} == EVENT_REFUSALS.keys() - {
        "telemetry",
        "backlog_full",
        "translation_missing",
    }


def test_a_whole_number_is_one_however_it_is_written():
    events = [written(COUNT % f'"total_after": {text}') for text in WRITTEN]
    results = parse(f"[{', '.join(events)}]".encode(), BATCH)

    assert {result.content for result in results} == {'{"delta":3,"kind":"good","total_after":10000000000000000}'}
    assert len({result.digest for result in results}) == 1


def test_a_whole_pair_of_surrogates_and_an_escaped_backslash_are_fine():
    data = r'{"kind": "good", "delta": 3, "note": "\ud83d\ude00 \\u0000 \\ud800"}'
    (event,) = parse(f"[{written(data)}]".encode(), BATCH)

    assert event.data["note"] == "😀 \\u0000 \\ud800"


def test_the_version_that_would_be_taken_is_told():
    result = parse_one(said(type="mmc.production.count.v2"))

    assert result.params == {"pointer": "/type", "type": "production.count", "supported": [1]}


def test_what_is_shown_of_a_rejected_event_is_short():
    result = parse_one(said("time", source="x" * 5_000, id={"a": 1}))

    assert (result.stream, result.uid) == ("x" * 255, "")


# ------------------------------------------------------------------------------------------------------ properties

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@calm
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([BATCH, SINGLE]) | st.text(max_size=40),
    st.sampled_from(["", "gzip"]),
)
def test_no_bytes_make_it_fail_otherwise(body, content_type, encoding):
    try:
        parse(body, content_type, encoding)
    except RequestRefused as refusal:
        assert refusal.code in REQUEST_REFUSALS


@calm
@given(
    st.dictionaries(st.sampled_from([*said(), "epoch", "sequence", "quality", "cfgver", "x"]), anything, max_size=4),
    st.dictionaries(st.sampled_from(["kind", "delta", "total_after", "window", "raw", "x"]), anything, max_size=3),
)
def test_whatever_an_event_says_it_is_taken_or_rejected_and_can_be_stored(attributes, data):
    event = {**said(), "data": {**said()["data"], **data}, **attributes}
    (result,) = parse(json.dumps([event]).encode(), BATCH)

    if isinstance(result, ParsedEvent):
        assert clean_json(result.data) == result.data
        assert json.loads(result.content) == result.data
        assert 0 <= result.occurred < 2**63
        assert result.uid
    else:
        assert result.reason in EVENT_REFUSALS
        assert clean_json(result.params) == result.params


@calm
@given(
    st.dictionaries(st.sampled_from([*said(), "recordedtime", "epoch", "quality", "rawstatus"]), anything, max_size=2),
    st.dictionaries(st.sampled_from(["kind", "delta", "total_after", "unit", "window", "raw"]), anything, max_size=2),
    st.permutations(list(said())),
)
def test_it_is_the_same_whether_it_is_seen_at_one_look_or_piece_by_piece(attributes, data, order):
    """An attribute that is null is not there, and has every piece looked at by itself."""
    event = {**said(), "data": {**said()["data"], **data}, **attributes}
    event = {name: event[name] for name in [*order, *attributes]}

    at_one_look, piece_by_piece = parse_any(event), parse_any({**event, "nothing": None})

    assert at_one_look == piece_by_piece


def parse_any(event):
    (result,) = parse(json.dumps([event]).encode(), BATCH)
    return result


# ------------------------------------------------------------------------------------------------- our own events


def mapped(case):
    """The events that a mapping makes of what a machine said."""
    start = datetime.fromisoformat(load(case, "machine")["start"])
    for kind, time, held, data in load(case, "expected"):
        at = moment(start, time)
        yield Event(kind, at, at, data, held=held, signal="S", mapping_version=4)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_our_own_mapping_makes_is_taken_as_it_is(case):
    events = list(mapped(case))
    sent = [cloud_event(event, STREAM, "press-7", 1, place) for place, event in enumerate(events)]
    results = parse(batch(*sent), BATCH)

    assert [result for result in results if isinstance(result, Rejected)] == []
    for place, (event, result) in enumerate(zip(events, results, strict=True)):
        assert (result.uid, result.type, result.data) == (uid(STREAM, event), event.type, event.data)
        assert (result.occurred, result.recorded) == (microseconds(event.occurred), microseconds(event.recorded))
        assert (result.held, result.signal, result.mapping_version) == (event.held, "S", 4)
        assert (result.epoch, result.sequence, result.extras) == (1, place, ())


# ---------------------------------------------------------------------------------------------------------- times


@calm
@given(st.integers(0, 4_102_444_799_999_999))
def test_a_moment_survives_its_text(us):
    assert from_timestamp(timestamp(us)) == us


@calm
@given(
    st.datetimes(datetime(1970, 1, 3), datetime(2099, 12, 30)),  # noqa: DTZ001
    st.integers(-1439, 1439),
    st.sampled_from(["milliseconds", "microseconds", "seconds"]),
)
def test_a_time_of_any_offset_is_what_python_says(at, minutes, precision):
    text = at.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat(timespec=precision)

    assert from_timestamp(text) == microseconds(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01T00:00:00.1234567Z", 123_456),
        ("1970-01-01T05:30:00.000001+05:30", 1),
        ("1970-01-01T00:00:00-00:00", 0),
    ],
)
def test_times_of_every_form(text, us):
    assert from_timestamp(text) == us


@pytest.mark.parametrize(
    "text",
    [
        *("", "Z", "2026-01-05T12:00:00", "2026-01-05 12:00:00Z", "2026-01-05T12:00Z", "2026-01-05T24:00:00Z"),
        *("2026-01-05T12:00:60Z", "2026-01-05T12:00:00.Z", "2026-01-05T12:00:00,5Z", "2026-01-05T12:00:00.1234567891Z"),
        *("2026-01-05T12:00:00+0100", "2026-01-05T12:00:00+01", "2026-01-05T12:00:00+24:00", "2026-01-05T12:00:00.٣Z"),
        *("2026-01-05T12:00:00Z ", "2026-01-05T12:00:00Z\n", "٢٠٢٦-01-05T12:00:00Z", "2026-01-05T12:00:00.-1Z"),
    ],
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError):
        from_timestamp(text)
