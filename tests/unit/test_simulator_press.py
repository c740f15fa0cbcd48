"""The simulated press says by Modbus what it says in its truth, and fails on command."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.errors import ConnectionFailed
from simulator.control import Control
from simulator.faults import FAULTS
from simulator.press import ABORTED, ALARMS, EXECUTE, PRESS_FAULTS, Press
from tests.unit.loopback import wait_until

SIGNALS = [
    SignalAddress("state", "holding:0"),
    SignalAddress("mode", "holding:1"),
    SignalAddress("good", "holding:2", {"data_type": "u32"}),
    SignalAddress("reject", "40005"),
    SignalAddress("alarm", "holding:5"),
    SignalAddress("cycle", "holding:6", {"data_type": "f32"}),
    SignalAddress("temperature", "holding:8", {"data_type": "f32"}),
    SignalAddress("program", "holding:10", {"data_type": "string", "length": 8}),
    SignalAddress("strokes", "holding:18", {"data_type": "u32", "word_order": "little"}),
    SignalAddress("temperature, tenths", "input:0", {"data_type": "i16"}),
    SignalAddress("running bit", "input:1.0"),
    SignalAddress("green", "discrete:0"),
    SignalAddress("red", "discrete:2"),
    SignalAddress("drive", "coil:0"),
]


@pytest.fixture
def press(loop):
    """A function that starts a press; it stands still unless told otherwise, and works stroke by stroke on demand."""
    started = []

    def start(**settings):
        async def make():
            machine = Press(port=0, **{"cycle": 3600, "jam_every": 0, **settings})
            await machine.start()
            return machine

        started.append(loop.run(make()))
        wait_until(lambda: started[-1].state == EXECUTE)
        return started[-1]

    yield start
    for machine in started:
        loop.run(machine.stop())


@pytest.fixture(autouse=True)
def no_time_between_states(monkeypatch):
    monkeypatch.setattr("simulator.press.SECONDS_OF_A_STATE_ON_THE_WAY", 0.01)


def driver_of(machine, timeout=1):
    return ModbusDriver({"host": "127.0.0.1", "port": machine.port, "timeout": timeout})


def read(driver):
    return {reading.signal: reading.value for reading in driver.read(SIGNALS)}


def test_what_it_says_is_the_truth(loop, press):
    machine = press(reject_rate=0.3)

    with driver_of(machine) as driver:
        for strokes in (1, 10, 200):
            for _stroke in range(strokes):
                loop.call(machine.stroke)
            told, truth = read(driver), machine.truth()

            assert told["state"] == truth["state"] == EXECUTE
            assert told["good"] == truth["good_counter"] == 48_210 + truth["good"]
            assert told["reject"] == truth["reject_counter"] == truth["reject"]
            assert told["strokes"] == truth["strokes"] == truth["good"] + truth["reject"]
            assert told["program"] == truth["program"] == "BRACKET-A4"
            assert told["temperature, tenths"] == round(told["temperature"] * 10)
            assert (told["running bit"], told["green"], told["red"], told["drive"]) == (True, True, False, True)
            assert told["cycle"] == pytest.approx(3600, rel=0.06)
            assert told["mode"] == 1
        json.dumps(truth)

    assert truth["reject"] > 0


def test_it_works_by_itself(press):
    machine = press(cycle=0.01)

    wait_until(lambda: machine.strokes >= 5)


def test_its_counter_wraps_where_it_was_told(loop, press):
    machine = press(counter_start=65_534, counter_width=16, reject_rate=0)

    with driver_of(machine) as driver:
        found = []
        for _stroke in range(4):
            loop.call(machine.stroke)
            found.append(read(driver)["good"])

    assert found == [65_535, 0, 1, 2]
    assert machine.truth()["good"] == 4


def test_the_same_seed_makes_the_same_run(loop):
    async def run():
        machine = Press(port=0, seed=7, reject_rate=0.5)
        for _stroke in range(100):
            machine.stroke()
        return machine.truth()

    assert loop.run(run()) == loop.run(run())


def test_a_jam_stops_it_with_an_alarm_and_passes(loop, press):
    machine = press()

    with driver_of(machine) as driver:
        loop.call(machine.fault, "jam", seconds="0.3", code="102")
        wait_until(lambda: machine.state == ABORTED)
        told = read(driver)
        assert (told["state"], told["alarm"], told["red"], told["green"]) == (ABORTED, 102, True, False)
        wait_until(lambda: machine.state == EXECUTE)
        assert read(driver)["alarm"] == 0

    assert machine.truth()["jams"] == 1


def test_a_flood_of_alarms(loop, press):
    machine = press()

    loop.call(machine.fault, "alarm_flood", count="20", seconds="0.2")
    wait_until(lambda: machine.truth()["alarms"] == 20 and machine.alarm == 0)

    assert machine.state == EXECUTE
    assert set(ALARMS) == {101, 102, 110, 120, 130}


def test_counter_program_and_stop_on_command(loop, press):
    machine = press()

    with driver_of(machine) as driver:
        loop.call(machine.fault, "reset_counter")
        loop.call(machine.fault, "program", name="PLATE-7")
        loop.call(machine.fault, "stop", seconds="60")
        wait_until(lambda: machine.state == 2)
        told = read(driver)

    assert (told["good"], told["program"], told["state"]) == (0, "PLATE-7", 2)
    assert machine.truth()["counter_resets"] == 1


def test_without_power_it_is_gone_and_keeps_its_counters(loop, press):
    machine = press()
    loop.call(machine.stroke)
    before = machine.truth()["good_counter"]

    with driver_of(machine) as driver:
        read(driver)
        loop.call(machine.fault, "power_off", seconds="0.5")
        wait_until(lambda: not machine.line.connections)
        with pytest.raises(ConnectionFailed):
            driver.read(SIGNALS)
        wait_until(lambda: machine.state == EXECUTE)
        driver.close()
        driver.open()
        assert read(driver)["good"] == before


def test_faults_of_its_line(loop, press):
    machine = press()

    with driver_of(machine, timeout=0.2) as driver:
        loop.call(machine.fault, "wrong_length", count="1")
        assert {reading.code for reading in driver.read(SIGNALS)} == {"answer_mismatch"}
        loop.call(machine.fault, "heal")
        assert read(driver)["state"] == EXECUTE
        loop.call(machine.fault, "drop")
        assert read(driver)["state"] == EXECUTE
        loop.call(machine.fault, "delay", seconds="0.05", during="0.2")
        began = time.monotonic()
        assert read(driver)["state"] == EXECUTE
        assert time.monotonic() - began >= 0.05


def test_a_fault_it_does_not_know_is_told_in_words(press):
    machine = press()

    for name, parameters in (("fire", {}), ("jam", {"hours": "1"}), ("jam", {"seconds": "long"}), ("drop", {"x": "1"})):
        with pytest.raises(ValueError, match=r"\w+"):
            machine.fault(name, **parameters)
    with pytest.raises(ValueError, match="16 bytes"):
        machine.fault("program", name="A-NAME-THAT-IS-TOO-LONG")


def test_it_cannot_be_written_to_and_counts_who_tries(press):
    machine = press()

    with ModbusTcpClient("127.0.0.1", port=machine.port, timeout=1) as client:
        assert client.write_register(2, 0).exception_code == 1
        assert client.write_coil(0, False).exception_code == 1

    assert machine.truth()["write_attempts"] == 2
    assert machine.truth()["good_counter"] == 48_210


def test_another_unit_is_answered_as_by_a_gateway(press):
    machine = press()

    with driver_of(machine) as driver:
        (reading,) = driver.read([SignalAddress("other", "holding:0", {"unit_id": 5})])

    assert (reading.code, reading.status) == ("gateway_no_answer", 11)


def test_what_is_not_there_is_refused(press):
    machine = press()

    with driver_of(machine) as driver:
        readings = driver.read([SignalAddress("beyond", "holding:20"), *SIGNALS])

    assert (readings[0].code, readings[0].status) == ("illegal_address", 2)
    assert all(reading.is_good for reading in readings[1:])


# By HTTP, and as a program


def ask(port, path, method="GET", host=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, json.load(answer)


def test_truth_and_faults_by_http(loop, press):
    machine = press()
    control = Control({"press": machine})
    loop.run(control.start())
    try:
        assert ask(control.port, "/truth") == (200, {"press": machine.truth()})
        assert ask(control.port, "/truth/press") == (200, machine.truth())
        assert ask(control.port, "/fault/press/reset_counter?value=17", "POST")[0] == 200
        assert machine.good_counter == 17
        assert ask(control.port, "/fault/press/fire", "POST")[0] == 400
        assert ask(control.port, "/fault/press/jam?seconds=long", "POST")[0] == 400
        assert ask(control.port, "/fault/press/jam")[0] == 404  # a link that is followed harms nobody
        assert ask(control.port, "/fault/lathe/jam", "POST")[0] == 404
        assert ask(control.port, "/truth", host="plant.example")[0] == 403
        assert ask(control.port, "/")[0] == 404
    finally:
        loop.run(control.stop())


def test_control_is_not_impressed_by_nonsense(loop, press):
    control = Control({"press": press()})
    loop.run(control.start())

    async def talk(text):
        reader, writer = await asyncio.open_connection("127.0.0.1", control.port)
        writer.write(text)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    try:
        for text in (b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET /truth", b"x" * 4000):
            assert not loop.run(talk(text)).startswith(b"HTTP/1.1 200")
        assert ask(control.port, "/truth")[0] == 200
    finally:
        loop.run(control.stop())


def test_the_plant_runs_as_a_program_and_ends_when_asked():
    command = [sys.executable, "-W", "error", "-m", "simulator", "--only", "press", "--press-port", "0"]
    command += ["--control-port", "0", "--press-cycle", "0.05"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        try:
            lines = [program.stdout.readline().split() for _line in range(2)]
            port, control = (int(line[1].split(":")[2].split("/")[0]) for line in lines)
            with ModbusDriver({"host": "127.0.0.1", "port": port}) as driver:
                wait_until(lambda: read(driver)["strokes"] >= 3)
            assert ask(control, "/truth")[1]["press"]["strokes"] >= 3
            program.terminate()
            assert program.wait(10) == 0
            assert "stopped" in program.stdout.read()
        finally:
            program.kill()


def test_an_unknown_machine_is_told_in_words():
    command = [sys.executable, "-m", "simulator", "--only", "lathe"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "there is no machine lathe" in done.stderr


def test_a_port_that_is_taken_is_told_in_words():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-W", "error", "-m", "simulator", "--only", "press", "--press-port", port]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("the plant cannot start")
    assert done.stderr.count("\n") == 1


def test_its_page_names_every_fault_and_every_address():
    page = (Path(__file__).parents[2] / "simulator" / "README.md").read_text()

    for word in (*PRESS_FAULTS, *FAULTS):
        assert f"`{word}`" in page, word
    for address in (0, 1, 2, 4, 5, 6, 8, 10, 18):
        assert f"`holding:{address}`" in page
