"""What does the OPC UA driver make of addresses, settings and values, and how does it ask a server for them?"""

import asyncio
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

from machine_connect.drivers import BrowseItem, SignalAddress, driver_class, opcua_decode, opcua_session
from machine_connect.drivers.opcua_address import AddressInvalid, NodeAddress, address_text, parse_address
from machine_connect.drivers.opcua_decode import instant, instant_text, read_results
from machine_connect.drivers.opcua_settings import Settings, endpoint_text
from machine_connect.drivers.opcua_value import Place, to_reading
from machine_connect.errors import CODES, ConnectionFailed
from machine_connect.reading import Quality
from tests.unit.opcua_server import OpcUaServer

Driver = driver_class("opcua")
LINE, OVEN = "urn:plant:line", "urn:plant:oven"
READ_AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD
STATUS = ua.StatusCodes


def ticks(moment):
    return (moment - opcua_decode.EPOCH) // timedelta(microseconds=1) * 10


# Addresses


@pytest.mark.parametrize(
    ("text", "namespace", "identifier"),
    [
        ("i=2258", "", 2258),
        ("ns=0;i=2258", "", 2258),
        ("nsu=http://opcfoundation.org/UA/;i=2258", "", 2258),
        ("nsu=urn:plant;s=Part_Count", "urn:plant", "Part_Count"),
        ('nsu=urn:plant;s="DB1"."a;b=c"', "urn:plant", '"DB1"."a;b=c"'),
        ("nsu=urn:a%3Bb%25;i=007", "urn:a;b%", 7),
        ("nsu=urn:plant;g=72962B91-FA75-4AE6-8D28-B404DC7DAF63", "urn:plant", uuid.UUID("72962b91fa754ae68d28b404dc7daf63")),
        ("nsu=urn:plant;b=AAEC/w==", "urn:plant", b"\x00\x01\x02\xff"),
        ("  nsu=urn:plant;s=x  ", "urn:plant", "x"),
        ("s=Ünicode", "", "Ünicode"),
    ],
)
def test_an_address_names_a_node(text, namespace, identifier):
    assert parse_address(text) == NodeAddress(namespace, identifier)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ns=2;s=Part_Count", "nsu"),
        ("nsu=;s=x", "nsu"),
        ("svr=1;i=5", "server"),
        ("Part_Count", "form"),
        ("", "form"),
        ("nsu=urn:plant;s=", "form"),
        ("nsu=urn:plant;x=1", "form"),
        ("i=-1", "number"),
        ("i=4294967296", "number"),
        ("i=0000000000099999999999", "number"),
        ("i=\u0661", "number"),
        ("g=not-a-guid", "guid"),
        ("b=!!!", "base64"),
        ("s=" + "x" * 5000, "long"),
    ],
)
def test_what_names_no_node_says_why(text, hint):
    with pytest.raises(AddressInvalid) as failure:
        parse_address(text)

    assert failure.value.hint == hint


IDENTIFIERS = (
    st.integers(0, 2**32 - 1)
    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=40)
    | st.uuids()
    | st.binary(min_size=1, max_size=40)
)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), max_size=40), IDENTIFIERS)
@example("a;b%3B", "s=1;2")
@example("http://opcfoundation.org/UA/x", 1)
def test_an_address_is_the_same_after_it_was_written_down(namespace, identifier):
    assert parse_address(address_text(namespace, identifier)) == NodeAddress(namespace, identifier)


