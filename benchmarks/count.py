"""What does it cost to turn counted pieces into quantity of an order, beside the calls of MRP that cannot be saved?

Orders of one product with three components, on a PostgreSQL with its durable defaults; each way has an order of its own,
works in transactions that are committed, in the name of the same user, and finds Odoo's caches empty, as a worker does.

- MRP, a write a piece: the cumulative quantity written 200 times in one transaction.
- MRP, one write: the cumulative quantity written once for all 200.
- Ours: the poster's whole pass over 200 stored events, from the look for machines that are due to the last commit:
  locks, order, ledger, posting, and a row for each event that says what became of it.

The cost is CPU, this process's and that of its PostgreSQL sessions, for time by the clock depends on who else is there.
"""

import gc
import time
from datetime import datetime, timedelta, timezone

from benchmarks import harness
from benchmarks.sessions import Sessions

PIECES = 200
ORDERED = 1_000_000
BEGAN = datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)


def main(argv=None):
    """Run the benchmark and return its exit code."""
    options = harness.arguments(argv, "count", pieces=PIECES, postings=4)
    report = harness.Report("count", options.json)
    with harness.durable_database() as database, harness.odoo_environment(database) as env:
        with_operation = Scene(env, "operation", options.pieces)
        without = Scene(env, "no operation", options.pieces)
        each, bare, ours = measure(with_operation, options, ("one_by_one", "one_write", "ours"))
        names = ("MRP, a write a piece", "MRP, one write", "ours, folded")
        report.rows(dict(zip(names, (each, bare, ours), strict=True)), per=options.pieces, unit="piece, one operation")
        bare_alone, ours_alone = measure(without, options, ("one_write", "ours"))
        report.rows(
            dict(zip(names[1:], (bare_alone, ours_alone), strict=True)), per=options.pieces, unit="piece, no operation"
        )
    report.figure("folded_gain", harness.ratio(each.cpu, ours.cpu), ">= 40")
    report.figure("ratio_to_bare", harness.paired(ours.cpu, bare.cpu), "<= 1.5")
    report.figure("ratio_to_bare_no_operation", harness.paired(ours_alone.cpu, bare_alone.cpu), "<= 1.5")
    return report.close()


def measure(scene, options, ways):
    """Let the ways of a scene take turns and return a Sample for each.

    :param ways: names of methods; ``one_by_one`` runs once a round, the others, which are short, several times
    """
    samples = {name: harness.Sample() for name in ways}
    for name in ways:
        scene.run(name)
    scene.compare(ways)  # before a figure is taken, all ways have done the same
    scene.sessions.look()
    for _round in range(options.rounds):
        for posting in range(options.postings):
            for name in ways:
                if name != "one_by_one" or not posting:
                    seconds, cpu = scene.run(name)
                    samples[name].seconds.append(seconds)
                    samples[name].cpu.append(cpu)
    scene.compare([name for name in ways if name != "one_by_one"])
    return samples.values()


