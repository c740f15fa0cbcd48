"""What MRP does that would spoil a machine's truth, and the test that shows of each that it does not.

The traps, by their numbers in our notes on Odoo's manufacturing; that of scrap (19) comes with these.

 1  quantity in production of a closed order multiplies its stock
    test_mrp_machine_late.test_after_beats_the_part_is_changed_that_covers_the_time
 2  a post cancels components that nobody picked
    test_mrp_machine_stock_beat.test_trap_2_nothing_that_was_not_picked_is_cancelled
 3  Start reports the full quantity
    test_mrp_workorder.test_start_does_not_report_the_full_quantity
 4  closing an untouched order makes its full quantity
    test_mrp_workorder.test_an_order_without_any_count_cannot_be_closed_as_a_whole
 5  the last post closes the order behind one's back
    test_mrp_machine_stock_beat.test_trap_5_the_last_beat_is_left_to_the_close
 6  dates of what was moved are written anew by later counts
    test_stock_move.test_trap_6_done_dates_survive_later_counts_and_dates_of_the_order
 7  labour is counted again with each post
    test_labour.test_five_parts_hold_the_labour_once_by_average
 8  what is left of an order keeps the lot of the part before
    test_mrp_machine_lot.test_trap_8_what_is_left_after_a_lot_change_is_of_the_new_lot
 9  a cancelled work order freezes the order
    test_mrp_machine_reject.test_trap_9_a_cancelled_step_does_not_freeze_the_order
10  a work order without time is given some
    test_mrp_workorder_time.test_trap_10_a_work_order_without_time_gets_none_at_a_post_or_the_close
11  what is left of an order loses its reservation
    test_mrp_machine_stock_beat.test_trap_11_what_is_left_is_reserved_again_and_follows_the_counts
12  a quantity below what is in stock corrupts it
    test_mrp_machine_stock_beat.test_trap_12_no_less_can_have_been_made_than_is_in_stock
13  stops outside the working hours have no length
    test_mrp_machine_work_time_hours.test_trap_13_a_stop_outside_the_hours_is_planned_and_no_loss
14  unblocking a work center ends all timers now
    test_traps.test_trap_14_unblocking_a_work_center_leaves_the_machines_time_alone
15  units without anything in common are converted, and rounded up
    test_mrp_machine_poster.test_a_dozen_is_counted_as_a_total_not_piece_by_piece
16  who waits for a lock sees what was before
    test_two_workers.test_workers_share_rebalance_and_take_over
17  what a button returns says neither yes nor no
    test_mrp_machine_reject.test_trap_17_a_question_is_no_scrap_and_true_is_no_close
18  a new quantity to produce is shared out wrongly after a post
    test_traps.test_trap_18_a_new_target_after_a_beat_leaves_each_piece_its_components
20  closing an order without a lot invents one
    test_mrp_machine_lot.test_trap_20_the_close_invents_no_lot
21  the expected time stays at that of the last partial count
    test_mrp_workorder_time.test_trap_21_the_expected_time_is_that_of_all_that_was_made
"""

import re
from pathlib import Path

from odoo.tests import tagged

from .common import MachineConnectCommon

#: Numbers of the traps that are shown elsewhere or not yet: that of scrap.
NOT_HERE = {19}
ADDONS = Path(__file__).parents[2]


@tagged("post_install", "-at_install")
class TestTraps(MachineConnectCommon):
    def test_each_trap_has_its_test(self):
        shown = re.findall(r"^ ?(\d+)  .*\n    (\w+)\.(\w+)$", __doc__, re.MULTILINE)

        self.assertEqual({int(number) for number, _file, _test in shown}, set(range(1, 22)) - NOT_HERE)
        for number, file, test in shown:
            paths = [*ADDONS.glob(f"*/tests/{file}.py"), *ADDONS.parent.glob(f"tests/integration/{file}.py")]
            found = [path for path in paths if f"def {test}(" in path.read_text()]
            self.assertTrue(found, f"trap {number}: there is no {file}.{test}")

    def test_trap_14_unblocking_a_work_center_leaves_the_machines_time_alone(self):
        self.receive(self.machine, self.state("running", 0), self.count(5, seconds=300))
        self.post()
        line = self.workorder.time_ids
        before = line.date_start, line.date_end
        stop = self.env["mrp.workcenter.productivity"].create(
            {
                "workcenter_id": self.workcenter.id,
                "loss_id": self.env.ref("mrp.block_reason1").id,
                "date_start": self.at(300).replace(tzinfo=None),
            }
        )
        self.assertEqual(self.workcenter.working_state, "blocked")

        self.workcenter.unblock()
        self.assertTrue(stop.date_end)
        self.assertEqual((line.date_start, line.date_end), before)
        self.receive(self.machine, self.state("idle", 600))
        self.post()

        productive = self.workorder.time_ids.filtered(lambda line: line.loss_type == "productive")
        self.assertEqual(productive.mapped("duration"), [10.0])
        self.assertEqual(productive.date_end, self.at(600).replace(tzinfo=None))

    def test_trap_18_a_new_target_after_a_beat_leaves_each_piece_its_components(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        self.counted(100, 60)
        self.assertEqual(self.order.qty_produced, 100)

        self.env["change.production.qty"].create({"mo_id": self.order.id, "product_qty": 1500}).change_prod_qty()
        self.assertEqual((self.order.product_qty, self.order.qty_producing, self.order.qty_produced), (1500, 100, 100))
        open_moves = self.order.move_raw_ids.filtered(lambda move: move.state not in ("done", "cancel"))
        self.assertEqual(sorted(open_moves.mapped("product_uom_qty")), [1400, 5600])
        self.counted(50, 120)
        self.counted(70, 180)
        self.assertEqual(self.order.qty_produced, 220)
        self.counted(3, 240)
        self.order.with_context(skip_backorder=True).button_mark_done()

        self.assertEqual(self.order.state, "done", "strict or not, what was used is what the bill of materials says")
        done = (self.order.move_raw_ids | self.order.move_finished_ids).filtered(lambda move: move.state == "done")
        self.assertEqual(
            {product.name: sum(done.filtered(lambda m, p=product: m.product_id == p).mapped("quantity"))
             for product in done.product_id},
            {"Bracket": 223, "Sheet": 223, "Rivet": 892},
        )  # fmt: skip

    def counted(self, pieces, seconds):
        self.receive(self.machine, self.count(pieces, seconds=seconds, before=seconds))
        while self.env["mrp.machine.poster"]._post_machine(self.machine):
            pass
