"""The Modbus driver reads what a device holds, with as few requests as its limits allow."""

import csv
import json
import logging
import struct
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import ModbusTcpClient

from machine_connect.clock import now
from machine_connect.drivers import SignalAddress, modbus
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.drivers.modbus_plan import Limits, Plan, good_reading
from machine_connect.drivers.modbus_types import DATA_TYPES, TABLE_SIZE, parse_address
from machine_connect.reading import Quality, Reading
from tests.unit.driver_fixtures.modbus import ModbusDevice

CASES = Path(__file__).parent / "cases" / "modbus"


def case(name, file):
    return json.loads((CASES / name / f"{file}.json").read_text())


def machine(name):
    return {
        table: {int(address): items for address, items in runs.items()} for table, runs in case(name, "machine").items()
    }


def words(first, count):
    """Signals of one register each, next to each other."""
    return [SignalAddress(f"s{address}", f"holding:{address}") for address in range(first, first + count)]


def value_or_code(reading):
    return reading.value if reading.is_good else {"code": reading.code}


# What registers say


@pytest.mark.parametrize("framing", ["socket", "rtu", "ascii"])
@pytest.mark.parametrize("name", sorted(path.parent.name for path in CASES.glob("*/signals.json")))
def test_a_device_is_read_as_the_case_says(loop, name, framing):
    signals = [SignalAddress(*signal) for signal in case(name, "signals")]

    with ModbusDevice(loop, {1: machine(name)}, framing) as device, ModbusDriver(device.options) as driver:
        readings = driver.read(signals)

    assert {reading.signal: value_or_code(reading) for reading in readings} == case(name, "expected")
    assert [reading.signal for reading in readings] == [signal.name for signal in signals]


def test_many_values_with_the_low_word_first_keep_their_places(loop):
    registers = [word for number in range(25) for word in (number, 1)]  # 65536 + number, low word first
    options = {"data_type": "u32", "word_order": "little"}
    signals = [SignalAddress(str(number), f"holding:{2 * number}", options) for number in range(25)]

    with ModbusDevice(loop, {1: {"holding": {0: registers}}}) as device, ModbusDriver(device.options) as driver:
        readings = driver.read(signals)

    assert [reading.value for reading in readings] == [65_536 + number for number in range(25)]


def test_the_evidence_is_what_was_on_the_wire(loop):
    tables = {"holding": {100: [1, 2, 3]}, "coil": {0: [0, 1]}}
    signals = [
        SignalAddress("good", "holding:101", {"data_type": "u32", "word_order": "little"}),
        SignalAddress("drive", "coil:1"),
        SignalAddress("bit", "holding:100.0"),
    ]

    with ModbusDevice(loop, {3: tables}) as device, ModbusDriver({**device.options, "unit_id": 3}) as driver:
        before = now()
        good, drive, bit = driver.read(signals)

    assert good.value == 3 << 16 | 2
    assert good.raw == {"unit": 3, "table": "holding", "address": 101, "registers": [2, 3]}
    assert drive.raw == {"unit": 3, "table": "coil", "address": 1, "registers": [True]}
    assert bit.raw == {"unit": 3, "table": "holding", "address": 100, "registers": [1]}
    assert before <= good.at == good.read_at <= now()


def test_a_reading_made_quickly_is_the_same_reading():
    moment, raw = now(), {"unit": 1}

    quick = good_reading("good", 5, moment, raw)

    assert quick == Reading("good", 5, moment, moment, raw=raw)
    assert repr(quick) == repr(Reading("good", 5, moment, moment, raw=raw))
    assert quick.quality is Quality.GOOD


