from odoo.addons.mrp_machine_connect.tests.common import MachineConnectCommon
from odoo.exceptions import AccessError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

#: What each role may do with an alert: r(ead) w(rite) c(reate) u(nlink).
RIGHTS = {
    "base.group_user": "",
    "mrp.group_mrp_user": "r",
    "mrp_machine_connect.group_operator": "r",
    "mrp_machine_connect.group_supervisor": "rwc",
    "mrp_machine_connect.group_manager": "rwcu",
    "quality_machine_event.group_quality_inspector": "rwc",
    "quality_machine_event.group_service": "rwc",
}
OPERATIONS = {"r": "read", "w": "write", "c": "create", "u": "unlink"}


@tagged("post_install", "-at_install")
class TestQualitySecurity(MachineConnectCommon):
    def user(self, group, **values):
        return self.env["res.users"].create(
            {"name": group, "login": f"quality-{group}", "group_ids": [(6, 0, [self.env.ref(group).id])], **values}
        )

    def test_each_role_may_do_what_the_matrix_says(self):
        for group, rights in RIGHTS.items():
            alerts = self.env["quality.machine.alert"].with_user(self.user(group))
            for letter, operation in OPERATIONS.items():
                with self.subTest(group=group, operation=operation):
                    self.assertEqual(alerts.has_access(operation), letter in rights)

    def test_the_service_user_has_no_more_than_it_needs(self):
        service = self.env.ref("mrp_machine_connect.user_machine_connect")

        self.assertTrue(service.has_group("quality_machine_event.group_service"))
        self.assertFalse(service.has_group("quality_machine_event.group_quality_inspector"))
        self.assertFalse(self.env["quality.machine.alert"].with_user(service).has_access("unlink"))

    def test_an_inspector_works_on_an_alert_of_the_machine(self):
        self.receive(self.machine, self.count(3, kind="reject"))
        self.post()
        inspector = self.user("quality_machine_event.group_quality_inspector")
        alert = self.machine.quality_alert_ids.with_user(inspector)

        alert.action_start()
        with Form(alert) as form:
            form.cause = "Worn die"
            form.corrective_action = "Die changed"
            form.responsible_id = inspector
        alert.action_done()

        self.assertEqual((alert.state, alert.cause, alert.event_count), ("done", "Worn die", 1))

    def test_an_operator_sees_the_alert_and_cannot_close_it(self):
        self.receive(self.machine, self.count(3, kind="reject"))
        self.post()
        operator = self.user("mrp_machine_connect.group_operator")
        alert = self.machine.quality_alert_ids.with_user(operator)

        self.assertEqual(alert.reject_count, 3)
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
            alert.action_done()

    def test_a_stock_user_opens_an_order_with_alerts(self):
        self.receive(self.machine, self.count(3, kind="reject"))
        self.post()
        user = self.user("stock.group_stock_user")

        values = self.order.with_user(user).read(["name", "quality_machine_alert_count"])[0]

        self.assertEqual(values["quality_machine_alert_count"], 1)
        arch = self.env["mrp.production"].with_user(user).get_view(view_type="form")["arch"]
        self.assertNotIn("action_quality_machine_alerts", arch)

    def test_no_view_shows_a_group_what_it_may_not_read(self):
        names = self.env["ir.model.data"].search(
            [("module", "=", "quality_machine_event"), ("model", "=", "ir.ui.view")]
        )
        views = self.env["ir.ui.view"].browse(names.mapped("res_id"))
        self.assertIn("mrp.production", views.mapped("model"))
        with self.assertNoLogs("odoo.addons.base.models.ir_ui_view", "WARNING"):
            views._check_xml()

    def test_companies_do_not_see_each_other(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.receive(self.machine, self.count(3, kind="reject"))
        self.post()
        stranger = self.user(
            "mrp_machine_connect.group_manager", company_id=elsewhere.id, company_ids=[(6, 0, elsewhere.ids)]
        )

        self.assertFalse(self.env["quality.machine.alert"].with_user(stranger).search([]))
