"""What goes wrong on real lines: late, short and foreign answers, devices that go, hang up, take one caller only.

A number from the wrong register is worse than none: whatever happens, a value is right or it is not there.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
import tty

import pytest
from pymodbus.framer.rtu import FramerRTU

from machine_connect.drivers import SignalAddress, modbus_link, modbus_round
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.errors import ConnectionFailed
from machine_connect.reading import Quality
from tests.unit.driver_fixtures.modbus import ModbusDevice, parse_question
from tests.unit.loopback import Loopback, closed_port, everybody_let_in

A, B = SignalAddress("a", "holding:100"), SignalAddress("b", "holding:200")
TABLES = {"holding": {100: [111], 200: [222], 300: [333]}}
#: Seconds that an answer may take: long for loopback, short for a test that waits for none.
TIMEOUT = 0.15
OVER_TCP = ("socket", "rtu", "ascii")


@pytest.fixture(scope="module")
def loop():
    with Loopback() as running:
        yield running


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
def test_what_a_gateway_kept_for_the_caller_before_is_thrown_away(loop, framing):
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
    with device_of(loop, {1: TABLES, 2: TABLES}, framing) as device, ModbusDriver(device.options) as driver:
        device.edit(lambda question, answer: None if parse_question(framing, question)[0] == 1 else answer)
        other = SignalAddress("other", "holding:300", {"unit_id": 2})
        began = time.monotonic()
        assert [outcome(reading) for reading in driver.read([A, B, other])] == ["no_answer", "no_answer", 333]
        device.edit(None)
        device.forget_questions()
        assert [outcome(reading) for reading in driver.read([A, other])] == ["no_answer", 333]
        if time.monotonic() - began < 2 * device.options["timeout"]:
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


# Who is there at all


def failure_of(driver, *signals):
    """What opening, or else reading, fails with."""
    with pytest.raises(ConnectionFailed) as caught, driver:
        driver.read(list(signals) or [A])
    return caught.value.code, caught.value.field


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
        assert failure_of(tcp(port)) == ("connection_lost", "host")


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


def test_a_device_for_one_caller_serves_one_after_the_other(loop):
    with device_of(loop, {1: TABLES}, max_connections=1) as device:
        first = ModbusDriver(device.options)
        first.open()
        assert outcome(one(first, A)) == 111
        assert failure_of(ModbusDriver(device.options)) == ("connection_lost", "host")
        assert outcome(one(first, A)) == 111
        first.close()
        wait_until_free(device)
        with ModbusDriver(device.options) as second:
            assert outcome(one(second, A)) == 111


def test_a_device_for_one_caller_is_left_free_between_two_readings(loop):
    with device_of(loop, {1: TABLES}, max_connections=1) as device:
        drivers = [ModbusDriver({**device.options, "close_after_read": True}) for _caller in range(2)]
        for _round in range(5):
            for driver in drivers:
                if _round == 0:
                    driver.open()
                assert outcome(one(driver, A)) == 111
                wait_until_free(device)
        for driver in drivers:
            driver.close()
        assert device.line.connections_refused == 0


def test_a_device_for_one_caller_is_called_again_after_a_time_out(loop):
    with device_of(loop, {1: TABLES}, max_connections=1) as device, ModbusDriver(device.options) as driver:
        for _round in range(3):
            assert outcome(one(driver, A)) == 111
            device.edit(lambda _question, _answer: None)
            assert outcome(one(driver, A)) == "no_answer"
            device.edit(None)


def wait_until_free(device):
    deadline = time.monotonic() + 5
    while device.connections():
        assert time.monotonic() < deadline
        time.sleep(0.005)


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


# Units behind a gateway


def units(*numbers):
    return [SignalAddress(f"unit {number}", "holding:100", {"unit_id": number}) for number in numbers]


def silence_units(device, framing, dead):
    device.edit(lambda question, answer: None if parse_question(framing, question)[0] in dead else answer)


@pytest.mark.parametrize("framing", OVER_TCP)
def test_a_dead_unit_keeps_no_other_from_being_read(loop, framing):
    with device_of(loop, dict.fromkeys(range(1, 6), TABLES), framing) as device:
        silence_units(device, framing, {2, 4})
        with ModbusDriver(device.options) as driver:
            found = [outcome(reading) for reading in driver.read(units(1, 2, 3, 4, 5))]

    assert found == [111, "no_answer", 111, "no_answer", 111]


def test_dead_units_cost_the_others_nearly_nothing_in_the_long_run(loop):
    with device_of(loop, dict.fromkeys(range(1, 31), TABLES)) as device:
        silence_units(device, "socket", {1, 2, 17})
        with ModbusDriver({**device.options, "timeout": 0.1}) as driver:
            signals = units(*range(1, 31))
            began = time.monotonic()
            for _round in range(200):
                found = [outcome(reading) for reading in driver.read(signals)]
                assert [found[0], found[1], found[16]] == ["no_answer"] * 3
                assert found.count(111) == 27
            seconds = time.monotonic() - began
        asked = [question[0] for question in device.questions()]

    tries = sum(asked.count(unit) for unit in (1, 2, 17))
    # Twice each until they count as silent, then a tenth of the time: one 0.1 s try of each in 3 s.
    assert 6 <= tries <= 6 + 3 * (1 + seconds / 3)
    assert all(asked.count(unit) == 200 for unit in (3, 16, 18, 30))


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
    with device_of(loop, {1: TABLES}) as device, ModbusDriver({**device.options, "timeout": 0.1}) as driver:
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


# A serial line


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
    import sys

    from machine_connect.errors import DriverUnavailable

    monkeypatch.setitem(sys.modules, "serial", None)
    driver = ModbusDriver(serial_options("/dev/ttyS0"))
    with pytest.raises(DriverUnavailable) as failure:
        driver.open()

    assert failure.value.requirement == modbus_link.PYSERIAL