@pytest.mark.parametrize(
    ("address", "options", "problems"),
    [
        ("nsu=urn:plant;s=x", {}, []),
        ("nsu=urn:plant;s=x", {"index": 3, "data_type": "Int32"}, []),
        ("nsu=urn:plant;s=x", {"index": "2,0", "data_type": "f32", "word_order": "big", "byte_order": "big"}, []),
        ("ns=2;s=x", {}, [("address", "address_invalid")]),
        (" ", {}, [("address", "missing")]),
        ("i=1", {"index": -1}, [("index", "address_invalid")]),
        ("i=1", {"index": 1.5}, [("index", "address_invalid")]),
        ("i=1", {"index": True}, [("index", "address_invalid")]),
        ("i=1", {"index": "1;2"}, [("index", "address_invalid")]),
        ("i=1", {"data_type": "Integer"}, [("data_type", "type_invalid")]),
        ("i=1", {"colour": "green"}, [("colour", "unknown_option")]),
    ],
)
def test_addresses_are_checked_without_a_server(address, options, problems):
    found = Driver.check_address(SignalAddress("x", address, options))

    assert [(problem.field, problem.code) for problem in found] == problems
    json.dumps([problem.params for problem in found])


def test_an_index_of_a_namespace_is_refused_with_the_remedy():
    (problem,) = Driver.check_address(SignalAddress("x", "ns=2;s=Part_Count"))

    assert problem.params["hint"] == "nsu"


# Settings


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({}, []),
        ({"url": ""}, [("url", "missing")]),
        ({"url": "http://plc:4840"}, [("url", "url_invalid")]),
        ({"url": "plc:4840"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://plc:notaport"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://plc:99999"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://plc:0"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://[::1"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://user:password@plc"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://a b:4840"}, [("url", "host_invalid")]),
        ({"url": 7}, [("url", "unknown_choice")]),
        ({"url": "opc.tcp://[::1]:4840/x"}, []),
        ({"timeout": "3"}, [("timeout", "not_a_number")]),
        ({"timeout": True}, [("timeout", "not_a_number")]),
        ({"timeout": 0}, [("timeout", "out_of_range")]),
        ({"timeout": math.nan}, [("timeout", "out_of_range")]),
        ({"session_timeout": 1}, [("session_timeout", "out_of_range")]),
        ({"max_nodes": 0}, [("max_nodes", "out_of_range")]),
        ({"max_nodes": 1.5}, [("max_nodes", "out_of_range")]),
        ({"security_policy": "Basic256"}, [("security_policy", "unknown_choice")]),
        ({"security_policy": "Basic256Sha256"}, [("certificate_path", "missing"), ("key_path", "missing")]),
        ({"security_policy": "Basic256Sha256", "certificate_path": "a", "key_path": "b"}, []),
        ({"security_mode": "none"}, [("security_mode", "unknown_choice")]),
        ({"allow_plain_password": "yes"}, [("allow_plain_password", "unknown_choice")]),
        ({"server_certificate_fingerprint": "AB:CD"}, [("server_certificate_fingerprint", "certificate_invalid")]),
        ({"server_certificate_fingerprint": "sha256 " + "ab:" * 31 + "CD"}, []),
        ({"colour": "green"}, [("colour", "unknown_option")]),
        ({"user": None, "certificate_path": ""}, []),
        ({"user": "x" * 5000}, [("user", "out_of_range")]),
    ],
)
def test_settings_are_checked_without_a_server(options, problems):
    found = Driver.check_options({"url": "opc.tcp://plc:4840/path", **options})

    assert [(problem.field, problem.code) for problem in found] == problems
    assert {problem.code for problem in found} <= CODES.keys()
    assert "NaN" not in json.dumps([problem.params for problem in found])


def test_a_password_in_the_address_is_refused_and_not_repeated():
    (problem,) = Driver.check_options({"url": "opc.tcp://operator:hunter2@plc:4840"})

    assert "hunter2" not in json.dumps(problem.params)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("opc.tcp://PLC:4840/a", "opc.tcp://plc:4840"),
        ("opc.tcp://plc", "opc.tcp://plc:4840"),
        (" opc.tcp://plc:48010/b ", "opc.tcp://plc:48010"),
        ("opc.tcp://[FE80::1]", "opc.tcp://[fe80::1]:4840"),
        ("opc.tcp://plc:port", "opc.tcp://plc:port"),
        ("", "opc.tcp://:4840"),
    ],
)
def test_an_endpoint_is_one_host_and_port_however_it_is_spelt(url, text):
    assert endpoint_text({"url": url}) == text


