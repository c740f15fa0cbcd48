"""A serial line: RTU through a pty, ports that cannot be opened, and one that is unplugged."""

import asyncio
import contextlib
import os
import sys
import tty

import pytest

from machine_connect.drivers import SignalAddress, modbus_link
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.errors import ConnectionFailed, DriverUnavailable
from tests.unit.modbus_lines import (
    TABLES,
    TIMEOUT,
    A,
    B,
    device_of,
    failure_of,
    one,
    outcome,
    read_until,
    silence_units,
    units,
)

pytestmark = pytest.mark.usefixtures("pauses")


@contextlib.contextmanager
def serial_line(loop, device):
    """A pty whose other end is a device that speaks RTU; hands out the path and a function that pulls the plug."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    path = os.ttyname(theirs)
    state = {}

    async def connect():
        reader, writer = await asyncio.open_connection("127.0.0.1", device.port)
        running = asyncio.get_running_loop()
        running.add_reader(ours, lambda: writer.write(os.read(ours, 4096)))
        state.update(writer=writer, task=asyncio.ensure_future(answer(reader)))

    async def answer(reader):
        while chunk := await reader.read(4096):
            os.write(ours, chunk)

    async def disconnect():
        if state:
            asyncio.get_running_loop().remove_reader(ours)
            task, writer = state.pop("task"), state.pop("writer")
            task.cancel()
            writer.close()
            await asyncio.gather(task, writer.wait_closed(), return_exceptions=True)

    def pull_the_plug():
        loop.run(disconnect())
        for end in (ours, theirs):
            with contextlib.suppress(OSError):
                os.close(end)

    loop.run(connect())
    try:
        yield path, pull_the_plug
    finally:
        pull_the_plug()


def serial_options(path, **options):
    # Without parity, for a pty has none to speak of and refuses to be told twice.
    return {"transport": "serial", "serial_port": path, "timeout": TIMEOUT, "parity": "N", **options}


def test_a_serial_line_is_read(loop):
    signals = [A, B, SignalAddress("long", "holding:1000", {"data_type": "string", "length": 60})]
    tables = {"holding": {**TABLES["holding"], 1000: [0x4142] * 60}}

    with device_of(loop, {7: tables}, "rtu") as device, serial_line(loop, device) as (path, _pull):
        for parity, stopbits, baudrate in (("E", 1, 19200), ("N", 2, 9600), ("O", 1, 115200)):
            options = serial_options(path, unit_id=7, parity=parity, stopbits=stopbits, baudrate=baudrate)
            assert ModbusDriver.check_options(options) == []
            with ModbusDriver(options) as driver:
                assert [outcome(reading) for reading in driver.read(signals)] == [111, 222, "AB" * 60]


def test_late_answers_on_a_serial_line_are_nobody_elses(loop):
    with device_of(loop, {1: TABLES}, "rtu") as device, serial_line(loop, device) as (path, _pull):
        with ModbusDriver(serial_options(path)) as driver:
            device.edit(lambda question, answer: None if question[2:4] == b"\0\x64" else answer)
            assert outcome(one(driver, A)) == "no_answer"
            device.release()
            for _round in range(5):
                assert outcome(one(driver, B)) in (222, "no_answer", "answer_mismatch")
            read_until(driver, [B], lambda found: found == [222])
            device.edit(None)
            read_until(driver, [A, B], lambda found: found == [111, 222])


def test_a_dead_unit_on_a_serial_line_keeps_no_other_from_being_read(loop):
    with (
        device_of(loop, {1: TABLES, 2: TABLES, 3: TABLES}, "rtu") as device,
        serial_line(loop, device) as (path, _pull),
    ):
        silence_units(device, "rtu", {2})
        with ModbusDriver(serial_options(path)) as driver:
            assert [outcome(reading) for reading in driver.read(units(1, 2, 3))] == [111, "no_answer", 111]


def test_a_serial_port_that_is_not_there():
    assert failure_of(ModbusDriver(serial_options("/dev/ttyNOWHERE"))) == ("serial_not_found", "serial_port")


def test_a_file_that_is_no_serial_port():
    assert failure_of(ModbusDriver(serial_options("/dev/null"))) == ("serial_not_found", "serial_port")


def test_a_serial_port_that_somebody_else_uses(loop):
    with device_of(loop, {1: TABLES}, "rtu") as device, serial_line(loop, device) as (path, _pull):
        with ModbusDriver(serial_options(path)):
            assert failure_of(ModbusDriver(serial_options(path))) == ("serial_busy", "serial_port")


@pytest.mark.parametrize(("number", "code"), [(13, "serial_denied"), (16, "serial_busy"), (2, "serial_not_found")])
def test_why_a_serial_port_cannot_be_opened(number, code, monkeypatch):
    import serial

    def refuse(*_arguments, **_settings):
        raise serial.SerialException(number, os.strerror(number))

    monkeypatch.setattr(serial, "Serial", refuse)  # root may open anything, and nothing is busy by itself

    assert failure_of(ModbusDriver(serial_options("/dev/ttyS0"))) == (code, "serial_port")


def test_a_serial_converter_that_is_unplugged(loop):
    with device_of(loop, {1: TABLES}, "rtu") as device, serial_line(loop, device) as (path, pull_the_plug):
        with ModbusDriver(serial_options(path)) as driver:
            assert outcome(one(driver, A)) == 111
            pull_the_plug()
            with pytest.raises(ConnectionFailed) as failure:
                driver.read([A])

    assert (failure.value.code, failure.value.field) == ("serial_not_found", "serial_port")


def test_without_pyserial_a_serial_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    driver = ModbusDriver(serial_options("/dev/ttyS0"))
    with pytest.raises(DriverUnavailable) as failure:
        driver.open()

    assert failure.value.requirement == modbus_link.PYSERIAL
