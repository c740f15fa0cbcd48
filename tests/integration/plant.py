"""A plant for tests: machines in Odoo, devices on loopback that note who asks them when, and what must be true after all.

``python -m tests.integration.plant '[{"name": "press-1"}, …]'`` runs the devices in a process of their own until
SIGTERM: presses that take one client at a time as many controllers do, and others that never answer.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import time
import urllib.parse
import urllib.request

from devtools import postgres, virtualenv
from simulator.control import Control
from simulator.faults import FaultProxy
from simulator.press import Press

#: What a test may wait for anything, in seconds; what takes longer is broken.
PATIENCE = 60


# Devices


class TestPress(Press):
    """A press with a controller that serves one client at a time, and that notes when it was read.

    :param int clients: how many it serves at a time; more are cut at once, and counted
    :param settings: of :class:`simulator.press.Press`
    """

    __test__ = False  # to pytest

    def __init__(self, clients=1, **settings):
        super().__init__(**{"port": 0, "jam_every": 0, **settings})
        self.line.max_connections = clients
        self.reads_at = []

    def _image(self, function_code):
        if function_code == 3:
            self.reads_at.append(time.time())
        return super()._image(function_code)

    def truth(self):
        return {
            **super().truth(),
            "reads_at": self.reads_at,
            "connections_taken": self.line.connections_taken,
            "connections_refused": self.line.connections_refused,
        }

    def fault(self, name, **parameters):
        """Beside the faults of a press: ``listen`` and ``deaf``, to be there or not to be there on its port."""
        if name in ("listen", "deaf"):
            asyncio.ensure_future(self.line.start() if name == "listen" else self.line.stop())
            return
        super().fault(name, **parameters)


class Blackhole:
    """A device that takes every call and never says a word."""

    def __init__(self, port=0):
        self.line = FaultProxy(0, port)
        self.calls_at = []

    @property
    def port(self):
        return self.line.port

    async def start(self):
        self.line._take = self._take
        await self.line.start()

    async def stop(self):
        await self.line.stop()

    def _take(self, _reader, client):
        self.calls_at.append(time.time())
        self.line._lines[client] = None

    def truth(self):
        return {"calls_at": self.calls_at}

    def fault(self, name, **_parameters):
        raise ValueError(f"unknown fault {name}")


KINDS = {"press": TestPress, "blackhole": Blackhole}


async def _run(specifications):
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as running:
        machines = {}
        for specification in specifications:
            settings = dict(specification)
            name, silent = settings.pop("name"), settings.pop("deaf", False)
            machines[name] = machine = _kind(settings.pop("kind", "press"))(**settings)
            await machine.start()
            running.push_async_callback(machine.stop)
            if silent:
                await machine.line.stop()
        control = Control(machines, 0)
        await control.start()
        running.push_async_callback(control.stop)
        ports = {name: machine.port for name, machine in machines.items()}
        print(json.dumps({"control": control.port, "ports": ports}), flush=True)
        await ended.wait()


def _kind(name):
    if name in KINDS:
        return KINDS[name]
    # Imported when wanted, for the OPC UA library takes a second.
    from simulator import filler, packer, replay

    class TestReplay(replay.Replay):
        """A replay whose day begins when the test says so, with the fault ``begin``."""

        def __init__(self, **settings):
            super().__init__(**{"port": 0, "loop": False, "keep_reads": True, **settings, "start_delay": 86_400.0})

        def truth(self):
            return {**super().truth(), "url": self.url}

        def fault(self, name, **parameters):
            if name == "begin":
                self.started = time.time()
                return
            super().fault(name, **parameters)

    return {"filler": filler.Filler, "packer": packer.Packer, "replay": TestReplay}[name]


class Devices:
    """Devices in a process of their own.

    :param start_program: the fixture
    :param specifications: of each ``name``, ``kind`` (``press``, ``packer``, ``blackhole``, ``filler``, ``replay``), ``deaf`` (a
        press that does not listen at first) and the settings of its class
    """

    def __init__(self, start_program, specifications):
        command = [virtualenv.PYTHON, "-m", "tests.integration.plant", json.dumps(specifications)]
        self.program = start_program("devices", command)
        self.program.wait_until(lambda: '{"control"' in self.program.output(), "the devices are there")
        line = next(line for line in self.program.output().splitlines() if line.startswith('{"control"'))
        answer = json.loads(line)
        self.ports = answer["ports"]
        self._url = f"http://127.0.0.1:{answer['control']}"

    def truth(self, name):
        """What really happened to a device so far."""
        with urllib.request.urlopen(f"{self._url}/truth/{name}", timeout=30) as answer:
            return json.load(answer)

    def fault(self, name, fault, **parameters):
        """Let something go wrong, or right again."""
        query = urllib.parse.urlencode(parameters)
        request = urllib.request.Request(f"{self._url}/fault/{name}/{fault}?{query}", method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def stand_still(self, *names):
        """Stop presses for good, each after its stroke, and return their truth from then on."""
        for name in names:
            self.fault(name, "stop", seconds=3600)
        wait(lambda: all(self.truth(name)["state"] == 2 for name in names), "the presses stand still")
        return {name: self.truth(name) for name in names}


# Machines in Odoo

PRESS_SIGNALS = (
    {"name": "State", "role": "state", "address": "holding:0", "data_type": "u16", "state_table": "packml_opc_30050"},
    {"name": "Good", "role": "good", "address": "holding:2", "data_type": "u32", "counter_width": "u32"},
    {"name": "Reject", "role": "reject", "address": "holding:4", "data_type": "u16", "counter_width": "u16"},
    {"name": "Alarm", "role": "alarm", "address": "holding:5", "data_type": "u16"},
    {"name": "Temperature", "role": "value", "address": "holding:8", "data_type": "f32"},
)

#: Recorded seconds that one of the twenty plates takes at the very least, with a reserve of one half.
FASTEST_PLATE = 52 / 2

SET_UP = """
import json
from odoo.fields import Datetime

