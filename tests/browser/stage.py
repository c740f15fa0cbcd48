"""A plant worth looking at: a working day behind it, something broken, something that waits for a person."""

import contextlib
import json
import os
import urllib.parse
import urllib.request

from devtools import postgres, template, virtualenv
from devtools.environment import free_port
from devtools.odoo_process import variables
from tests.integration import processes

from .stage_books import BOOKS_CODE
from .stage_care import CARE_CODE

#: A user of a company that has no machine yet: every list is empty for her.
NEWCOMER = "newcomer"

NEWCOMER_CODE = f"""
company = env["res.company"].create({{"name": "New Plant"}})
user = env["res.users"].with_context(no_reset_password=True).create(
    {{
        "name": "Nora Newcomer",
        "login": {NEWCOMER!r},
        "password": {NEWCOMER!r},
        "company_id": company.id,
        "company_ids": [(6, 0, company.ids)],
        "group_ids": [(6, 0, env.ref("base.user_admin").group_ids.ids)],
    }}
)
"""

MOVE_CODE = """
for code, port in PORTS.items():
    for connection in env["mrp.machine"].search([("code", "=", code)]).connection_ids:
        if connection.protocol == "modbus":
            connection.port = port
        else:
            connection.url = f"opc.tcp://127.0.0.1:{port}"
env["mrp.machine.arming"]._arm("Tests: its machines are simulated.")
"""


class Plant(processes.Program):
    """The simulated plant, as ``./dev plant`` runs it, on ports of its own.

    :param arguments: further ones of ``python -m simulator``
    """

    def __init__(self, *arguments, machines=("press", "filler", "cnc")):
        self.ports = {name: free_port() for name in machines}
        self.control = free_port()
        options = [f"--{name}-port={port}" for name, port in self.ports.items()]
        command = [virtualenv.PYTHON, "-m", "simulator", f"--only={','.join(machines)}", *options]
        super().__init__("plant", [*command, f"--control-port={self.control}", *arguments], variables())

    def start(self):
        super().start()
        self.wait_until(lambda: "control " in self.output(), "the plant is there")
        return self

    def truth(self, name):
        """What really happened to a machine so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}/truth/{name}", timeout=30) as answer:
            return json.load(answer)

    def fault(self, name, fault, **parameters):
        """Let something go wrong."""
        url = f"http://127.0.0.1:{self.control}/fault/{name}/{fault}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30):
            pass

    def codes(self):
        """The ports by the codes of the demonstration's machines."""
        return {("hurco" if name == "cnc" else name): port for name, port in self.ports.items()}


