"""What does the OPC UA driver do when the line, the server or what is sent goes wrong?"""

import contextlib
import gc
import os
import random
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from asyncua import Client, ua
from asyncua.server.internal_session import InternalSession

from machine_connect.drivers import SignalAddress, driver_class, opcua_session, opcua_wire
from machine_connect.errors import CODES, ConnectionFailed
from machine_connect.reading import Quality, Reading
from tests.unit.loopback import closed_port, wait_until
from tests.unit.opcua_server import OpcUaServer

Driver = driver_class("opcua")
LINE, OVEN = "urn:plant:line", "urn:plant:oven"
GOOD = SignalAddress("good", f"nsu={LINE};s=Good")
OTHER = SignalAddress("other", f"nsu={OVEN};s=Good")
#: Time-outs in seconds: of a test that lets one pass, and of one that does not, however busy the machine is. A fraction of
#: the second is soon enough for what must not wait for it.
TIMEOUT, PATIENT, AT_ONCE = 2.0, 20.0, 8.0


async def prepare(server):
    await server.add(LINE, "Good", 48_211, ua.VariantType.UInt32)
    await server.add(OVEN, "Good", 7, ua.VariantType.UInt32)
    for number in range(50):
        await server.add(LINE, f"Value{number}", f"text {number}" * number, ua.VariantType.String)


@pytest.fixture(scope="module")
def running(loop):
    with OpcUaServer(loop, (LINE, OVEN), prepare=prepare) as server:
        yield server


@pytest.fixture
def server(running):
    yield running
    running.line.edit = None
    running.fault("heal")


@pytest.fixture
def options(server):
    return {"url": server.url, "timeout": TIMEOUT}


@pytest.fixture
def patient(server):
    return {"url": server.url, "timeout": PATIENT}


@pytest.fixture
def driver(options):
    with Driver(options) as opened:
        yield opened


@pytest.fixture
def patient_driver(patient):
    with Driver(patient) as opened:
        yield opened


@contextlib.contextmanager
def fails(*codes, within=AT_ONCE):
    """Expect a failure of one of these codes, in less than so many seconds."""
    began = time.monotonic()
    with pytest.raises(ConnectionFailed) as failure:
        yield failure
    assert failure.value.code in codes
    assert failure.value.field in ("url", "")
    assert time.monotonic() - began < within


def value(driver, signal=GOOD):
    return driver.read([signal])[0].value


# The line


def test_a_blackhole_costs_one_time_out_and_leaves_nothing(options, server):
    timeout = 2.0
    # One time-out and the good-byes, and less than two: a step that waits once too often is found.
    one = 2 * timeout - 0.1
    with Driver({**options, "timeout": timeout}) as driver:
        threads = set(threading.enumerate())
        server.fault("blackhole")
        with fails("connection_timeout", within=one):
            driver.read([GOOD])
        with fails("connection_lost", within=timeout / 2):
            driver.read([GOOD])
        began = time.monotonic()
        driver.close()
        assert time.monotonic() - began < timeout / 2, "closing waits for nobody"
        with fails("connection_timeout", within=one):
            driver.open()
        server.fault("heal")

        driver.open()
        assert value(driver) == 48_211
        assert set(threading.enumerate()) <= threads


def test_a_line_that_is_cut_is_lost_at_once(patient_driver, server):
    server.fault("drop")

    with fails("connection_lost"):
        patient_driver.read([GOOD])


def test_an_answer_that_comes_too_late_is_nobodys(driver, server):
    server.fault("delay", seconds=TIMEOUT * 2)
    with fails("connection_timeout"):
        driver.read([GOOD])
    server.fault("heal")
    driver.close()
    driver.open()

    for _read in range(3):
        assert [made.value for made in driver.read([OTHER, GOOD])] == [7, 48_211]


def test_answers_that_are_too_short_are_a_lost_connection_or_a_time_out(driver, server):
    server.fault("wrong_length", count=5)

    with fails("connection_timeout", "connection_lost", "protocol_error"):
        driver.read([GOOD])


def test_nobody_there_is_told(patient):
    port, kept = closed_port()
    with kept, fails("connection_refused") as failure:
        Driver({**patient, "url": f"opc.tcp://127.0.0.1:{port}"}).open()

    assert (failure.value.params["host"], failure.value.params["port"]) == ("127.0.0.1", port)


def test_a_name_that_nobody_knows_is_told(options, monkeypatch):
    real = socket.getaddrinfo

    def ask(host, *args, **kwargs):
        if host == "plc-17.invalid" and not kwargs.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", ask)

    with fails("unknown_host") as failure:
        Driver({**options, "url": "opc.tcp://plc-17.invalid:4840"}).open()
    assert failure.value.params["host"] == "plc-17.invalid"


def test_a_name_server_that_does_not_answer_costs_one_time_out(options, monkeypatch):
    answered, real = threading.Event(), socket.getaddrinfo

    def ask(host, *args, **kwargs):
        if kwargs.get("flags"):
            return real(host, *args, **kwargs)
        answered.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    try:
        with fails("connection_timeout"):
            Driver({**options, "url": "opc.tcp://plc-17.invalid:4840"}).open()
    finally:
        answered.set()