class Scene:
    """A product and its orders, one a way, each with its first piece.

    :param env: of the superuser
    :param str name: ``no operation``, or else the bill of materials has one
    :param int pieces: that each run adds to an order
    """

    def __init__(self, env, name, pieces):
        self.env, self.registry, self.pieces = env, env.registry, pieces
        self.sessions = Sessions(self.registry)
        self._user = env.ref("mrp_machine_connect.user_machine_connect").id
        self._company = env.company.id
        self._made = 0
        workcenter = env["mrp.workcenter"].create({"name": name, "resource_calendar_id": False})
        bom = self._bill_of_materials(name, workcenter if name != "no operation" else None)
        self._orders = {way: self._order(bom, way).id for way in ("one_by_one", "one_write", "ours")}
        machine = env["mrp.machine"].create(
            {"name": name, "code": name.replace(" ", "-"), "workcenter_id": workcenter.id, "late_window": 0}
        )
        self._machine = machine.id
        order = env["mrp.production"].browse(self._orders["ours"])
        env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, _naive(BEGAN))
        env.cr.commit()
        for way in ("one_by_one", "one_write"):
            self._start(way)
        self._receive(1)
        self._post()

    def _bill_of_materials(self, name, workcenter):
        from odoo.fields import Command

        env = self.env
        products = env["product.product"].create([{"name": f"{name} {n}", "is_storable": True} for n in range(4)])
        location = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1).lot_stock_id
        for component in products[1:]:
            env["stock.quant"]._update_available_quantity(component, location, 100 * ORDERED)
        operations = [Command.create({"name": "Make", "workcenter_id": workcenter.id})] if workcenter else []
        return env["mrp.bom"].create(
            {
                "product_tmpl_id": products[0].product_tmpl_id.id,
                "operation_ids": operations,
                "bom_line_ids": [
                    Command.create({"product_id": component.id, "product_qty": 2.0}) for component in products[1:]
                ],
            }
        )

    def _order(self, bom, way):
        order = self.env["mrp.production"].create(
            {
                "product_id": bom.product_tmpl_id.product_variant_id.id,
                "bom_id": bom.id,
                "product_qty": ORDERED,
                "origin": way,
                "date_start": _naive(BEGAN),
            }
        )
        order.action_confirm()
        order.action_assign()
        return order

    def run(self, way):
        """Add the pieces to the order of a way, and return the seconds and the CPU seconds that it took."""
        if way == "ours":
            self._receive(self.pieces)
        work = getattr(self, way)
        gc.collect()
        cpu, started = self._cpu(), time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        return seconds, self._cpu() - cpu

    def _cpu(self):
        return time.process_time() + self.sessions.cpu_seconds()

    # The ways

    def one_by_one(self):
        """MRP's own calls, one write a piece in one transaction."""
        self._write("one_by_one", [1] * self.pieces)

    def one_write(self):
        """MRP's own calls, one write of all pieces."""
        self._write("one_write", [self.pieces])

    def ours(self):
        """The poster's pass over the stored events."""
        self._post()

    def _write(self, way, portions):
        from odoo import api

        with self.registry.cursor() as cr:
            env = api.Environment(cr, self._user, {"allowed_company_ids": [self._company]})
            order = env["mrp.production"].browse(self._orders[way])
            workorder = order.workorder_ids
            for pieces in portions:
                if workorder:
                    workorder.qty_produced += pieces
                else:
                    order.qty_producing += pieces
                    order._set_qty_producing(False)

    def _start(self, way):
        """Make the first piece of a plain order, and set its work order going at the machine's time, as we do."""
        from odoo import api

        with self.registry.cursor() as cr:
            env = api.Environment(cr, self._user, {"allowed_company_ids": [self._company]})
            workorder = env["mrp.production"].browse(self._orders[way]).workorder_ids
            if workorder:
                workorder.with_context(bypass_duration_calculation=True).write(
                    {
                        "state": "progress",
                        "date_start": _naive(BEGAN),
                        "date_finished": workorder._calculate_date_finished(_naive(BEGAN)),
                    }
                )
        self._write(way, [1])

    def _receive(self, pieces):
        """Store one event a piece, with what a driver and a mapping put into it, as the poller does."""
        from odoo import SUPERUSER_ID, api
        from odoo.addons.mrp_machine_connect.machine_connect.event import Event

        passed = {"rule": "quality", "outcome": "passed", "detail": {}}
        plausible = {"cause": "advance", "pieces": 1, "possible": 1.5}
        events = []
        for made in range(self._made, self._made + pieces):
            moment = BEGAN + timedelta(seconds=made)
            rules = (passed, {"rule": "plausibility", "outcome": "passed", "detail": plausible})
            events.append(Event("production.count", moment, moment, self._data(made), rules=rules))
        self._made += pieces
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            machine = env["mrp.machine"].browse(self._machine)
            batch = (machine, machine._stream("bench"), {}, machine.mapping_version, events)
            env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), [batch])

    def _data(self, made):
        """Return what the count of a piece says.

        :param int made: pieces before it
        """
        return {
            "kind": "good",
            "delta": 1,
            "total_before": made,
            "total_after": made + 1,
            "unit": "C62",
            "counter": "Good",
            "cause": "advance",
            "raw": {"unit": 1, "table": "holding", "address": 2, "registers": list(divmod(made + 1, 65536))},
        }

    def _post(self):
        from odoo import SUPERUSER_ID, api

        with self.registry.cursor() as cr:
            poster = api.Environment(cr, SUPERUSER_ID, {})["mrp.machine.poster"]
            assert poster._post_due(self.registry, 60.0), "not all was posted"

    def change(self, values):
        """Change settings of the machine."""
        if values:
            self.env.cr.rollback()
            self.env["mrp.machine"].browse(self._machine).write(values)
            self.env.cr.commit()

    # What came of it

    def lines(self):
        """Return what was moved for our order, in the order in which it was."""
        self.env.cr.rollback()
        order = self.env["mrp.production"].browse(self._orders["ours"])
        moves = (order.move_raw_ids | order.move_finished_ids).filtered(lambda move: move.state == "done")
        return sorted((move.date, move.product_id.name.split()[-1], move.quantity) for move in moves)

    def compare(self, ways):
        """See that the orders of these ways are the same, and that each event of ours has had its effect."""
        self.env.cr.rollback()  # what was read before is of an earlier snapshot
        outcomes = [self._outcome(way) for way in ways]
        assert all(outcome == outcomes[0] for outcome in outcomes), f"the ways do not end alike: {outcomes}"
        self._compare_reservations()
        self.env.cr.execute(
            """SELECT row.state, count(*), count(DISTINCT row.posting_id) FROM mrp_machine_event event
                 LEFT JOIN mrp_machine_event_posting row ON row.event_id = event.id AND row.handler = 'production_count'
                WHERE event.machine_id = %s AND event.type = 'production.count' AND event.stream NOT LIKE 'old/%%'
                GROUP BY row.state""",
            [self._machine],
        )
        [(state, events, postings)] = self.env.cr.fetchall()
        assert (state, events) == ("posted", self._made), f"{events} of {self._made} events are {state}"
        assert postings == 1 + (self._made - 1) // self.pieces, "the events were not folded into one posting a pass"

    def _compare_reservations(self):
        """See that stock reserves for the orders together what these have taken and no more."""
        moves = self.env["mrp.production"].browse(self._orders.values()).move_raw_ids
        moves = moves.filtered(lambda move: move.state not in ("done", "cancel"))
        for component in moves.product_id:
            taken = sum(
                moves.filtered(lambda move, component=component: move.product_id == component).mapped("quantity")
            )
            reserved = sum(
                self.env["stock.quant"].search([("product_id", "=", component.id)]).mapped("reserved_quantity")
            )
            assert reserved == taken, f"{component.name}: {taken} taken, {reserved} reserved"

    def _outcome(self, way):
        order = self.env["mrp.production"].browse(self._orders[way])
        components = [(move.quantity, move.picked, move.state) for move in order.move_raw_ids.sorted("product_id")]
        work = [(workorder.state, workorder.qty_produced) for workorder in order.workorder_ids]
        return order.state, order.qty_producing, work, components


def _naive(moment):
    return moment.replace(tzinfo=None)
