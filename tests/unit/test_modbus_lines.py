"""Lines that are dead, cut, swallowed, somebody else's: what is told of them, and that devices come back."""

import contextlib
import socket
import threading
import time

import pytest

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.errors import ConnectionFailed
from machine_connect.reading import Quality
from tests.unit.loopback import closed_port, wait_until
from tests.unit.modbus_lines import (
    OVER_TCP,
    TABLES,
    A,
    B,
    device_of,
    failure_of,
    one,
    outcome,
    read_until,
    server_of,
    tcp,
)

pytestmark = pytest.mark.usefixtures("pauses")


# Who is there at all


def test_a_port_where_nothing_listens():
    port, reserved = closed_port()
    with reserved:
        assert failure_of(tcp(port)) == ("connection_refused", "port")


def test_a_name_that_nobody_has():
    assert failure_of(ModbusDriver({"host": "no-such-plc.invalid"})) == ("unknown_host", "host")


def test_a_network_that_is_not_there():
    assert failure_of(ModbusDriver({"host": "255.255.255.255"})) == ("unreachable", "host")


def test_a_host_that_does_not_answer():
    # A queue of one that is full: whoever calls now gets no answer, as behind a firewall that drops.
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _caller in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        assert failure_of(tcp(listener.getsockname()[1])) == ("connection_timeout", "host")


def test_a_server_that_hangs_up_at_once(loop):
    async def serve(_reader, writer):
        writer.close()

    with server_of(loop, serve) as port:
        # However long it takes: that nobody answers in time is another failure.
        assert failure_of(tcp(port, timeout=10)) == ("connection_lost", "host")


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp", "ascii_over_tcp"])
def test_a_web_server_is_no_modbus_device(loop, transport):
    async def serve(reader, writer):
        # Like most of them it waits for the end of a line before it complains.
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        await writer.drain()

    with server_of(loop, serve) as port:
        assert failure_of(tcp(port, transport=transport)) == ("protocol_error", "port")


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp", "ascii_over_tcp"])
def test_a_server_that_greets_is_no_modbus_device(loop, transport):
    async def serve(reader, writer):
        await reader.readexactly(4)
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        await reader.read()

    with server_of(loop, serve) as port:
        assert failure_of(tcp(port, transport=transport)) == ("protocol_error", "port")


def test_a_server_that_never_says_anything_is_a_unit_that_does_not_answer(loop):
    async def serve(reader, _writer):
        await reader.read()

    with server_of(loop, serve) as port, tcp(port) as driver:
        assert outcome(one(driver, A)) == "no_answer"
        assert outcome(one(driver, A)) == "no_answer"


def test_a_device_that_speaks_another_framing_gives_no_value(loop):
    for framing in OVER_TCP:
        with device_of(loop, {1: TABLES}, framing) as device:
            for transport in {"tcp", "rtu_over_tcp", "ascii_over_tcp"} - {device.options["transport"]}:
                with (
                    tcp(device.port, transport=transport, timeout=0.1) as driver,
                    contextlib.suppress(ConnectionFailed),
                ):
                    assert not one(driver, A).is_good


def test_open_fails_without_leaving_anything_open(loop):
    port, reserved = closed_port()
    with reserved:
        driver = tcp(port)
        for _attempt in range(3):
            with pytest.raises(ConnectionFailed):
                driver.open()
        driver.close()


# Devices that go and come back


@pytest.mark.parametrize("framing", OVER_TCP)
def test_a_line_that_was_cut_while_nobody_used_it_is_opened_again_in_silence(loop, framing):
    with device_of(loop, {1: TABLES}, framing) as device, ModbusDriver(device.options) as driver:
        for _round in range(3):
            assert outcome(one(driver, A)) == 111
            device.fault("drop")
        assert device.line.connections_taken == 3


def test_a_device_that_hangs_up_after_each_answer_is_read_all_the_same(loop):
    async def serve(reader, writer):
        question = await reader.read(12)
        writer.write(question[:2] + b"\0\0\0\5\1\3\2" + question[8:10])
        await writer.drain()

    far = [SignalAddress(str(address), f"holding:{address}") for address in (100, 200, 300)]
    with server_of(loop, serve) as port, tcp(port) as driver:
        assert [outcome(reading) for reading in driver.read(far)] == [100, 200, 300]


