"""What does an OPC UA server's answer say, byte by byte and as a reading?"""

import json
import math
import struct
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import example, given
from hypothesis import strategies as st

from machine_connect.drivers.opcua_decode import EPOCH, instant, instant_text, read_results
from machine_connect.drivers.opcua_value import Place, to_reading
from machine_connect.errors import CODES
from machine_connect.reading import Quality

READ_AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD
STATUS = ua.StatusCodes


def ticks(moment):
    return (moment - EPOCH) // timedelta(microseconds=1) * 10


# Values: an answer is (value, type, is it an array, status, source time, server time)

SOURCE, SERVER = READ_AT - timedelta(seconds=3), READ_AT - timedelta(seconds=1)


def answer(value=1, kind=ua.VariantType.Int32, array=False, status=0, source=SOURCE, server=SERVER):
    return value, kind, array, status, ticks(source) if source else 0, ticks(server) if server else 0


def reading(*args, index=(), expected="", **facts):
    made = to_reading(Place("signal", "i=1", index, expected), answer(*args, **facts), READ_AT)
    assert made.code == "" if made.is_good else made.code in CODES
    assert (made.value is None) == (made.quality is BAD)
    assert json.loads(json.dumps(made.raw, allow_nan=False)) == made.raw
    return made


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("Boolean", True, True),
        ("SByte", -1, -1),
        ("UInt64", 2**64 - 1, 2**64 - 1),
        ("Int64", -(2**63), -(2**63)),
        ("Float", 0.5, 0.5),
        ("Double", -1e300, -1e300),
        ("String", "42", "42"),
        ("String", None, ""),
        ("String", "", ""),
        ("String", "A\0\0", "A"),
        ("String", "A\0B", "A\ufffdB"),
        ("String", b"\xff\xfe".decode("utf-8", "surrogateescape"), "\ufffd\ufffd"),
        ("DateTime", READ_AT, "2026-03-01T12:00:00+00:00"),
        ("Guid", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("ByteString", b"\x00\xff", "00ff"),
        ("XmlElement", ua.XmlElement("<a/>"), "<a/>"),
        ("NodeId", ua.NodeId("x", 2), "ns=2;s=x"),
        ("StatusCode", ua.StatusCode(STATUS.BadNoData), "BadNoData"),
        ("QualifiedName", ua.QualifiedName("Speed", 2), "Speed"),
        ("LocalizedText", ua.LocalizedText("Füller"), "Füller"),
        ("LocalizedText", ua.LocalizedText(None), ""),
    ],
)
def test_a_value_keeps_its_kind(kind, value, expected):
    made = reading(value, ua.VariantType[kind])

    assert (made.value, made.quality, made.code) == (expected, GOOD, "")
    assert type(made.value) is type(expected)
    assert made.raw == {
        "node": "i=1",
        "status": "Good",
        "source": "2026-03-01T11:59:57.000000+00:00",
        "server": "2026-03-01T11:59:59.000000+00:00",
        "type": kind,
        "value": expected,
    }


@pytest.mark.parametrize(
    ("value", "kind", "facts", "code"),
    [
        (None, ua.VariantType.Null, {}, "unavailable"),
        (None, ua.VariantType.Int32, {}, "unavailable"),
        (math.nan, ua.VariantType.Double, {}, "unavailable"),
        (math.inf, ua.VariantType.Float, {}, "decode_failed"),
        ("UNAVAILABLE", ua.VariantType.String, {}, "unavailable"),
        (ua.LocalizedText("UNAVAILABLE"), ua.VariantType.LocalizedText, {}, "unavailable"),
        (ua.ExtensionObject(), ua.VariantType.ExtensionObject, {}, "type_invalid"),
        (7, ua.VariantTypeCustom(40), {}, "type_invalid"),
        ([1, 2], ua.VariantType.Int32, {"array": True}, "type_invalid"),
        ([1, 2], ua.VariantType.Int32, {"array": True, "index": (2,)}, "illegal_address"),
        (None, ua.VariantType.Int32, {"array": True, "index": (0,)}, "illegal_address"),
        ([[1], [2]], ua.VariantType.Int32, {"array": True, "index": (0,)}, "type_invalid"),
        ([1, 2], ua.VariantType.Int32, {"array": True, "index": (0, 0)}, "type_invalid"),
        (1, ua.VariantType.Int32, {"index": (0,)}, "type_invalid"),
        ("text", ua.VariantType.String, {"index": (0,)}, "type_invalid"),
        ("1", ua.VariantType.String, {"expected": "number"}, "type_invalid"),
        (1, ua.VariantType.Int32, {"expected": "text"}, "type_invalid"),
        (True, ua.VariantType.Boolean, {"expected": "number"}, "type_invalid"),
    ],
)
def test_what_is_no_single_value_is_bad_and_says_why(value, kind, facts, code):
    made = reading(value, kind, **facts)

    assert (made.value, made.quality, made.code) == (None, BAD, code)