def test_empty_settings_are_defaults():
    settings = Settings.of({"url": "opc.tcp://plc/a", "user": None, "certificate_path": ""})

    assert (settings.full_url, settings.timeout, settings.session_timeout) == ("opc.tcp://plc:4840/a", 5.0, 60.0)


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
        ("UncertainLastUsableValue", UNCERTAIN, "bad_status"),
        ("UncertainInitialValue", UNCERTAIN, "bad_status"),
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


MOMENTS = st.datetimes(datetime(1602, 1, 1), datetime(9000, 1, 1), timezones=st.just(timezone.utc))
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
    values = [ua.DataValue(variant, ua.StatusCode(status), source, server) for variant, status, source, server in entries]

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

    assert read_results(response(encoded, encoded), 2) == [(-5, 6, False, STATUS.UncertainLastUsableValue, source, server)] * 2


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


# A server


async def prepare(server):
    kinds = ua.VariantType
    good = {
        "Int32": (-100, kinds.Int32), "UInt32": (4_000_000_000, kinds.UInt32), "Double": (2.5, kinds.Double),
        "Text": ("PROGRAM", kinds.String), "Door": (True, kinds.Boolean), "Zones": ([10, 20, 30], kinds.Int16),
    }  # fmt: skip
    for name, (value, kind) in good.items():
        await server.add(LINE, name, value, kind)
    for number in range(500):
        await server.add(OVEN, f"Value{number}", number, kinds.Int32)
    for name in ("BadWaitingForInitialData", "BadNotConnected", "UncertainLastUsableValue"):
        data = ua.DataValue(ua.Variant(3, kinds.Int32), ua.StatusCode(getattr(STATUS, name)), SOURCE, SERVER)
        await server.add(LINE, name, data)
    await server.add(LINE, "Times", ua.DataValue(ua.Variant(1, kinds.Int32), SourceTimestamp=SOURCE, ServerTimestamp=SERVER))
    folder = ua.NodeId("Folder", server.index(LINE))
    server.add_nodes(85, [folder], ua.DataValue(), ua.NodeClass.Object)
    server.add_nodes(folder, [ua.NodeId(f"Below{n}", 3) for n in range(5)], ua.DataValue(ua.Variant(1.5)))
    server.add_nodes(folder, [ua.NodeId("State", 3)], ua.DataValue(ua.Variant(3, kinds.Int32)), data_type=852)
    server.add_nodes(ua.NodeId("Below0", 3), [ua.NodeId("Deeper", 3)], ua.DataValue(ua.Variant([1, 2], kinds.Int32)))


@pytest.fixture(scope="module")
def server(loop):
    with OpcUaServer(loop, prepare=prepare) as running:
        yield running


@pytest.fixture
def driver(server):
    with Driver(server.options) as opened:
        server.forget_requests()
        yield opened


def line(name, **options):
    return SignalAddress(name, f"nsu={LINE};s={name}", options)


def oven(number):
    return SignalAddress(f"v{number}", f"nsu={OVEN};s=Value{number}")


def test_it_reads_what_the_server_says(driver):
    asked = [line("Int32"), line("UInt32"), line("Double"), line("Text"), line("Door"), line("Zones", index=1)]

    assert [made.value for made in driver.read(asked)] == [-100, 4_000_000_000, 2.5, "PROGRAM", True, 20]


def test_times_and_status_come_from_the_server(driver):
    times, waiting, lost, old = driver.read(
        [line("Times"), line("BadWaitingForInitialData"), line("BadNotConnected"), line("UncertainLastUsableValue")]
    )

    assert (times.at, times.raw["server"]) == (SOURCE, "2026-03-01T11:59:59.000000+00:00")
    assert (waiting.code, lost.code) == ("bad_status", "unavailable")
    assert (old.value, old.quality, old.at) == (3, UNCERTAIN, SOURCE)


