"""Answers that are late, short, foreign or none of Modbus at all.

A number from the wrong register is worse than none: whatever happens, a value is right or it is not there.
"""

import asyncio
import time

import pytest
from pymodbus.framer.rtu import FramerRTU

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.modbus import ModbusDriver
from tests.unit.driver_fixtures.modbus import parse_question
from tests.unit.modbus_lines import (
    OVER_TCP,
    TABLES,
    A,
    B,
    device_of,
    one,
    outcome,
    read_until,
    server_of,
    tcp,
)

pytestmark = pytest.mark.usefixtures("pauses")


# Late answers (the one that matters)


@pytest.mark.parametrize("framing", OVER_TCP)
def test_an_answer_that_comes_after_its_time_is_nobody_elses(loop, framing):
    with device_of(loop, {1: TABLES}, framing) as device, ModbusDriver(device.options) as driver:
        device.edit(lambda question, answer: None if parse_question(framing, question)[2] == 100 else answer)
        assert outcome(one(driver, A)) == "no_answer"
        read_until(driver, [B], lambda found: found == [222])
        assert device.release() >= 1  # the late answer is on the line now
        for _round in range(3):
            reading = one(driver, B)
            assert outcome(reading) in (222, "answer_mismatch", "no_answer")
        read_until(driver, [B], lambda found: found == [222])
        device.edit(None)
        read_until(driver, [A, B], lambda found: found == [111, 222])


@pytest.mark.parametrize("framing", OVER_TCP)
def test_a_late_answer_glued_before_the_right_one_is_not_taken_for_it(loop, framing):
    late = []

    def glue(question, answer):
        if parse_question(framing, question)[2] == 100:
            late.append(answer)
            return None
        return late.pop(0) + answer if late else answer

    with device_of(loop, {1: TABLES}, framing) as device, ModbusDriver(device.options) as driver:
        device.edit(glue)
        assert outcome(one(driver, A)) == "no_answer"
        for _round in range(20):
            assert outcome(one(driver, B)) in (222, "answer_mismatch", "no_answer")
            if not late:
                break
        assert not late
        read_until(driver, [B], lambda found: found == [222])


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
def test_what_a_gateway_kept_for_the_caller_before_is_thrown_away(loop, framing, real_pauses):
    with device_of(loop, {1: TABLES}, framing) as device:
        with ModbusDriver(device.options) as driver:
            kept = []
            device.edit(lambda _question, answer: kept.append(answer))
            assert outcome(one(driver, A)) == "no_answer"
        device.edit(None)
        device.line.greeting = kept[0]

        with ModbusDriver(device.options) as driver:
            assert outcome(one(driver, B)) == 222


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
def test_on_a_line_without_numbers_a_late_unit_is_left_alone_for_its_time(loop, framing):
    with device_of(loop, {1: TABLES, 2: TABLES}, framing) as device:
        device.edit(lambda question, answer: None if parse_question(framing, question)[0] == 1 else answer)
        other = SignalAddress("other", "holding:300", {"unit_id": 2})
        with ModbusDriver({**device.options, "timeout": 0.5}) as driver:
            assert [outcome(reading) for reading in driver.read([A, B, other])] == ["no_answer", "no_answer", 333]
            device.edit(None)
            device.forget_questions()
            assert [outcome(reading) for reading in driver.read([A, other])] == ["no_answer", 333]
            assert {question[0] for question in device.questions()} == {2}
            read_until(driver, [A, B, other], lambda found: found == [111, 222, 333])


def test_after_a_time_out_a_numbered_line_is_a_new_one(loop):
    with device_of(loop, {1: TABLES}) as device, ModbusDriver(device.options) as driver:
        device.edit(lambda _question, _answer: None)
        assert outcome(one(driver, A)) == "no_answer"
        device.edit(None)
        assert outcome(one(driver, B)) == 222
        assert device.line.connections_taken >= 2


# Answers that do not fit


def mbap(frame, **changes):
    """Return a frame of Modbus TCP with some of its parts changed, its length set right."""
    parts = {"transaction": frame[:2], "protocol": frame[2:4], "unit": frame[6:7], "pdu": frame[7:], **changes}
    length = (1 + len(parts["pdu"])).to_bytes(2, "big")
    return parts["transaction"] + parts["protocol"] + parts.get("length", length) + parts["unit"] + parts["pdu"]


MISFITS = {
    "too few registers": lambda answer: mbap(answer, pdu=b"\3\0"),
    "too many registers": lambda answer: mbap(answer, pdu=b"\3\4\0\1\0\2"),
    "another function": lambda answer: mbap(answer, pdu=b"\4\2\0\1"),
    "an exception to another function": lambda answer: mbap(answer, pdu=b"\x84\2"),
    "a function that does not exist": lambda answer: mbap(answer, pdu=b"\x55\2\0\1"),
    "byte count larger than the frame": lambda answer: mbap(answer, pdu=b"\3\6\0\1"),
    "byte count smaller than the frame": lambda answer: mbap(answer, pdu=b"\3\1\0\1"),
    "an odd byte count": lambda answer: mbap(answer, pdu=b"\3\1\0"),
    "an exception without its code": lambda answer: mbap(answer, pdu=b"\x83"),
    "nothing but a function code": lambda answer: mbap(answer, pdu=b"\3"),
    "another unit": lambda answer: mbap(answer, unit=b"\7"),
    "another transaction": lambda answer: mbap(answer, transaction=b"\xff\xfe"),
    "a header that promises more": lambda answer: mbap(answer, length=b"\0\x20"),
    "a header that promises less": lambda answer: mbap(answer, length=b"\0\3"),
    "half a frame": lambda answer: answer[:6],
    "another protocol": lambda answer: mbap(answer, protocol=b"\0\1"),
}