@pytest.mark.parametrize(
    ("value", "kind", "index", "expected"),
    [
        ([10, 20, 30], ua.VariantType.Int16, (1,), 20),
        ([[1, 2], [3, 4]], ua.VariantType.Int16, (1, 0), 3),
        (["a", None], ua.VariantType.String, (1,), ""),
        ([ua.Variant(2.5), ua.Variant("x")], ua.VariantType.Variant, (0,), 2.5),
        ([ua.Variant(2.5), ua.Variant("x")], ua.VariantType.Variant, (1,), "x"),
    ],
)
def test_an_element_of_an_array_is_a_value(value, kind, index, expected):
    made = reading(value, kind, array=True, index=index)

    assert (made.value, made.code, made.raw["index"]) == (expected, "", list(index))


@pytest.mark.parametrize(
    ("status", "quality", "code"),
    [
        ("Good", GOOD, ""),
        ("GoodClamped", GOOD, ""),
        ("GoodLocalOverride", GOOD, ""),
        ("UncertainLastUsableValue", UNCERTAIN, "uncertain_status"),
        ("UncertainInitialValue", UNCERTAIN, "uncertain_status"),
        ("Bad", BAD, "bad_status"),
        ("BadWaitingForInitialData", BAD, "bad_status"),
        ("BadConfigurationError", BAD, "bad_status"),
        ("BadNodeIdUnknown", BAD, "node_unknown"),
        ("BadNodeIdInvalid", BAD, "node_unknown"),
        ("BadAttributeIdInvalid", BAD, "node_not_a_variable"),
        ("BadNotReadable", BAD, "access_denied"),
        ("BadUserAccessDenied", BAD, "access_denied"),
        ("BadNoData", BAD, "unavailable"),
        ("BadDataUnavailable", BAD, "unavailable"),
        ("BadOutOfService", BAD, "unavailable"),
        ("BadDeviceFailure", BAD, "unavailable"),
        ("BadSensorFailure", BAD, "unavailable"),
        ("BadNotConnected", BAD, "unavailable"),
        ("BadNoCommunication", BAD, "unavailable"),
        ("BadTimeout", BAD, "no_answer"),
    ],
)
def test_a_status_becomes_quality_and_reason(status, quality, code):
    number = getattr(STATUS, status)
    made = reading(7, status=number)

    assert (made.quality, made.code, made.status, made.raw["status"]) == (quality, code, number, status)
    assert made.value == (None if quality is BAD else 7)


def test_info_bits_change_nothing_about_a_status():
    overflow = STATUS.BadNoData | 0x0480

    assert reading(7, status=overflow).code == "unavailable"
    assert reading(7, status=overflow).raw["status"] == "BadNoData"
    assert reading(7, status=0x0480).is_good


def test_a_status_that_nobody_knows_is_shown_by_its_number():
    assert reading(7, status=0x8FFF0000).raw["status"] == "0x8FFF0000"
    assert reading(7, status=0xC0000000).quality is BAD


def test_an_uncertain_unavailable_is_bad():
    made = reading("UNAVAILABLE", ua.VariantType.String, status=STATUS.UncertainLastUsableValue)

    assert (made.quality, made.code) == (BAD, "unavailable")


@pytest.mark.parametrize(
    ("source", "server", "at"),
    [
        (SOURCE, SERVER, SOURCE),
        # A server renews its own time with each read: a value that stands still would look new.
        (None, SERVER, READ_AT),
        (SOURCE, None, SOURCE),
        (None, None, READ_AT),
        # A clock that lost its battery: told as it is, for whoever knows what may become an effect.
        (datetime(2000, 1, 1, 0, 3, tzinfo=timezone.utc), SERVER, datetime(2000, 1, 1, 0, 3, tzinfo=timezone.utc)),
        (datetime(1601, 1, 1, tzinfo=timezone.utc), SERVER, READ_AT),
    ],
)
def test_a_value_is_of_the_time_of_its_source(source, server, at):
    made = reading(source=source, server=server)

    assert (made.at, made.read_at) == (at, READ_AT)
    assert made.at.tzinfo is timezone.utc


