"""What a newcomer finds in the demo data."""

from odoo.tests import TransactionCase, tagged

from ..models.quality_machine_rule import COUNTED


@tagged("post_install", "-at_install")
class TestQualityDemo(TransactionCase):
    def setUp(self):
        super().setUp()
        if not self.env["ir.module.module"]._get("quality_machine_event").demo:
            self.skipTest("a database without demo data")

    def demo(self, name):
        return self.env.ref(f"quality_machine_event.{name}")

    def test_one_of_each_and_what_failed_is_held(self):
        passed, failed, due = (self.demo(f"check_{name}") for name in ("thickness", "scratches", "label"))
        self.assertEqual([check.state for check in (passed, failed, due)], ["passed", "failed", "open"])
        lot = self.demo("lot_shaft")
        self.assertTrue(lot.quality_held)
        self.assertEqual((failed.hold_ids.lot_id, failed.hold_ids.state), (lot, "held"))
        self.assertEqual((failed.alert_id.state, failed.alert_id.title), ("new", failed.title))
        recall = self.demo("recall_shaft")
        self.assertEqual((recall.state, recall.in_stock), ("traced", 240))

    def test_nothing_of_it_stops_or_slows_the_plant(self):
        self.assertFalse(self.env["quality.machine.rule"]._triggers().intersection(COUNTED))
        self.assertFalse(self.env["quality.machine.rule"]._heard())
        holds = self.env["quality.machine.hold"].search([("state", "=", "held")])
        self.assertFalse(holds.filtered("blocks_order"))
