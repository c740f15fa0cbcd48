from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import MaintenanceTriggerCommon

ROLES = {
    "employee": "base.group_user",
    "operator": "mrp_machine_connect.group_operator",
    "technician": "base.group_user",  # the request is his
    "maintainer": "maintenance.group_equipment_manager",
    "supervisor": "mrp_machine_connect.group_supervisor",
    "manager": "mrp_machine_connect.group_manager",
}
#: Who may do what; all others may not.
ALLOWED = {
    "see the request": {"operator", "technician", "maintainer", "supervisor", "manager"},
    "snooze": {"technician", "maintainer"},
    "wake": {"technician", "maintainer"},
    "not a fault": {"technician", "maintainer"},
    "read a template": set(ROLES),
    "write a template": {"maintainer", "manager"},
    "write a part": {"supervisor", "manager"},
    "write a plan": {"maintainer", "manager"},
    "say it was serviced": {"maintainer", "manager"},
    "back-test": {"maintainer", "supervisor", "manager"},
    "change a rule by it": {"manager"},
}


@tagged("post_install", "-at_install")
class TestMaintenanceRights(MaintenanceTriggerCommon):
    """Each person's actions, and nobody else's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            role: cls.technician
            if role == "technician"
            else cls.env["res.users"].create(
                {"name": role, "login": f"rights-{role}", "group_ids": [(6, 0, [cls.env.ref(group).id])]}
            )
            for role, group in ROLES.items()
        }
        cls.template = cls.env["maintenance.machine.template"].create({"name": "T", "company_id": cls.company.id})
        cls.part = cls.env["maintenance.machine.asset"].create(
            {"machine_id": cls.machine.id, "alarm_code": "X", "equipment_id": cls.other_equipment.id}
        )
        cls.plan = cls.env["maintenance.machine.plan"].create(
            {"name": "P", "equipment_id": cls.equipment.id, "repeat_interval": 1, "repeat_unit": "years"}
        )
        cls.condition = cls.env["mrp.machine.condition"].create(
            {
                "name": "Faulty for long",
                "machine_id": cls.machine.id,
                "kind": "state_longer",
                "watched_state": "fault",
                "duration": 10,
                "armed": False,
            }
        )

    def act(self, action, user):
        """Do something as a user."""
        request = self.requests()[:1].with_user(user)
        wizard = self.env["maintenance.machine.backtest"].with_user(user)
        match action:
            case "see the request":
                request.read(["name", "machine_history", "machine_occurrences"])
            case "snooze":
                request.action_snooze()
                request._snooze(fields.Datetime.now() + timedelta(hours=1), "why")
            case "wake":
                request.action_wake()
            case "not a fault":
                values = {"request_ids": [(6, 0, request.ids)], "reason": "why"}
                self.env["maintenance.machine.not.fault"].with_user(user).create(values).action_not_fault()
            case "read a template":
                self.template.with_user(user).read(["name", "escalation_ids"])
            case "write a template":
                self.template.with_user(user).write(
                    {"title": "{code}", "escalation_ids": [(0, 0, {"hours": 1, "raise_priority": True})]}
                )
            case "write a part":
                self.part.with_user(user).alarm_code = "Y"
            case "write a plan":
                self.plan.with_user(user).lead_days = 3
            case "say it was serviced":
                self.plan.with_user(user).action_served()
            case "back-test":
                wizard.create({"condition_id": self.condition.id, "breakdowns": "faults"}).action_run()
            case "change a rule by it":
                wizard.create({"condition_id": self.condition.id, "better": {"on_delay": 5}}).action_apply()

    def test_each_role_may_do_what_is_its_own(self):
        self.raise_and_post(
            self.state("running", 0), self.state("fault", 50), self.alarm(100), self.state("running", 900)
        )
        self.assertEqual(len(self.requests()), 1)
        for action, roles in ALLOWED.items():
            for role, user in self.users.items():
                with self.subTest(action=action, role=role), self.env.cr.savepoint() as savepoint:
                    self.env.flush_all()
                    self.env.invalidate_all()
                    if role in roles:
                        self.act(action, user)
                        self.env.flush_all()
                    else:
                        with mute_logger("odoo.addons.base.models.ir_rule", "odoo.addons.base.models.ir_model"):
                            try:
                                self.act(action, user)
                                self.env.flush_all()
                                refused = False
                            except (AccessError, UserError):
                                refused = True
                        self.assertTrue(refused)
                    savepoint.rollback()
                    self.env.invalidate_all(flush=False)

    def test_companies_do_not_see_each_others_templates_parts_and_plans(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "rights-stranger",
                "company_id": elsewhere.id,
                "company_ids": [(6, 0, elsewhere.ids)],
                "group_ids": [(6, 0, [self.env.ref(group).id for group in ROLES.values()])],
            }
        )
        self.template.escalation_ids = [(0, 0, {"hours": 1, "raise_priority": True})]
        for records in (self.template, self.template.escalation_ids, self.part, self.plan):
            with self.subTest(model=records._name):
                self.assertTrue(records)
                self.assertFalse(records.with_user(stranger).search([("id", "in", records.ids)]))

    def test_whoever_closes_a_service_needs_no_right_on_plans(self):
        self.plan.write({"last_served": fields.Datetime.now() - timedelta(days=400)})
        self.env["maintenance.machine.plan"]._cron_plan()
        self.assertEqual(self.plan.request_ids.user_id, self.technician)
        self.plan.request_ids.with_user(self.technician).stage_id = self.repaired

        self.assertGreater(self.plan.last_served, fields.Datetime.now() - timedelta(minutes=1))

    def test_the_plans_form_is_read_by_all_who_see_it(self):
        meter = self.env["mrp.machine.meter"].create({"name": "Hours", "machine_id": self.machine.id})
        self.plan.write({"meter_id": meter.id, "every": 5})
        for role, user in self.users.items():
            with self.subTest(role=role):
                self.env.invalidate_all()
                self.assertEqual(self.plan.with_user(user).read(["used", "due"])[0]["used"], 0)