@given(st.integers(-(2**63), 2**63 - 1))
@example(0)
@example(2**63 - 1)
def test_any_date_time_is_a_moment_or_none_and_its_text_says_the_same(number):
    moment, text = instant(number), instant_text(number)

    assert (moment is None) == (text is None) == (number <= 0)
    if moment:
        assert datetime.fromisoformat(text) == moment
        assert moment.tzinfo is timezone.utc


# The answer, byte by byte


def response(*encoded, header=None):
    head = b"\x01\x00" + struct.pack("<H", ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)
    header = header or ua.ResponseHeader()
    return Buffer(head + struct_to_binary(header) + struct.pack("<i", len(encoded)) + b"".join(encoded) + b"\xff" * 4)


MOMENTS = st.datetimes(
    datetime.fromisoformat("1602-01-01"), datetime.fromisoformat("9000-01-01"), timezones=st.just(timezone.utc)
)
NUMBERS = {
    "Boolean": st.booleans(),
    "SByte": st.integers(-128, 127),
    "Byte": st.integers(0, 255),
    "Int16": st.integers(-(2**15), 2**15 - 1),
    "UInt16": st.integers(0, 2**16 - 1),
    "Int32": st.integers(-(2**31), 2**31 - 1),
    "UInt32": st.integers(0, 2**32 - 1),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "UInt64": st.integers(0, 2**64 - 1),
    "Float": st.floats(width=32, allow_nan=False),
    "Double": st.floats(allow_nan=False),
    "String": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    "DateTime": MOMENTS,
    "ByteString": st.binary(max_size=30),
    "Guid": st.uuids(),
    "LocalizedText": st.builds(ua.LocalizedText, st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
}
VARIANTS = st.sampled_from(sorted(NUMBERS)).flatmap(
    lambda name: (
        st.builds(lambda value: ua.Variant(value, ua.VariantType[name]), NUMBERS[name])
        | st.builds(
            lambda values: ua.Variant(values, ua.VariantType[name], is_array=True),
            st.lists(NUMBERS[name].filter(lambda value: value is not None), max_size=4),
        )
    )
)
STATUSES = st.sampled_from([0, STATUS.BadNoData, STATUS.UncertainLastUsableValue, 0x80350480])


@given(st.lists(st.tuples(VARIANTS, STATUSES, st.none() | MOMENTS, st.none() | MOMENTS), max_size=8))
def test_an_answer_is_read_as_the_library_reads_it(entries):
    values = [
        ua.DataValue(variant, ua.StatusCode(status), source, server) for variant, status, source, server in entries
    ]

    answers = read_results(response(*map(struct_to_binary, values)), len(values))

    assert [(value, int(kind), array, status) for value, kind, array, status, *_times in answers] == [
        (variant.Value, variant.VariantType.value, variant.is_array, status) for variant, status, *_times in entries
    ]
    assert [(instant(source), instant(server)) for *_value, source, server in answers] == [
        (source, server) for *_value, source, server in entries
    ]


def test_picoseconds_follow_their_own_time_as_the_standard_says():
    source, server = ticks(SOURCE), ticks(SERVER)
    encoded = struct.pack("<BBiIqHqH", 0x3F, 6, -5, STATUS.UncertainLastUsableValue, source, 77, server, 88)

    one = (-5, 6, False, STATUS.UncertainLastUsableValue, source, server)
    assert read_results(response(encoded, encoded), 2) == [one, one]


@given(st.binary(max_size=200), st.integers(0, 3))
def test_garbage_in_an_answer_is_an_error_or_an_answer_but_never_a_wrong_count(garbage, asked):
    try:
        answers = read_results(Buffer(response().read(28) + garbage), asked)
    except Exception as error:
        assert not isinstance(error, MemoryError)
    else:
        assert len(answers) == asked


@pytest.mark.parametrize("missing", [1, 4, 9])
def test_an_answer_that_ends_too_early_is_an_error(missing):
    encoded = struct_to_binary(ua.DataValue(ua.Variant("a text"), SourceTimestamp=SOURCE))
    body = response(encoded)
    body = Buffer(bytes(body)[: -4 - missing])

    with pytest.raises((ValueError, struct.error, IndexError)):
        read_results(body, 1)


def test_an_answer_for_another_number_of_nodes_is_an_error():
    encoded = struct_to_binary(ua.DataValue(ua.Variant(1)))

    with pytest.raises(ValueError, match="does not fit"):
        read_results(response(encoded, encoded), 1)