@pytest.mark.parametrize("misfit", sorted(MISFITS))
def test_an_answer_that_does_not_fit_is_no_value_and_ends_the_line(loop, misfit):
    with device_of(loop, {1: TABLES}) as device, ModbusDriver(device.options) as driver:
        assert outcome(one(driver, A)) == 111
        device.edit(lambda _question, answer: MISFITS[misfit](answer))
        assert outcome(one(driver, A)) == "answer_mismatch"
        device.edit(None)
        assert [outcome(reading) for reading in driver.read([A, B])] == [111, 222]
        assert device.line.connections_taken == 2


def rtu(body):
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


RTU_MISFITS = {
    "a wrong check sum": lambda answer: answer[:-1] + bytes([answer[-1] ^ 1]),
    "half a frame": lambda answer: answer[:4],
    "too few registers": lambda _answer: rtu(b"\1\3\0"),
    "too many registers": lambda _answer: rtu(b"\1\3\4\0\1\0\2"),
    "another function": lambda _answer: rtu(b"\1\4\2\0\1"),
    "another unit": lambda _answer: rtu(b"\7\3\2\0\1"),
    "an exception to another function": lambda _answer: rtu(b"\1\x84\2"),
    "two answers": lambda answer: rtu(b"\1\3\2\0\1") + answer,
    "an exception before an answer": lambda answer: rtu(b"\1\x83\2") + answer,
    "noise behind": lambda answer: answer + b"\0\xff\0",
    "noise": lambda _answer: b"\xff\0\xff\0",
}


@pytest.mark.parametrize("misfit", sorted(RTU_MISFITS))
def test_an_answer_without_a_number_is_looked_at_even_closer(loop, misfit):
    with device_of(loop, {1: TABLES}, "rtu") as device, ModbusDriver(device.options) as driver:
        assert outcome(one(driver, A)) == 111
        device.edit(lambda _question, answer: RTU_MISFITS[misfit](answer))
        assert outcome(one(driver, A)) == "answer_mismatch"
        device.edit(None)
        read_until(driver, [A, B], lambda found: found == [111, 222])


def test_after_an_answer_that_does_not_fit_the_right_one_may_still_come(loop):
    with device_of(loop, {1: TABLES}, "rtu") as device, ModbusDriver(device.options) as driver:
        device.edit(lambda _question, _answer: RTU_MISFITS["too few registers"](b""))
        assert [outcome(reading) for reading in driver.read([A, B])] == ["answer_mismatch"] * 2
        assert len(device.questions()) == 1


def test_noise_before_an_answer_is_passed_over(loop):
    with device_of(loop, {1: TABLES}, "rtu") as device, ModbusDriver(device.options) as driver:
        device.edit(lambda _question, answer: b"\0" + answer)
        assert outcome(one(driver, A)) == 111


@pytest.mark.parametrize(
    "garbage", [b":0", b":zz\r\n", b":010302006F8B", b"noise", b":GG0302006F8B\r\n", b":010302006F00\r\n"]
)
def test_letters_that_are_no_frame_are_no_value(loop, garbage):
    with device_of(loop, {1: TABLES}, "ascii") as device, ModbusDriver(device.options) as driver:
        assert outcome(one(driver, A)) == 111
        device.edit(lambda _question, _answer: garbage)
        assert outcome(one(driver, A)) == "answer_mismatch"
        device.edit(None)
        read_until(driver, [A, B], lambda found: found == [111, 222])


def test_a_bit_answer_of_the_wrong_length_is_no_value(loop):
    tables = {"coil": {0: [1] * 16}}
    signals = [SignalAddress("first", "coil:0"), SignalAddress("ninth", "coil:8")]

    with device_of(loop, {1: tables}) as device, ModbusDriver(device.options) as driver:
        assert [outcome(reading) for reading in driver.read(signals)] == [True, True]
        device.edit(lambda _question, answer: mbap(answer, pdu=b"\1\1\xff"))
        assert {outcome(reading) for reading in driver.read(signals)} == {"answer_mismatch"}


def test_an_answer_in_pieces_is_put_together(loop):
    async def serve(reader, writer):
        while question := await reader.read(12):
            for byte in question[:2] + b"\0\0\0\5\1\3\2\0\x6f":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.005)

    with server_of(loop, serve) as port, tcp(port, timeout=1) as driver:
        assert outcome(one(driver, A)) == 111


def test_a_device_that_trickles_cannot_hold_the_line(loop):
    async def serve(reader, writer):
        await reader.read(12)
        while True:
            writer.write(b"\0")
            await writer.drain()
            await asyncio.sleep(0.05)

    with server_of(loop, serve) as port, tcp(port, timeout=0.3) as driver:
        began = time.monotonic()
        assert outcome(one(driver, A)) == "answer_mismatch"
        assert time.monotonic() - began < 3
