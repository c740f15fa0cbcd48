"""A semi-automatic packaging line from the first scan to the signed shift, against what the line itself counted.

An operator scans the order and the lot of what goes in; the line counts packs; packs that are not right fall onto a
scale; another lot is put in on the way; the label printer's serial numbers come late, by a door and a source of its own,
and some of them twice. The worker is killed (-9) and started again meanwhile. What is true is said by
the line: it knows of each pack when it was made and of which lot, and nothing of Odoo.

The shift is worked once more with quality's rules: the first pack after each stop, and one of ten, is checked; what fails
is held, and what is missing; who is next is called. In the end the books are as true as without them.
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
from tests.integration.processes import RemoteError

CYCLE, INTERVAL, BATCH = 0.5, 0.5, 48
#: A person who closes an order answers no dialogs here.
NO_QUESTIONS = {"skip_backorder": True, "skip_consumption": True, "skip_immediate": True}
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

    def is_read(self):
        """Wait until the worker reads the line: what was shown before is no news."""
        counted = f"""SELECT count(*) FROM mrp_machine_signal_value hot JOIN mrp_machine_signal signal ON signal.id = signal_id
                       WHERE signal.machine_id = {self.line["machine"]} AND hot.memory IS NOT NULL"""
        wait(lambda: number(self.sql, counted) >= 3, "the line is read")

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

    def begins(self):
        """Scan the order and the first lot, and pack of it."""
        self.is_read()
        self.scans("scan", code=self.line["order"])
        self.scans("change_lot", lot=FIRST, code=label_of_lot(FIRST), seconds=5)
        self.does("begin")
        self.has_made(8)

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
    shift.begins()
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

    _ends_true(shift, worker, odoo_shell)


#: People of each role, whose password is the login; the first pack after a stop is checked before the order goes on, and one of ten.
RULES = """
ROLES = {
    "operator": "mrp_machine_connect.group_operator",
    "inspector": "quality_machine_event.group_quality_inspector",
    "leader": "mrp_machine_connect.group_supervisor",
    "manager": "mrp_machine_connect.group_manager",
}
people = {
    role: env["res.users"].create(
        {"name": role, "login": f"packing-{role}", "password": f"packing-{role}", "group_ids": [(6, 0, [env.ref(group).id])]}
    )
    for role, group in ROLES.items()
}
steps = (("Shift leader", "leader", 1), ("Plant manager", "manager", 4))
team = env["quality.machine.team"].create(
    {
        "name": "Packaging",
        "step_ids": [(0, 0, {"role": role, "user_id": people[user].id, "delay": hours}) for role, user, hours in steps],
    }
)
rule = {"machine_id": LINE["machine"], "kind": "pass_fail", "team_id": team.id, "responsible_id": people["operator"].id}
first, every = env["quality.machine.rule"].create(
    [
        # The operator's lot change takes longer than that, and so does the wait before the batch.
        {"name": "First pack after a stop", "trigger": "stop", "stop_minutes": 0.05, "gate": "until", "blocks_order": True, **rule},
        {"name": "One pack of ten", "trigger": "pieces", "every_pieces": 10, "gate": "failed", "due_minutes": 0.05, **rule},
    ]
)
result = {"first": first.id, "every": every.id, "people": {role: user.id for role, user in people.items()}}
"""


class Desk:
    """The people of quality beside the line, and what they see in Odoo."""

    def __init__(self, shift, server, found):
        self.shift, self.server, self.found = shift, server, found
        self.order = shift.line["production"]
        self.printed = 0

    def does(self, role, model, method, *args, **kwargs):
        """Let a person call a method; "admin" is one as well."""
        login = role if role == "admin" else f"packing-{role}"
        self.server.log_in(login, login)
        return self.server.call(model, method, *args, **kwargs)

    def cron(self, name):
        """Let the scheduler run one of quality's actions."""
        action = number(
            self.shift.sql,
            f"SELECT res_id FROM ir_model_data WHERE module = 'quality_machine_event' AND name = '{name}'",
        )
        self.does("admin", "ir.cron", "method_direct_trigger", [int(action)])

    def checks(self, rule, state=None):
        """Return the numbers of a rule's checks, the oldest first."""
        only = f"AND state = '{state}'" if state else ""
        where = f"rule_id = {self.found[rule]} {only}"
        return [
            row["id"] for row in rows(self.shift.sql, f"SELECT id FROM quality_machine_check WHERE {where} ORDER BY id")
        ]

    def holds(self, check):
        """Return what a check holds now."""
        where = f"check_id = {check} AND state = 'held'"
        return rows(self.shift.sql, f"SELECT id, lot_id, until_passed FROM quality_machine_hold WHERE {where}")

    def prints(self, packs=1):
        """Let the next labels be printed, and wait until their packs are booked, or kept back."""
        self.shift.has_made(self.printed + packs)
        made = self.shift.truth["packs"][self.printed : self.printed + packs]
        assert set(self.shift.prints(made)) == {"accepted"}
        self.printed += packs
        wait(
            lambda: self.shift.waiting().get("order_held") or self.booked() == self.printed,
            "the packs are booked or held",
        )

    def booked(self):
        return number(self.shift.sql, f"SELECT qty_producing FROM mrp_production WHERE id = {self.order}")

    def passes(self, check):
        """Let the operator say that a check passes: what it held is free."""
        self.does("operator", "quality.machine.check", "action_pass", [check])
        assert not self.holds(check)

    def works_until(self, rule, times):
        """Go on until a rule asked for so many checks, and return the last; first packs are looked at and pass."""
        while len(self.checks(rule)) < times:
            for check in self.checks("first", "open"):
                self.passes(check)
            self.prints()
        return self.checks(rule)[times - 1]

    def ships(self, lot):
        """Deliver the pack of a serial number to somebody."""
        sql, line = self.shift.sql, self.shift.line
        where = f"quant.lot_id = {lot} AND quant.quantity > 0 AND place.usage = 'internal'"
        [quant] = rows(
            sql,
            f"SELECT place.id FROM stock_quant quant JOIN stock_location place ON place.id = quant.location_id WHERE {where}",
        )
        kinds = self.does("admin", "stock.picking.type", "search", [["code", "=", "outgoing"], ["company_id", "=", 1]])
        customers = number(sql, "SELECT id FROM stock_location WHERE usage = 'customer' ORDER BY id LIMIT 1")
        places = {"location_id": quant["id"], "location_dest_id": int(customers)}
        values = {"product_id": line["pack"], "lot_id": lot, "quantity": 1, "picked": True, **places}
        [picking] = self.does(
            "admin",
            "stock.picking",
            "create",
            [{"picking_type_id": kinds[0], **places, "move_line_ids": [(0, 0, values)]}],
        )
        self.does("admin", "stock.picking", "button_validate", [picking])
        return sql(f"SELECT state FROM stock_picking WHERE id = {picking}")

    def called(self, alert):
        """Return who has an activity because an alert stays open."""
        kind = "SELECT res_id FROM ir_model_data WHERE module = 'quality_machine_event' AND name = 'activity_type_escalation'"
        found = rows(
            self.shift.sql,
            f"""SELECT user_id FROM mail_activity WHERE res_model = 'quality.machine.alert' AND res_id = {alert}
                   AND activity_type_id = ({kind}) ORDER BY id""",
        )
        names = {number: role for role, number in self.found["people"].items()}
        return [names[row["user_id"]] for row in found]


