"""The simulated packaging line packs, weighs and scans; its truth says of which lot each pack was."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.modbus import ModbusDriver
from simulator.packer import COMPLETE, PACKER_FAULTS, Packer
from simulator.press import EXECUTE, IDLE, STOPPED
from tests.unit.loopback import wait_until

SIGNALS = [
    SignalAddress("state", "holding:0"),
    SignalAddress("good", "holding:2", {"data_type": "u32"}),
    SignalAddress("scale", "holding:4", {"data_type": "u32"}),
    SignalAddress("alarm", "holding:6"),
    SignalAddress("last", "holding:7"),
    SignalAddress("scanner", "holding:8", {"data_type": "string", "length": 32, "encoding": "utf-8"}),
    SignalAddress("altogether", "holding:40", {"data_type": "u32"}),
]
LABEL = "]C1010950600013436910P-0001"


@pytest.fixture
def packer(loop):
    """A function that starts a line; it stands still unless told otherwise, and packs one by one on demand."""
    started = []

    def start(**settings):
        async def make():
            machine = Packer(port=0, **{"cycle": 3600, "jam_every": 0, "scan_seconds": 0.2, **settings})
            await machine.start()
            return machine

        started.append(loop.run(make()))
        return started[-1]

    yield start
    for machine in started:
        loop.run(machine.stop())


@pytest.fixture(autouse=True)
def no_time_between_states(monkeypatch):
    monkeypatch.setattr("simulator.press.SECONDS_OF_A_STATE_ON_THE_WAY", 0.01)


def read(machine):
    with ModbusDriver({"host": "127.0.0.1", "port": machine.port, "timeout": 1}) as driver:
        return {reading.signal: reading.value for reading in driver.read(SIGNALS)}


def test_what_it_says_is_the_truth(loop, packer):
    machine = packer(reject_rate=0.3)
    loop.call(machine.fault, "begin")
    wait_until(lambda: machine.state == EXECUTE)

    for packs in (1, 10, 100):
        for _pack in range(packs):
            loop.call(machine.stroke)
        told, truth = read(machine), machine.truth()
        assert told["state"] == truth["state"] == EXECUTE
        assert told["good"] == truth["good_counter"] == 7_300 + truth["good"]
        assert told["altogether"] == truth["good"] + truth["reject"]
        assert told["scale"] == truth["scale"] == truth["reject_weight"]
        assert len(truth["packs"]) == len({pack["serial"] for pack in truth["packs"]}) == truth["good"]

    json.dumps(truth)
    assert truth["reject"] > 0
    assert 0.94 * 250 * truth["reject"] - 1 <= truth["scale"] <= 1.06 * 250 * truth["reject"] + 1


def test_its_scanner_shows_one_code_after_another_and_nothing_in_between(loop, packer):
    machine = packer()
    loop.call(machine.fault, "scan", code=LABEL)
    loop.call(machine.fault, "scan", code=LABEL)
    shown = []

    def look():
        if not shown or shown[-1] != machine.scanner:
            shown.append(machine.scanner)
        return len(shown) >= 4

    wait_until(lambda: read(machine)["scanner"] == LABEL)
    wait_until(look)

    assert shown == [LABEL, "", LABEL, ""]
    assert read(machine)["scanner"] == ""
    assert [code for _at, code in machine.truth()["scans"]] == [LABEL, LABEL]


def test_packs_and_rejects_are_of_the_lot_that_is_in_the_line(loop, packer):
    machine = packer(reject_rate=0.5)
    expected = {"good": Counter(), "reject": Counter()}
    for lot, packs in (("A", 30), ("B", 20)):
        loop.call(machine.fault, "change_lot", lot=lot, code=f"label {lot}", seconds="0.2")
        wait_until(lambda lot=lot: machine.lot == lot and machine.state == IDLE)
        assert machine.scale == 0
        before = machine.good, machine.reject
        for _pack in range(packs):
            loop.call(machine.stroke)
        expected["good"][lot], expected["reject"][lot] = machine.good - before[0], machine.reject - before[1]

    truth = machine.truth()
    assert truth["packs_by_lot"] == expected["good"]
    assert truth["rejects_by_lot"] == expected["reject"]
    assert Counter(pack["lot"] for pack in truth["packs"]) == expected["good"]
    assert 0 < truth["scale"] < truth["reject_weight"]


def test_it_stops_for_a_lot_change_and_after_a_batch(loop, packer):
    machine = packer(cycle=0.02, batch=5, reject_rate=0)
    assert read(machine)["state"] == IDLE
    loop.call(machine.fault, "begin")
    wait_until(lambda: machine.state == COMPLETE)
    assert machine.good == 5
    loop.call(machine.fault, "change_lot", lot="A", code="A", seconds="0.2")
    wait_until(lambda: machine.state == STOPPED)
    wait_until(lambda: machine.state == COMPLETE)
    assert machine.good == 5
    loop.call(machine.fault, "begin")
    wait_until(lambda: machine.good == 10)

    truth = machine.truth()
    assert truth["packs_by_lot"] == {"": 5, "A": 5}
    assert {state for _at, state in truth["states"]} >= {IDLE, EXECUTE, STOPPED, COMPLETE}
    assert 0 < truth["running_seconds"] < 60


def test_its_operator_scans_the_order_and_puts_in_the_lots_in_turn(packer):
    machine = packer(cycle=0.01, reject_rate=0, order="WH/MO/00007", lots=("A", ("B", "label B")), packs_a_lot=3)

    assert machine.truth()["scans"] == [], "nobody reads"
    read(machine)
    wait_until(lambda: len(machine.truth()["scans"]) >= 4)

    truth = machine.truth()
    assert [code for _at, code in truth["scans"]][:4] == ["WH/MO/00007", "A", "label B", "A"]
    assert truth["packs_by_lot"] == {"A": 3, "B": 3}


def test_what_it_does_not_know_is_told_in_words(packer):
    machine = packer()

    assert "program" not in PACKER_FAULTS
    for name, parameters in (
        ("program", {"name": "X"}),
        ("scan", {}),
        ("scan", {"code": "x" * 65}),
        ("begin", {"x": 1}),
    ):
        with pytest.raises(ValueError, match=r"\w+"):
            machine.fault(name, **parameters)


def test_it_runs_as_a_program_only_when_it_is_asked_for():
    command = [sys.executable, "-W", "error", "-m", "simulator", "--only", "packer", "--packer-port", "0"]
    command += ["--control-port", "0", "--packer-order", "X", "--packer-lots", "A,B", "--packer-cycle", "0.1"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        try:
            assert program.stdout.readline().startswith("packer   modbus://127.0.0.1:")
            program.terminate()
            assert program.wait(10) == 0
        finally:
            program.kill()
