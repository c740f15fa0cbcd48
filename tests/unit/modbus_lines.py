"""Lines to Modbus devices that go wrong, for the tests of what the driver makes of it."""

import asyncio
import contextlib
import time

import pytest

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.errors import ConnectionFailed
from machine_connect.reading import Quality
from tests.unit.driver_fixtures.modbus import ModbusDevice, parse_question
from tests.unit.loopback import everybody_let_in

A, B = SignalAddress("a", "holding:100"), SignalAddress("b", "holding:200")
TABLES = {"holding": {100: [111], 200: [222], 300: [333]}}
#: Seconds that an answer may take: long for loopback, also on a busy machine, short for a test that waits for none.
TIMEOUT = 0.3
OVER_TCP = ("socket", "rtu", "ascii")


@contextlib.contextmanager
def server_of(loop, serve):
    """Run ``serve(reader, writer)`` for each connection to a port of loopback; hand out the port."""
    tasks = set()

    def take(reader, writer):
        tasks.add(asyncio.ensure_future(run(reader, writer)))

    async def run(reader, writer):
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = loop.run(asyncio.start_server(take, "127.0.0.1", 0))
    yield server.sockets[0].getsockname()[1]

    async def stop():
        await everybody_let_in()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run(stop())


def device_of(*arguments, **settings):
    return ModbusDevice(*arguments, timeout=TIMEOUT, **settings)


def tcp(port, **options):
    return ModbusDriver({"host": "127.0.0.1", "port": port, "timeout": TIMEOUT, **options})


def one(driver, signal):
    (reading,) = driver.read([signal])
    return reading


def outcome(reading):
    """The value, or why there is none; never both, never neither."""
    assert (reading.quality is Quality.GOOD) is (reading.value is not None) is (reading.code == "")
    return reading.value if reading.is_good else reading.code


def read_until(driver, signals, done, seconds=10):
    """Read again and again until the readings are as they should be; return how often."""
    deadline = time.monotonic() + seconds
    rounds = 0
    while True:
        rounds += 1
        if done([outcome(reading) for reading in driver.read(signals)]):
            return rounds
        assert time.monotonic() < deadline, "it did not come to that in time"


def failure_of(driver, *signals):
    """What opening, or else reading, fails with."""
    with pytest.raises(ConnectionFailed) as caught, driver:
        driver.read(list(signals) or [A])
    return caught.value.code, caught.value.field


def units(*numbers):
    return [SignalAddress(f"unit {number}", "holding:100", {"unit_id": number}) for number in numbers]


def silence_units(device, framing, dead):
    device.edit(lambda question, answer: None if parse_question(framing, question)[0] in dead else answer)