def test_a_device_is_restarted_a_hundred_times(loop):
    with device_of(loop, {1: TABLES}) as device:
        driver = ModbusDriver(device.options)
        for _restart in range(100):
            driver.open()
            assert outcome(one(driver, A)) == 111
            device.lose()
            with pytest.raises(ConnectionFailed) as failure:
                driver.read([A])
            assert (failure.value.code, failure.value.field) == ("connection_refused", "port")
            driver.close()
            device.come_back()
        driver.close()


def test_nothing_is_told_of_a_device_that_is_gone(loop):
    with device_of(loop, {1: TABLES}) as device, ModbusDriver(device.options) as driver:
        good = one(driver, A)
        device.fault("blackhole")
        silent = one(driver, A)
        device.fault("heal")

    assert (good.value, silent.value, silent.quality) == (111, None, Quality.BAD)
    assert silent.raw == {"unit": 1, "table": "holding", "address": 100, "registers": []}


def test_a_line_that_swallows_everything_costs_its_time_out_and_heals(loop):
    with device_of(loop, {1: TABLES}) as device, ModbusDriver(device.options) as driver:
        assert outcome(one(driver, A)) == 111
        device.fault("blackhole")
        began = time.monotonic()
        assert outcome(one(driver, A)) == "no_answer"
        assert time.monotonic() - began < 10 * device.options["timeout"]
        device.fault("heal")
        read_until(driver, [A, B], lambda found: found == [111, 222])


def test_a_device_for_one_caller_serves_one_after_the_other(loop, real_pauses):
    with device_of(loop, {1: TABLES}, max_connections=1) as device:
        first = ModbusDriver(device.options)
        first.open()
        assert outcome(one(first, A)) == 111
        assert failure_of(ModbusDriver(device.options)) == ("connection_lost", "host")
        assert outcome(one(first, A)) == 111
        first.close()
        wait_until(lambda: not device.connections())
        with ModbusDriver(device.options) as second:
            assert outcome(one(second, A)) == 111


def test_a_device_for_one_caller_is_left_free_between_two_readings(loop, real_pauses):
    with device_of(loop, {1: TABLES}, max_connections=1) as device:
        drivers = [ModbusDriver({**device.options, "close_after_read": True}) for _caller in range(2)]
        for _round in range(5):
            for driver in drivers:
                if _round == 0:
                    driver.open()
                assert outcome(one(driver, A)) == 111
                wait_until(lambda: not device.connections())
        for driver in drivers:
            driver.close()
        assert device.line.connections_refused == 0


def test_a_device_for_one_caller_is_called_again_after_a_time_out(loop, real_pauses):
    with device_of(loop, {1: TABLES}, max_connections=1) as device, ModbusDriver(device.options) as driver:
        for _round in range(3):
            assert outcome(one(driver, A)) == 111
            device.edit(lambda _question, _answer: None)
            assert outcome(one(driver, A)) == "no_answer"
            device.edit(None)


# One question at a time


def test_four_threads_on_one_line_get_their_own_values(loop):
    tables = {"holding": {address: [address] for address in range(0, 4000, 10)}}
    wrong = []

    def work(driver, number):
        for turn in range(100):
            address = 10 * (100 * number + turn)
            reading = one(driver, SignalAddress(str(address), f"holding:{address}"))
            if outcome(reading) != address:
                wrong.append(reading)

    with device_of(loop, {1: tables}) as device, ModbusDriver(device.options) as driver:
        threads = [threading.Thread(target=work, args=(driver, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(device.questions()) == 400

    assert wrong == []


def test_frames_keep_the_pause_that_a_device_needs(loop):
    far = [SignalAddress(str(address), f"holding:{address}") for address in (100, 200, 300)]

    with device_of(loop, {1: TABLES}) as device:
        with ModbusDriver({**device.options, "inter_frame_delay": 50}) as driver:
            began = time.monotonic()
            driver.read(far)
            assert time.monotonic() - began >= 0.1
