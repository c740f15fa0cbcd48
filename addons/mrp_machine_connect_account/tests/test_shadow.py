"""The values that a shadow says are those that are booked."""

from odoo.tests import tagged

from .common import MachineAccountCommon


@tagged("post_install", "-at_install")
class TestShadow(MachineAccountCommon):
    def test_values_with_labour_in_parts_and_at_the_close(self):
        self.use("average", "real_time")
        bom = self.bom.copy()
        twin = self.make_machine("t-twin", workcenter=self.workcenter.copy({"name": "Twin line"}))
        bom.operation_ids.workcenter_id = twin.workcenter_id
        orders = {self.machine: self.make_order(400), twin: self.make_order(400, bom=bom)}
        for machine, order in orders.items():
            machine.write({"stock_beat": "pieces", "beat_pieces": 100, "order_finish": "quantity"})
            self.env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, self.zero)
        self.machine.posting_mode = "shadow"
        entries = self.env["account.move"].search_count([])

        self.tell(self.machine)
        self.assertEqual(self.env["account.move"].search_count([]), entries)
        self.tell(twin)

        self.assertEqual(orders[twin].state, "done")
        moves = orders[twin].move_raw_ids | orders[twin].move_finished_ids
        booked = [
            (move.product_id.name, move.quantity, move.value, move.date) for move in moves if move.state == "done"
        ]
        rows = self.env["mrp.machine.shadow"].search([("machine_id", "=", self.machine.id), ("kind", "=", "move")])
        shadowed = [(row.product_id.name, row.quantity, round(row.value, 2), row.date) for row in rows]
        self.assertEqual(sorted(shadowed), sorted(booked))
        made = sum(value for name, _quantity, value, _date in shadowed if name == "Bracket")
        self.assertAlmostEqual(made, 400 * 2.0 + 60, msg="components of 2.00 each, and one hour of 60")

    def tell(self, machine):
        """Let a machine run for an hour and make 400 pieces in ten portions."""
        poster, machines = self.env["mrp.machine.poster"], self.env["mrp.machine"].search([])
        portions = [[self.state("running", 0)]]
        portions += [[self.count(40, seconds=360 * (n + 1), before=40 * n)] for n in range(10)]
        for portion in portions:
            self.receive(machine, *portion)
            while sum(poster._post_machine(each) for each in machines):
                pass