def test_one_bad_node_of_five_hundred_spoils_no_other(driver):
    asked = [oven(number) for number in range(499)]
    asked.insert(250, SignalAddress("bad", f"nsu={OVEN};s=Nowhere"))

    readings = driver.read(asked)

    assert [made.signal for made in readings] == [signal.name for signal in asked]
    assert [made.value for made in readings if made.is_good] == list(range(499))
    assert [(made.signal, made.code) for made in readings if not made.is_good] == [("bad", "node_unknown")]


def test_a_signal_that_cannot_be_asked_for_says_why(driver):
    readings = driver.read(
        [
            SignalAddress("strange", "nsu=urn:nobody;s=x"),
            SignalAddress("index", "ns=2;s=x"),
            SignalAddress("folder", "i=85"),
            line("Int32", data_type="Integer"),
            line("Text", data_type="Int32"),
            line("Zones", index="x"),
            line("Zones", index=3),
            line("Zones"),
        ]
    )

    assert [made.code for made in readings] == [
        "namespace_unknown", "address_invalid", "node_not_a_variable", "type_invalid", "type_invalid", "type_invalid",
        "illegal_address", "type_invalid",
    ]  # fmt: skip
    assert readings[0].raw["namespace"] == "urn:nobody"
    assert readings[1].raw["address"] == "ns=2;s=x"
    assert all(made.quality is BAD and made.value is None for made in readings)


def test_a_node_is_asked_for_once_however_many_look_at_it(driver, server, monkeypatch):
    sizes = []
    read = server.server.iserver.attribute_service.read
    monkeypatch.setattr(
        server.server.iserver.attribute_service, "read", lambda params: sizes.append(len(params.NodesToRead)) or read(params)
    )

    readings = driver.read([line("Zones", index=0), line("Zones", index=2), SignalAddress("again", f"nsu={LINE};s=Int32")])

    assert [made.value for made in readings] == [10, 30, -100]
    assert sizes == [2]


def test_many_nodes_are_asked_for_in_requests_of_the_set_size(server):
    with Driver({**server.options, "max_nodes": 100}) as driver:
        server.forget_requests()
        readings = driver.read([oven(number) for number in range(250)])

    assert [made.value for made in readings] == list(range(250))
    assert server.requests()[:3] == ["Read"] * 3


def test_a_limit_of_the_server_is_kept(server):
    limit = ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
    before = server.server.iserver.aspace[limit].attributes[ua.AttributeIds.Value].value
    server.write(limit, ua.DataValue(ua.Variant(60, ua.VariantType.UInt32)))
    try:
        with Driver(server.options) as driver:
            server.forget_requests()
            values = [made.value for made in driver.read([oven(number) for number in range(200)])]
            facts = driver.describe()
    finally:
        server.write(limit, before)

    assert values == list(range(200))
    assert server.requests()[:4] == ["Read"] * 4
    assert facts["nodes_per_read"] == 60


def test_a_server_that_takes_less_than_it_says_is_asked_for_less(driver, server, monkeypatch):
    service = server.server.iserver.attribute_service
    read, sizes = service.read, []

    def narrow(params):
        sizes.append(len(params.NodesToRead))
        if len(params.NodesToRead) > 40:
            raise opcua_session.library().ua.UaStatusCodeError(STATUS.BadTooManyOperations)
        return read(params)

    monkeypatch.setattr(service, "read", narrow)
    asked = [oven(number) for number in range(150)]

    first = [made.value for made in driver.read(asked)]
    tried, sizes[:] = list(sizes), []
    second = [made.value for made in driver.read(asked)]

    assert first == second == list(range(150))
    assert max(tried) == 150
    assert max(sizes) <= 40, "what was learnt is remembered"


