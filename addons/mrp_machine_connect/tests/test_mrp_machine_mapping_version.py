from odoo.tests import tagged

from ..polling_host import PollingHost
from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineMappingVersion(MachineConnectCommon):
    """Codes of a company are part of the mapping of each of its machines."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection = cls.env["mrp.machine.connection"].create(
            {
                "machine_id": cls.machine.id,
                "protocol": "modbus",
                "host": "127.0.0.1",
                "polled_by": "worker",
                "interval": 0.2,
            }
        )
        cls.signal = cls.env["mrp.machine.signal"].create(
            {
                "machine_id": cls.machine.id,
                "name": "State",
                "role": "state",
                "address": "holding:0",
                "data_type": "u16",
                "state_table": "packml_opc_30050",
            }
        )
        cls.code = cls.env["mrp.machine.code"].create({"kind": "state", "code": "77", "state": "fault"})
        cls.env.cr.precommit.run()

    def versions(self, machine=None):
        self.env.cr.precommit.run()
        return self.env["mrp.machine.mapping.version"].search([("machine_id", "=", (machine or self.machine).id)])

    def test_a_changed_code_of_the_company_is_a_new_version_of_each_machine(self):
        before = self.versions()
        idle = self.versions(self.idle_machine)
        self.assertIn("77", {code["code"] for code in before[0].snapshot["codes"].values()})

        self.code.state = "stopped"

        after = self.versions()
        self.assertEqual(len(after), len(before) + 1)
        self.assertEqual(after[0].version, before[0].version + 1)
        self.assertEqual(self.machine.mapping_version, after[0].version)
        self.assertEqual(after[0].changes, "77: state 'fault' → 'stopped'")
        self.assertEqual(len(self.versions(self.idle_machine)), len(idle) + 1)

    def test_a_new_and_a_deleted_code_of_the_company_are_versions(self):
        code = self.env["mrp.machine.code"].create({"kind": "alarm", "code": "E5", "label": "Oil low"})
        self.assertEqual(self.versions()[0].changes, "E5: added")

        code.unlink()
        self.assertEqual(self.versions()[0].changes, "E5: removed")

    def test_what_the_machine_calls_otherwise_is_no_version_of_it(self):
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "77", "state": "setup"}
        )
        before = self.versions()

        self.code.state = "stopped"

        self.assertEqual(self.versions(), before)

    def test_a_code_of_another_company_is_none_of_its_business(self):
        company = self.env["res.company"].create({"name": "The other plant"})
        before = self.versions()

        self.env["mrp.machine.code"].create({"kind": "state", "code": "78", "state": "fault", "company_id": company.id})

        self.assertEqual(self.versions(), before)

    def test_a_running_worker_takes_a_changed_code_of_the_company_up(self):
        self.env["mrp.machine"].search([("id", "!=", self.machine.id)]).active = False
        self.env.flush_all()
        self.registry_enter_test_mode()
        host = PollingHost(self.env.registry, "test:worker:1", "worker", threads=1)
        self.addCleanup(host.close)
        host._claim()
        host._refresh()
        before = host.plans[self.connection.id]
        self.assertEqual(self.meaning(before), "fault")
        host._refresh()
        self.assertIs(host.plans[self.connection.id], before, "what did not change is not built again")

        self.code.state = "stopped"
        self.versions()
        host._refresh()

        after = host.plans[self.connection.id]
        self.assertNotEqual(after.signature, before.signature)
        self.assertEqual(after.version, before.version + 1)
        self.assertEqual(self.meaning(after), "stopped")

    def meaning(self, plan):
        """Return which state a plan takes the machine's word for."""
        return plan.signals[str(self.signal.id)].interpreter.mapping.codes["77"]["state"]
