from contextlib import contextmanager

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineFedWorkorder(MachineConnectCommon):
    """On machine-fed work centers MRP's own buttons book what was counted, never the full quantity."""

    def test_start_does_not_report_the_full_quantity(self):
        self.workorder.button_start()

        self.assertEqual(self.workorder.state, "progress")
        self.assertEqual(self.order.qty_producing, 0)

        self.receive(self.machine, self.count(5))
        self.post()
        self.assertEqual(self.order.qty_producing, 5)

    def test_start_does_not_take_back_what_was_counted(self):
        self.receive(self.machine, self.count(5))
        self.post()
        self.workorder.button_pending()

        self.workorder.button_start()

        self.assertEqual(self.order.qty_producing, 5)

    def test_finish_books_what_was_counted(self):
        self.receive(self.machine, self.count(12))
        self.post()

        self.workorder.button_finish()

        self.assertEqual(
            (self.workorder.state, self.workorder.qty_produced, self.order.qty_producing), ("done", 12, 12)
        )

    def test_finish_without_a_count_books_nothing(self):
        self.workorder.button_start()

        self.workorder.button_finish()

        self.assertEqual((self.workorder.state, self.workorder.qty_produced, self.order.qty_producing), ("done", 0, 0))
        self.assertEqual(sum(self.order.move_raw_ids.mapped("quantity")) if self.order.qty_producing else 0, 0)

    def test_mark_as_done_invents_neither_pieces_nor_time(self):
        self.receive(self.machine, self.count(3))
        self.post()

        self.workorder.action_mark_as_done()

        self.assertEqual((self.workorder.qty_produced, self.workorder.duration), (3, 0))

    def test_closing_the_order_books_what_was_counted(self):
        self.receive(self.machine, self.count(40))
        self.post()

        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()

        self.assertEqual((self.order.state, self.order.qty_produced), ("done", 40))
        done = self.order.move_finished_ids.filtered(lambda move: move.state == "done")
        self.assertEqual(sum(done.mapped("quantity")), 40)

    def test_an_order_without_any_count_cannot_be_closed_as_a_whole(self):
        with self.assertRaisesRegex(UserError, "No piece has been counted"):
            self.order.button_mark_done()

    def test_an_order_closed_by_hand_with_a_quantity_is_the_persons_word(self):
        self.order.qty_producing = 7
        self.order._set_qty_producing(False)

        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()

        self.assertEqual(self.order.qty_produced, 7)


@tagged("post_install", "-at_install")
class TestWorkorderElsewhere(MachineConnectCommon):
    """Where no machine reports pieces, MRP's buttons do what they do without machines; the order is loaded all the same."""

    def only_its_state(self):
        connection = self.env["mrp.machine.connection"].create({"machine_id": self.machine.id, "host": "127.0.0.1"})
        self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id,
                "connection_id": connection.id,
                "name": "Light",
                "role": "state",
                "address": "holding:0",
                "data_type": "u16",
                "state_table": "stack_light",
            }
        )

    def ended(self):
        """Let the order have run on the machine, on whose work center it is not."""
        self.workorder.workcenter_id = self.env["mrp.workcenter"].create(
            {"name": "Bench", "resource_calendar_id": False}
        )
        self.env["mrp.machine.loading"]._unload(self.machine, self.at(600).replace(tzinfo=None))

    def observed(self):
        self.machine.posting_mode = "observe"

    def archived(self):
        self.machine.active = False

    @contextmanager
    def where(self, change):
        """Undo afterwards what a change of the plant, and whoever looks at it, brought about."""
        with self.subTest(change.__name__), self.env.cr.savepoint() as savepoint:
            change()
            self.assertTrue(self.env["mrp.machine.loading"].search([("workorder_id", "=", self.workorder.id)]))
            yield
            savepoint.rollback()
        self.env.invalidate_all()

    def plants(self):
        return self.observed, self.archived, self.only_its_state, self.ended

    def test_start_reports_the_full_quantity(self):
        for plant in self.plants():
            with self.where(plant):
                self.workorder.button_start()

                self.assertEqual(self.order.qty_producing, 1000)

    def test_finish_reports_the_full_quantity(self):
        for plant in self.plants():
            with self.where(plant):
                self.workorder.button_finish()

                self.assertEqual((self.workorder.state, self.workorder.qty_produced), ("done", 1000))

    def test_closing_the_order_books_the_full_quantity(self):
        for plant in self.plants():
            with self.where(plant):
                self.order.button_mark_done()

                self.assertEqual((self.order.state, self.order.qty_produced), ("done", 1000))

    def test_what_was_counted_before_is_booked_nevertheless(self):
        self.receive(self.machine, self.count(12))
        self.post()
        for plant in self.plants():
            with self.where(plant):
                self.workorder.button_finish()
                self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()

                self.assertEqual((self.order.state, self.order.qty_produced), ("done", 12))

    def test_an_archived_machine_stays_out_where_archived_records_are_looked_at(self):
        self.archived()

        self.workorder.with_context(active_test=False).button_start()

        self.assertEqual(self.order.qty_producing, 1000)

    def test_an_order_that_still_runs_until_later_is_fed(self):
        self.workorder.workcenter_id = self.env["mrp.workcenter"].create(
            {"name": "Bench", "resource_calendar_id": False}
        )
        self.env["mrp.machine.loading"]._unload(self.machine, "2099-01-01 00:00:00")

        self.workorder.button_start()

        self.assertEqual(self.order.qty_producing, 0)
