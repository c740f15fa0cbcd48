from odoo.tests import new_test_user, tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineProgress(MachineConnectCommon):
    """A machine without its hot row of postings, as one that is older than that table."""

    def setUp(self):
        super().setUp()
        self.before = self.idle_machine.progress_id
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM mrp_machine_progress WHERE machine_id = %s", [self.machine.id])
        self.env.invalidate_all()
        self.assertFalse(self.machine.progress_id)

    def test_what_is_counted_shows_all_the_same(self):
        self.receive(self.machine, self.count(7))
        self.post()

        self.assertEqual((self.machine.good, self.machine.target), (7, 1000))
        self.assertEqual(self.machine.production_id, self.order)
        self.assertEqual(self.machine.progress_id.machine_id, self.machine)

    def test_a_supervisor_who_loads_an_order_sees_it(self):
        supervisor = new_test_user(
            self.env, "supervisor", groups="mrp_machine_connect.group_supervisor,mrp.group_mrp_user"
        )
        order = self.make_order(50)

        self.machine.with_user(supervisor)._show_order(order, order.workorder_ids)

        self.assertEqual((self.machine.production_id, self.machine.target), (order, 50))

    def test_a_row_that_only_lost_its_machine_is_found_again(self):
        row = self.env["mrp.machine.progress"].create({"machine_id": self.machine.id, "good": 3})

        self.assertEqual(self.env["mrp.machine.progress"]._of(self.machine), row)
        self.assertEqual(self.machine.good, 3)

    def test_an_upgrade_gives_each_machine_its_row(self):
        self.env["mrp.machine.progress"]._fill()
        self.env.invalidate_all()

        self.assertEqual(self.machine.progress_id.machine_id, self.machine)
        self.assertEqual(self.idle_machine.progress_id, self.before, "what is there stays")
        machines = self.env["mrp.machine"].with_context(active_test=False).search([])
        self.assertEqual(len(machines), self.env["mrp.machine.progress"].search_count([]))

    def test_the_upgrade_does_it_by_itself(self):
        """With the tables as Odoo brings them up to date, not by our own call."""
        self.registry_enter_test_mode()
        self.env.registry.init_models(self.env.cr, ["mrp.machine.progress"], {"module": "mrp_machine_connect"}, False)
        self.env.invalidate_all()

        self.assertEqual(self.machine.progress_id.machine_id, self.machine)

    def test_a_decision_while_posting_leaves_alone_the_row_that_every_poll_writes(self):
        """A posting that decides something takes longer than the time to the next poll, and would lose all its work."""
        self.receive(self.machine, self.count(7, seconds=60))
        self.env.flush_all()
        self.env.cr.execute("SELECT ctid, last_event FROM mrp_machine_status WHERE machine_id = %s", [self.machine.id])
        before = self.env.cr.fetchone()
        self.assertEqual(before[1], self.at(60).replace(tzinfo=None))

        decided = self.machine._decide(
            "production.stock_due", self.at(90).replace(tzinfo=None), {"production_id": self.order.id, "rule": "pieces"}
        )

        self.assertTrue(decided)
        self.env.flush_all()
        self.env.cr.execute("SELECT ctid, last_event FROM mrp_machine_status WHERE machine_id = %s", [self.machine.id])
        self.assertEqual(self.env.cr.fetchone(), before)