@given(
    data_type=st.sampled_from(sorted(set(DATA_TYPES) - {"string", "bool", "bcd16", "bcd32"})),
    word_order=st.sampled_from(["big", "little"]),
    byte_order=st.sampled_from(["big", "little"]),
    data=st.binary(min_size=8, max_size=8),
    offset=st.integers(0, 5),
)
def test_every_order_is_the_librarys_own_after_swapping(data_type, word_order, byte_order, data, offset):
    code, count = DATA_TYPES[data_type]
    registers = list(struct.unpack(">4H", data))[:count]
    swapped = registers if byte_order == "big" else [(word >> 8) | (word & 0xFF) << 8 for word in registers]
    kind = next(kind for kind in ModbusTcpClient.DATATYPE if kind.value == (code, count))
    expected = ModbusTcpClient.convert_from_registers(swapped, kind, word_order)
    options = {"data_type": data_type, "word_order": word_order, "byte_order": byte_order}
    # Something stands before it in the same block, so that it is taken out of the middle of an answer.
    plan = Plan(
        [SignalAddress("first", "holding:0"), SignalAddress("value", f"holding:{1 + offset}", options)], Limits()
    )
    (block,) = plan.blocks
    payload = struct.pack(f">{block.count}H", *[0xFFFF] * (1 + offset), *registers)

    readings = [None, None]
    block.good(payload, now(), readings)

    if isinstance(expected, float) and abs(expected) == float("inf"):
        assert readings[1].code == "decode_failed"
    elif expected != expected:
        assert readings[1].code == "unavailable"
    else:
        assert readings[1].value == expected
    assert readings[1].raw["registers"] == registers


# Planning


def meter_maps():
    meters = defaultdict(list)
    with (CASES / "meter_maps" / "registers.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            options = {"data_type": {"1": "u16", "2": "f32", "4": "f64"}[row["registers"]]}
            meters[row["device"]].append(SignalAddress(row["measurement"], f"{row['table']}:{row['address']}", options))
    return meters


@pytest.mark.parametrize(("gap", "expected"), case("meter_maps", "expected").items())
def test_real_meters_are_read_with_few_requests(gap, expected):
    meters = meter_maps()
    plans = [Plan(signals, Limits(gap=int(gap))) for signals in meters.values()]
    blocks = [block for plan in plans for block in plan.blocks]

    assert sum(map(len, meters.values())) == 235
    assert {"requests": len(blocks), "registers": sum(block.count for block in blocks)} == expected


def test_a_real_meter_is_read_in_fewer_requests_than_values(loop):
    signals = meter_maps()["Eastron SDM630"]
    registers = [word for number in range(400) for word in struct.unpack(">2H", struct.pack(">f", number / 8))]

    with ModbusDevice(loop, {1: {"input": {0: registers}}}) as device, ModbusDriver(device.options) as driver:
        readings = driver.read(signals)
        asked = device.questions()

    assert [reading.value for reading in readings] == [parse_address(signal.address)[1] / 16 for signal in signals]
    assert len(signals) == 52
    assert len(asked) < 10


WIDTHS = {"u16": 1, "u32": 2, "u64": 4}


@given(
    places=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["holding", "input", "coil"]),
            st.integers(0, TABLE_SIZE - 4) | st.integers(0, 300),
            st.sampled_from(sorted(WIDTHS)),
        ),
        max_size=40,
    ),
    gap=st.integers(0, 124),
    limit=st.integers(4, 125),
)
def test_a_plan_reads_everything_once_within_its_limits(places, gap, limit):
    signals = [
        SignalAddress(
            str(index), f"{table}:{address}", {"unit_id": unit} | ({} if table == "coil" else {"data_type": kind})
        )
        for index, (unit, table, address, kind) in enumerate(places)
    ]
    plan = Plan(signals, Limits(max_registers=limit, max_bits=limit, gap=gap))

    served, spans = [], []
    for block in plan.blocks:
        assert block.count <= limit
        spans.append((block.unit, block.table, block.address, block.address + block.count))
        end = block.address
        for (unit, table, address, count), slots in block.parts:
            assert (unit, table) == (block.unit, block.table)
            assert address - end <= gap
            end = max(end, address + count)
            assert block.address <= address
            served += [index for index, _name, _layout in slots]
        assert end == block.address + block.count
    assert sorted(served) == list(range(len(signals)))
    assert spans == sorted(spans)


