from odoo.tests import Form, tagged

from .common import MaintenanceTriggerCommon


@tagged("post_install", "-at_install")
class TestMaintenanceEquipment(MaintenanceTriggerCommon):
    def test_the_equipment_shows_its_machine_and_what_it_does(self):
        self.raise_and_post(self.state("running", 50))

        self.assertEqual(self.equipment.machine_ids, self.machine)
        self.assertEqual((self.equipment.machine_count, self.equipment.machine_state), (1, "running"))
        self.assertEqual(self.equipment.machine_state_since, self.naive(50))
        action = self.equipment.action_machines()
        self.assertEqual((action["res_id"], action["views"]), (self.machine.id, [(False, "form")]))

    def test_equipment_without_a_machine_stays_what_it_was(self):
        self.assertFalse(self.other_equipment.machine_count)
        self.assertFalse(self.other_equipment.machine_state)
        with Form(self.other_equipment) as form:
            form.name = "Idler 2"
        request = self.env["maintenance.request"].create({"name": "By hand", "equipment_id": self.other_equipment.id})
        self.assertFalse(request.machine_fault_open or request.machine_id)
        with Form(request) as form:
            form.name = "By hand, again"

    def test_several_machines_of_one_equipment_are_counted(self):
        self.idle_machine.equipment_id = self.equipment

        self.assertEqual(self.equipment.machine_count, 2)
        self.assertFalse(self.equipment.action_machines()["res_id"])

    def test_the_machine_counts_its_open_requests(self):
        self.raise_and_post(self.alarm(100), self.alarm(110, code="J02"))
        self.assertEqual(self.machine.maintenance_open_count, 2)

        self.requests()[0].stage_id = self.repaired
        self.machine.invalidate_recordset()

        self.assertEqual(self.machine.maintenance_open_count, 1)
        action = self.machine.action_maintenance_requests()
        self.assertEqual(self.env["maintenance.request"].search(action["domain"]), self.requests().sorted(reverse=True))
        self.assertEqual(self.machine.action_equipment()["res_id"], self.equipment.id)

    def test_a_copied_machine_is_another_equipment(self):
        self.assertFalse(self.machine.copy().equipment_id)
