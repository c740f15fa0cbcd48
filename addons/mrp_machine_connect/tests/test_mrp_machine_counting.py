from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestCountingRole(MachineConnectCommon):
    """A count is booked by the role that fed the order when it was received, whatever feeds it by the time it is posted."""

    def load(self):
        order = self.make_order(100)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, order.workorder_ids, self.at(0).replace(tzinfo=None)
        )
        return order

    def test_pieces_that_wait_for_an_order_are_booked_after_the_role_changed(self):
        events = self.receive(self.idle_machine, self.count(30))
        self.post()
        self.assertEqual(self.rows(events).reason, "no_order")
        self.idle_machine.counting_role = "cycle"
        order = self.load()

        self.rows(events).action_retry()
        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual((order.qty_producing, self.rows(events).posting_id.quantity), (30, 30))

    def test_pieces_still_queued_are_booked_by_the_role_they_were_received_under(self):
        order = self.load()
        self.receive(self.idle_machine, self.count(30), *[self.cycle(70 + second) for second in range(30)])
        self.idle_machine.counting_role = "cycle"
        self.receive(self.idle_machine, self.count(5, seconds=200), self.cycle(200), self.cycle(201))

        self.post()

        self.assertEqual(order.qty_producing, 32, "thirty by the good counter, then two by cycles")

    def test_the_role_can_change_there_and_back(self):
        order = self.load()
        for role, first in (("good", 0), ("cycle", 100), ("good", 200)):
            self.idle_machine.counting_role = role
            self.receive(self.idle_machine, self.count(10, seconds=first + 1, before=first), self.cycle(first + 2))

        self.post()

        self.assertEqual(order.qty_producing, 21)

    def test_a_copy_of_the_machine_starts_without_that_history(self):
        self.receive(self.idle_machine, self.count(30))
        self.idle_machine.counting_role = "cycle"

        self.assertTrue(self.idle_machine.former_roles)
        self.assertFalse(self.idle_machine.copy().former_roles)
