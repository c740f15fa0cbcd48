"""A semi-automatic packaging line from the first scan to the signed shift, against what the line itself counted.

An operator scans the order and the lot of what goes in; the line counts packs; packs that are not right fall onto a
scale; another lot is put in on the way; the label printer's serial numbers come late, by a door and a source of its own,
and some of them twice. The worker is killed (-9) and started again meanwhile. What is true is said by
the line: it knows of each pack when it was made and of which lot, and nothing of Odoo.
"""

from collections import Counter

import pytest

from machine_connect.client import Client, Destination
from machine_connect.signature import Key
from simulator.label_printer import LabelPrinter
from simulator.packaging_line import PACK_GTIN, POUCHES, REASON_NAME, label_of_lot
from simulator.packer import COMPLETE, EXECUTE
from simulator.press import TRANSIENT
from tests.integration.plant import Devices, assert_exactly_once, complaints, number, rows, wait

CYCLE, INTERVAL, BATCH = 0.5, 0.5, 48
LOTS = {"P-0001": 200, "P-0002": 200}
FIRST, SECOND = LOTS

SET_UP = """
from simulator.packaging_line import set_up

env["mrp.machine"].search([]).active = False  # those of the demonstration
result = set_up(env, PORT, quantity=BATCH, lots=LOTS, cycle=CYCLE, beat=5, interval=INTERVAL)
"""

#: What Odoo says in the end; nothing here is reckoned by the simulator.
ASKED = """
from datetime import timedelta

order, machine = env["mrp.production"].browse(LINE["production"]), env["mrp.machine"].browse(LINE["machine"])
pouch, pack, carton = (env["product.product"].browse(LINE[name]) for name in ("pouch", "pack", "carton"))
place = env.ref("stock.stock_location_stock")


def by_lot(lines):
    found = {}
    for line in lines:
        found[line.lot_id.name or ""] = found.get(line.lot_id.name or "", 0.0) + line.quantity
    return found


used = order.move_raw_ids.filtered(lambda move: move.state == "done").move_line_ids
scraps = order.scrap_ids.filtered(lambda scrap: scrap.state == "done")
made = order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids
lots = env["stock.lot"].search([("product_id", "=", pouch.id)])
end = (env.cr.now() + timedelta(minutes=2)).replace(second=0, microsecond=0)
machine.workcenter_id.tz = "UTC"
machine.write({"statement_shifts": "times", "beat_shifts": end.strftime("%H:%M")})
machine.statement_until = end - timedelta(days=1)
while machine.statement_until < end:
    machine._make_statements(end)
statements = env["mrp.machine.statement"].search([("machine_id", "=", machine.id)])
result = {
    "order": [order.state, order.qty_produced, order.workorder_ids.state, order.workorder_ids.qty_produced],
    "seconds": {
        kind: sum((line.date_end - line.date_start).total_seconds() for line in lines)
        for kind, lines in order.workorder_ids.time_ids.grouped(lambda line: line.loss_id.loss_type).items()
    },
    "minutes": order.workorder_ids.duration,
    "used": by_lot(used.filtered(lambda line: line.product_id == pouch)),
    "cartons": sum(used.filtered(lambda line: line.product_id == carton).mapped("quantity")),
    "made": by_lot(made),
    "scrapped": by_lot(scraps.move_ids.move_line_ids.filtered(lambda line: line.product_id == pouch)),
    "cartons scrapped": sum(scraps.filtered(lambda scrap: scrap.product_id == carton).mapped("scrap_qty")),
    "reasons": scraps.scrap_reason_tag_ids.mapped("name"),
    "without a reason": len(scraps.filtered(lambda scrap: not scrap.scrap_reason_tag_ids)),
    "left": {
        lot.name: sum(
            env["stock.quant"].search([("lot_id", "=", lot.id), ("location_id", "child_of", place.id)]).mapped("quantity")
        )
        for lot in lots
    },
    "made of": {lot.name: lot._lots_used().mapped("name") for lot in made.lot_id},
    "made into": {lot.name: sorted(lot._lots_made().mapped("name")) for lot in lots},
    "below zero": env["stock.quant"].search_count(
        [("quantity", "<", 0), ("location_id.usage", "=", "internal"), ("product_id", "in", (pouch | pack | carton).ids)]
    ),
    "statement": [
        {name: line[name] for name in ("movement", "good", "reject", "scrap", "waiting", "held", "explained")}
        for line in statements.line_ids
        if line.production_id == order
    ],
    "differences": [[row.cause, row.amount] for row in statements.difference_ids],
    "exceptions": machine.exception_count,
}
"""


