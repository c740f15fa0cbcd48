"""Several units on one line: one that is silent is told so and costs the others nearly nothing."""

import time

import pytest

from machine_connect.drivers import SignalAddress, modbus_round
from machine_connect.drivers.modbus import ModbusDriver
from tests.unit.driver_fixtures.modbus import parse_question
from tests.unit.modbus_lines import OVER_TCP, TABLES, A, B, device_of, outcome, read_until, silence_units, units

pytestmark = pytest.mark.usefixtures("pauses")


@pytest.mark.parametrize("framing", OVER_TCP)
def test_a_dead_unit_keeps_no_other_from_being_read(loop, framing):
    with device_of(loop, dict.fromkeys(range(1, 6), TABLES), framing) as device:
        silence_units(device, framing, {2, 4})
        with ModbusDriver(device.options) as driver:
            found = [outcome(reading) for reading in driver.read(units(1, 2, 3, 4, 5))]

    assert found == [111, "no_answer", 111, "no_answer", 111]


def test_dead_units_cost_the_others_nearly_nothing_in_the_long_run(loop):
    # Long enough that no living unit ever seems dead, however busy this machine is.
    timeout, rounds = 0.5, 40
    with device_of(loop, dict.fromkeys(range(1, 31), TABLES)) as device:
        silence_units(device, "socket", {1, 2, 17})
        with ModbusDriver({**device.options, "timeout": timeout}) as driver:
            signals = units(*range(1, 31))
            began = time.monotonic()
            for _round in range(rounds):
                found = [outcome(reading) for reading in driver.read(signals)]
                assert [found[0], found[1], found[16]] == ["no_answer"] * 3
                assert found.count(111) == 27
            seconds = time.monotonic() - began
        asked = [question[0] for question in device.questions()]

    tries = sum(asked.count(unit) for unit in (1, 2, 17))
    # Twice each until they count as silent; then a tenth of the time is theirs, and of each one try may be begun.
    assert 6 <= tries <= 6 + 3 + 0.1 * seconds / timeout
    assert all(asked.count(unit) == rounds for unit in (3, 16, 18, 30))


def test_a_unit_that_recovers_is_heard_again(loop, monkeypatch):
    monkeypatch.setattr(modbus_round, "PATIENCE", 1.0)
    with device_of(loop, dict.fromkeys((1, 2, 3), TABLES)) as device:
        with ModbusDriver(device.options) as driver:
            silence_units(device, "socket", {2})
            for _round in range(4):
                assert [outcome(reading) for reading in driver.read(units(1, 2, 3))] == [111, "no_answer", 111]
            device.edit(None)
            assert read_until(driver, units(1, 2, 3), lambda found: found == [111] * 3) >= 1


def test_a_unit_alone_is_asked_each_time(loop):
    with device_of(loop, {1: TABLES}) as device, ModbusDriver(device.options) as driver:
        device.edit(lambda _question, _answer: None)
        for _round in range(5):
            assert [outcome(reading) for reading in driver.read([A, B])] == ["no_answer"] * 2
        device.edit(None)
        assert [outcome(reading) for reading in driver.read([A, B])] == [111, 222]


def test_where_no_unit_answers_one_of_them_is_still_tried(loop, monkeypatch):
    monkeypatch.setattr(modbus_round, "PATIENCE", 0.5)
    with device_of(loop, dict.fromkeys((1, 2, 3), TABLES)) as device:
        with ModbusDriver({**device.options, "timeout": 0.1}) as driver:
            silence_units(device, "socket", {1, 2, 3})
            for _round in range(4):
                driver.read(units(1, 2, 3))
            device.forget_questions()
            assert [outcome(reading) for reading in driver.read(units(1, 2, 3))] == ["no_answer"] * 3
            assert len({question[0] for question in device.questions() if question[2] == 100}) == 1
            device.edit(None)
            read_until(driver, units(1, 2, 3), lambda found: found == [111] * 3)


def test_a_unit_that_the_gateway_misses_is_not_asked_for_its_other_blocks(loop):
    with device_of(loop, {1: TABLES}) as device, ModbusDriver(device.options) as driver:
        far = [SignalAddress(str(address), f"holding:{address}", {"unit_id": 9}) for address in (0, 100, 200)]
        readings = driver.read([*far, A])

        assert [outcome(reading) for reading in readings] == ["gateway_no_answer"] * 3 + [111]
        assert [reading.status for reading in readings] == [11, 11, 11, None]
        assert [question[0] for question in device.questions()].count(9) == 1


@pytest.mark.parametrize("framing", OVER_TCP)
def test_a_device_silent_about_one_address_is_read_at_the_others(loop, framing):
    with device_of(loop, {1: TABLES}, framing) as device, ModbusDriver(device.options) as driver:
        device.edit(lambda question, answer: None if parse_question(framing, question)[2] == 100 else answer)
        signals = [A, B, SignalAddress("c", "holding:300")]
        rounds = read_until(driver, signals, lambda found: found == ["no_answer", 222, 333])
        if framing == "socket":
            assert rounds == 1
        for _round in range(3):  # and it does not ask the silent one each time
            driver.read(signals)
        device.edit(None)