def test_each_address_of_a_name_is_tried(options, server, monkeypatch):
    """As on a host whose name leads to IPv6 first, where nothing listens."""
    monkeypatch.setattr(opcua_wire.socket, "getaddrinfo", _two_addresses(socket.getaddrinfo))

    with Driver({**options, "url": server.url.replace("127.0.0.1", "plc-17.invalid")}) as driver:
        assert value(driver) == 48_211


def _two_addresses(real):
    def ask(host, port, *args, **kwargs):
        if host != "plc-17.invalid" or kwargs.get("flags"):
            return real(host, port, *args, **kwargs)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.77", port)), (*kind, ("127.0.0.1", port))]

    return ask


# What answers is no OPC UA server


@pytest.mark.parametrize(
    ("greeting", "codes"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ["protocol_error"]),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ["protocol_error"]),
        (b"ACKF\x1c\0\0\0" + b"\xff" * 20, ["protocol_error", "connection_timeout"]),
        (b"ERRF\x10\0\0\0\0\0\x7d\x80\xff\xff\xff\xff", ["device_busy"]),
        (b"", ["protocol_error", "connection_lost"]),
        (None, ["connection_timeout"]),
        (b"\0" * 4096, ["protocol_error"]),
        (b"A", ["connection_timeout"]),
    ],
)
def test_what_speaks_something_else_is_told(options, greeting, codes):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def serve():
            line, _address = listening.accept()
            with line:
                line.recv(4096)
                if greeting is None:
                    done.wait(10)
                else:
                    line.sendall(greeting)
                    if greeting:
                        done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with fails(*codes):
                Driver({**options, "url": f"opc.tcp://127.0.0.1:{listening.getsockname()[1]}"}).open()
        finally:
            done.set()
            thread.join()


def test_a_server_that_does_not_stop_talking_is_cut_off(driver, server, monkeypatch):
    monkeypatch.setattr(opcua_session, "MAX_RECEIVED", 100_000)
    # the head of a message of 4 GB, whose end never comes
    server.line.edit = lambda _question, _answer: b"MSGF\xff\xff\xff\xff" + b"x" * 200_000

    with fails("connection_lost", "protocol_error", "connection_timeout"):
        driver.read([GOOD])


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_server_sends_the_driver_fails_in_order_or_reads(options, server, seed):
    chance = random.Random(seed)
    signals = [GOOD, *(SignalAddress(f"v{number}", f"nsu={LINE};s=Value{number}") for number in range(50))]

    def spoil(_question, answer):
        if chance.random() < 0.5:
            return answer
        spoilt = bytearray(answer)
        for _spot in range(chance.choice([1, 1, 3, 20])):
            spoilt[chance.randrange(len(spoilt))] = chance.choice([0, 0xFF, 0x80, chance.randrange(256)])
        return bytes(spoilt)

    server.line.edit = spoil
    driver = Driver({**options, "timeout": 0.1})
    try:
        driver.open()
        for _read in range(3):
            readings = driver.read(signals)
            assert len(readings) == len(signals)
            assert all(isinstance(made, Reading) for made in readings)
            driver.browse("", 20)
            driver.describe()
    except ConnectionFailed as failure:
        assert failure.code in CODES
    finally:
        driver.close()


def test_after_all_that_it_reads_as_if_nothing_had_been(driver):
    assert value(driver) == 48_211


# The server


def test_a_server_that_restarts_with_its_namespaces_in_another_order_is_read_right(patient_driver, server):
    assert (value(patient_driver), value(patient_driver, OTHER)) == (48_211, 7)
    before = server.index(LINE)
    server.restart((OVEN, "urn:plant:new", LINE))
    assert server.index(LINE) != before

    with fails("connection_lost"):
        patient_driver.read([GOOD])
    patient_driver.close()
    patient_driver.open()

    assert (value(patient_driver), value(patient_driver, OTHER)) == (48_211, 7)


def test_a_session_that_the_server_forgot_is_a_lost_connection(driver, server):
    for session in list(server.server.iserver._external_sessions.values()):
        server.run(session.close_session())

    with fails("connection_lost"):
        driver.read([GOOD])


def test_a_server_without_a_free_session_says_so(driver, options, server, monkeypatch):
    monkeypatch.setattr(InternalSession, "max_connections", InternalSession._current_connections)

    with fails("too_many_sessions"):
        Driver(options).open()

    assert value(driver) == 48_211
    assert server.sessions() == 1


def test_one_session_is_enough_however_often_it_is_opened(patient, server, monkeypatch):
    monkeypatch.setattr(InternalSession, "max_connections", InternalSession._current_connections + 1)

    for _round in range(20):
        with Driver(patient) as driver:
            assert value(driver) == 48_211
    assert server.sessions() == 0


