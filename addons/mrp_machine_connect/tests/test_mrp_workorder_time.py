from odoo.fields import Command
from odoo.tests import tagged

from .common import MachineConnectCommon

SKIP = {"skip_consumption": True, "skip_backorder": True, "skip_redirection": True}


class OrderTimeCommon(MachineConnectCommon):
    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def counted(self, pieces, seconds, machine=None):
        self.receive(machine or self.machine, self.count(pieces, seconds=seconds, before=seconds))
        self.post()

    def timer(self, start, end, login="ben"):
        """Book the own timer of a person on the work order, or let it run."""
        operator = self.env["res.users"].create({"name": login, "login": f"machines-{login}"})
        return self.env["mrp.workcenter.productivity"].create(
            {
                "workcenter_id": self.workcenter.id,
                "workorder_id": self.workorder.id,
                "user_id": operator.id,
                "loss_id": self.env.ref("mrp.block_reason7").id,
                "date_start": self.naive(start),
                "date_end": self.naive(end) if end else False,
            }
        )


@tagged("post_install", "-at_install")
class TestWorkorderTime(OrderTimeCommon):
    """Work orders begin and end at the machine's time, with no quantity and no time that nobody reported."""

    def test_a_work_order_begins_with_its_first_piece(self):
        self.counted(1, 60)

        self.assertEqual(self.workorder.state, "progress")
        self.assertEqual(self.workorder.date_start, self.naive(60))
        self.assertEqual(self.order.date_start, self.naive(60))
        self.assertFalse(self.workorder.time_ids)
        self.assertEqual((self.order.qty_producing, self.workorder.qty_produced), (1, 1))
        self.assertEqual(
            (self.workorder.leave_id.date_from, self.workorder.leave_id.date_to),
            (self.workorder.date_start, self.workorder.date_finished),
        )

    def test_a_piece_that_comes_late_was_still_the_first(self):
        self.counted(1, 600)
        self.counted(1, 60)
        self.assertEqual((self.workorder.date_start, self.order.date_start), (self.naive(60), self.naive(60)))

        self.counted(1, 300)
        self.assertEqual(self.workorder.date_start, self.naive(60))

    def test_an_order_without_work_orders_begins_with_its_first_piece(self):
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "bom_line_ids": [Command.create({"product_id": self.component_a.id, "product_qty": 2})],
            }
        )
        order = self.make_order(100, bom=bom)
        self.env["mrp.machine.loading"]._load(self.idle_machine, order, self.env["mrp.workorder"], self.naive(0))
        self.counted(1, 600, self.idle_machine)
        self.assertEqual(order.date_start, self.naive(600))
        self.counted(1, 60, self.idle_machine)
        self.assertEqual(order.date_start, self.naive(60))

    def test_finishing_at_a_machines_time_invents_nothing(self):
        self.counted(40, 60)
        self.receive(self.machine, self.state("running", 0), self.state("off", 300))
        self.post()

        self.workorder._finish_at(self.naive(300))

        self.assertEqual((self.workorder.state, self.workorder.qty_produced), ("done", 40))
        self.assertEqual((self.workorder.date_start, self.workorder.date_finished), (self.naive(60), self.naive(300)))
        self.assertEqual(self.workorder.duration, 5)
        self.assertEqual(self.workorder.costs_hour, 60)
        self.assertEqual(self.order.qty_producing, 40)
        self.assertEqual(self.order.state, "to_close")

        self.workorder._finish_at(self.naive(900))
        self.assertEqual(self.workorder.date_finished, self.naive(300), "what is closed stays as it is")

    def test_one_that_never_began_begins_and_ends_at_once(self):
        self.workorder._finish_at(self.naive(300))

        self.assertEqual((self.workorder.date_start, self.workorder.date_finished), (self.naive(300), self.naive(300)))
        self.assertEqual((self.workorder.state, self.workorder.qty_produced), ("done", 0))
        self.assertFalse(self.workorder.time_ids)

    def test_a_finish_before_the_start_is_the_start(self):
        self.counted(1, 600)
        self.workorder._finish_at(self.naive(300))
        self.assertEqual((self.workorder.date_start, self.workorder.date_finished), (self.naive(600), self.naive(600)))

    def test_components_that_wait_for_a_person_are_taken_at_the_finish(self):
        self.bom.bom_line_ids[1].operation_id = self.bom.operation_ids
        order = self.make_order(100)
        step = order.workorder_ids
        self.env["mrp.machine.loading"]._load(self.machine, order, step, self.naive(1))
        self.counted(30, 60)
        rivets = order.move_raw_ids.filtered(lambda move: move.product_id == self.component_b)
        self.assertFalse(rivets.picked)

        step._finish_at(self.naive(90))
        order.with_context(**SKIP).button_mark_done()

        self.assertEqual((rivets.state, rivets.quantity), ("done", 120))

    def test_trap_10_a_work_order_without_time_gets_none_at_a_post_or_the_close(self):
        self.counted(200, 60)
        self.order._post_inventory()
        self.assertEqual((self.workorder.duration, self.workorder.state), (0, "progress"))
        self.assertFalse(self.workorder.time_ids)

        self.counted(800, 600)
        self.workorder._finish_at(self.naive(700))
        self.order.with_context(**SKIP).button_mark_done()

        self.assertEqual(self.order.state, "done")
        self.assertFalse(self.workorder.time_ids)
        self.assertEqual(self.workorder.duration, 0)

    def test_a_step_that_a_person_finished_takes_what_was_expected(self):
        bench = self.env["mrp.workcenter"].create({"name": "Bench", "resource_calendar_id": False})
        bom = self.bom.copy()
        bom.operation_ids = [
            Command.create({"name": "Pack", "workcenter_id": bench.id, "sequence": 200, "time_cycle_manual": 2})
        ]
        order = self.make_order(10, bom=bom)
        press, pack = order.workorder_ids
        self.env["mrp.machine.loading"]._load(self.machine, order, press, self.naive(1))
        self.counted(4, 60)
        order._post_inventory()
        self.assertFalse((press | pack).time_ids, "not while the order goes on")
        self.assertIn(pack.state, ("ready", "blocked"))

        self.counted(6, 120)
        order.with_context(**SKIP).button_mark_done()

        self.assertEqual(order.state, "done")
        self.assertFalse(press.time_ids)
        self.assertEqual(pack.duration, 20, "2 minutes a piece")

    def test_trap_21_the_expected_time_is_that_of_all_that_was_made(self):
        cycle = 0.1
        for pieces, seconds in ((200, 60), (600, 120), (200, 180)):
            self.counted(pieces, seconds)
        self.assertNotEqual(round(self.workorder.duration_expected, 2), 1000 * cycle, "MRP stays at the part before")

        self.workorder._finish_at(self.naive(300))

        self.assertAlmostEqual(self.workorder.duration_expected, 1000 * cycle, places=2)

    def test_trap_21_a_first_step_is_expected_by_its_own_pieces(self):
        bom = self.bom.copy()
        idle_line = self.idle_machine.workcenter_id
        bom.operation_ids = [
            Command.create({"name": "Bend", "workcenter_id": idle_line.id, "sequence": 200, "time_cycle_manual": 0.5})
        ]
        order = self.make_order(100, bom=bom)
        press, bend = order.workorder_ids
        self.env["mrp.machine.loading"]._load(self.machine, order, press, self.naive(1))
        self.env["mrp.machine.loading"]._load(self.idle_machine, order, bend, self.naive(1))
        self.counted(90, 60)
        self.counted(20, 90, self.idle_machine)
        self.assertEqual(order.qty_producing, 20)

        press._finish_at(self.naive(100))
        self.assertAlmostEqual(press.duration_expected, 9, places=2)
        bend._finish_at(self.naive(110))
        self.assertAlmostEqual(bend.duration_expected, 10, places=2)

    def test_a_persons_timers_end_with_the_work_order(self):
        self.counted(10, 60)
        runs, later, closed = self.timer(30, None, "ann"), self.timer(400, None, "ben"), self.timer(0, 20, "cleo")

        self.workorder._finish_at(self.naive(300))

        self.assertEqual(runs.date_end, self.naive(300))
        self.assertEqual((later.date_end, later.duration), (self.naive(400), 0))
        self.assertEqual(closed.date_end, self.naive(20))

    def test_what_is_cancelled_neither_begins_nor_ends(self):
        self.workorder.action_cancel()
        self.workorder._start_at(self.naive(60))
        self.workorder._finish_at(self.naive(300))
        self.assertEqual(self.workorder.state, "cancel")
        self.assertFalse(self.workorder.date_start)
        self.assertFalse(self.workorder.time_ids)

    def test_time_on_a_work_order_that_is_cancelled_stays_the_work_centers(self):
        self.receive(self.machine, self.state("running", 0), self.state("off", 600))
        self.post()
        self.assertEqual(self.workorder.duration, 10)

        self.workorder.action_cancel()
        self.env.flush_all()
        self.env["mrp.machine.poster"]._extend(self.env.cr, self.machine.id)

        self.env.invalidate_all()
        self.assertEqual(self.workorder.duration, 0)
        line = self.workcenter.time_ids
        self.assertEqual((line.date_start, line.date_end), (self.naive(0), self.naive(600)))
        self.assertEqual((line.loss_type, line.duration), ("productive", 10))
