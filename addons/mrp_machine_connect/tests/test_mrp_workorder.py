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

    def test_start_elsewhere_reports_the_full_quantity_as_in_odoo(self):
        self.machine.posting_mode = "observe"
        self.env["mrp.machine.loading"].search([]).unlink()

        self.workorder.button_start()

        self.assertEqual(self.order.qty_producing, 1000)

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

    def test_a_machine_that_only_tells_its_state_leaves_the_pieces_to_people(self):
        self.env["mrp.machine.loading"].search([]).unlink()
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

        self.workorder.button_start()

        self.assertEqual(self.order.qty_producing, 1000)