@given(registers=st.lists(st.integers(0, 65535), min_size=20, max_size=20), data=st.data())
def test_values_are_taken_from_their_own_registers_however_they_overlap(registers, data):
    places = data.draw(
        st.lists(st.tuples(st.integers(0, 16), st.sampled_from(sorted(WIDTHS))), min_size=1, max_size=30)
    )
    signals = [
        SignalAddress(str(index), f"holding:{address}", {"data_type": kind})
        for index, (address, kind) in enumerate(places)
    ]
    readings = [None] * len(signals)

    for block in Plan(signals, Limits()).blocks:
        part = registers[block.address : block.address + block.count]
        block.good(struct.pack(f">{len(part)}H", *part), now(), readings)

    for (address, kind), reading in zip(places, readings, strict=True):
        value = 0
        for word in registers[address : address + WIDTHS[kind]]:
            value = value << 16 | word
        assert reading.value == value


def test_what_two_signals_share_is_asked_once(loop):
    signals = [
        SignalAddress("counter", "holding:0", {"data_type": "u32"}),
        SignalAddress("low word", "holding:1"),
        SignalAddress("bit", "holding:1.0"),
        SignalAddress("again", "40001", {"data_type": "u32"}),
    ]

    with ModbusDevice(loop, {1: {"holding": {0: [1, 3]}}}) as device, ModbusDriver(device.options) as driver:
        readings = driver.read(signals)
        asked = device.questions()

    assert [reading.value for reading in readings] == [65539, 3, True, 65539]
    assert asked == [(1, 3, 0, 2)]


def test_a_device_that_allows_fewer_registers_is_asked_for_fewer(loop):
    with ModbusDevice(loop, {1: {"holding": {0: range(100)}}}) as device:
        with ModbusDriver({**device.options, "max_registers": 30}) as driver:
            readings = driver.read(words(0, 100))
        asked = device.questions()

    assert [reading.value for reading in readings] == list(range(100))
    assert [question[3] for question in asked] == [30, 30, 30, 10]


def test_one_call_reads_several_units_and_tables(loop):
    units = {unit: {"holding": {0: [unit]}, "input": {0: [unit + 100]}} for unit in (1, 2, 30)}
    signals = [
        SignalAddress(f"{table} {unit}", f"{table}:0", {"unit_id": unit})
        for unit in units
        for table in ("holding", "input")
    ]

    with ModbusDevice(loop, units) as device, ModbusDriver(device.options) as driver:
        readings = driver.read(signals)

    assert [reading.value for reading in readings] == [1, 101, 2, 102, 30, 130]


def test_a_plan_is_made_once_for_equal_signals(loop):
    with ModbusDevice(loop, {1: {"holding": {0: range(8)}}}) as device, ModbusDriver(device.options) as driver:
        first = driver._plan(words(0, 8))

        assert driver._plan(words(0, 8)) is first
        assert driver._plan(words(0, 7)) is not first
        assert driver._plan(words(0, 8)) is first


# Refusals


def test_a_gap_that_is_not_there_is_learned_once(loop):
    device_tables = {1: {"holding": {0: [10, 11], 6: [16, 17]}}}

    with ModbusDevice(loop, device_tables) as device, ModbusDriver(device.options) as driver:
        signals = words(0, 2) + words(6, 2)
        first = driver.read(signals)
        asked_first = device.questions()
        device.forget_questions()
        second = driver.read(signals)
        asked_then = device.questions()

    assert [reading.value for reading in first] == [reading.value for reading in second] == [10, 11, 16, 17]
    assert asked_first == [(1, 3, 0, 8), (1, 3, 0, 2), (1, 3, 6, 2)]
    assert asked_then == [(1, 3, 0, 2), (1, 3, 6, 2)]