made = {}
env["mrp.machine"].search([]).active = False  # those of the demonstration
sheet, bracket = env["product.product"].create([{"name": "Sheet", "is_storable": True}, {"name": "Bracket", "is_storable": True}])
for plan in json.loads(PLANS):
    workcenter = env["mrp.workcenter"].create({"name": plan["code"], "resource_calendar_id": False})
    machine = env["mrp.machine"].create(
        {"name": plan["code"], "code": "it-" + plan["code"], "workcenter_id": workcenter.id, **plan.get("machine", {})}
    )
    connection = env["mrp.machine.connection"].create({"machine_id": machine.id, **plan["connection"]})
    signals = env["mrp.machine.signal"].create(
        [{"machine_id": machine.id, "connection_id": connection.id, **signal} for signal in plan["signals"]]
    )
    made[plan["code"]] = {
        "machine": machine.id,
        "connection": connection.id,
        "connection_name": connection.name,
        "signals": {signal.name: signal.id for signal in signals},
    }
    if plan.get("order"):
        bom = env["mrp.bom"].create(
            {
                "product_tmpl_id": bracket.product_tmpl_id.id,
                "operation_ids": [(0, 0, {"name": "Make", "workcenter_id": workcenter.id})],
                "bom_line_ids": [(0, 0, {"product_id": sheet.id, "product_qty": 1})],
            }
        )
        order = env["mrp.production"].create(
            {"product_id": bracket.id, "bom_id": bom.id, "product_qty": plan["order"]}
        )
        order.action_confirm()
        loaded = Datetime.to_datetime(plan.get("loaded")) or order.create_date
        env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, loaded)
        made[plan["code"]].update(production=order.id, workorder=order.workorder_ids.id)
