"""What does it cost to turn counted pieces into quantity of an order, beside the calls of MRP that cannot be saved?

One order of one product with three components and one work order, on a PostgreSQL with its durable defaults. The plain
ways are MRP's own calls: one write for each of 200 pieces, and one write of all 200. Ours is the posting of 200 stored
events: routing, order, ledger, posting and the row of each event included. All three end with the same order.
"""

from datetime import datetime, timedelta, timezone

from . import harness

PIECES = 200
#: Pieces that the order has already, so that no way has to start it.
BEGUN = 5


def main(argv):
    """Run the benchmark and return its exit code."""
    options = harness.arguments(argv, "count", pieces=PIECES)
    with harness.durable_database() as database, harness.odoo_environment(database) as env:
        scene = Scene(env, options.pieces)
        ways = {
            "MRP, a write a piece": scene.one_by_one,
            "MRP, one write": scene.one_write,
            "ours, 200 events folded": scene.ours,
        }
        samples = harness.interleave(ways, options.rounds, before_each=lambda _name: env.invalidate_all())
        assert len(set(scene.outcomes)) == 1, f"the ways do not end alike: {set(scene.outcomes)}"
    each, bare, ours = (samples[name] for name in ways)
    report = harness.Report("count", options.json)
    report.rows(samples, per=options.pieces, unit="piece")
    report.figure("folded_gain", harness.ratio(each.seconds, ours.seconds), goal=">= 40")
    report.figure("ratio_to_bare", harness.ratio(ours.seconds, bare.seconds), goal="<= 1.5")
    return report.close()


class Scene:
    """One order on one machine; every way is rolled back, so that the next finds the same."""

    def __init__(self, env, pieces):
        from odoo.fields import Command

        self.env, self.pieces, self.outcomes = env, pieces, []
        components = env["product.product"].create(
            [{"name": f"Component {number}", "is_storable": True} for number in range(3)]
        )
        product = env["product.product"].create({"name": "Part", "is_storable": True})
        workcenter = env["mrp.workcenter"].create({"name": "Line", "resource_calendar_id": False})
        bom = env["mrp.bom"].create(
            {
                "product_tmpl_id": product.product_tmpl_id.id,
                "operation_ids": [Command.create({"name": "Make", "workcenter_id": workcenter.id})],
                "bom_line_ids": [
                    Command.create({"product_id": component.id, "product_qty": 2.0}) for component in components
                ],
            }
        )
        warehouse = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1)
        for component in components:
            env["stock.quant"]._update_available_quantity(component, warehouse.lot_stock_id, 100_000)
        self.order = env["mrp.production"].create({"product_id": product.id, "bom_id": bom.id, "product_qty": 10_000})
        self.order.action_confirm()
        self.workorder = self.order.workorder_ids
        self.machine = env["mrp.machine"].create({"name": "Line", "code": "bench-line", "workcenter_id": workcenter.id})
        self.began = datetime.now(timezone.utc)
        env["mrp.machine.loading"]._load(
            self.machine, self.order, self.workorder, self.began.replace(tzinfo=None) - timedelta(hours=1)
        )
        self._receive(BEGUN, first=0)
        self.poster = env["mrp.machine.poster"]
        self.poster._post_machine(self.machine)
        self._receive(pieces, first=BEGUN)
        env.flush_all()

    def _receive(self, pieces, first):
        """Store one event a piece, as the poller does."""
        from odoo.addons.mrp_machine_connect.machine_connect.event import Event

        events = [
            Event(
                type="production.count",
                occurred=self.began + timedelta(milliseconds=number),
                recorded=self.began + timedelta(milliseconds=number),
                data={"kind": "good", "delta": 1, "total_before": number, "total_after": number + 1, "unit": "C62"},
            )
            for number in range(first, first + pieces)
        ]
        source = self.env.ref("mrp_machine_connect.source_poller")
        stream = self.machine._stream("bench")
        self.env["mrp.machine.event"]._receive(source, [(self.machine, stream, {}, 1, events)])

    def one_by_one(self):
        """MRP's own calls, one write a piece in one transaction."""
        with self._rolled_back():
            for number in range(self.pieces):
                self.workorder.qty_produced = BEGUN + number + 1
                self.env.flush_all()

    def one_write(self):
        """MRP's own calls, one write of all pieces."""
        with self._rolled_back():
            self.workorder.qty_produced = BEGUN + self.pieces
            self.env.flush_all()

    def ours(self):
        """Our posting of the stored events."""
        with self._rolled_back():
            posted = self.poster._post_machine(self.machine)
            assert posted == self.pieces
            self.env.flush_all()

    def _rolled_back(self):
        return _RolledBack(self)


class _RolledBack:
    """Notes how the order ended and takes everything back."""

    def __init__(self, scene):
        self._scene = scene
        self._savepoint = None

    def __enter__(self):
        self._savepoint = self._scene.env.cr.savepoint(flush=True)
        self._savepoint.__enter__()

    def __exit__(self, kind, error, traceback):
        scene = self._scene
        if kind is None:
            moves = scene.order.move_raw_ids
            scene.outcomes.append((scene.order.qty_producing, *sorted(moves.mapped("quantity"))))
        self._savepoint.close(rollback=True)
        scene.env.invalidate_all(flush=False)