#: Eight hours of a press and a filler, told through the log as a poller would tell them; and what a supervisor meets.
DAY_CODE = """
import random
from datetime import datetime, timedelta, timezone
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

random.seed(7)
now = datetime.now(timezone.utc).replace(microsecond=0)
begin = now - timedelta(hours=8)
log, source = env["mrp.machine.event"], env.ref("mrp_machine_connect.source_poller")
env.cr.execute("UPDATE mrp_machine_loading SET date_start = %s", ((begin - timedelta(minutes=5)).replace(tzinfo=None),))
env.invalidate_all()
env["mrp.machine"].search([]).late_window = 0


def told(what, at, **data):
    return Event(type=what, occurred=at, recorded=at, data=data)


def tell(machine, events):
    log._receive(source, [(machine, machine._stream(), {}, machine.mapping_version, events)])


def day(machine, stops, rate):
    events, at, total = [], begin, 48000
    while at < now - timedelta(minutes=20):
        events.append(told("machine.state_changed", at, state="running", raw_value="6"))
        until = min(at + timedelta(minutes=random.randint(12, 55)), now - timedelta(minutes=12))
        while at + timedelta(minutes=5) < until:
            at += timedelta(minutes=5)
            pieces = int(5 * rate * random.uniform(0.85, 1.0))
            events.append(
                told("production.count", at, kind="good", delta=pieces, total_before=total, total_after=total + pieces, unit="C62")
            )
            total += pieces
        at = until
        state, raw, low, high = random.choice(stops)
        events.append(told("machine.state_changed", at, state=state, raw_value=raw))
        at += timedelta(minutes=random.uniform(low, high))
    tell(machine, events)


def machine(code):
    return env["mrp.machine"].search([("code", "=", code)])


press, filler, cnc = machine("press"), machine("filler"), machine("hurco")
day(press, [("fault", "9", 4, 12), ("stopped", "2", 3, 9), ("starved", "5", 1, 4), ("setup", "4", 6, 18)], 24)
day(filler, [("starved", "5", 1, 5), ("blocked", "5", 1, 6), ("fault", "9", 2, 8)], 55)
tell(press, [told("production.count", now - timedelta(minutes=90), kind="reject", delta=3, total_before=0, total_after=3, unit="C62")])

workcenter = env.ref("mrp_machine_connect.workcenter_press").copy({"name": "Stamping 2"})
second, third, fourth = env["mrp.machine"].create(
    [
        {"name": "Stamping Press 2", "code": "press-2", "workcenter_id": workcenter.id, "area": "Hall 1", "line": "Line 2"},
        {"name": "Deburring Cell", "code": "deburr", "area": "Hall 1", "posting_mode": "observe"},
        {"name": "Box Maker", "code": "box", "area": "Hall 2", "workcenter_id": env.ref("mrp_machine_connect.workcenter_filler").id},
    ]
)
(second | fourth).late_window = 0
dead = env["mrp.machine.connection"].create(
    {"machine_id": third.id, "host": "127.0.0.1", "port": PORTS["dead"], "polled_by": "worker", "interval": 1, "timeout": 1}
)
env["mrp.machine.signal"].create(
    {"machine_id": third.id, "connection_id": dead.id, "name": "Good", "role": "good", "address": "holding:2", "data_type": "u32",
     "fastest_cycle": 1}
)
# Pieces without an order, a state that nobody mapped, a counter that jumped.
tell(
    second,
    [
        told("machine.state_changed", now - timedelta(minutes=50), state="running", raw_value="6"),
        *(
            told("production.count", now - timedelta(minutes=40 - 5 * n), kind="good", delta=110 + n,
                 total_before=1000 + 110 * n, total_after=1110 + 111 * n, unit="C62")
            for n in range(4)
        ),
        told("machine.state_changed", now - timedelta(minutes=18), state="unknown", raw_value="42", unmapped="42"),
    ],
)
fourth.write({"pause_until": (now + timedelta(hours=2)).replace(tzinfo=None), "pause_reason": "Stock-taking until noon"})
tell(fourth, [told("machine.state_changed", now - timedelta(minutes=70), state="idle", raw_value="4")])
tell(fourth, [told("production.count", now - timedelta(minutes=60), kind="good", delta=40, total_before=0, total_after=40, unit="C62")])
category = env["maintenance.equipment"].search([], limit=1).category_id
for each in press | filler | cnc:
    if not each.equipment_id:
        each.equipment_id = env["maintenance.equipment"].create({"name": each.name, "category_id": category.id})
tell(press, [told("alarm.raised", now - timedelta(minutes=75), code="101", text="Sheet jammed in the feeder", severity=800)])
env["mrp.machine.poster"]._wake()
"""