result = made
"""


def press_plan(code, port, *, cycle, order=0, machine=None, **connection):
    """Return the plan of a machine whose device is a press.

    :param float cycle: seconds of a stroke of the device; the mapping believes half of it
    :param float order: quantity of its order, 0 for none
    """
    counters = ("good", "reject")
    signals = [
        {**signal, "fastest_cycle": cycle / 2} if signal["role"] in counters else dict(signal)
        for signal in PRESS_SIGNALS
    ]
    return {
        "code": code,
        "machine": machine or {},
        "connection": {"host": "127.0.0.1", "port": port, "polled_by": "worker", "interval": 1.0, **connection},
        "signals": signals,
        "order": order,
    }


def replay_plan(code, url, *, speed, role="good", order=0, **connection):
    """Return the plan of a machine whose device is the replay of the twenty plates.

    :param speed: recorded seconds in one of ours
    :param str role: what the order counts by, ``good`` (Part_Count) or ``cycle`` (each PROGRAM_COMPLETED)
    """
    address = "nsu=urn:mmc:simulator:replay;s=Hurco04."
    fastest = FASTEST_PLATE / speed
    signals = [
        {"name": "State", "role": "state", "address": f"{address}Program_Status", "state_table": "mtconnect_execution"},
        {"name": "Good", "role": "good", "address": f"{address}Part_Count", "fastest_cycle": fastest},
    ]
    if role == "cycle":
        cycle = {"cycle_values": "PROGRAM_COMPLETED", "fastest_cycle": fastest}
        signals.append({"name": "Cycle", "role": "cycle", "address": f"{address}Program_Status", **cycle})
    return {
        "code": code,
        "machine": {"counting_role": role},
        "connection": {"protocol": "opcua", "url": url, "polled_by": "worker", "interval": 1.0, **connection},
        "signals": signals,
        "order": order,
    }


def set_up(odoo_shell, plans):
    """Make machines with connections, signals and orders; return their ids by the machine's code."""
    return odoo_shell(f"PLANS = {json.dumps(list(plans), default=str)!r}\n{SET_UP}")


# What must be true


def wait(happened, what, seconds=PATIENCE, every=0.1):
    """Wait until something is true and return it; whoever waits says for what.

    :param happened: function; what it returns counts when it is true
    """
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)
    return found


def run_cron(sql, database, name):
    """Have Odoo's scheduler run one of our scheduled actions, as ``ir.cron._trigger`` does."""
    sql(
        f"""INSERT INTO ir_cron_trigger (cron_id, call_at)
            SELECT res_id, clock_timestamp() AT TIME ZONE 'UTC' FROM ir_model_data
             WHERE module = 'mrp_machine_connect' AND name = '{name}'"""
    )
    postgres.DURABLE.query("postgres", f"NOTIFY cron_trigger, '{database}'")


def number(sql, statement):
    """Return the one number that a statement finds; nothing is 0."""
    return float(sql(statement) or 0)


def rows(sql, statement):
    """Return what a statement finds as a list of dicts."""
    return json.loads(sql(f"SELECT coalesce(json_agg(found), '[]') FROM ({statement}) found"))


def all_posted(sql):
    """Whether nothing is left in the queue."""
    return sql("SELECT count(*) FROM mrp_machine_queue") == "0"


def counter_chain(sql, machine, kind="good"):
    """Return ``(first value before, last value after, pieces)`` of a counter by its events, and that no link is missing."""
    events = rows(
        sql,
        f"""SELECT (data->>'total_before')::bigint AS before, (data->>'total_after')::bigint AS after,
                   (data->>'delta')::float AS delta, disposition
              FROM mrp_machine_event
             WHERE machine_id = {machine} AND type = 'production.count' AND data->>'kind' = '{kind}'
             ORDER BY epoch, sequence""",
    )
    assert events, "nothing was counted"
    assert {event["disposition"] for event in events} == {"accepted"}, events
    for earlier, later in zip(events, events[1:], strict=False):
        assert earlier["after"] == later["before"], f"a gap or an overlap: {earlier}, {later}"
    return events[0]["before"], events[-1]["after"], sum(event["delta"] for event in events)


