"""What a person may enter for a Modbus connection or signal, and what is said of the rest: field and code."""

import json
from pathlib import Path

import pytest

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.modbus import DEFAULTS, ModbusDriver
from machine_connect.drivers.modbus_link import Link
from machine_connect.drivers.modbus_round import EXCEPTIONS
from machine_connect.drivers.modbus_types import DATA_TYPES, SIGNAL_OPTIONS, examine, parse_address
from machine_connect.errors import CODES


def problems(found):
    return [(problem.field, problem.code) for problem in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("holding:100", ("holding", 100, None)),
        ("input:0x0048", ("input", 72, None)),
        (" Coil:5 ", ("coil", 5, None)),
        ("discrete:65535", ("discrete", 65535, None)),
        ("holding:100.15", ("holding", 100, 15)),
        ("40001", ("holding", 0, None)),
        ("400001", ("holding", 0, None)),
        ("30001.2", ("input", 0, 2)),
        ("10001", ("discrete", 0, None)),
        ("00001", ("coil", 0, None)),
        ("465536", ("holding", 65535, None)),
    ],
)
def test_an_address_is_understood(text, found):
    assert parse_address(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "100",
        "holding",
        "holding:",
        "holding:-1",
        "holding:65536",
        "holding:0x10000",
        "holding:1.16",
        "coil:5.1",
        "10001.0",
        "40000",
        "400000",
        "465537",
        "20001",
        "50001",
        "4001",
        "4000001",
        "register:5",
        "holding:٣",
        "holding:1;coil:2",
    ],
)
def test_anything_else_is_no_address(text):
    assert problems(ModbusDriver.check_address(SignalAddress("x", text))) == [("address", "address_invalid")]


@pytest.mark.parametrize(
    ("address", "options", "expected"),
    [
        ("", {}, ("address", "missing")),
        ("coil:1", {"data_type": "u16"}, ("data_type", "type_invalid")),
        ("holding:1.3", {"data_type": "f32"}, ("data_type", "type_invalid")),
        ("holding:1", {"data_type": "u24"}, ("data_type", "unknown_choice")),
        ("holding:1", {"word_order": "middle"}, ("word_order", "unknown_choice")),
        ("holding:1", {"byte_order": "CDAB"}, ("byte_order", "unknown_choice")),
        ("holding:1", {"unit_id": 256}, ("unit_id", "out_of_range")),
        ("holding:1", {"unit_id": "one"}, ("unit_id", "not_a_number")),
        ("holding:1", {"data_type": "string"}, ("length", "missing")),
        ("holding:1", {"data_type": "string", "length": 126}, ("length", "out_of_range")),
        ("holding:1", {"data_type": "string", "length": 4, "encoding": "klingon"}, ("encoding", "unknown_choice")),
        ("holding:1", {"data_type": "string", "length": 4, "encoding": "rot13"}, ("encoding", "unknown_choice")),
        ("holding:65535", {"data_type": "u32"}, ("address", "out_of_range")),
        ("holding:1", {"scale": 10}, ("scale", "unknown_option")),
    ],
)
def test_a_wrong_signal_is_told_by_its_field(address, options, expected):
    found = ModbusDriver.check_address(SignalAddress("x", address, options))

    assert problems(found) == [expected]
    assert found[0].code in CODES
    json.dumps(found[0].params)


