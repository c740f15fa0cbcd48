"""Labour is in the value of what was made once, however often the order is posted in parts."""

from odoo.tests import tagged

from ..hooks import post_init_hook, uninstall_hook
from .common import MachineAccountCommon


@tagged("post_install", "-at_install")
class TestLabour(MachineAccountCommon):
    def in_five_parts(self, method, valuation="periodic"):
        """Post 200 five times, with an hour of work before each of the first four: 240 of labour."""
        self.use(method, valuation)
        order = self.new_order()
        for part in range(1, 6):
            if part < 5:
                self.work(order, 60 * part - 60, 60 * part)
                self.put_in_stock(order, 200 * part, minute=60 * part)
            else:
                self.close(order, 1000, minute=300)
        return order

    # A part of 200 is 200 sheets of 1.00 and 800 rivets of 0.25: 400. An hour of work is 60.

    def test_five_parts_hold_the_labour_once_by_average(self):
        order = self.in_five_parts("average")

        self.assertEqual(self.made(order).mapped("value"), [460, 460, 460, 460, 400])
        self.assertEqual(order.workorder_ids.labour_taken, 240)
        self.assertEqual(self.product.total_value, 2240)
        self.assertAlmostEqual(self.product.standard_price, 2.24)

    def test_five_parts_hold_the_labour_once_first_in_first_out(self):
        order = self.in_five_parts("fifo")

        self.assertEqual(self.made(order).mapped("value"), [460, 460, 460, 460, 400])
        self.assertEqual(self.product.total_value, 2240)

    def test_the_standard_price_knows_no_labour(self):
        self.product.standard_price = 2.5
        order = self.in_five_parts("standard")

        self.assertEqual(self.made(order).mapped("value"), [500] * 5)
        self.assertEqual(self.product.total_value, 2500)
        self.assertEqual(self.product.standard_price, 2.5)

    def test_one_close_holds_the_same(self):
        for method in ("average", "fifo"):
            with self.subTest(method=method), self.undone():
                self.use(method)
                order = self.new_order()
                self.work(order, 0, 240)
                self.close(order, 1000, minute=300)

                self.assertEqual(self.made(order).mapped("value"), [2240])

    def test_a_backorder_starts_with_labour_of_its_own(self):
        self.use("average")
        order = self.new_order()
        self.work(order, 0, 60)
        self.put_in_stock(order, 200, minute=60)
        self.work(order, 60, 100)
        order.qty_producing = 400
        order._set_qty_producing(False)
        order.with_context(
            skip_consumption=True, skip_backorder=True, skip_redirection=True, mo_ids_to_backorder=order.ids
        ).button_mark_done()
        rest = order.production_group_id.production_ids - order
        self.assertEqual((order.state, rest.product_qty), ("done", 600))
        rest.workorder_ids.with_context(bypass_duration_calculation=True).write({"state": "progress"})
        self.work(rest, 100, 200)
        self.close(rest, 600)

        # 400 + 60, 400 + 40, and 600 pieces of 2.00 with 100 minutes.
        self.assertEqual(self.made(order).mapped("value"), [460, 440])
        self.assertEqual(self.made(rest).mapped("value"), [1300])
        self.assertEqual(self.product.total_value, 2000 + 200)

    def test_who_may_not_see_analytic_lines_closes_with_a_backorder_all_the_same(self):
        self.use("average")
        order = self.new_order(100)
        order.qty_producing = 40
        order._set_qty_producing(False)
        self.env.flush_all()
        self.env.invalidate_all()  # as it is in the poster's own transaction
        service = self.env.ref("mrp_machine_connect.user_machine_connect")
        self.assertFalse(self.env["account.analytic.line"].with_user(service).has_access("read"))

        order.with_user(service).with_context(
            skip_consumption=True, skip_backorder=True, skip_redirection=True, mo_ids_to_backorder=order.ids
        ).button_mark_done()

        rest = order.production_group_id.production_ids - order
        self.assertEqual((order.state, rest.product_qty), ("done", 60))
        self.assertEqual((order.name[-4:], rest.name[-4:]), ("-001", "-002"))

    def test_each_work_order_gives_its_own_labour_once(self):
        self.use("average")
        self.bom.operation_ids.copy({"name": "Deburr"})
        order = self.new_order(400)
        press, deburr = order.workorder_ids
        self.work(order, 0, 30, press)
        press.qty_produced = deburr.qty_produced = 200
        self.put_in_stock(order, 200, minute=30)
        self.work(order, 30, 50, press)
        self.work(order, 30, 45, deburr)
        self.close(order, 400, minute=60)

        self.assertEqual(self.made(order).mapped("value"), [400 + 30, 400 + 20 + 15])
        self.assertEqual([press.labour_taken, deburr.labour_taken], [50, 15])

    def test_time_that_is_taken_away_is_given_back_by_the_next_part(self):
        self.use("average")
        order = self.new_order(600)
        line = self.work(order, 0, 90)
        self.put_in_stock(order, 200, minute=90)
        line.date_end = line.date_start.replace(hour=line.date_start.hour + 1)  # 60 minutes, not 90
        self.put_in_stock(order, 400, minute=120)
        self.close(order, 600, minute=150)

        self.assertEqual(self.made(order).mapped("value"), [490, 370, 400])
        self.assertEqual(self.product.total_value, 1200 + 60)

    def test_no_part_is_worth_less_than_nothing(self):
        self.use("average")
        order = self.new_order(600)
        line = self.work(order, 0, 600)
        self.put_in_stock(order, 200, minute=600)
        line.unlink()
        self.work(order, 0, 10)
        self.put_in_stock(order, 250, minute=610)

        # 590 would be given back, and 50 pieces are worth 100: the next part that can pays.
        self.assertEqual(self.made(order).mapped("value"), [1000, 100])
        self.close(order, 600, minute=620)
        self.assertEqual(self.product.total_value, 1200 + 10)

    def test_unbuilding_takes_no_labour_again(self):
        order = self.in_five_parts("average")
        unbuild = self.env["mrp.unbuild"].create(
            {"mo_id": order.id, "product_id": self.product.id, "product_qty": 100, "location_id": self.location.id,
             "location_dest_id": self.location.id}
        )  # fmt: skip
        unbuild.action_unbuild()

        # 100 pieces of 2.24 go; the labour of the rest stays in the rest.
        self.assertAlmostEqual(self.product.total_value, 900 * 2.24)
        self.assertEqual(order.workorder_ids.labour_taken, 240)

    def test_byproducts_bear_their_share_of_the_labour_once(self):
        self.use("average")
        offcut = self.env["product.product"].create({"name": "Offcut", "is_storable": True})
        self.use("average", products=offcut)
        self.bom.byproduct_ids = [
            (0, 0, {"product_id": offcut.id, "product_qty": 1.0, "cost_share": 25.0}),
        ]
        order = self.new_order(400)
        self.work(order, 0, 40)
        self.put_in_stock(order, 200, minute=40)
        self.work(order, 40, 80)
        self.close(order, 400, minute=80)

        self.assertEqual(self.made(order).mapped("value"), [330, 330])
        self.assertEqual(offcut.total_value, 2 * 110)

    def test_an_order_of_which_nothing_was_made_takes_none(self):
        self.use("average")
        order = self.new_order()
        self.work(order, 0, 60)
        order._post_inventory()

        self.assertFalse(order.workorder_ids.labour_taken)

    def test_an_order_that_was_in_stock_in_parts_when_the_addon_came_counts_no_labour_again(self):
        self.use("average", "real_time")
        order, closed, fresh = self.new_order(400), self.new_order(100), self.new_order(100)
        self.work(order, 0, 60)
        self.put_in_stock(order, 200, minute=60)
        self.work(closed, 60, 90)
        self.close(closed, 100, minute=90)
        self.work(fresh, 90, 100)
        steps = (order | closed | fresh).workorder_ids
        steps.write({"labour_taken": 0, "labour_booked": 0})  # as Odoo alone leaves them

        post_init_hook(self.env)

        self.assertEqual([step.labour_taken for step in steps], [60, 0, 0])
        self.assertEqual([step.labour_booked for step in steps], [0, 30, 0])

    def test_uninstalling_puts_back_what_waited_for_a_period(self):
        events = self.receive(self.machine, self.count(5))
        rows = self.env["mrp.machine.event.posting"].create(
            [
                {
                    "event_id": events.id,
                    "handler": handler,
                    "machine_id": self.machine.id,
                    "company_id": self.company.id,
                    "state": "waiting",
                    "reason": reason,
                }
                for handler, reason in (("stock_beat", "locked_period"), ("order_finish", "no_order"))
            ]
        )

        uninstall_hook(self.env)

        self.assertEqual(rows.mapped("state"), ["received", "waiting"])
