"""Do the templates that come with the addon fit the machines of the simulated plant? Each is read from the real one."""

import asyncio
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from devtools.environment import ADDONS
from machine_connect.counter import WIDTHS
from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.state import MachineState, canonical
from simulator.filler import Filler
from simulator.press import Press
from simulator.replay import Replay
from tests.unit.loopback import wait_until

FILES = [
    ADDONS / "mrp_machine_connect" / "data" / "mrp_machine_template_data.xml",
    ADDONS / "mrp_machine_connect" / "demo" / "machine_plant_demo.xml",
]
#: Fields of a signal that the driver takes as options.
OPTIONS = ("data_type", "word_order", "byte_order", "length", "encoding")
#: What the machine says of itself in its truth, by the role of the signal that says it too.
TRUTH = {
    "template_packml_modbus": {"state": "state", "good": "good_counter", "reject": "reject_counter", "alarm": "alarm"},
    "template_press": {
        "state": "state",
        "good": "good_counter",
        "reject": "reject_counter",
        "alarm": "alarm",
        "program": "program",
    },
    "template_packml_opcua": {"state": "state", "good": "good_counter", "reject": "reject_counter", "alarm": "alarm"},
    "template_mtconnect_opcua": {"state": "state", "cycle": "state", "good": "counter"},
}


def bundled():
    """``{id: (protocol, [fields of a signal])}`` of all templates, as their files say it."""
    templates, signals = {}, {}
    for file in FILES:
        for record in ElementTree.parse(file).iter("record"):  # noqa: S314 - our own file
            values = {field.get("name"): field.text or field.get("ref") for field in record.iter("field")}
            if record.get("model") == "mrp.machine.template":
                templates[record.get("id")] = values["protocol"]
            elif record.get("model") == "mrp.machine.template.signal":
                signals.setdefault(values["template_id"], []).append(values)
    return {name: (protocol, signals[name]) for name, protocol in templates.items()}


def options_of(values):
    """The options of a signal for its driver, of the types that Odoo's fields give them."""
    return {name: int(values[name]) if name == "length" else values[name] for name in OPTIONS if values.get(name)}


@pytest.fixture(scope="module")
def plant(loop):
    """The three machines, standing still, each with something counted: ``{id of a template: (machine, options)}``."""
    press = Press(port=0, cycle=3600, jam_every=0, reject_rate=0.5)
    filler = Filler(port=0, rate=0.01, jam_every=0, starve_every=0, reject_rate=0.5)
    cnc = Replay(port=0, speed=200)
    for machine in (press, filler, cnc):
        loop.run(machine.start())
    try:
        wait_until(lambda: cnc.truth()["counter"] is not None and cnc.truth()["completed"])
        loop.call(cnc.fault, "pause", seconds=3600)
        wait_until(lambda: press.state == 6)
        for _piece in range(30):
            loop.call(press.stroke)
            loop.run(filler.fill())
        loop.run(asyncio.sleep(0.1))
        press_options = {"host": "127.0.0.1", "port": press.port}
        yield {
            "template_packml_modbus": (press, press_options),
            "template_press": (press, press_options),
            "template_packml_opcua": (filler, {"url": filler.url}),
            "template_mtconnect_opcua": (cnc, {"url": cnc.url}),
        }
    finally:
        for machine in (press, filler, cnc):
            loop.run(machine.stop())


def test_there_is_one_for_each_machine_of_the_plant(plant):
    assert bundled().keys() == plant.keys() == TRUTH.keys()
    assert {type(machine) for machine, _options in plant.values()} == {Press, Filler, Replay}


@pytest.mark.parametrize("name", TRUTH)
def test_all_its_signals_are_read_right(plant, name):
    protocol, signals = bundled()[name]
    machine, options = plant[name]
    asked = [SignalAddress(values["name"], values["address"], options_of(values)) for values in signals]

    with driver_class(protocol)({**options, "timeout": 2.0}) as driver:
        readings = driver.read(asked)
    truth = machine.truth()

    assert [(reading.signal, reading.code) for reading in readings if not reading.is_good] == []
    said = {values["role"]: reading.value for values, reading in zip(signals, readings, strict=True)}
    assert {role: said[role] for role in TRUTH[name]} == {role: truth[key] for role, key in TRUTH[name].items()}
    assert truth[TRUTH[name]["good"]] > 0


def seconds_of_a_piece(machine):
    """How quickly pieces follow each other at the pace of ``./dev plant``, at the very least."""
    if isinstance(machine, Press):
        return 0.95 * Press().cycle
    if isinstance(machine, Filler):
        return 0.95 * 60 / Filler().rate
    told = [seconds for seconds, key, _value in machine.lines if key == machine.counter_key]
    return min(after - before for before, after in pairwise(told)) / Replay().speed


@pytest.mark.parametrize("name", TRUTH)
def test_its_states_and_counters_are_of_the_kind_that_it_says(plant, name):
    _protocol, signals = bundled()[name]
    machine, _options = plant[name]
    truth = machine.truth()

    for values in signals:
        if values["role"] == "state":
            assert canonical(values["state_table"], truth["state"]) is not MachineState.UNKNOWN
        if values["role"] in ("good", "reject"):
            assert 0 < float(values["fastest_cycle"]) < seconds_of_a_piece(machine)
        if values["role"] == "good" and "counter_modulus" in truth:
            assert WIDTHS[values["counter_width"]] == truth["counter_modulus"]
