from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMrpMachinePause(MachineConnectCommon):
    def test_what_waited_for_the_end_of_a_pause_comes_before_what_happened_later(self):
        self.machine.write({"pause_until": "2099-01-01 00:00:00", "pause_reason": "Stocktaking"})
        running = self.receive(self.machine, self.state("running", 60))
        counted = self.receive(self.machine, self.count(5, seconds=120))
        self.post()
        self.assertEqual(self.states(counted), ["waiting"])

        # Time passes; nobody has looked at the pause when the next events come.
        self.env.cr.execute("UPDATE mrp_machine SET pause_until = '2020-01-01' WHERE id = %s", [self.machine.id])
        self.machine.invalidate_recordset()
        stopped = self.receive(self.machine, self.state("stopped", 660))
        later = self.receive(self.machine, self.count(3, seconds=700, before=5))
        self.post()

        self.assertFalse(self.machine.pause_until)
        self.assertEqual(self.states(counted) + self.states(later), ["posted", "posted"])
        self.assertEqual(self.states(running, "work_time") + self.states(stopped, "work_time"), ["posted", "posted"])
        ledgers = self.env["mrp.machine.ledger"].search([("machine_id", "=", self.machine.id)])
        self.assertEqual(sum(ledgers.mapped("posted")), 8)
