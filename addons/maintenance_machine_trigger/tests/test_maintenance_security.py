from lxml import etree

from odoo.exceptions import AccessError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import MaintenanceTriggerCommon


@tagged("post_install", "-at_install")
class TestMaintenanceSecurity(MaintenanceTriggerCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator, cls.supervisor, cls.maintainer, cls.employee = (
            cls.env["res.users"].create(
                {"name": login, "login": f"maintenance-{login}", "group_ids": [(6, 0, [cls.env.ref(group).id])]}
            )
            for login, group in [
                ("operator", "mrp_machine_connect.group_operator"),
                ("supervisor", "mrp_machine_connect.group_supervisor"),
                ("maintainer", "maintenance.group_equipment_manager"),
                ("employee", "base.group_user"),
            ]
        )

    def test_the_service_user_writes_requests_of_machines_and_nothing_else_of_maintenance(self):
        service = self.env.ref("mrp_machine_connect.user_machine_connect")
        by_hand = self.env["maintenance.request"].create({"name": "By hand", "equipment_id": self.equipment.id})
        self.raise_and_post(self.alarm(100))

        self.assertTrue(self.requests().with_user(service).has_access("write"))
        self.assertFalse(by_hand.with_user(service).has_access("read"))
        self.assertFalse(self.equipment.with_user(service).has_access("write"))
        self.assertFalse(self.team.with_user(service).has_access("write"))
        self.assertFalse(service.has_group("maintenance.group_equipment_manager"))

    def test_an_operator_sees_what_was_called_and_changes_nothing_of_it(self):
        self.raise_and_post(self.alarm(100))
        request = self.requests().with_user(self.operator)

        self.assertEqual(request.machine_occurrences, 1)
        self.assertEqual(request.machine_id.maintenance_open_count, 1)
        self.assertEqual(request.equipment_id.name, "Press")
        self.assertEqual(Form(request.machine_id).equipment_id, self.equipment.with_user(self.operator))
        self.assertEqual(request.machine_event_count, 1)
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_rule"):
            request.priority = "3"

    def test_a_supervisor_chooses_the_equipment_and_the_waiting_alarm_is_posted(self):
        events = self.raise_and_post(self.alarm(100), machine=self.idle_machine)

        row = self.rows(events, "maintenance_request").with_user(self.supervisor)
        machine = self.env["mrp.machine"].with_user(self.supervisor).browse(row.action_choose_equipment()["res_id"])
        with Form(machine) as form:
            form.equipment_id = self.other_equipment
        self.post(self.idle_machine)

        self.assertEqual(self.maintenance_states(events), ["posted"])

    def test_the_technician_reads_the_request_without_rights_on_machines(self):
        self.raise_and_post(self.alarm(100))
        request = self.requests().with_user(self.technician)

        with Form(request) as form:
            self.assertEqual(form.machine_occurrences, 1)
            form.stage_id = self.repaired
        self.assertFalse(request.machine_fault_open)
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
            self.machine.with_user(self.technician).read(["name"])

    def test_the_maintenance_manager_sees_equipment_requests_and_the_machines_events(self):
        events = self.raise_and_post(self.alarm(100), self.state("fault", 100))
        with Form(self.equipment.with_user(self.maintainer)) as form:
            self.assertEqual(form.machine_state, "fault")
        with Form(self.requests().with_user(self.maintainer)) as form:
            self.assertEqual(form.machine_event_count, 1)
        domain = self.requests().action_machine_events()["domain"]
        found = self.env["mrp.machine.event"].with_user(self.maintainer).search(domain)
        self.assertEqual(found, events.filtered(lambda event: event.type == "alarm.raised"))
        self.assertTrue(found.summary and found.state)
        self.assertFalse(self.machine.with_user(self.maintainer).has_access("write"))

    def test_nobody_of_maintenance_needs_manufacturing_to_open_what_a_machine_is_linked_to(self):
        self.receive(self.machine, self.state("running", 0), self.count(5, seconds=30))
        self.post(self.machine)
        self.raise_and_post(self.alarm(100))
        self.equipment.message_subscribe(partner_ids=self.technician.partner_id.ids)
        for user, records in (
            (self.technician, [self.requests(), self.equipment]),
            (self.maintainer, [self.requests(), self.equipment, self.machine]),
        ):
            self.assertFalse(user.has_group("mrp.group_mrp_user"))
            for record in records:
                for kind in ("list", "kanban", "form"):
                    with self.subTest(user=user.name, model=record._name, view=kind):
                        self.env.invalidate_all()
                        self.look(record.with_user(user), kind)

    def look(self, record, kind):
        """Read of a record what the web client reads to show it in a view."""
        views = record.get_views([(False, kind)])
        shown = etree.fromstring(views["views"][kind]["arch"])
        specification = {}
        for node in shown.iter("field"):
            if any(above.tag == "field" for above in node.iterancestors()):
                continue
            field = record._fields[node.get("name")]
            specification[field.name] = {"fields": {"display_name": {}}} if field.relational else {}
        self.assertTrue(specification)
        return record.web_read(specification)

    def test_the_maintenance_manager_reads_how_far_the_order_on_a_machine_is(self):
        self.receive(self.machine, self.count(250))
        self.post(self.machine)
        self.env.invalidate_all()

        machine = self.machine.with_user(self.maintainer)

        self.assertEqual((machine.progress_id.good, machine.progress), (250, 25))
        self.assertFalse(machine.progress_id.has_access("write"))

    def test_an_employee_opens_equipment_that_he_follows(self):
        self.equipment.message_subscribe(partner_ids=self.employee.partner_id.ids)

        values = self.equipment.with_user(self.employee).read(["name", "machine_state", "machine_count"])[0]

        self.assertEqual(values["machine_count"], 1)

    def test_companies_do_not_see_each_others_requests(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.raise_and_post(self.alarm(100))
        stranger = self.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "maintenance-stranger",
                "company_id": elsewhere.id,
                "company_ids": [(6, 0, elsewhere.ids)],
                "group_ids": [
                    (6, 0, [self.env.ref("mrp_machine_connect.group_manager").id,
                            self.env.ref("maintenance.group_equipment_manager").id])
                ],
            }
        )  # fmt: skip

        found = self.env["maintenance.request"].with_user(stranger).search([("machine_id", "=", self.machine.id)])

        self.assertFalse(found)
