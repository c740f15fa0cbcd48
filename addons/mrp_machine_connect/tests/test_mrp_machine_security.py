from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import MachineConnectCommon

#: What each role may do with each model: r(ead) w(rite) c(reate) u(nlink).
RIGHTS = {
    "mrp.machine": {"employee": "", "operator": "r", "supervisor": "rw", "manager": "rwcu"},
    "mrp.machine.status": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.progress": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.connection": {"employee": "", "operator": "r", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.connection.status": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.connection.secret": {"employee": "", "operator": "", "supervisor": "", "manager": ""},
    "mrp.machine.signal": {"employee": "", "operator": "r", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.signal.value": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.alarm": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.alarm.top": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.condition": {"employee": "", "operator": "r", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.condition.memory": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.meter": {"employee": "", "operator": "r", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.meter.reading": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.code": {"employee": "", "operator": "r", "supervisor": "rwc", "manager": "rwcu"},
    "mrp.machine.template": {"employee": "", "operator": "r", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.mapping.version": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.source": {"employee": "", "operator": "r", "supervisor": "r", "manager": "rwc"},
    "mrp.machine.source.key": {"employee": "", "operator": "", "supervisor": "", "manager": "rwc"},
    "mrp.machine.source.secret": {"employee": "", "operator": "", "supervisor": "", "manager": ""},
    "mrp.machine.gap": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.arming": {"employee": "", "operator": "", "supervisor": "", "manager": "r"},
    "mrp.machine.bucket": {"employee": "", "operator": "", "supervisor": "", "manager": ""},
    "mrp.machine.nonce": {"employee": "", "operator": "", "supervisor": "", "manager": ""},
    "mrp.machine.refusal": {"employee": "", "operator": "", "supervisor": "r", "manager": "r"},
    "mrp.machine.source.figure": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.source.status": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.source.translation": {"employee": "", "operator": "", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.source.translation.line": {"employee": "", "operator": "", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.stream": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.sync": {"employee": "", "operator": "r", "supervisor": "r", "manager": "rwcu"},
    "mrp.machine.event": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.event.posting": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.exception": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.remedy": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.posting": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.queue": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.statement": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.statement.line": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.statement.counter": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.statement.correction": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.difference": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.order.change": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.ledger": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.reject": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.scrap.report": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.interval": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.operator": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.energy": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.material": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.consumption": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.variance": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.lot": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.mode.change": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.shadow": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.shadow.memory": {"employee": "", "operator": "", "supervisor": "", "manager": ""},
    "mrp.machine.proposal": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.loading": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.worker": {"employee": "", "operator": "r", "supervisor": "r", "manager": "r"},
    "mrp.machine.endpoint": {"employee": "", "operator": "", "supervisor": "", "manager": "r"},
}
OPERATIONS = {"r": "read", "w": "write", "c": "create", "u": "unlink"}


@tagged("post_install", "-at_install")
class TestMachineSecurity(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            role: cls.env["res.users"].create(
                {"name": role, "login": f"machines-{role}", "group_ids": [(6, 0, [cls.env.ref(group).id])]}
            )
            for role, group in {
                "employee": "base.group_user",
                "operator": "mrp_machine_connect.group_operator",
                "supervisor": "mrp_machine_connect.group_supervisor",
                "manager": "mrp_machine_connect.group_manager",
            }.items()
        }

    def test_each_role_may_do_what_the_matrix_says(self):
        for model, roles in RIGHTS.items():
            for role, rights in roles.items():
                for letter, operation in OPERATIONS.items():
                    with self.subTest(model=model, role=role, operation=operation):
                        allowed = self.env[model].with_user(self.users[role]).has_access(operation)
                        self.assertEqual(allowed, letter in rights)

    def test_every_model_of_the_core_is_in_the_matrix_or_belongs_to_one(self):
        belongs = {"mrp.machine.template.signal"}
        models = {
            model.model
            for model in self.env["ir.model"].search([("model", "=like", "mrp.machine%"), ("transient", "=", False)])
            if not model.abstract and "mrp_machine_connect" in (model.modules or "").split(", ")
        }
        self.assertEqual(models - belongs - RIGHTS.keys(), set())

    def test_no_view_shows_a_group_what_it_may_not_read(self):
        """As Odoo checks it when a view is installed, and says «Access Rights Inconsistency» in the log."""
        names = self.env["ir.model.data"].search([("module", "=", "mrp_machine_connect"), ("model", "=", "ir.ui.view")])
        views = self.env["ir.ui.view"].browse(names.mapped("res_id"))
        self.assertIn("mrp.production", views.mapped("model"))
        with self.assertNoLogs("odoo.addons.base.models.ir_ui_view", "WARNING"):
            views._check_xml()

    def test_companies_do_not_see_each_other(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.receive(self.machine, self.count(5), self.state("running", 10))
        self.receive(self.machine, self.state("unknown", 20, raw="42", unmapped="42"))
        self.post()
        waiting = self.env["mrp.machine.exception"].search([("machine_id", "=", self.machine.id)])
        self.env["mrp.machine.remedy"]._start([waiting._key()], "retry")
        stranger = self.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "machines-stranger",
                "company_id": other.id,
                "company_ids": [(6, 0, other.ids)],
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_manager").id])],
            }
        )
        for model in (
            "mrp.machine",
            "mrp.machine.status",
            "mrp.machine.progress",
            "mrp.machine.event",
            "mrp.machine.event.posting",
            "mrp.machine.exception",
            "mrp.machine.remedy",
            "mrp.machine.posting",
            "mrp.machine.interval",
            "mrp.machine.ledger",
            "mrp.machine.loading",
            "mrp.machine.stream",
        ):
            with self.subTest(model=model):
                self.assertTrue(
                    self.env[model].search_count(
                        [("machine_id", "=", self.machine.id)] if model != "mrp.machine" else []
                    )
                )
                self.assertFalse(
                    self.env[model]
                    .with_user(stranger)
                    .search(
                        [("machine_id", "=", self.machine.id)]
                        if model != "mrp.machine"
                        else [("id", "=", self.machine.id)]
                    )
                )
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_rule"):
            self.machine.with_user(stranger).read(["name"])

    def test_the_service_user_works_in_every_company_and_cannot_log_in(self):
        user = self.env.ref("mrp_machine_connect.user_machine_connect")
        company = self.env["res.company"].create({"name": "Founded later"})

        self.assertIn(company, user.company_ids)
        self.assertIn(self.company, user.company_ids)
        self.assertFalse(user.active)

    def test_effects_are_made_in_the_name_of_the_service_user(self):
        self.receive(self.machine, self.state("running", 0), self.state("off", 600))
        self.post()

        line = self.workcenter.time_ids
        self.assertEqual(line.create_uid, self.env.ref("mrp_machine_connect.user_machine_connect"))

    def test_an_operator_may_load_and_adjust_but_not_configure(self):
        operator = self.users["operator"]
        machine = self.machine.with_user(operator)
        self.env["mrp.machine.loading"].with_user(operator)._load(
            machine,
            self.order.with_user(operator),
            self.workorder.with_user(operator),
            self.at(10).replace(tzinfo=None),
        )
        machine._adjust("good", 2, "Counted by hand", at=self.at(20).replace(tzinfo=None))
        self.post()

        self.assertEqual(self.order.qty_producing, 2)
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
            machine.posting_mode = "observe"

    def test_a_supervisor_pauses_and_does_not_configure(self):
        machine = self.machine.with_user(self.users["supervisor"])

        machine._pause("2099-01-01 00:00:00", "Stocktaking")
        self.assertTrue(self.machine.is_paused)
        machine.action_resume()
        self.assertFalse(self.machine.is_paused)

        with self.assertRaises(AccessError):
            machine.counting_role = "cycle"
        with self.assertRaises(UserError):
            self.machine.with_user(self.users["operator"]).action_resume()