#: Two senders: one in its best years, with a gap, resends and a clock that goes ahead; one that cannot sign.
SOURCES_CODE = """
import json
import time
from collections import Counter
from odoo.addons.mrp_machine_connect.machine_connect import envelope, heartbeat
from odoo.addons.mrp_machine_connect.machine_connect.timestamps import timestamp

second, deburr = (env["mrp.machine"].search([("code", "=", code)]) for code in ("press-2", "deburr"))
line, scale = env["mrp.machine.source"].create(
    [
        {"name": "Line controller, Hall 1", "kind": "gateway", "machine_ids": second.ids, "areas": "Hall 1", "silent_after": 30},
        {"name": "Old scale", "kind": "client", "machine_ids": deburr.ids, "networks": "192.168.10.0/24", "allows_bearer": True},
    ]
)
for values in ({"source_id": line.id}, {"source_id": scale.id, "bearer": True}):
    env["mrp.machine.source.new.key"].create(values).action_make()
said = [
    {
        "specversion": "1.0", "id": f"e{number}", "source": "hall-1/deburr", "type": "mmc.production.count.v1", "subject": "deburr",
        "time": timestamp(int((time.time() - 3600 + 10 * number) * 1e6)), "epoch": 1, "sequence": str(number),
        "data": {"kind": "good", "delta": 2},
    }
    for number in range(1, 241) if number not in (101, 102, 103, 180)
]
wrong = [{**said[0], "id": "w1", "subject": "press-9"}, {**said[0], "id": "w2", "type": "mmc.production.counted.v1"}]
door, intake, figure = env["mrp.machine.door"], env["mrp.machine.intake"], env["mrp.machine.source.figure"]
for batch in (said[:120], said[100:], said[:20] + wrong):
    answer = intake._take(line, envelope.parse(json.dumps(batch).encode(), envelope.BATCH))
    counted = Counter(result["status"] for result in answer["results"])
    door._note_refusals(Counter(r["reason"] for r in answer["results"] if r["status"] == "rejected"), line.id, "192.168.10.7")
    figure._note(line.id, "deliver", 0.018, counted, str(int(time.time()) + 2))
door._note_refusals({"signature_wrong": 3, "time_outside": 1}, line.id, "192.168.10.7")
door._note_refusals({"key_unknown": 214}, None, "192.168.10.66")
beat = heartbeat.parse(json.dumps({"software": "line-agent", "version": "2.4.1", "time": timestamp(int(time.time() * 1e6) + 1900000),
                                   "spool": {"depth": 12, "oldest_age": 40}}).encode())
env["mrp.machine.source.status"]._note_heartbeat(line, beat, "tag")
"""


@contextlib.contextmanager
def set_up():
    """A server on a copy of the template with the plant, a worker and a day behind them; yields ``(server, plant)``."""
    cluster = postgres.FAST
    name = cluster.database(f"screens_{os.getpid()}")
    cluster.clone(cluster.database(template.ours()), name)
    try:
        template.update(cluster, name, log=f"update-{name}")
        # Odoo's bot greets whoever comes first, in a window that lies on a phone's page.
        cluster.query(name, "UPDATE res_users SET odoobot_state = 'disabled'")
        with processes.closing_all() as programs:
            plant = Plant("--press-jam-every=20", "--press-cycle=1.5")
            programs.append(plant)
            ports = {**plant.codes(), "dead": free_port()}
            shell = processes.OdooShell(cluster, name)
            shell(
                f"PORTS = {ports!r}\n{NEWCOMER_CODE}\n{MOVE_CODE.replace('PORTS.items()', repr(plant.codes()) + '.items()')}"
            )
            shell(f"PORTS = {ports!r}\n{DAY_CODE}")
            shell(SOURCES_CODE)
            shell(BOOKS_CODE)
            shell(CARE_CODE)
            # Only now: what it posts by itself would meet what the shell writes.
            server = processes.OdooServer(cluster, name, max_cron_threads=1)
            programs.append(server)
            server.start()
            # The day must be over before the plant goes on with it.
            sql = "SELECT count(*) FROM mrp_machine_queue"
            server.wait_until(lambda: cluster.query(name, sql) == "0", "the day is posted", 120)
            plant.start()
            worker = processes.MachineWorker(cluster, name)
            programs.append(worker)
            worker.start()
            counted = (
                "SELECT count(*) FROM mrp_machine_event WHERE received > now() AT TIME ZONE 'UTC' - interval '1 minute'"
            )
            worker.wait_until(lambda: int(cluster.query(name, counted)) > 25, "the plant says something", 120)
            plant.fault("press", "reset_counter", value=900000)
            yield server, plant
    finally:
        cluster.drop(name)
