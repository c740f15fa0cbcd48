"""The plant of the core with a press that maintenance knows."""

from odoo.addons.mrp_machine_connect.tests.common import MachineConnectCommon


class MaintenanceTriggerCommon(MachineConnectCommon):
    """The press is an equipment with a team and a technician; the idle machine is none yet."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.team = cls.env["maintenance.team"].create({"name": "Mechanics", "company_id": cls.company.id})
        cls.technician = cls.env["res.users"].create(
            {
                "name": "Tina",
                "login": "machines-technician",
                "tz": "UTC",
                "lang": "en_US",
                "group_ids": [(6, 0, [cls.env.ref("base.group_user").id])],
            }
        )
        cls.equipment, cls.other_equipment = cls.env["maintenance.equipment"].create(
            [
                {
                    "name": "Press",
                    "maintenance_team_id": cls.team.id,
                    "technician_user_id": cls.technician.id,
                    "company_id": cls.company.id,
                },
                {"name": "Idler", "company_id": cls.company.id},
            ]
        )
        cls.machine.equipment_id = cls.equipment
        cls.repaired = cls.env.ref("maintenance.stage_3")

    def alarm(self, seconds, code="J01", text="Jam", severity=500, **data):
        return self.event("alarm.raised", seconds, {"code": code, "text": text, "severity": severity, **data})

    def clear(self, seconds, code="J01", text="Jam", severity=500, **data):
        return self.event("alarm.cleared", seconds, {"code": code, "text": text, "severity": severity, **data})

    def signal(self, name, role):
        """Return a signal of the press that nobody polls."""
        connection = self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "protocol": "modbus", "host": "127.0.0.1", "port": 9, "active": False}
        )
        return self.env["mrp.machine.signal"].create(
            {
                "name": name,
                "machine_id": self.machine.id,
                "connection_id": connection.id,
                "role": role,
                "address": "holding:1",
            }
        )

    def raise_and_post(self, *events, machine=None):
        machine = machine or self.machine
        received = self.receive(machine, *events)
        self.post(machine)
        return received

    def requests(self, machine=None):
        return self.env["maintenance.request"].search([("machine_id", "=", (machine or self.machine).id)], order="id")

    def maintenance_states(self, events):
        return self.states(events, "maintenance_request")

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)
