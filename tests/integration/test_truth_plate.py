"""Does Odoo say of a recorded day what really happened on it?

Twenty plates that a real machine made on 6 February 2017 (NIST SMS Test Bed, Hurco04, operation 2), told over OPC UA at
several speeds and polled each second. The file says what is true: 20 completed cycles, the part counter from 1089 to
1108, and in which state the machine was at each moment.
"""

import pytest

from simulator.replay import DEFAULT_RECORDING, Replay, seen
from tests.integration.plant import Devices, all_posted, complaints, number, replay_plan, rows, set_up

#: Machine seconds in ACTIVE by the poll moments of a poller each second at ×20, over all phases it may have.
ACTIVE_AT_20 = (1038.343, 1066.547)


@pytest.mark.parametrize(
    "speeds", [pytest.param((60, 200), id="x60-x200"), pytest.param((20,), id="x20", marks=pytest.mark.full)]
)
def test_the_order_says_what_the_recording_says(
    speeds, durable_database, odoo_shell, machine_worker, start_program, sql
):
    devices = Devices(start_program, [{"name": f"x{speed}", "kind": "replay", "speed": speed} for speed in speeds])
    machines = set_up(odoo_shell, [_plan(devices, speed) for speed in speeds])
    worker = machine_worker()
    worker.wait_until(lambda: all(devices.truth(f"x{speed}")["reads"] > 2 for speed in speeds), "all are polled")
    for speed in speeds:
        devices.fault(f"x{speed}", "begin")
    day = Replay(path=DEFAULT_RECORDING).seconds
    for speed in sorted(speeds, reverse=True):
        worker.wait_until(lambda name=f"x{speed}": devices.truth(name)["ended"], "the day has ended", day / speed + 30)
    reads = {speed: devices.truth(f"x{speed}")["reads"] for speed in speeds}
    worker.wait_until(
        lambda: all(devices.truth(f"x{speed}")["reads"] > reads[speed] + 2 for speed in speeds), "the end was read"
    )
    worker.wait_until(lambda: all_posted(sql), "all is posted")
    truths = {speed: devices.truth(f"x{speed}") for speed in speeds}
    worker.stop()

    assert complaints(worker.output()) == []
    for speed in speeds:
        machine, truth = machines[f"x{speed}"], truths[speed]
        assert (truth["completed"], truth["counter"], truth["active_seconds"]) == (20, 1108, 1061.359)
        assert truth["write_attempts"] == 0
        _assert_counted(sql, odoo_shell, machine, by_cycles=speed <= 60)
        if speed <= 60:
            _assert_running(sql, machine, truth, speed)


def _plan(devices, speed):
    # Faster than that no poller each second sees every cycle; the counter misses nothing.
    role = "cycle" if speed <= 60 else "good"
    return replay_plan(f"x{speed}", devices.truth(f"x{speed}")["url"], speed=speed, role=role, order=100)


def _assert_counted(sql, odoo_shell, machine, by_cycles):
    """20 by completed cycles where they feed the order; 19 by the counter, whose first value is its baseline."""
    events = rows(
        sql,
        f"""SELECT data, disposition FROM mrp_machine_event WHERE machine_id = {machine["machine"]}
               AND type = 'production.count' ORDER BY occurred_us""",
    )
    assert {event["disposition"] for event in events} == {"accepted"}
    assert events[0]["data"]["total_before"] == 1089
    assert events[-1]["data"]["total_after"] == 1108
    assert sum(event["data"]["delta"] for event in events) == 19
    cycles = number(
        sql,
        f"""SELECT count(*) FROM mrp_machine_event WHERE machine_id = {machine["machine"]}
               AND type = 'production.cycle_completed' AND disposition = 'accepted'""",
    )
    assert cycles == (20 if by_cycles else 0)
    shown = odoo_shell(
        f"""
machine = env["mrp.machine"].browse({machine["machine"]})
ledger = machine.ledger_ids
order = env["mrp.production"].browse({machine["production"]})
result = {{
    "quantity": order.qty_producing,
    "work order": order.workorder_ids.qty_produced,
    "ledger": [ledger.good, ledger.cycle, ledger.posted, ledger.difference],
    "machine": machine.good,
    "exceptions": machine.exception_count,
}}
"""
    )
    made = 20 if by_cycles else 19
    assert shown == {
        "quantity": made,
        "work order": made,
        "ledger": [19, 20, 20, 1] if by_cycles else [19, 0, 19, 0],
        "machine": made,
        "exceptions": 0,
    }


def _assert_running(sql, machine, truth, speed):
    """The time in ACTIVE is that of the moments at which we looked, as the file has it."""
    moments = [recorded for _now, recorded, _told, _variables in truth["read_log"]]
    polled = [now for now, _recorded, _told, _variables in truth["read_log"]]
    gaps = [later - earlier for earlier, later in zip(polled, polled[1:], strict=False)]
    expected, began = 0.0, None
    for line in seen(Replay(path=DEFAULT_RECORDING).lines, "Program_Status", moments):
        if line is None:
            continue
        second, value = line
        if value == "ACTIVE" and began is None:
            began = second
        elif value != "ACTIVE" and began is not None:
            expected, began = expected + second - began, None
    found = speed * number(
        sql,
        f"""SELECT sum(end_us - start_us) / 1e6 FROM mrp_machine_interval
             WHERE machine_id = {machine["machine"]} AND state = 'running'""",
    )
    print(
        f"×{speed}: ACTIVE {found:.3f} s, expected of {len(moments)} reads {expected:.3f} s; "
        f"polled every {sum(gaps) / len(gaps):.3f} s, at most {max(gaps):.3f} s"
    )
    assert began is None, "the day ends with a completed program"
    assert found == pytest.approx(expected, abs=0.01)
    if speed == 20:
        assert ACTIVE_AT_20[0] <= found <= ACTIVE_AT_20[1]
