"""How does the OPC UA driver ask a server for values, and how does it look around there?"""

import asyncio
import json
import types
from datetime import datetime, timedelta, timezone

import pytest
from asyncua import ua

from machine_connect.drivers import BrowseItem, SignalAddress, driver_class, opcua_session
from machine_connect.errors import ConnectionFailed
from machine_connect.reading import Quality
from tests.unit.opcua_server import OpcUaServer

Driver = driver_class("opcua")
LINE, OVEN = "urn:plant:line", "urn:plant:oven"
READ_AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
SOURCE, SERVER = READ_AT - timedelta(seconds=3), READ_AT - timedelta(seconds=1)
UNCERTAIN, BAD = Quality.UNCERTAIN, Quality.BAD
STATUS = ua.StatusCodes


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
    stamped = ua.DataValue(ua.Variant(1, kinds.Int32), SourceTimestamp=SOURCE, ServerTimestamp=SERVER)
    await server.add(LINE, "Times", stamped)
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
    sizes, service = [], server.server.iserver.attribute_service
    read = service.read
    monkeypatch.setattr(service, "read", lambda params: sizes.append(len(params.NodesToRead)) or read(params))
    again = SignalAddress("again", f"nsu={LINE};s=Int32")

    readings = driver.read([line("Zones", index=0), line("Zones", index=2), again])

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
    # The session's clock alone: the server's event loop in the same process goes by the real one.
    monkeypatch.setattr(opcua_session, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
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
    [
        ("ns=1;s=x", "address_invalid"),
        ("nsu=urn:nobody;s=x", "namespace_unknown"),
        (f"nsu={LINE};s=Nowhere", "node_unknown"),
    ],
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
