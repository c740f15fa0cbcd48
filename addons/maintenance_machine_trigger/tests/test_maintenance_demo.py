"""What a newcomer finds in the demo data."""

from odoo.tests import TransactionCase, tagged


@tagged("post_install", "-at_install")
class TestMaintenanceDemo(TransactionCase):
    def setUp(self):
        super().setUp()
        if not self.env["ir.module.module"]._get("maintenance_machine_trigger").demo:
            self.skipTest("a database without demo data")

    def demo(self, name):
        return self.env.ref(f"maintenance_machine_trigger.{name}")

    def test_conditions_come_disarmed(self):
        conditions = self.demo("condition_oil_hot").search([("machine_id.code", "=", "press")])
        self.assertEqual(len(conditions), 3)
        self.assertEqual(set(conditions.mapped("armed")), {False})

    def test_a_jam_is_the_feeders_matter_and_a_service_goes_by_running_time(self):
        press = self.env.ref("mrp_machine_connect.machine_press")
        asset = self.demo("asset_press_feeder")
        self.assertEqual((asset.machine_id, asset.equipment_id.name), (press, "Feeder of Stamping Press 1"))
        self.assertEqual(self.demo("template_jam").machine_ids, press, "other machines have codes of their own")
        plan = self.demo("plan_press_oil")
        self.assertEqual((plan.meter_id.machine_id, plan.meter_id.unit), (press, "h"))
        self.assertFalse(plan.open_request_id, "it is not due for long")
