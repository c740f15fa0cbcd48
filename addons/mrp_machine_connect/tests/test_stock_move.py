from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common import MachineConnectCommon

SKIP = {"skip_consumption": True, "skip_backorder": True, "skip_redirection": True}


@tagged("post_install", "-at_install")
class TestMachineDates(MachineConnectCommon):
    """Trap 6: a date that the machine gave is kept, whatever MRP writes on an order and all of its moves."""

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def counted(self, pieces, seconds):
        self.receive(self.machine, self.count(pieces, seconds=seconds, before=seconds))
        self.post()

    def post_part(self, seconds):
        """Post what was made by now, and let it bear a time of the machine; return the moves."""
        before = self.done()
        self.order._post_inventory()
        moves = self.done() - before
        moves._date_at(self.naive(seconds))
        return moves

    def done(self):
        moves = self.order.move_raw_ids | self.order.move_finished_ids
        return moves.filtered(lambda move: move.state == "done")

    def assert_dated(self, moves, seconds):
        for move in moves:
            self.assertEqual(move.date, self.naive(seconds), move.product_id.name)
            self.assertEqual(move.move_line_ids.mapped("date"), [self.naive(seconds)] * len(move.move_line_ids))

    def test_trap_6_done_dates_survive_later_counts_and_dates_of_the_order(self):
        self.counted(200, 60)
        first = self.post_part(120)
        self.assertEqual(len(first), 3)
        self.assert_dated(first, 120)

        # The quantity changes what the work order is expected to take, and so the planned end.
        self.counted(300, 600)
        self.assert_dated(first, 120)
        self.order.with_context(force_date=True).write(
            {"date_start": self.naive(-9000), "date_finished": self.naive(90_000)}
        )
        self.workorder.duration_expected = 4000
        self.env.flush_all()

        self.assert_dated(first, 120)
        waiting = self.order.move_finished_ids - first
        self.assertEqual(waiting.date, self.naive(90_000), "what is still to come follows the plan")

    def test_components_that_were_used_are_not_missed(self):
        self.order.action_assign()
        self.assertEqual(self.order.components_availability_state, "available")
        self.counted(400, 60)
        self.post_part(120)
        self.order.invalidate_recordset()

        used = self.order.move_raw_ids.filtered(lambda move: move.state == "done")
        self.assertEqual(used.mapped("forecast_availability"), used.mapped("product_qty"))
        self.assertEqual(self.order.components_availability_state, "available")

    def test_trap_6_done_dates_survive_the_close(self):
        self.counted(400, 60)
        first = self.post_part(120)
        self.counted(600, 1200)

        self.workorder._finish_at(self.naive(1300))
        service = self.env.ref("mrp_machine_connect.user_machine_connect")
        self.order.with_user(service).with_context(**SKIP).button_mark_done()
        self.assertEqual(self.order.state, "done")
        self.order._dates_at(self.naive(60), self.naive(1300))

        self.assert_dated(first, 120)
        last = self.done() - first
        self.assertEqual(sum(last.filtered("production_id").mapped("quantity")), 600)
        self.assert_dated(last, 1300)
        self.assertEqual((self.order.date_start, self.order.date_finished), (self.naive(60), self.naive(1300)))

        # A correction by editing what is done keeps the date as well.
        last.filtered("production_id").quantity = 590
        self.order.date_finished = self.naive(5000)
        self.assert_dated(last, 1300)

    def test_a_date_that_is_not_the_machines_follows_the_order(self):
        self.counted(200, 60)
        self.order._post_inventory()
        done = self.done()
        self.assertFalse(any(done.mapped("is_machine_dated")))

        self.order.date_finished = self.naive(7200)

        self.assertEqual(done.filtered("production_id").date, self.naive(7200))

    def test_what_else_is_written_with_a_date_is_written(self):
        self.counted(200, 60)
        moves = self.post_part(120)
        other = self.order.move_finished_ids - moves

        (moves | other).write({"date": self.naive(5000), "reference": "R1"})

        self.assertEqual(set((moves | other).mapped("reference")), {"R1"})
        self.assert_dated(moves, 120)
        self.assertEqual(other.date, self.naive(5000))

    def test_only_what_is_done_bears_a_machines_date(self):
        self.counted(200, 60)
        planned = self.order.move_finished_ids.date

        self.order.move_finished_ids._date_at(self.naive(120.7) - timedelta(days=1))

        self.assertEqual(self.order.move_finished_ids.date, planned)
        self.assertFalse(self.order.move_finished_ids.is_machine_dated)

    def test_the_rest_of_a_move_is_not_dated_by_it(self):
        self.counted(200, 60)
        moves = self.post_part(120.9)
        self.assert_dated(moves, 120)
        self.assertFalse(any((self.order.move_raw_ids - moves).mapped("is_machine_dated")))

    def test_what_a_person_closes_bears_the_time_of_the_last_piece(self):
        self.counted(400, 60)
        self.counted(600, 1200)

        self.order.with_context(**SKIP).button_mark_done()

        self.assertEqual(self.order.state, "done")
        self.assertEqual((self.order.date_start, self.workorder.date_start), (self.naive(60), self.naive(60)))
        self.assertGreater(self.order.date_finished, self.naive(1200), "the machine's time was its own until the click")
        self.assert_dated(self.done(), 1200)
        self.assertEqual(len(self.done()), 3)

    def test_what_a_person_made_in_part_bears_the_time_of_the_close(self):
        self.counted(400, 60)
        self.order.qty_producing = 410
        self.order._set_qty_producing(False)
        before = fields.Datetime.now()

        self.order.with_context(**SKIP).button_mark_done()

        self.assertGreaterEqual(self.order.date_finished, before)
        self.assertFalse(any(self.done().mapped("is_machine_dated")))