def test_options_that_were_left_empty_in_a_form_are_no_problem():
    empty = {option: value for option in SIGNAL_OPTIONS for value in (False, None, "")}

    assert ModbusDriver.check_address(SignalAddress("x", "holding:1", empty)) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("host", "missing")),
        ({"host": "two words"}, ("host", "host_invalid")),
        ({"host": "http://plc"}, ("host", "host_invalid")),
        ({"host": "plc", "port": 0}, ("port", "out_of_range")),
        ({"host": "plc", "port": 65536}, ("port", "out_of_range")),
        ({"host": "plc", "port": "modbus"}, ("port", "not_a_number")),
        ({"host": "plc", "port": True}, ("port", "not_a_number")),
        ({"host": "plc", "unit_id": 256}, ("unit_id", "out_of_range")),
        ({"host": "plc", "unit_id": 1.5}, ("unit_id", "not_a_number")),
        ({"host": "plc", "timeout": 0}, ("timeout", "out_of_range")),
        ({"host": "plc", "timeout": "nan"}, ("timeout", "not_a_number")),
        ({"host": "plc", "max_registers": 126}, ("max_registers", "out_of_range")),
        ({"host": "plc", "max_bits": 2001}, ("max_bits", "out_of_range")),
        ({"host": "plc", "gap_limit": -1}, ("gap_limit", "out_of_range")),
        ({"host": "plc", "inter_frame_delay": 1001}, ("inter_frame_delay", "out_of_range")),
        ({"host": "plc", "close_after_read": "perhaps"}, ("close_after_read", "unknown_choice")),
        ({"host": "plc", "transport": "udp"}, ("transport", "unknown_choice")),
        ({"host": "plc", "slave": 1}, ("slave", "unknown_option")),
        ({"transport": "serial"}, ("serial_port", "missing")),
        ({"transport": "serial", "serial_port": "ttyS0"}, ("serial_port", "serial_not_found")),
        ({"transport": "serial", "serial_port": "spy:///dev/ttyS0?file=/tmp/x"}, ("serial_port", "serial_not_found")),
        ({"transport": "serial", "serial_port": "/dev/ttyS0", "parity": "M"}, ("parity", "unknown_choice")),
        ({"transport": "serial", "serial_port": "/dev/ttyS0", "stopbits": 3}, ("stopbits", "unknown_choice")),
        ({"transport": "serial", "serial_port": "/dev/ttyS0", "bytesize": 7}, ("bytesize", "unknown_choice")),
        ({"transport": "serial", "serial_port": "/dev/ttyS0", "baudrate": 110}, ("baudrate", "out_of_range")),
        ({"transport": "serial", "serial_port": "/dev/ttyS0", "unit_id": 0}, ("unit_id", "out_of_range")),
    ],
)
def test_a_wrong_setting_is_told_by_its_field(options, expected):
    found = ModbusDriver.check_options(options)

    assert problems(found) == [expected]
    assert found[0].code in CODES
    json.dumps(found[0].params)


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("10.0.0.5:502", "port"),
        ("plc-7:502", "port"),
        (" plc:1502 ", "port"),
        ("[::1]:502", "port"),
        ("http://plc:502", None),
        ("plc:", None),
        ("1:2", "port"),
        ("[::1]", None),
        ("::1::", None),
        (":", None),
        (502, None),
    ],
)
def test_a_port_does_not_belong_to_the_host(host, hint):
    (problem,) = ModbusDriver.check_options({"host": host})

    assert (problem.field, problem.code, problem.params.get("hint")) == ("host", "host_invalid", hint)


@pytest.mark.parametrize(
    "host", ["plc", "plc-7.example.", "10.0.0.5", "::1", "fe80::1%eth0", "::ffff:10.0.0.5", "PLC_1"]
)
def test_names_and_addresses_of_both_kinds_are_hosts(host):
    assert ModbusDriver.check_options({"host": host}) == []


def test_numbers_may_come_as_text_from_a_file():
    options = {"host": "plc", "port": "1502", "timeout": "0.5", "stopbits": "1", "gap_limit": ""}

    assert ModbusDriver.check_options(options) == []
    assert ModbusDriver.endpoint(options) == "modbus://plc:1502"


def test_connections_to_units_behind_one_gateway_share_a_transport():
    one, two = ({"host": "Gateway", "unit_id": unit} for unit in (1, 2))
    written_out = {**DEFAULTS, "host": "gateway", "unit_id": 9}

    assert ModbusDriver.transport(one) == ModbusDriver.transport(two) == ModbusDriver.transport(written_out)
    assert ModbusDriver.transport(one) != ModbusDriver.transport({**one, "port": 503})
    assert ModbusDriver.transport(one) != ModbusDriver.transport({**one, "timeout": 1})
    assert ModbusDriver.endpoint(one) == ModbusDriver.endpoint({**one, "timeout": 1}) == "modbus://gateway:502"


def test_endpoints_are_named_by_what_can_be_used_once():
    assert ModbusDriver.endpoint({"host": "::1", "port": 1502}) == "modbus://[::1]:1502"
    assert ModbusDriver.endpoint({"transport": "serial", "serial_port": "/dev/ttyUSB0"}) == "serial:///dev/ttyUSB0"


def test_limits_of_a_link_come_from_the_settings():
    settings = ModbusDriver({"transport": "serial", "serial_port": "/dev/ttyS0", "baudrate": 9600})._settings

    assert Link(settings)._pause == pytest.approx(0.0040, abs=0.0001)  # 3.5 characters of 11 bits
    assert Link({**settings, "baudrate": 115200})._pause == pytest.approx(0.00175)
    assert Link({**settings, "inter_frame_delay": 20.0})._pause == 0.02


def test_every_option_and_data_type_has_its_place_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "drivers" / "modbus.md").read_text()

    for word in (*DEFAULTS, *SIGNAL_OPTIONS, *DATA_TYPES, *EXCEPTIONS.values()):
        assert f"`{word}`" in page, word


def test_a_default_unit_is_used_where_a_signal_names_none():
    layout, found = examine(SignalAddress("x", "holding:1"), default_unit=17)

    assert (layout.unit, found) == (17, [])
