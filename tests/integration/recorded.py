"""Recorded days for tests: through the mapping, the log and the poster into a database, as a poller's readings go.

A recording is too long to wait for. Its observations are given the mapping one by one at their own times; from there on
all is as when a machine is read.
"""

import json
from pathlib import Path

from simulator import replay

RECORDINGS = Path(__file__).parent / "recordings"
#: What an independent reader counted in the recordings.
TRUTH = json.loads((RECORDINGS / "truth.json").read_text())

DAYS = {
    "hurco04": replay.RECORDINGS / "2-1-2017-Hurco04-Clean.txt.gz",
    "plates": replay.DEFAULT_RECORDING,
    "okuma": RECORDINGS / "okuma.txt.gz",
    "mazak01": RECORDINGS / "Mazak01-20190625-20190626.txt.gz",
    "mazak03": RECORDINGS / "Mazak03-20180503-20180504.txt.gz",
}
#: Keys by which each recording tells state and counter.
KEYS = {
    "hurco04": ("Program_Status", "Part_Count"),
    "plates": ("Program_Status", "Part_Count"),
    "okuma": ("pexecution", "ppartcount"),
    "mazak01": ("execution", "PartCountAct"),
    "mazak03": ("execution", "PartCountAct"),
}


def plan(code, day, *, role="cycle", order=100):
    """Return the plan of a machine that is fed by a recording; its order is loaded from long before.

    :param str day: a key of :data:`DAYS`
    :param str role: what its order counts by
    """
    state, count = (f"nsu=urn:recorded;s={key}" for key in KEYS[day])
    return {
        "code": code,
        "machine": {"late_window": 0, "counting_role": role},
        "connection": {"protocol": "opcua", "url": "opc.tcp://127.0.0.1:4840", "polled_by": "worker", "interval": 1.0},
        "signals": [
            {"name": "State", "role": "state", "address": state, "state_table": "mtconnect_execution"},
            {"name": "Count", "role": "good", "address": count, "fastest_cycle": 10.0},
            {"name": "Cycle", "role": "cycle", "address": state, "cycle_values": "PROGRAM_COMPLETED"},
        ],
        "order": order,
        "loaded": "2017-01-01 00:00:00",
    }


#: To be run in a shell of Odoo before what a test asks: ``understood``, ``receive``, ``post`` and ``books``.
PRELUDE = """
from datetime import timedelta

from odoo.addons.mrp_machine_connect.machine_connect.mapping import Interpreter
from odoo.addons.mrp_machine_connect.machine_connect.reading import Quality, Reading
from simulator.shdr import Observation, read_recording


def understood(machine, path, keys):
    # What the mapping makes of a recording, in the order of the file.
    by_key = {}
    for signal in machine.signal_ids:
        by_key.setdefault(keys[1] if signal.role == "good" else keys[0], []).append(signal)
    interpreters = {signal: Interpreter(signal._mapping()) for signal in machine.signal_ids}
    memories, events, read = {}, [], None
    for entry in read_recording(path):
        if not isinstance(entry, Observation) or entry.key not in by_key:
            continue
        # What stands further down was read later, whatever time it bears.
        read = entry.at if read is None or entry.at > read else read + timedelta(microseconds=1)
        for signal in by_key[entry.key]:
            if signal.role == "good" and entry.value == "UNAVAILABLE":
                reading = Reading(signal.name, None, entry.at, read, Quality.BAD, "unavailable")
            else:
                value = int(entry.value) if signal.role == "good" else entry.value
                reading = Reading(signal.name, value, entry.at, read)
            found = interpreters[signal].interpret(memories.get(signal), reading)
            memories[signal] = found.memory
            events += found.events
    return events


def receive(machine, events):
    ids = {signal.name: signal.id for signal in machine.signal_ids}
    batch = (machine, machine._stream("recorded"), ids, machine.mapping_version, events)
    return env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), [batch])


def post():
    env.cr.commit()
    env["mrp.machine.poster"]._post_due(env.registry, 120)
    env.cr.commit()
    env.invalidate_all()


def books(machine, order):
    # All that was booked for a machine, without the ids, in an order that does not depend on when it was booked.
    step = order.workorder_ids
    ledger = machine.ledger_ids
    events = env["mrp.machine.event"].search([("machine_id", "=", machine.id)], order="occurred_us, type, id")
    begun = machine.interval_ids.event_id
    rows = [
        (
            event.occurred_us, event.type, event.data.get("kind"), row.handler,
            # A state that was no news when it came may begin an interval by what comes later.
            *(("begins", event in begun) if row.handler == "state_interval" else (row.state, row.reason)),
        )
        for event in events
        for row in event.posting_ids.sorted("handler")
    ]
    postings = {}
    for posting in env["mrp.machine.posting"].search([("machine_id", "=", machine.id)]):
        key = f"{posting.handler} {posting.kind} {posting.workorder_id == step} {posting.explanation}"
        postings[key] = postings.get(key, 0.0) + posting.quantity
    return {
        "rows": rows,
        "postings": postings,
        "ledger": [
            ledger.good, ledger.reject, ledger.total, ledger.cycle, ledger.posted, ledger.last_written, ledger.by_hand,
            ledger.difference,
        ],
        "intervals": [
            (
                interval.start_us, interval.end_us, interval.state, interval.raw_value, interval.reason,
                interval.production_id == order, interval.workorder_id == step,
            )
            for interval in machine.interval_ids.sorted("start_us")
        ],
        "time lines": [
            (line.date_start, line.date_end, line.duration, line.loss_id.name, line.description, line.workorder_id == step)
            for line in env["mrp.workcenter.productivity"].search(
                [("workcenter_id", "=", machine.workcenter_id.id)], order="date_start, id"
            )
        ],
        "order": [order.state, order.qty_producing, order.date_start, step.state, step.qty_produced, step.date_start],
        "components": [(move.state, move.quantity, move.picked) for move in order.move_raw_ids.sorted("id")],
        "shown": [machine.good, machine.state, machine.exception_count],
    }
"""


def ask(machine, question, **values):
    """Return the lines of a shell that ask something about a machine.

    :param dict machine: an entry of :func:`tests.integration.plant.set_up`
    :param str question: lines of Python that assign ``result``; ``machine`` and ``order`` are at hand
    :param values: further names for them
    """
    names = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    return (
        f"{PRELUDE}\nmachine = env['mrp.machine'].browse({machine['machine']})\n"
        f"order = env['mrp.production'].browse({machine['production']})\n{names}\n{question}"
    )
