"""What rejects are worth, in each way in which they are booked."""

from datetime import timedelta

from odoo.tests import tagged

from .common import MachineAccountCommon

#: Of 96 good and 4 rejected pieces at 2.00 of components, and 60.00 of labour for all of them: ``way: (value of what
#: entered stock, value of what was scrapped, value of what is in stock)``.
VALUES = {
    "gross": (260.0, 10.4, 249.6),
    "net": (260.0, 0.0, 260.0),
    "component": (252.0, 8.0, 252.0),
    "noted": (252.0, 0.0, 252.0),
}


@tagged("post_install", "-at_install")
class TestRejectValues(MachineAccountCommon):
    def made_in(self, way):
        """Return an order of the press, closed with 96 good and 4 rejected pieces and an hour of work."""
        self.machine.reject_booking = way
        self.env["mrp.machine.code"].create(
            {
                "machine_id": self.machine.id,
                "kind": "scrap_reason",
                "code": "JAM",
                "scrap_tag_id": self.env["stock.scrap.reason.tag"].create({"name": "Jammed"}).id,
            }
        )
        order = self.new_order()
        moment = self.zero + timedelta(seconds=1)
        self.env["mrp.machine.loading"]._load(self.machine, order, order.workorder_ids, moment)
        self.work(order, 0, 60)
        self.told(self.count(96, 3000), self.count(4, 3001, kind="reject"))
        self.close(order)
        self.post_all()
        return order

    def told(self, *events):
        self.receive(self.machine, *events)
        self.post_all()

    def post_all(self):
        while self.env["mrp.machine.poster"]._post_machine(self.machine):
            pass

    def values(self, order):
        scrapped = sum(order.scrap_ids.move_ids.mapped("value"))
        return sum(self.made(order).mapped("value")), round(abs(scrapped), 2), round(self.product.total_value, 2)

    def test_each_way_keeps_the_value_of_what_was_used(self):
        for method in ("average", "fifo"):
            for way, expected in VALUES.items():
                with self.subTest(method=method, way=way), self.undone():
                    self.use(method)
                    self.use("average", products=self.component_a | self.component_b)
                    before = sum((self.component_a | self.component_b).mapped("total_value"))
                    order = self.made_in(way)

                    self.assertEqual(self.values(order), expected)
                    taken = before - sum((self.component_a | self.component_b).mapped("total_value"))
                    self.assertAlmostEqual(taken, 192.0 if way == "noted" else 200.0)

    def test_a_reason_that_comes_later_changes_no_value(self):
        for valuation in ("periodic", "real_time"):
            for way in ("gross", "component"):
                with self.subTest(valuation=valuation, way=way), self.undone():
                    self.use("average", valuation)
                    self.use("average", valuation, products=self.component_a | self.component_b)
                    order = self.made_in(way)
                    scraps = len(order.scrap_ids)

                    self.told(self.event("quality.scrap", 3002, {"qty": 3, "reason": "JAM"}))

                    self.assertEqual(len(order.scrap_ids), 2 * scraps)
                    self.assertEqual(self.values(order), VALUES[way])
