"""Does the page of the simulated plant say what the plant does? Tables are read off and compared with running machines."""

import inspect
import json
import math
import re
import shlex
import urllib.request
from pathlib import Path

import pytest

from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.drivers.modbus_types import DATA_TYPES, parse_address
from simulator import filler as filler_module
from simulator import press as press_module
from simulator.__main__ import MACHINES
from simulator.control import Control
from simulator.faults import FAULTS, FaultProxy
from simulator.filler import FILLER_FAULTS, STOP_REASONS, VARIABLES, Filler
from simulator.packer import PACKER_FAULTS, Packer
from simulator.press import PRESS_FAULTS, Press
from simulator.replay import REPLAY_FAULTS, Replay
from tests.unit.loopback import wait_until

PAGE = (Path(__file__).parents[2] / "simulator" / "README.md").read_text()
FAULT_TABLES = {
    "fault of the press": (Press, PRESS_FAULTS, "_begin_"),
    "fault of the filler": (Filler, FILLER_FAULTS, "_begin_"),
    "fault of the cnc": (Replay, REPLAY_FAULTS, "_begin_"),
    "fault of the packer": (Packer, PACKER_FAULTS, "_begin_"),
    "fault of any line": (FaultProxy, FAULTS, ""),
}


def section(heading):
    return re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", PAGE, re.S | re.M)[1]