def assert_exactly_once(sql, machines=(), incomplete="-"):
    """Prove by SQL that every event had every effect once, and that the sums agree.

    :param machines: entries of :func:`set_up` with an order
    :param str incomplete: the one stream of which something is missing, where that is meant
    """
    wait(lambda: all_posted(sql), "all is posted")
    facts = {
        "an event without an effect": """SELECT event.id FROM mrp_machine_event event WHERE NOT EXISTS (
            SELECT FROM mrp_machine_event_posting effect WHERE effect.event_id = event.id)
            -- one that came since all was posted is in the queue, from which it goes with its effect
            AND NOT EXISTS (SELECT FROM mrp_machine_queue queue WHERE queue.event_id = event.id)""",
        "an event with two effects of one handler": """SELECT event_id, handler FROM mrp_machine_event_posting
            GROUP BY event_id, handler HAVING count(*) > 1""",
        "an event stored twice": """SELECT stream, uid FROM mrp_machine_event GROUP BY source_id, stream, uid
            HAVING count(*) > 1""",
        "an effect that never came": "SELECT id FROM mrp_machine_event_posting WHERE state IN ('received', 'failed')",
        "a posting of no event": """SELECT posting.id FROM mrp_machine_posting posting WHERE NOT EXISTS (
            SELECT FROM mrp_machine_event_posting effect WHERE effect.posting_id = posting.id)""",
        "a gap in a stream": f"""SELECT stream FROM mrp_machine_event
            WHERE sequence IS NOT NULL AND stream <> '{incomplete}' GROUP BY source_id, stream, epoch
            HAVING count(*) <> max(sequence) - min(sequence) + 1""",
    }
    for what, statement in facts.items():
        assert rows(sql, statement) == [], what
    for machine in machines:
        ledger = rows(sql, f"SELECT * FROM mrp_machine_ledger WHERE machine_id = {machine['machine']}")
        assert len(ledger) == 1
        pieces = number(
            sql,
            f"""SELECT sum((event.data->>'delta')::float) FROM mrp_machine_event event
                  JOIN mrp_machine_event_posting effect ON effect.event_id = event.id
                 WHERE event.machine_id = {machine["machine"]} AND event.type = 'production.count'
                   AND event.data->>'kind' = 'good' AND effect.handler = 'production_count'
                   AND effect.state = 'posted'""",
        )
        posted = number(
            sql,
            f"""SELECT sum(quantity) FROM mrp_machine_posting WHERE machine_id = {machine["machine"]}
                   AND handler = 'production_count' AND kind = 'good'""",
        )
        assert ledger[0]["good"] == ledger[0]["posted"] == pieces == posted == quantity(sql, machine)
        assert ledger[0]["by_hand"] in (None, 0)


def quantity(sql, machine):
    """Return the good pieces of the order of a machine: what it shows as produced, less the rejects that were told.

    A reject took its components, so that it is quantity beside the good ones, until it is scrapped.
    """
    # In one statement: somebody may be posting meanwhile.
    (found,) = rows(
        sql,
        f"""SELECT coalesce(workorder.qty_produced, 0) AS produced, coalesce(production.qty_producing, 0) AS producing,
                   (SELECT coalesce(sum((event.data->>'delta')::float), 0) FROM mrp_machine_event event
                      JOIN mrp_machine_event_posting effect ON effect.event_id = event.id
                     WHERE event.machine_id = {machine["machine"]} AND event.type = 'production.count'
                       AND event.data->>'kind' = 'reject' AND effect.handler = 'production_count'
                       AND effect.state = 'posted') AS rejects
              FROM mrp_workorder workorder JOIN mrp_production production ON production.id = workorder.production_id
             WHERE workorder.id = {machine["workorder"]}""",
    )
    assert found["produced"] == found["producing"]
    return found["produced"] - found["rejects"]


def complaints(text):
    """Return the lines of a log that are warnings or errors, beyond those every process of the tests prints."""
    return [
        line
        for line in text.splitlines()
        if any(f" {level} " in line for level in ("WARNING", "ERROR", "CRITICAL")) and "unknown option" not in line
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("devices", type=json.loads, help="a list of objects with at least a name")
    asyncio.run(_run(parser.parse_args().devices))