class Shift:
    """A day on the line: its device, its machine in Odoo, its label printer, and the person who works there."""

    def __init__(self, devices, line, server, sql):
        self.devices, self.line, self.sql = devices, line, sql
        destination = Destination(server.url, line["environment"], line["uuid"])
        client = Client(destination, Key(line["key"], bytes.fromhex(line["secret"])))
        self.printer = LabelPrinter(client, line["code"], PACK_GTIN)
        self.scanned = 0

    @property
    def truth(self):
        return self.devices.truth("packer")

    def does(self, what, **parameters):
        self.devices.fault("packer", what, **parameters)

    def scans(self, what, **parameters):
        """Let the operator scan, and wait until Odoo heard of it."""
        self.does(what, **parameters)
        self.scanned += 1
        wait(lambda: self._scans_by_the_line() == self.scanned, f"{what} {parameters} is heard")

    def _scans_by_the_line(self):
        return number(
            self.sql,
            f"""SELECT count(*) FROM mrp_machine_event WHERE machine_id = {self.line["machine"]}
                   AND type = 'identity.scan' AND signal_id IS NOT NULL""",
        )

    def has_made(self, packs):
        wait(lambda: self.truth["good"] >= packs, f"{packs} packs are made")

    def prints(self, packs):
        """Deliver the labels of packs, and return what became of them at the door."""
        return [result.status for result in self.printer.deliver(packs).results]

    def waiting(self):
        """Return ``{reason: effects that wait for it}``."""
        found = rows(
            self.sql,
            f"""SELECT reason, count(*) AS number FROM mrp_machine_event_posting
                 WHERE machine_id = {self.line["machine"]} AND state = 'waiting' GROUP BY reason""",
        )
        return {row["reason"]: row["number"] for row in found}


@pytest.fixture
def shift(durable_database, odoo_shell, odoo_server, start_program, sql):
    device = {"name": "packer", "kind": "packer", "cycle": CYCLE, "batch": BATCH, "reject_rate": 0.25, "seed": 11}
    devices = Devices(start_program, [{**device, "port": 0, "jam_every": 0, "scan_seconds": 1.5}])
    names = {"PORT": devices.ports["packer"], "BATCH": BATCH, "LOTS": LOTS, "CYCLE": CYCLE, "INTERVAL": INTERVAL}
    line = odoo_shell("".join(f"{name} = {value!r}\n" for name, value in names.items()) + SET_UP)
    return Shift(devices, line, odoo_server, sql)