def table(text, first_column):
    """The rows of the table whose first column is called so: a list of their cells."""
    lines = re.search(rf"^\| {first_column} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.M)[1].splitlines()
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def plant(loop):
    """The machines by their names, standing still, each with something counted."""
    machines = {
        "press": Press(port=0, cycle=3600, jam_every=0, reject_rate=0.5),
        "filler": Filler(port=0, rate=0.01, jam_every=0, starve_every=0, reject_rate=0.5),
        "cnc": Replay(port=0, speed=400),
        "packer": Packer(port=0, cycle=3600, jam_every=0, reject_rate=0.5, scan_seconds=60),
    }
    for machine in machines.values():
        loop.run(machine.start())
    try:
        cnc, press, filler = machines["cnc"], machines["press"], machines["filler"]
        wait_until(lambda: len({key for _seconds, key, _value in cnc.lines[: cnc.told]}) == len(cnc.variables))
        loop.call(cnc.fault, "pause", seconds=3600)
        wait_until(lambda: press.state == press_module.EXECUTE)
        for _piece in range(30):
            loop.call(press.stroke)
            loop.call(machines["packer"].stroke)
            loop.run(filler.fill())
        loop.call(machines["packer"].fault, "scan", code="WH/MO/00007")
        wait_until(lambda: machines["packer"].scanner)
        yield machines
    finally:
        for machine in machines.values():
            loop.run(machine.stop())


def told(machine, rows):
    """What a machine says at the addresses of a table: ``{address: value}``."""
    asked = []
    for cells in rows:
        [address] = code(cells[0])
        kind, *options = cells[2 if len(cells) == 5 else 1].replace("`", "").split(", ")
        known = {"data_type": kind} if kind in DATA_TYPES else {}
        known |= {name: int(value) if value.isdigit() else value for name, value in (one.split() for one in options)}
        asked.append(SignalAddress(address, address, known))
    if isinstance(machine, Press):
        driver = driver_class("modbus")({"host": "127.0.0.1", "port": machine.port, "timeout": 2.0})
    else:
        driver = driver_class("opcua")({"url": machine.url, "timeout": 2.0})
    with driver:
        readings = driver.read(asked)
    assert [(reading.signal, reading.code) for reading in readings if not reading.is_good] == []
    return {reading.signal: reading.value for reading in readings}


def rows_of(name):
    return table(section(f"The {name}"), "address")


@pytest.mark.parametrize("name", MACHINES)
def test_each_address_says_what_the_truth_says_at_the_named_key(plant, name):
    machine, rows = plant[name], rows_of(name)
    values, truth = told(machine, rows), machine.truth()

    keys = {code(cells[0])[0]: key for cells in rows for key in code(cells[-1])}
    assert len(keys) >= 2
    assert {address: values[address] for address in keys} == {address: truth[key] for address, key in keys.items()}


@pytest.mark.parametrize("name", ["press", "packer"])
def test_its_registers_are_all_there_are(plant, name):
    machine, rows = plant[name], rows_of(name)
    covered = {"holding": set(), "input": set(), "discrete": set(), "coil": set()}
    for cells in rows:
        [address] = code(cells[0])
        place, number, _bit = parse_address(address)
        assert parse_address(cells[1]) == (place, number, None), f"{address} is another number in a manual"
        kind, _, length = cells[2].replace("`", "").partition(", length ")
        kind = kind.split(",")[0]
        size = int(length) if kind == "string" else DATA_TYPES[kind][1]
        assert covered[place].isdisjoint(range(number, number + size))
        covered[place] |= set(range(number, number + size))

    with driver_class("modbus")({"host": "127.0.0.1", "port": machine.port, "timeout": 2.0}) as driver:
        for place in ("holding", "input"):
            [end] = driver.read([SignalAddress("end", f"{place}:{max(covered[place]) + 1}")])
            assert covered[place] == set(range(max(covered[place]) + 1))
            assert end.code == "illegal_address"


def test_the_variables_of_the_filler_are_all_there_are():
    machine = Filler(port=0)

    assert {code(cells[0])[0]: cells[1] for cells in rows_of("filler")} == {
        machine.address(key): kind for key, kind in VARIABLES.items()
    }


def test_the_variables_of_the_cnc_are_all_there_are():
    machine = Replay(port=0)

    assert {code(cells[0])[0]: cells[1] for cells in rows_of("cnc")} == {
        machine.address(key): kind for key, kind in machine.variables.items()
    }


def test_numbers_in_the_words_are_those_of_the_code():
    names = ("press", "filler", "cnc")
    meanings = {code(cells[0])[0].rpartition("=")[2]: cells[-2] for name in names for cells in rows_of(name)}
    press, filler, cnc, packer = Press(port=0), Filler(port=0), Replay(port=0), Packer(port=0)

    assert f"starts at {press.good_counter:,}" in meanings["holding:2"]
    [packs] = [cells[-2] for cells in rows_of("packer") if cells[-1] == "`good_counter`"]
    assert f"starts at {packer.good_counter:,}" in packs
    assert f"starts at {filler.values['GoodCount']:,}" in meanings["GoodCount"]
    assert f"starts at {filler.values['ProdProcessedCount']:,}" in meanings["ProdProcessedCount"]
    for address, codes in (
        ("holding:5", press_module.ALARMS),
        ("AlarmCode", filler_module.ALARMS),
        ("StopReason", STOP_REASONS),
    ):
        assert set(map(int, re.findall(r"\b\d{2,3}\b", meanings[address]))) == set(codes)
    first = {key: seconds for seconds, key, _value in reversed(cnc.lines)}
    state, counter = re.search(r"the state comes (\d+) s after the start, the part counter (\d+) s", PAGE).groups()
    assert [int(state), int(counter)] == [math.ceil(first[key] / cnc.speed) for key in ("Program_Status", "Part_Count")]


@pytest.mark.parametrize("heading", FAULT_TABLES)
def test_every_fault_has_its_row_with_its_parameters(heading):
    owner, faults, prefix = FAULT_TABLES[heading]
    rows = {code(cells[0])[0]: cells[1] for cells in table(PAGE, heading)}

    assert rows.keys() == faults.keys()
    for fault, parameters in rows.items():
        signature = inspect.signature(getattr(owner, f"{prefix}{fault}"))
        taken = {
            name: None if parameter.default is parameter.empty else float(parameter.default)
            for name, parameter in signature.parameters.items()
            if name != "self"
        }
        defaults = dict(re.findall(r"`(\w+)` \((\d+)", parameters))
        assert {name: float(defaults[name]) if name in defaults else None for name in code(parameters)} == taken, fault


def examples():
    """The examples of the page as ``(method, path)``."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.S | re.M):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "curl"
                method = words[words.index("-X") + 1] if "-X" in words else "GET"
                assert words[-1].startswith("http://127.0.0.1:15100/")
                found.append((method, words[-1].removeprefix("http://127.0.0.1:15100")))
    return found


def test_the_examples_do_what_they_say(loop, plant):
    asked = {path.split("?")[0] for _method, path in examples()}
    for fault in ("drop", "delay", "wrong_length", "reset_counter", "jam", "alarm_flood"):
        assert f"/fault/press/{fault}" in asked
    control = Control(plant)
    loop.run(control.start())
    try:
        for method, path in examples():
            request = urllib.request.Request(f"http://127.0.0.1:{control.port}{path}", method=method)
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert (answer.status, bool(json.load(answer))) == (200, True), path
        wait_until(lambda: (plant["press"].state, plant["press"].alarm) == (press_module.ABORTED, 102))
        wait_until(lambda: plant["filler"].truth()["state"] == filler_module.ABORTED)
        assert plant["press"].truth()["counter_resets"] == 1
        assert plant["press"].truth()["alarms"] > 1
    finally:
        loop.run(control.stop())
