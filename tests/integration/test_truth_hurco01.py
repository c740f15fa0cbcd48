"""What is not production must not be booked: a recorded counter that jumps, and one that ran on while nobody listened.

Two days of a real machine (NIST SMS Test Bed, Hurco01, 8 and 9 August 2017). Its part counter says UNAVAILABLE, 0,
3763, UNAVAILABLE, 3766, 3767, UNAVAILABLE. One part was made while it was recorded: the last one.
"""

from simulator.replay import RECORDINGS
from tests.integration.plant import assert_exactly_once, quantity, set_up

RECORDING = RECORDINGS / "Hurco01-20170809-20170810.txt.gz"

PLAN = {
    "code": "hurco01",
    "machine": {"late_window": 0},
    "connection": {"protocol": "opcua", "url": "opc.tcp://127.0.0.1:4840", "polled_by": "worker", "interval": 1.0},
    "signals": [
        {
            "name": "State",
            "role": "state",
            "address": "nsu=urn:x;s=Program_Status",
            "state_table": "mtconnect_execution",
        },
        {"name": "Count", "role": "good", "address": "nsu=urn:x;s=Part_Count", "fastest_cycle": 10.0},
    ],
    "order": 100,
    "loaded": "2017-01-01 00:00:00",
}

# The observations go through the mapping, the log and the poster as those of a poller do; two days are too long to wait.
FEED = """
from odoo.addons.mrp_machine_connect.machine_connect.mapping import Interpreter
from odoo.addons.mrp_machine_connect.machine_connect.reading import Quality, Reading
from simulator.shdr import Observation, read_recording

machine = env["mrp.machine"].browse(MACHINE)
signals = {"Program_Status": "State", "Part_Count": "Count"}
by_name = {signal.name: signal for signal in machine.signal_ids}
interpreters = {name: Interpreter(signal._mapping()) for name, signal in by_name.items()}
memories, events = {}, []
for entry in read_recording(RECORDING):
    if not isinstance(entry, Observation) or entry.key not in signals:
        continue
    name = signals[entry.key]
    if name == "State":
        reading = Reading(name, entry.value, entry.at, entry.at)
    elif entry.value == "UNAVAILABLE":
        reading = Reading(name, None, entry.at, entry.at, Quality.BAD, "unavailable")
    else:
        reading = Reading(name, int(entry.value), entry.at, entry.at)
    understood = interpreters[name].interpret(memories.get(name), reading)
    memories[name] = understood.memory
    events += understood.events
ids = {name: signal.id for name, signal in by_name.items()}
batch = (machine, machine._stream("recorded"), ids, machine.mapping_version, events)
log = env["mrp.machine.event"]
new = log._receive(env.ref("mrp_machine_connect.source_poller"), [batch])
again = log._receive(env.ref("mrp_machine_connect.source_poller"), [batch])
env.cr.commit()
env["mrp.machine.poster"]._post_due(env.registry, 60)
env.cr.commit()
env.invalidate_all()
counts = log.search([("machine_id", "=", machine.id), ("type", "=", "production.count")], order="occurred_us")
rows = counts.posting_ids.filtered(lambda row: row.handler == "production_count").sorted("occurred")
result = {
    "new": len(new),
    "again": len(again),
    "counts": [[event.data["total_before"], event.data["total_after"], event.reason] for event in counts],
    "rows": [[row.state, row.reason, row.message, row.remedy] for row in rows],
    "summaries": counts.mapped("summary"),
    "machine": [machine.good, machine.exception_count],
    "states": sorted(set(machine.interval_ids.mapped("state"))),
}
"""


def test_one_part_is_posted_and_two_differences_wait_for_a_person(durable_database, odoo_shell, sql):
    machine = set_up(odoo_shell, [PLAN])["hurco01"]

    found = odoo_shell(f"MACHINE, RECORDING = {machine['machine']}, {str(RECORDING)!r}\n{FEED}")

    assert found["counts"] == [[0, 3763, "jump"], [3763, 3766, "interrupted"], [3766, 3767, False]]
    assert [row[:2] for row in found["rows"]] == [["held", "jump"], ["held", "interrupted"], ["posted", False]]
    for _state, _reason, message, remedy in found["rows"][:2]:
        assert len(message.split()) > 5 and message.endswith(".")
        assert len(remedy.split()) > 3
    assert found["machine"] == [1, 2]
    assert quantity(sql, machine) == 1
    assert (found["new"] > 0, found["again"]) == (True, 0), "received twice is stored once"
    assert {"running", "held", "completed", "idle", "unknown"} <= set(found["states"])
    assert_exactly_once(sql)