def test_a_shift_with_checks_a_gate_and_a_ladder(shift, machine_worker, odoo_server, odoo_shell, sql):
    desk = Desk(shift, odoo_server, odoo_shell(f"LINE = {shift.line!r}\n{RULES}"))
    worker = machine_worker()
    shift.begins()
    shift.scans("change_lot", lot=SECOND, code=label_of_lot(SECOND), seconds=5)

    # The gate: until the first piece passes nothing more is booked; the one after the lot change is looked at as well.
    for times in (1, 2):
        while len(desk.checks("first")) < times:
            desk.prints()
        [check] = desk.checks("first", "open")
        assert len(desk.holds(check)) == 1
        booked = desk.booked()
        desk.prints()
        assert shift.waiting()["order_held"], "what is made after it waits"
        assert desk.booked() == booked
        if booked:  # not by a person either
            with pytest.raises(RemoteError, match="waits for quality"):
                desk.does("admin", "mrp.production", "button_mark_done", [desk.order], context=NO_QUESTIONS)
        desk.passes(check)
    wait(lambda: desk.booked() == desk.printed, "what waited is booked")
    assert booked, "packs were booked before the lot change"

    # What fails is held where it is, and the order goes on.
    bad = desk.works_until("every", 1)
    desk.does("operator", "quality.machine.check", "write", [bad], {"note": "The seal is open"})
    desk.does("operator", "quality.machine.check", "action_fail", [bad])
    [hold] = desk.holds(bad)
    in_stock = f"""SELECT count(*) FROM stock_quant quant JOIN stock_location place ON place.id = quant.location_id
                    WHERE quant.lot_id = {hold["lot_id"]} AND quant.quantity > 0 AND place.usage = 'internal'"""
    while not number(sql, in_stock):  # every ten packs enter stock
        for check in desk.checks("first", "open"):
            desk.passes(check)
        desk.prints()
    with pytest.raises(RemoteError, match="held by quality"):
        desk.ships(hold["lot_id"])

    # Nobody looks after it: the next one is called, and then the next.
    alert = int(number(sql, f"SELECT alert_id FROM quality_machine_check WHERE id = {bad}"))
    for hours, called in ((0.9, []), (1.1, ["leader"]), (4.1, ["leader", "manager"])):
        sql(
            f"UPDATE quality_machine_alert SET raised = now() AT TIME ZONE 'UTC' - interval '{hours} hours' WHERE id = {alert}"
        )
        desk.cron("ir_cron_escalate")
        assert desk.called(alert) == called, f"after {hours} h"
    [seen] = desk.does("leader", "mrp.production", "read", [desk.order], ["quality_machine_words"])
    assert "Shift leader: leader, Plant manager: manager" in seen["quality_machine_words"]

    # Who has the right lets it go.
    release = {"hold_ids": [(6, 0, [hold["id"]])], "reason": "Sealed again"}
    with pytest.raises(RemoteError) as refused:
        desk.does("operator", "quality.machine.hold", "action_release", [hold["id"]])
    assert "AccessError" in refused.value.name
    [wizard] = desk.does("inspector", "quality.machine.hold.release", "create", [release])
    desk.does("inspector", "quality.machine.hold.release", "action_release", [wizard])
    assert not desk.holds(bad)
    assert desk.ships(hold["lot_id"]) == "done"

    # What nobody checks in time is held as well; looking at it is enough to let it go.
    missing = desk.works_until("every", 2)

    def is_held():
        desk.cron("ir_cron_missing")
        return desk.holds(missing)

    [late] = wait(is_held, "what is missing is held", every=0.5)
    assert late["until_passed"]
    with pytest.raises(RemoteError, match="held by quality"):
        desk.does(
            "admin", "stock.scrap", "do_scrap", desk.does("admin", "stock.scrap", "create", [_scrap(shift, late)])
        )
    desk.passes(missing)

    # The rest of the batch
    done = f"SELECT state = 'done' FROM mrp_production WHERE id = {desk.order}"
    wait(lambda: shift.truth["state"] == COMPLETE, "the batch is made")
    desk.prints(len(shift.truth["packs"]) - desk.printed)

    def is_done():
        for check in desk.checks("first", "open"):
            desk.passes(check)
        return sql(done) == "t"

    wait(is_done, "the order is done")
    assert_exactly_once(sql)

    truth = _ends_true(shift, worker, odoo_shell)
    # The wait before the batch and the lot change: two stops, two first packs. Each check was asked for by an event of its own.
    assert len(desk.checks("first")) == 2
    asked = "SELECT count(*) FROM mrp_machine_event WHERE type = 'quality.check_due'"
    assert number(sql, asked) == len(desk.checks("first") + desk.checks("every"))
    assert number(sql, "SELECT count(DISTINCT event_id) FROM quality_machine_check") == number(sql, asked)
    rejects = "SELECT reject_count FROM quality_machine_alert WHERE origin = 'machine'"
    assert number(sql, rejects) == truth["reject"], "and what fell into the bin is one alert"


def _ends_true(shift, worker, odoo_shell):
    """Stop the worker, hold the books against the truth of the line, and return that."""
    truth = shift.truth
    worker.stop()
    found = odoo_shell(f"LINE = {shift.line!r}\n{ASKED}")
    print({name: value for name, value in truth.items() if name not in ("packs", "states", "scans")})
    print(found)
    _assert_true(found, truth)
    # Poll and door may write the machine's status at the same moment: Odoo logs the query, and the poll is stored once more.
    assert [line for line in complaints(worker.output()) if "odoo.sql_db: bad query" not in line] == []
    return truth


def _scrap(shift, hold):
    place = number(shift.sql, f"SELECT location_dest_id FROM mrp_production WHERE id = {shift.line['production']}")
    return {"product_id": shift.line["pack"], "lot_id": hold["lot_id"], "scrap_qty": 1, "location_id": int(place)}


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