def test_a_shift_on_the_packaging_line(shift, machine_worker, odoo_shell, sql):
    worker = machine_worker()
    counted = f"""SELECT count(*) FROM mrp_machine_signal_value hot JOIN mrp_machine_signal signal ON signal.id = signal_id
                   WHERE signal.machine_id = {shift.line["machine"]} AND hot.memory IS NOT NULL"""
    wait(lambda: number(sql, counted) >= 3, "the line is read")

    shift.scans("scan", code=shift.line["order"])
    shift.scans("change_lot", lot=FIRST, code=label_of_lot(FIRST), seconds=5)
    shift.does("begin")
    shift.has_made(8)
    # Counted, and nobody knows yet which serial numbers these packs have.
    wait(lambda: shift.waiting().get("serial"), "packs wait for their serial numbers")
    shift.scans("change_lot", lot=SECOND, code=label_of_lot(SECOND), seconds=5)
    packs = shift.truth["packs"]
    told = shift.printer.batch(packs[:4])
    first = shift.printer.client.deliver(told)
    assert {(result.status, result.reason) for result in first.results} == {("accepted", "")}
    # A power cut while they are posted and the line runs; what the printer is not sure of it sends again.
    shift.has_made(len(packs) + 2)
    runs = f"SELECT state = 'running' FROM mrp_machine_interval WHERE machine_id = {shift.line['machine']} AND end_us IS NULL"
    wait(lambda: sql(runs) == "t", "Odoo knows that the line runs")
    worker.kill()
    again = shift.printer.client.deliver(told)
    assert {(result.status, result.first) for result in again.results} == {("duplicate", "accepted")}
    shift.has_made(len(packs) + 5)
    worker.start()
    wait(lambda: shift.truth["state"] == COMPLETE, "the batch is made")
    rest = shift.truth["packs"][4:]
    half = len(rest) // 2
    assert shift.waiting().get("serial")
    assert set(shift.prints(rest[:half]) + shift.prints(rest[half:])) == {"accepted"}
    done = f"SELECT state = 'done' FROM mrp_production WHERE id = {shift.line['production']}"
    wait(lambda: sql(done) == "t", "the order is done")
    assert_exactly_once(sql)

    truth = shift.truth
    worker.stop()
    found = odoo_shell(f"LINE = {shift.line!r}\n{ASKED}")
    print({name: value for name, value in truth.items() if name not in ("packs", "states", "scans")})
    print(found)
    _assert_true(found, truth)
    # Poll and door may write the machine's status at the same moment: Odoo logs the query, and the poll is stored once more.
    assert [line for line in complaints(worker.output()) if "odoo.sql_db: bad query" not in line] == []


def _assert_true(found, truth):
    made, rejected = truth["packs_by_lot"], truth["rejects_by_lot"]
    assert truth["good"] == BATCH == sum(made.values())
    assert set(made) == set(rejected) == set(LOTS), "both lots were packed, and rejected of"
    assert found["order"] == ["done", BATCH, "done", BATCH]
    assert found["exceptions"] == 0

    # What went in: by lot, for the good ones and for those that were thrown away.
    assert found["used"] == {lot: POUCHES * packs for lot, packs in made.items()}
    assert found["scrapped"] == {lot: POUCHES * packs for lot, packs in rejected.items()}
    assert (found["cartons"], found["cartons scrapped"]) == (BATCH, truth["reject"])
    assert set(found["reasons"]) == {REASON_NAME}
    assert found["without a reason"] == 0
    assert found["left"] == {lot: LOTS[lot] - POUCHES * (made[lot] + rejected[lot]) for lot in LOTS}
    assert found["below zero"] == 0

    # What came out: each pack by its own number, made of the lot that was in the line when it was made; both ways.
    assert found["made"] == {pack["serial"]: 1 for pack in truth["packs"]}
    assert found["made of"] == {pack["serial"]: [pack["lot"]] for pack in truth["packs"]}
    into = {lot: sorted(pack["serial"] for pack in truth["packs"] if pack["lot"] == lot) for lot in LOTS}
    assert found["made into"] == into
    assert Counter(pack["lot"] for pack in truth["packs"]) == made

    # The time: a state is seen at the next poll, and lines of time are whole seconds. The lot change is no minute long, so
    # it stands on the order as well, as reduced speed.
    runs = sum(state == EXECUTE for _at, state in truth["states"])
    assert found["seconds"]["productive"] == pytest.approx(_productive(truth), abs=runs * (2 * INTERVAL + 1))
    assert set(found["seconds"]) == {"productive", "performance"}
    assert found["minutes"] * 60 == pytest.approx(sum(found["seconds"].values()), abs=6)

    # The shift: its counter moved by the packs; what was weighed no counter saw, and that has a name.
    rejects = truth["reject"]
    figures = {"movement": BATCH, "good": BATCH, "reject": 0, "scrap": rejects, "waiting": 0, "held": 0}
    assert found["statement"] == [{**figures, "explained": -rejects}]
    assert {cause for cause, _amount in found["differences"]} == {"told_scrap"}
    assert sum(amount for _cause, amount in found["differences"]) == -rejects


def _productive(truth):
    """Return for how many seconds the line ran, or was on its way to that, by its own clock."""
    changes = truth["states"]
    lasted = ((after - before, state) for (before, state), (after, _next) in zip(changes, changes[1:], strict=False))
    return sum(seconds for seconds, state in lasted if state == EXECUTE or state in TRANSIENT)
