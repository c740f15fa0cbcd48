from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineFedSteps(MachineConnectCommon):
    """Orders of several steps book what was counted on the steps that machines feed, whatever is done to the others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bench = cls.env["mrp.workcenter"].create({"name": "Bench", "resource_calendar_id": False})

    def steps(self, *names, fed=("Press",)):
        """Return an order of 1,000 and its work orders by these names; the press is fed and takes the sheets.

        Another step takes the rivets. Whichever else is fed runs on the idle machine.
        """
        elsewhere = self.idle_machine.workcenter_id if len(fed) > 1 else self.bench
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "operation_ids": [
                    Command.create(
                        {"name": name, "workcenter_id": (self.workcenter if name == "Press" else elsewhere).id}
                    )
                    for name in names
                ],
            }
        )
        press = bom.operation_ids.filtered(lambda operation: operation.name == "Press")
        bom.bom_line_ids = [
            Command.create({"product_id": self.component_a.id, "product_qty": 1, "operation_id": press.id}),
            Command.create(
                {"product_id": self.component_b.id, "product_qty": 4, "operation_id": (bom.operation_ids - press)[0].id}
            ),
        ]
        order = self.make_order(1000, bom=bom)
        by_name = {workorder.name: workorder for workorder in order.workorder_ids}
        self.assertEqual(order.workorder_ids.mapped("name"), list(names))
        for name, machine in zip(fed, (self.machine, self.idle_machine), strict=False):
            self.env["mrp.machine.loading"]._load(machine, order, by_name[name], self.at(1).replace(tzinfo=None))
        return order, by_name

    def counted(self, pieces, seconds=60, machine=None):
        self.receive(machine or self.machine, self.count(pieces, seconds=seconds, before=seconds))
        self.post()

    def close(self, order):
        order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        self.assertEqual(order.state, "done")

    def booked(self, order):
        """Return the pieces, sheets and rivets that an order really moved."""
        moves = (order.move_raw_ids | order.move_finished_ids).filtered(lambda move: move.state == "done")
        return tuple(
            sum(moves.filtered(lambda move, product=product: move.product_id == product).mapped("quantity"))
            for product in (self.product, self.component_a, self.component_b)
        )

    def test_finishing_a_step_takes_components_for_what_it_counted_itself(self):
        order, steps = self.steps("Press", "Drill", fed=("Press", "Drill"))
        self.counted(12)

        steps["Press"].button_finish()

        sheets = order.move_raw_ids.filtered(lambda move: move.product_id == self.component_a)
        self.assertEqual((sheets.quantity, sheets.picked), (12, True), "though nothing was drilled yet")
        self.assertEqual((steps["Press"].qty_produced, order.qty_producing), (12, 0))

    def test_a_manual_step_after_the_press_never_books_the_full_quantity(self):
        order, steps = self.steps("Press", "Pack")
        self.counted(12)
        steps["Press"].button_finish()

        steps["Pack"].button_start()
        self.assertEqual(order.qty_producing, 12)
        steps["Pack"].button_finish()
        self.assertEqual((steps["Pack"].qty_produced, order.qty_producing), (12, 12))
        self.close(order)

        self.assertEqual((order.qty_produced, *self.booked(order)), (12, 12, 12, 48))

    def test_a_manual_step_that_is_started_first_never_books_the_full_quantity(self):
        order, steps = self.steps("Press", "Pack")

        steps["Pack"].button_start()
        self.assertEqual(order.qty_producing, 0)
        self.counted(12)
        self.close(order)

        self.assertEqual(self.booked(order), (12, 12, 48))
        self.assertEqual((steps["Press"].qty_produced, steps["Pack"].qty_produced), (12, 12))

    def test_the_machine_feeds_the_last_step(self):
        order, steps = self.steps("Cut", "Press")
        steps["Cut"].button_start()
        self.assertEqual(order.qty_producing, 0)

        self.counted(12)
        self.assertEqual(order.qty_producing, 12, "nobody has to report on the first step")
        self.close(order)

        self.assertEqual(self.booked(order), (12, 12, 48))

    def test_a_manual_step_finished_before_the_first_count_does_not_hold_up_the_order(self):
        for names in (("Press", "By hand"), ("By hand", "Press")):
            with self.subTest(names):
                order, steps = self.steps(*names)

                steps["By hand"].button_finish()
                self.assertEqual(order.qty_producing, 0)
                self.counted(12, seconds=60 if names[0] == "Press" else 120)
                self.assertEqual(order.qty_producing, 12)
                self.close(order)

                self.assertEqual(self.booked(order), (12, 12, 48))

    def test_a_manual_step_finished_between_counts_does_not_hold_up_the_order(self):
        order, steps = self.steps("Press", "Pack")
        self.counted(12)

        steps["Pack"].button_finish()
        self.counted(8, seconds=90)
        self.assertEqual(order.qty_producing, 20)
        steps["Press"].button_finish()
        self.close(order)

        self.assertEqual(self.booked(order), (20, 20, 80))

    def test_what_was_reported_on_a_manual_step_limits_the_order(self):
        order, steps = self.steps("Press", "Pack")
        self.counted(12)
        steps["Pack"].qty_produced = 10

        self.close(order)

        self.assertEqual(self.booked(order), (10, 12, 40), "the press used its sheets for 12 all the same")

    def test_a_press_finished_without_a_count_leaves_nothing_to_book(self):
        order, steps = self.steps("Press", "Pack")
        steps["Press"].button_finish()
        steps["Pack"].button_finish()

        self.assertEqual((steps["Press"].qty_produced, steps["Pack"].qty_produced, order.qty_producing), (0, 0, 0))
        with self.assertRaisesRegex(UserError, "No piece has been counted"):
            order.button_mark_done()

    def test_nothing_is_booked_for_a_machine_without_a_work_center_that_counted_nothing(self):
        machine = self.make_machine("t-mobile")
        order, steps = self.steps("Press", "Pack", fed=())
        steps["Press"].workcenter_id = self.bench
        self.env["mrp.machine.loading"]._load(machine, order, steps["Press"], self.at(1).replace(tzinfo=None))

        steps["Press"].button_finish()
        steps["Pack"].button_finish()

        self.assertEqual((steps["Press"].qty_produced, steps["Pack"].qty_produced), (0, 0))
        with self.assertRaisesRegex(UserError, "No piece has been counted"):
            order.button_mark_done()

    def test_every_fed_step_has_to_count(self):
        order, _steps = self.steps("Press", "Drill", fed=("Press", "Drill"))
        self.counted(12)
        self.assertEqual(order.qty_producing, 0)
        with self.assertRaisesRegex(UserError, "No piece has been counted"):
            order.button_mark_done()

        self.counted(9, machine=self.idle_machine)
        self.assertEqual(order.qty_producing, 9)
        self.close(order)

        self.assertEqual(self.booked(order), (9, 12, 36))

    def test_an_order_that_was_counted_on_stays_fed_when_its_machines_only_observe(self):
        order, steps = self.steps("Press", "Drill", fed=("Press", "Drill"))
        self.counted(12)
        (self.machine | self.idle_machine).posting_mode = "observe"

        steps["Drill"].button_start()
        self.assertEqual(order.qty_producing, 0)
        self.close(order)

        self.assertEqual(self.booked(order)[:2], (12, 12))

    def test_closing_takes_the_count_where_the_step_without_any_was_cancelled(self):
        order, steps = self.steps("Press", "Drill", fed=("Press", "Drill"))
        self.counted(12)
        steps["Drill"].action_cancel()

        self.close(order)

        self.assertEqual(self.booked(order)[:2], (12, 12))

    def test_components_follow_the_counts_after_a_question_was_answered_with_no(self):
        order, _steps = self.steps("Press", "Pack")
        self.counted(12)

        question = order.button_mark_done()
        self.assertEqual((question["res_model"], order.state), ("mrp.production.backorder", "progress"))
        self.counted(8, seconds=90)
        self.close(order)

        self.assertEqual(self.booked(order), (20, 20, 80))

    def test_a_backorder_takes_over_what_is_left(self):
        order, _steps = self.steps("Press", "Pack")
        self.counted(12)

        order.with_context(skip_backorder=True, skip_consumption=True, mo_ids_to_backorder=order.ids).button_mark_done()

        self.assertEqual((order.state, *self.booked(order)), ("done", 12, 12, 48))
        rest = order.production_group_id.production_ids - order
        self.assertEqual((rest.product_qty, rest.qty_producing), (988, 0))
        self.assertEqual(rest.workorder_ids.mapped("qty_remaining"), [988, 988])
