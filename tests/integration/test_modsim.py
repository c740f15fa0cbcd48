"""Another maker's Modbus server, modsim, with every data type: our driver reads it right."""

import socket
from pathlib import Path

import pytest

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.reading import Quality

#: Offset from the first register (input 30000, holding 40000), data type, options, value.
VALUES = [
    *((offset, "u16", {}, offset + 1) for offset in range(4)),
    *((4 + offset, "i16", {}, -1 - offset) for offset in range(4)),
    (8, "u32", {}, 12_345_678),
    (10, "u32", {}, 12_345_678),
    (12, "i32", {}, -12_345_678),
    (14, "i32", {}, -12_345_678),
    (16, "f32", {}, pytest.approx(12.34, rel=1e-6)),
    (18, "f32", {}, pytest.approx(-12.34, rel=1e-6)),
    (20, "u64", {}, 12_345_678_900),
    (24, "i64", {}, -12_345_678_900),
    (28, "f64", {}, 123.45),
    (32, "f64", {}, -123.45),
    (36, "string", {"length": 8}, "this is a string"),
]
BITS = [bool(bit) for bit in (1, 0, 1, 0, 0, 0, 0, 1)] * 2


def signals():
    found = [
        (SignalAddress(f"{table} {offset}", f"{table}:{start + offset}", {"data_type": kind, **options}), value)
        for table, start in (("holding", 40_000), ("input", 30_000))
        for offset, kind, options, value in VALUES
    ]
    found += [
        (SignalAddress(f"discrete {number}", f"discrete:{10_000 + number}"), bit) for number, bit in enumerate(BITS)
    ]
    return [signal for signal, _value in found], [value for _signal, value in found]


@pytest.fixture(params=["tcp", "rtu_over_tcp"])
def driver(request, modsim, start_program, free_port):
    port = free_port()
    arguments = ["--framer", "rtu"] if request.param == "rtu_over_tcp" else []
    # It would listen on every interface; the interpreter beside it runs the same program on loopback only.
    command = [modsim.parent / "python", Path(__file__).with_name("listen_on_loopback.py"), "modsim.main:app"]
    program = start_program("modsim", [*command, "--port", port, *arguments])
    program.wait_until(lambda: listens(port), "modsim listens")
    made = ModbusDriver({"transport": request.param, "host": "127.0.0.1", "port": port, "timeout": 5})
    yield made
    made.close()


def listens(port):
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def test_every_type_of_a_foreign_server_is_read_right(driver):
    asked, values = signals()

    driver.open()
    for _round in range(3):
        readings = driver.read(asked)

        assert [reading.code for reading in readings] == [""] * len(asked)
        assert [reading.value for reading in readings] == values


def test_what_a_foreign_server_does_not_have_is_refused_and_spoils_nothing(driver):
    asked, values = signals()
    nowhere = [SignalAddress("holding 0", "holding:0"), SignalAddress("behind", "holding:40044")]

    driver.open()
    readings = driver.read([*nowhere, *asked])

    assert [(reading.quality, reading.code, reading.status) for reading in readings[:2]] == [
        (Quality.BAD, "illegal_address", 2)
    ] * 2
    assert [reading.value for reading in readings[2:]] == values
