"""The simulated filler says by OPC UA what it says in its truth, and fails on command."""

import asyncio
import json

import pytest
from asyncua import Client, ua

from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.errors import ConnectionFailed
from machine_connect.reading import Quality
from simulator.faults import FAULTS
from simulator.filler import ABORTED, ALARMS, EXECUTE, FILLER_FAULTS, STOPPED, SUSPENDED, VARIABLES, Filler
from tests.unit.loopback import wait_until

Driver = driver_class("opcua")
SIGNALS = [SignalAddress(key, f"nsu=urn:mmc:simulator:filler;s={key}") for key in VARIABLES]


@pytest.fixture(scope="module")
def machine(loop):
    """A filler that stands still unless it is told to fill."""

    async def make():
        made = Filler(
            port=0, rate=0.01, jam_every=0, starve_every=0, reject_rate=0.5, counter_start=2**16 - 3, counter_width=16
        )
        await made.start()
        return made

    made = loop.run(make())
    yield made
    loop.run(made.stop())


@pytest.fixture
def filler(machine, loop):
    """The same, working, and healed afterwards."""
    loop.call(setattr, machine, "rate", 3000.0)
    wait_until(lambda: machine.truth()["state"] == EXECUTE)
    loop.call(setattr, machine, "rate", 0.01)
    loop.run(settled(machine))
    yield machine
    loop.call(machine.fault, "heal")


async def settled(machine):
    """Wait until the bottle that was begun at the quick pace is out, or never will be."""
    done = asyncio.Event()

    async def nothing():
        done.set()

    machine._interrupt(nothing)
    await done.wait()


@pytest.fixture
def driver(machine):
    with Driver({"url": machine.url, "timeout": 2.0}) as opened:
        yield opened


def values(driver):
    readings = driver.read(SIGNALS)
    assert all(made.is_good for made in readings), readings
    return {made.signal: made.value for made in readings}


def test_what_it_says_is_what_is_true(filler, driver, loop):
    before = filler.truth()
    for _bottle in range(20):
        loop.run(filler.fill())
    truth, said = filler.truth(), values(driver)

    assert truth["processed"] - before["processed"] == 20
    assert truth["good"] + truth["reject"] == truth["processed"]
    assert truth["reject"] > before["reject"]
    assert said["ProdProcessedCount"] == truth["processed_counter"] == (2**16 - 3 + truth["processed"]) % 2**16
    assert (said["GoodCount"], said["ProdDefectiveCount"]) == (truth["good_counter"], truth["reject_counter"])
    assert said["StateCurrent"] == truth["state"]
    json.dumps(truth)


def test_every_value_has_the_time_since_which_it_is_so(filler, driver, loop):
    loop.run(filler.fill())
    first = {made.signal: made.at for made in driver.read(SIGNALS)}
    loop.run(filler.fill())
    second = {made.signal: made.at for made in driver.read(SIGNALS)}

    assert second["ProdProcessedCount"] > first["ProdProcessedCount"]
    assert second["StateCurrent"] == first["StateCurrent"], "nothing happened to it"
    assert all(made.raw["source"] for made in driver.read(SIGNALS))


def test_it_fills_by_itself_at_its_rate(loop):
    async def work():
        filler = Filler(port=0, rate=2400, jam_every=0, starve_every=0)
        await filler.start()
        await asyncio.sleep(1.5)
        truth = filler.truth()
        await filler.stop()
        return truth

    # 40 a second; a machine that has other work to do may be late
    assert 10 <= loop.run(work())["processed"] <= 60


@pytest.mark.parametrize(
    ("fault", "parameters", "state", "reason"),
    [
        ("jam", {"seconds": 0.5, "code": 230}, ABORTED, 230),
        ("stop", {"seconds": 0.5}, STOPPED, 20),
        ("starve", {"seconds": 0.5}, SUSPENDED, 10),
        ("block", {"seconds": "0.5"}, SUSPENDED, 11),
    ],
)
def test_it_stands_and_says_why_and_comes_back(filler, driver, loop, fault, parameters, state, reason):
    loop.call(setattr, filler, "rate", 3000.0)
    loop.call(filler.fault, fault, **parameters)
    wait_until(lambda: filler.truth()["state"] == state)
    said = values(driver)

    assert (said["StateCurrent"], said["StopReason"], said["CurMachSpeed"]) == (state, reason, 0.0)
    assert said["AlarmText"] == ALARMS.get(reason, "")
    assert (said["EquipmentStarved"], said["EquipmentBlocked"]) == (reason == 10, reason == 11)
    wait_until(lambda: filler.truth()["state"] == EXECUTE)
    said = values(driver)
    assert (said["StopReason"], said["AlarmCode"], said["AlarmText"]) == (0, 0, "")
    assert not said["EquipmentStarved"]


def test_alarms_may_come_in_a_flood_without_a_standstill(filler, loop):
    before = filler.truth()["alarms"]
    loop.call(filler.fault, "alarm_flood", count=10, seconds=0.1)
    wait_until(lambda: filler.truth()["alarms"] == before + 10 and filler.truth()["alarm"] == 0)

    assert filler.truth()["state"] == EXECUTE


def test_a_counter_may_begin_anew(filler, driver, loop):
    loop.call(filler.fault, "reset_counter", value=5)
    wait_until(lambda: filler.truth()["good_counter"] == 5)

    assert values(driver)["ProdProcessedCount"] == 5
    assert filler.truth()["counter_resets"] == 1


def test_a_server_without_its_controller_has_no_values_but_filling_goes_on(filler, driver, loop):
    loop.call(filler.fault, "lose_plc", seconds=0.3)
    wait_until(lambda: driver.read(SIGNALS)[0].code == "unavailable")
    loop.run(filler.fill())
    assert {(made.quality, made.code) for made in driver.read(SIGNALS)} == {(Quality.BAD, "unavailable")}
    wait_until(lambda: driver.read(SIGNALS)[0].is_good)

    assert values(driver)["ProdProcessedCount"] == filler.truth()["processed_counter"]


def test_without_power_it_is_gone_and_comes_back_with_its_counters(filler, loop):
    counter = filler.truth()["processed_counter"]
    loop.call(setattr, filler, "rate", 3000.0)
    loop.call(filler.fault, "power_off", seconds=0.5)

    def gone():
        try:
            with Driver({"url": filler.url, "timeout": 0.5}):
                return False
        except ConnectionFailed:
            return True

    wait_until(gone)
    wait_until(lambda: not gone())
    assert filler.truth()["processed_counter"] >= counter


def test_it_cannot_be_written(filler, loop):
    async def write():
        async with Client(filler.url) as client:
            index = await client.get_namespace_index("urn:mmc:simulator:filler")
            with pytest.raises(ua.UaStatusCodeError):
                await client.get_node(ua.NodeId("GoodCount", index)).write_value(ua.Variant(0, ua.VariantType.UInt32))

    counter = filler.truth()["good_counter"]
    loop.run(write())

    assert filler.truth()["good_counter"] == counter
    assert filler.truth()["write_attempts"] == 1


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("explode", {}, "unknown fault explode"),
        ("jam", {"loudly": 1}, FILLER_FAULTS["jam"]),
        ("drop", {"loudly": 1}, FAULTS["drop"]),
        ("jam", {"seconds": "long"}, "long"),
    ],
)
def test_what_it_does_not_understand_it_says(machine, loop, name, parameters, words):
    with pytest.raises(ValueError, match=words.split("(")[0]):
        loop.call(machine.fault, name, **parameters)
