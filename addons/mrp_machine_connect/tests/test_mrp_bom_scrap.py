from datetime import timedelta

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import T0
from .test_mrp_machine_scrap import ScrapCommon


@tagged("post_install", "-at_install")
class TestPlannedScrap(ScrapCommon):
    """What was planned to be scrap, and what was."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bom.planned_scrap_rate = 4.0
        cls.planned = cls.make_order(1000)
        cls.env["mrp.machine.loading"]._load(cls.machine, cls.planned, cls.planned.workorder_ids, cls.naive_at(1000))

    @classmethod
    def naive_at(cls, seconds):
        return (T0 + timedelta(seconds=seconds)).replace(tzinfo=None)

    def figures(self, order):
        order.invalidate_recordset()
        return (
            order.machine_made,
            order.machine_rejected,
            order.machine_planned_scrap,
            round(order.machine_scrap_ratio, 3),
        )

    def report(self, *domain):
        """Return ``(made, rejected, planned, ratio)`` by the analysis."""
        self.env.flush_all()
        [found] = self.env["mrp.machine.scrap.report"]._read_group(
            list(domain), [], ["made:sum", "rejected:sum", "planned:sum", "ratio:sum"]
        )
        return tuple(round(value or 0.0, 3) for value in found)

    def test_actual_by_planned_of_an_order_in_each_way(self):
        self.assertEqual(self.planned.planned_scrap_rate, 4.0)
        for number, way in enumerate(("gross", "net", "component", "noted")):
            with self.subTest(way):
                order, at = self.make_order(1000), 2000 + 1000 * number
                self.load(order, at)
                self.machine.reject_booking = way
                self.told(self.count(44, at + 60), self.rejects(6, at + 61), self.scrap(2, "JAM", at + 62))
                # 50 were made, of which 4 % are 2; 6 were scrap.
                self.assertEqual(self.figures(order), (50, 6, 2, 3))
                self.assertEqual(self.report(("production_id", "=", order.id)), (50, 6, 2, 3))
                self.close(order)
                self.assertEqual(self.figures(order), (50, 6, 2, 3))
                self.assertEqual(self.report(("production_id", "=", order.id)), (50, 6, 2, 3))
                self.assertEqual(order.machine_scrap_words, "6 of 2 planned")

    def test_the_analysis_shows_each_piece_once_by_reason_and_over_orders(self):
        self.told(self.count(44, 1060), self.rejects(6, 1061), self.scrap(2, "JAM", 1062), self.scrap(1, "CRACK", 1063))
        self.env.flush_all()
        found = self.env["mrp.machine.scrap.report"]._read_group(
            [("production_id", "=", self.planned.id), ("rejected", ">", 0)], ["tag_id"], ["rejected:sum"]
        )
        self.assertEqual({tag.name: quantity for tag, quantity in found}, {False: 3, "Jammed": 2, "Cracked": 1})

        other = self.make_order(1000)
        self.load(other, 2000)
        self.told(self.count(50, 2060))
        # 100 were made of both, of which 4 are planned to be scrap; 6 were.
        self.assertEqual(
            self.report(("product_id", "=", self.product.id), ("production_id", "!=", self.order.id)), (100, 6, 4, 1.5)
        )

    def test_units_of_machine_and_order_differ(self):
        dozen = self.env.ref("uom.product_uom_dozen")
        order = self.make_order(100, product_uom_id=dozen.id)
        self.load(order, 2000)
        self.told(self.count(108, 2060), self.rejects(12, 2061), self.scrap(6, "JAM", 2062))

        self.assertEqual(self.figures(order), (10, 1, 0.4, 2.5))
        self.assertEqual(self.report(("production_id", "=", order.id)), (10, 1, 0.4, 2.5))

    def test_an_order_keeps_the_rate_with_which_it_was_made(self):
        self.bom.planned_scrap_rate = 10.0

        self.assertEqual((self.planned.planned_scrap_rate, self.make_order(5).planned_scrap_rate), (4.0, 10.0))

    def test_a_rate_is_a_percentage(self):
        for rate in (-1, 100, 250):
            with self.subTest(rate), self.assertRaisesRegex(ValidationError, "percentage"):
                self.bom.planned_scrap_rate = rate

    def test_the_order_opens_its_rejects(self):
        self.told(self.count(44, 1060), self.rejects(6, 1061), self.scrap(2, "JAM", 1062))
        for record in (self.planned, self.planned.workorder_ids, self.workcenter, self.machine):
            action = record.action_rejects()
            found = self.env[action["res_model"]].search(action["domain"])
            self.assertEqual((found.production_id, found.tag_id, found.quantity), (self.planned, self.jam, 2))
