"""Another maker's OPC UA server, node-opcua's sample, with everything: our driver reads it right."""

import asyncio
import socket
import time
from datetime import timedelta

import pytest

from machine_connect import clock
from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.drivers.opcua_session import Session
from machine_connect.drivers.opcua_settings import Settings
from machine_connect.drivers.opcua_wire import library, resolve
from machine_connect.errors import ConnectionFailed
from machine_connect.reading import Quality

Driver = driver_class("opcua")
SIMULATION = "urn://node-opcua-simulator"
DEVICES = "http://opcfoundation.org/UA/DI/"


def listens(port):
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def url(start_node, free_port):
    port = free_port()
    program = start_node("node-opcua-samples/bin/simple_server.js", "-p", port)
    program.wait_until(lambda: "now waiting for connections" in program.output(), "node-opcua listens", 180)
    assert listens(port)
    return f"opc.tcp://127.0.0.1:{port}"


@pytest.fixture
def options(url, tmp_path):
    return {
        "url": url,
        "timeout": 10.0,
        "certificate_path": str(tmp_path / "certificate.der"),
        "key_path": str(tmp_path / "key.pem"),
        "application_uri": "urn:odoo:machine-connect:test",
    }


def by_name(driver, namespace, *names, **options):
    return driver.read([SignalAddress(name, f"nsu={namespace};{name}", options) for name in names])


def test_it_is_read_right(options):
    with Driver(options) as driver:
        facts = driver.describe()
        own = next(uri for uri in facts["namespaces"] if uri.endswith("NodeOPCUA-Server"))
        number, text = by_name(driver, SIMULATION, "s=Int32DataItem", "s=StringDataItem")
        assert (number.value, number.raw["type"], number.quality) == (-100, "Int32", Quality.GOOD)
        assert (text.value, text.raw["type"]) == ("some string", "String")
        (waiting,) = by_name(driver, DEVICES, "i=6095")
        assert (waiting.value, waiting.quality, waiting.code) == (None, Quality.BAD, "bad_status")
        assert waiting.raw["status"] == "BadWaitingForInitialData"
        (element,) = by_name(driver, own, "s=Matrix", index="1,2")
        assert element.value == 6.0

        for _round in range(3):
            live = by_name(driver, own, "s=FanSpeed", "s=PumpSpeed", "s=Temperature", "s=Pressure")
            for made in live:
                assert made.is_good and isinstance(made.value, float)
                # This server sends the picoseconds of its times; read in the wrong order, they would be years off.
                assert abs(clock.now() - made.at) < timedelta(minutes=1)
                assert made.raw["server"]
        assert facts["version"] == "2.14.0"
        assert facts["state"] == "Running"
        assert {"None", "Basic256Sha256 Sign", "Basic256Sha256 SignAndEncrypt"} <= set(facts["endpoints"])
        assert abs(facts["clock_ahead_seconds"]) < 30


def test_everything_below_objects_can_be_looked_at_and_read_or_says_why(options):
    with Driver(options) as driver:
        variables, waiting, looks, began = {}, [""], 0, time.monotonic()
        known = set()
        while waiting and looks < 60 and time.monotonic() - began < 60:
            looks += 1
            for item in driver.browse(waiting.pop(0), 300):
                if item.address in known:
                    continue
                known.add(item.address)
                assert driver.check_address(SignalAddress("x", item.address)) == []
                if item.kind == "variable":
                    variables[item.address] = item
                if item.has_children:
                    waiting.append(item.address)
        readings = driver.read([SignalAddress(address, address) for address in variables])

    assert len(variables) > 100
    assert [made.signal for made in readings] == list(variables)
    assert {made.code for made in readings} <= {"", "bad_status", "type_invalid", "unavailable", "access_denied"}
    for made in readings:
        if made.is_good and variables[made.signal].data_type in ("Int32", "UInt32", "Double", "String", "Boolean"):
            assert made.raw["type"] == variables[made.signal].data_type


def test_a_folder_is_fetched_page_by_page(options):
    async def look(references, most):
        settings = Settings.of(options)
        session = Session(settings)
        await session.open(resolve(settings))
        try:
            node = library().ua.NodeId(2268, 0)  # ServerCapabilities: some 20 entries
            ((_status, found),) = await session.browse([node], most, references)
            return [session.text_of(reference.NodeId) for reference in found]
        finally:
            await session.close()

    at_once = asyncio.run(look(0, 1000))
    assert len(at_once) > 10
    assert asyncio.run(look(3, 1000)) == at_once
    for _round in range(30):  # whatever the server kept for us is given back, or it would run out of it
        assert asyncio.run(look(3, 5)) == at_once[:5]


@pytest.mark.parametrize("security_mode", ["sign", "sign_and_encrypt"])
def test_it_is_read_over_a_secured_line(options, security_mode):
    secured = {**options, "security_policy": "Basic256Sha256", "security_mode": security_mode, "user": "user1"}
    with Driver(secured, {"password": "password1"}) as driver:
        (made,) = by_name(driver, SIMULATION, "s=Int32DataItem")
        facts = driver.describe()

    assert made.value == -100
    assert facts["own_certificate_subject"]
    pinned = {**secured, "server_certificate_fingerprint": facts["server_certificate_fingerprint"]}
    with Driver(pinned, {"password": "password1"}) as driver:
        assert by_name(driver, SIMULATION, "s=Int32DataItem")[0].value == -100


def test_users_and_what_is_wrong_with_them(options):
    with Driver({**options, "user": "user2"}, {"password": "password2"}) as driver:
        # Without security, but the password is locked by the server's key: nothing needs to be allowed.
        assert by_name(driver, SIMULATION, "s=Int32DataItem")[0].value == -100

    for policy in ("none", "Basic256Sha256"):
        with pytest.raises(ConnectionFailed) as failure:
            Driver({**options, "security_policy": policy, "user": "user1"}, {"password": "wrong"}).open()
        assert (failure.value.code, failure.value.field) == ("password_wrong", "password")

    with pytest.raises(ConnectionFailed) as failure:
        Driver({**options, "security_policy": "Aes256Sha256RsaPss"}).open()
    assert (failure.value.code, failure.value.field) == ("security_unsupported", "security_policy")
    assert "Basic256Sha256 Sign" in failure.value.params["offered"]