def test_a_namespace_that_comes_later_is_found(driver, server, monkeypatch):
    asked = [SignalAddress("later", "nsu=urn:plant:later;s=Late"), line("Int32")]
    assert [made.code for made in driver.read(asked)] == ["namespace_unknown", ""]

    server.run(server.server.register_namespace("urn:plant:later"))
    server.run(server.add("urn:plant:later", "Late", 9, ua.VariantType.Int32))
    assert [made.code for made in driver.read(asked)] == ["namespace_unknown", ""], "not asked for at every read"
    monkeypatch.setattr(opcua_session, "NAMESPACES_AGAIN", 0)

    assert [made.value for made in driver.read(asked)] == [9, -100]


def test_a_session_that_is_about_to_end_is_replaced_before_the_next_read(server, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(opcua_session.time, "monotonic", lambda: now[0])
    with Driver(server.options) as driver:
        server.forget_requests()
        now[0] += 44
        driver.read([line("Int32")])
        assert "CreateSession" not in server.requests(), "45 s of 60 have not passed"
        now[0] += 46
        assert driver.read([line("Int32")])[0].value == -100
        assert server.requests().count("CreateSession") == 1
        for _minute in range(60):  # read often, but as old as its secure channel
            now[0] += 44
            driver.read([line("Int32")])
        assert server.requests().count("CreateSession") == 1
        now[0] += 44 * 2
        driver.read([line("Int32")])
        assert server.requests().count("CreateSession") == 2
        assert server.sessions() == 1


def test_nothing_is_sent_between_two_reads(driver, server):
    driver.read([line("Int32")])
    server.forget_requests()
    server.run(asyncio.sleep(1.3))

    assert server.requests() == []


# Looking around


def test_browsing_goes_one_level_down_by_lasting_addresses(driver):
    root = {item.address: item for item in driver.browse("", 1000)}
    folder = root[f"nsu={LINE};s=Folder"]

    assert folder == BrowseItem(f"nsu={LINE};s=Folder", "Folder", "folder", "", None, True)
    assert root[f"nsu={LINE};s=Int32"] == BrowseItem(f"nsu={LINE};s=Int32", "Int32", "variable", "Int32", -100, False)
    assert root[f"nsu={LINE};s=Zones"].value == "[3]"
    assert root[f"nsu={LINE};s=BadNotConnected"].value is None
    assert root["i=2253"].label == "Server"
    assert driver.read([SignalAddress("x", f"nsu={LINE};s=Int32")])[0].value == -100
    below = {item.label: item for item in driver.browse(folder.address)}
    assert sorted(below) == ["Below0", "Below1", "Below2", "Below3", "Below4", "State"]
    assert [below[f"Below{n}"].has_children for n in (0, 1)] == [True, False]
    assert below["State"].data_type == "ServerState", "an enumeration's own name"
    assert [item.label for item in driver.browse(below["Below0"].address)] == ["Deeper"]
    assert driver.browse(below["Below1"].address) == []


def test_browsing_is_limited(driver):
    assert len(driver.browse("", 7)) == 7
    assert len(driver.browse("", 1)) == 1


@pytest.mark.parametrize(
    ("parent", "code"),
    [("ns=1;s=x", "address_invalid"), ("nsu=urn:nobody;s=x", "namespace_unknown"), (f"nsu={LINE};s=Nowhere", "node_unknown")],
)
def test_browsing_below_nothing_says_why_and_leaves_the_session(driver, parent, code):
    with pytest.raises(ConnectionFailed) as failure:
        driver.browse(parent)

    assert (failure.value.code, failure.value.field) == (code, "address")
    assert driver.read([line("Int32")])[0].value == -100


def test_a_server_tells_about_itself(driver):
    facts = driver.describe()

    json.dumps(facts)
    assert facts["name"] == "Plant of the tests"
    assert facts["state"] == "Running"
    assert facts["endpoints"] == ["None"]
    assert facts["namespaces"][:2] == ["http://opcfoundation.org/UA/", "urn:freeopcua:python:server"]
    assert facts["session_timeout_seconds"] == 60
    assert abs(facts["clock_ahead_seconds"]) < 5