def test_an_address_that_is_not_there_spoils_no_neighbour(loop):
    tables = {1: {"holding": {0: range(20), 21: range(21, 40)}}}

    with ModbusDevice(loop, tables) as device, ModbusDriver(device.options) as driver:
        readings = driver.read(words(0, 40))
        device.forget_questions()
        again = driver.read(words(0, 40))
        asked_then = device.questions()

    for found in (readings, again):
        assert [reading.value for reading in found] == [*range(20), None, *range(21, 40)]
        bad = found[20]
        assert (bad.quality, bad.code, bad.status) == (Quality.BAD, "illegal_address", 2)
        assert bad.raw == {"unit": 1, "table": "holding", "address": 20, "registers": []}
    assert len(asked_then) <= 12


def test_a_device_that_refuses_everything_is_asked_a_bounded_number_of_times(loop):
    with ModbusDevice(loop, {1: {"input": {0: [1]}}}) as device, ModbusDriver(device.options) as driver:
        for _round in range(3):
            device.forget_questions()
            readings = driver.read(words(0, 100))

            assert {reading.code for reading in readings} == {"illegal_address"}
            assert len(device.questions()) <= 66
        assert driver._plan(words(0, 100)).blocks[0].count == 100  # it may have been starting; nothing was learned


def test_more_holes_than_one_round_may_find_are_found_in_the_next(loop):
    tables = {1: {"holding": {address: [address] for address in range(0, 120, 2)}}}

    with ModbusDevice(loop, tables) as device, ModbusDriver(device.options) as driver:
        signals = words(0, 120)
        for _round in range(12):
            readings = driver.read(signals)

    assert [reading.value for reading in readings] == [address if address % 2 == 0 else None for address in range(120)]


@pytest.mark.parametrize(
    ("exception", "code"),
    [
        (1, "illegal_function"),
        (3, "illegal_value"),
        (4, "device_failure"),
        (5, "device_busy"),
        (6, "device_busy"),
        (8, "device_failure"),
        (10, "gateway_no_path"),
        (11, "gateway_no_answer"),
        (99, "device_failure"),
    ],
)
def test_an_exception_is_told_with_its_code(loop, exception, code):
    def refuse(question, _answer):
        return question[:4] + b"\0\3" + question[6:7] + bytes([question[7] | 0x80, exception])

    with ModbusDevice(loop, {1: {"holding": {0: [5]}}}) as device, ModbusDriver(device.options) as driver:
        device.edit(refuse)
        (refused,) = driver.read(words(0, 1))
        device.edit(None)
        (good,) = driver.read(words(0, 1))

    assert (refused.value, refused.quality, refused.code, refused.status) == (None, Quality.BAD, code, exception)
    assert good.value == 5


# The closed list, and quiet


def test_the_line_itself_refuses_to_send_anything_but_the_four_reads(loop):
    with ModbusDevice(loop, {1: {"holding": {0: [5]}}}) as device, ModbusDriver(device.options) as driver:
        driver.read(words(0, 1))
        device.forget_questions()
        client = driver._link._client
        for forbidden in (
            lambda: client.write_register(0, 1),
            lambda: client.write_coil(0, True),
            lambda: client.write_registers(0, [1]),
            lambda: client.mask_write_register(address=0),
            lambda: client.readwrite_registers(read_address=0, read_count=1, write_address=0, values=[1]),
            lambda: client.diag_restart_communication(True),
            lambda: client.read_device_information(),
        ):
            with pytest.raises(RuntimeError, match="is not a read"):
                forbidden()

        assert device.questions() == []


def test_the_files_of_the_driver_name_no_writing_request():
    files = list(Path(modbus.__file__).parent.glob("modbus*.py"))

    assert len(files) >= 5
    for path in files:
        text = path.read_text()
        assert not [word for word in ("write_coil", "write_register", "mask_write", "readwrite") if word in text]


def test_the_library_writes_nothing_into_the_log_of_its_host(loop, caplog):
    with ModbusDevice(loop, {1: {"holding": {0: [5]}}}) as device, ModbusDriver(device.options) as driver:
        device.edit(lambda _question, _answer: None)
        driver.read(words(0, 1))

    assert not [record for record in caplog.records if record.name.startswith("pymodbus")]
    assert logging.getLogger("pymodbus.logging").level == logging.CRITICAL