def test_a_session_whose_owner_died_is_forgotten_after_the_time_that_we_asked_for(patient, server):
    with Driver({**patient, "session_timeout": 5}):
        (session,) = server.server.iserver._external_sessions.values()
        assert session.session_timeout == 5
    with Driver(patient):
        (session,) = server.server.iserver._external_sessions.values()
        assert session.session_timeout == 60


def test_sessions_are_closed_also_when_opening_fails_in_the_middle(options, server):
    read_request = ua.ObjectIds.ReadRequest_Encoding_DefaultBinary.to_bytes(2, "little")

    def no_answer_to_read(question, answer):
        return None if question[26:28] == read_request else answer

    server.line.edit = no_answer_to_read
    with fails("connection_timeout"):
        Driver(options).open()

    wait_until(lambda: server.sessions() == 0)


@pytest.mark.parametrize(
    ("source", "stamped"),
    [(None, None), (datetime(2000, 1, 1, 0, 3, tzinfo=timezone.utc), datetime(2000, 1, 1, 0, 3, tzinfo=timezone.utc))],
)
def test_strange_times_are_told_as_they_are(driver, server, source, stamped):
    node = ua.NodeId("Good", server.index(LINE))
    server.write(node, ua.DataValue(ua.Variant(48_211, ua.VariantType.UInt32), SourceTimestamp=source))

    (made,) = driver.read([GOOD])

    assert (made.value, made.quality) == (48_211, Quality.GOOD)
    assert made.raw["source"] == (stamped.isoformat(timespec="microseconds") if stamped else None)
    assert made.at == (stamped or made.read_at)


def test_a_machine_without_a_value_is_not_a_machine_that_is_lost(driver, server):
    node = ua.NodeId("Good", server.index(LINE))
    before = ua.DataValue(ua.Variant(48_211, ua.VariantType.UInt32))
    lost = ua.DataValue(ua.Variant(0), ua.StatusCode(ua.StatusCodes.BadNotConnected))
    for data in (lost, ua.DataValue(ua.Variant("UNAVAILABLE"))):
        server.write(node, data)
        assert [(made.quality, made.code) for made in driver.read([GOOD])] == [(Quality.BAD, "unavailable")]
    server.write(node, before)

    assert value(driver) == 48_211


# Much, often, long


def test_twenty_thousand_nodes_are_not_all_fetched_for_a_look(driver, server):
    folder = ua.NodeId("Warehouse", server.index(OVEN))
    if folder not in server.server.iserver.aspace:
        server.add_nodes(85, [folder], ua.DataValue(), ua.NodeClass.Object)
        nodes = [ua.NodeId(f"Shelf{number}", folder.NamespaceIndex) for number in range(20_000)]
        server.add_nodes(folder, nodes, ua.DataValue(ua.Variant(1, ua.VariantType.Int32)))
    with Driver({**driver.options, "timeout": 10}) as patient:
        server.forget_requests()
        items = patient.browse(f"nsu={OVEN};s=Warehouse", 300)

    assert len(items) == 300
    assert all(item.value == 1 and item.data_type == "Int32" for item in items)
    assert len(server.requests()) < 12, "asked for in batches"


def test_opening_and_closing_a_hundred_times_leaves_nothing_in_memory(patient, server):
    def cycle(count):
        for _round in range(count):
            with Driver(patient) as driver:
                assert value(driver) == 48_211
        gc.collect()

    def files():
        return len(list(Path("/proc/self/fd").iterdir()))

    cycle(3)
    # The server's ends of the lines are files of this process too.
    wait_until(lambda: server.connections() == 0)
    threads, files_before = set(threading.enumerate()), files()
    cycle(100)

    assert set(threading.enumerate()) <= threads
    wait_until(lambda: files() <= files_before)
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Client)]


PROGRAM = """
import logging, os, sys
from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.errors import ConnectionFailed

logging.getLogger("asyncio").setLevel(logging.ERROR)  # in its debug mode it remarks that the machine is slow

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

url, first, rest = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
signals = [SignalAddress(str(n), f"nsu=urn:plant:line;s=Value{n}") for n in range(50)]

def cycle(count):
    for _round in range(count):
        with driver_class("opcua")({"url": url}) as driver:
            assert len(driver.read(signals)) == 50

cycle(first)
before = resident()
cycle(rest)
for lost in (url.replace("127.0.0.1", "127.0.0.99"), "opc.tcp://localhost:1"):
    try:
        driver_class("opcua")({"url": lost, "timeout": 0.3}).open()
    except ConnectionFailed:
        pass
left_open = driver_class("opcua")({"url": url})
left_open.open()
left_open.close()
print(resident() - before)
"""


def in_a_process_of_its_own(server, *arguments, flags=()):
    variables = {"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, *flags, "-c", PROGRAM, server.url, *map(str, arguments)],
        env=variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    return int(done.stdout)


def test_no_warning_and_no_leftover_in_pythons_own_eyes(server):
    in_a_process_of_its_own(server, 1, 2, flags=("-X", "dev", "-W", "error"))


@pytest.mark.full
def test_a_thousand_connections_need_no_more_memory_than_a_few(server):
    assert in_a_process_of_its_own(server, 200, 1000) < 2_000_000
