"""Average and first in, first out follow the machine's time, whenever its events arrive."""

from datetime import timedelta

from odoo.fields import Command
from odoo.tests import tagged

from .common import MachineAccountCommon


@tagged("post_install", "-at_install")
class TestOrderOfValues(MachineAccountCommon):
    def setUp(self):
        super().setUp()
        # One sheet a piece, and nothing else: what it is worth is what sheets cost.
        self.sheet = self.env["product.product"].create({"name": "Coil sheet", "is_storable": True})
        self.bom.bom_line_ids = [
            Command.clear(),
            Command.create({"product_id": self.sheet.id, "product_qty": 1.0}),
        ]

    def receive_sheets(self, quantity, price, minute):
        """Receive sheets at a price, at a minute of the tests' day."""
        move = self.env["stock.move"].create(
            {
                "product_id": self.sheet.id,
                "product_uom_qty": quantity,
                "product_uom": self.sheet.uom_id.id,
                "location_id": self.env.ref("stock.stock_location_suppliers").id,
                "location_dest_id": self.location.id,
            }
        )
        move._action_confirm()
        move.quantity = quantity
        move.picked = True
        move._action_done()
        move.value_manual = quantity * price
        move.date = self.zero + timedelta(minutes=minute)
        self.sheet._update_standard_price()
        return move

    def deliver(self, product, quantity, minute):
        """Deliver pieces to a customer at a minute of the tests' day."""
        move = self.env["stock.move"].create(
            {
                "product_id": product.id,
                "product_uom_qty": quantity,
                "product_uom": product.uom_id.id,
                "location_id": self.location.id,
                "location_dest_id": self.env.ref("stock.stock_location_customers").id,
            }
        )
        move._action_confirm()
        move.quantity = quantity
        move.picked = True
        move._action_done()
        move.date = self.zero + timedelta(minutes=minute)
        return move

    def test_what_is_booked_late_is_worth_what_sheets_cost_at_its_time(self):
        for method, late in (("average", 100 * 1.0), ("fifo", 100 * 1.0)):
            with self.subTest(method=method), self.undone():
                self.use(method)
                self.use(method, products=self.sheet)
                self.receive_sheets(200, 1.0, minute=0)
                self.receive_sheets(200, 3.0, minute=120)
                order = self.new_order(400)

                # The machine made these before the dear sheets came, and Odoo hears of it after.
                self.put_in_stock(order, 100, minute=60)

                self.assertEqual(self.made(order).value, late)
                self.assertEqual(order.move_raw_ids.filtered(lambda move: move.state == "done").value, late)
                self.assertEqual(self.sheet.total_value, 200 + 600 - late)

    def test_a_part_that_comes_late_is_put_before_what_was_posted_already(self):
        # 100 at 1.00, then 300 at 3.00. First in, first out: the part of minute 60 takes the cheap ones, whichever is
        # posted first. By average: minute 60 at 1.00; then none of those is left, so minute 180 at 3.00.
        for method in ("average", "fifo"):
            with self.subTest(method=method), self.undone():
                self.use(method)
                self.use(method, products=self.sheet)
                self.receive_sheets(100, 1.0, minute=0)
                self.receive_sheets(300, 3.0, minute=120)
                order = self.new_order(400)

                self.put_in_stock(order, 100, minute=180)
                self.put_in_stock(order, 200, minute=60)

                self.assertEqual(self.made(order).mapped("value"), [100, 300])
                self.assertEqual(self.product.total_value, 400)
                self.assertEqual(self.sheet.total_value, 200 * 3)

    def test_late_pieces_on_a_done_move_are_worth_what_one_close_in_order_says(self):
        # In order: 500 at 1.00 and 110 at 2.00 of sheets, and 240 minutes of labour, for 610 pieces.
        for method in ("average", "fifo"):
            with self.subTest(method=method), self.undone():
                self.use(method)
                self.use(method, products=self.sheet)
                self.receive_sheets(500, 1.0, minute=0)
                order = self.new_order(600)
                self.work(order, 0, 240)
                self.put_in_stock(order, 200, minute=60)
                self.put_in_stock(order, 400, minute=120)
                self.receive_sheets(600, 2.0, minute=150)
                self.close(order, 600, minute=180)

                first = self.made(order)[0]
                first.quantity += 10
                first.valued_component_ids.quantity += 10

                # By average the last 190 are of 90 at 1.00 and 600 at 2.00.
                last = 90 + 110 * 2 if method == "fifo" else 200 * (90 + 1200) / 690
                self.assertEqual(first.value, 210 + 240)
                self.assertAlmostEqual(self.made(order)[2].value, last, 2)
                self.assertAlmostEqual(self.product.total_value, 210 + 200 + last + 240, 2)
                self.assertAlmostEqual(self.sheet.total_value, 500 + 1200 - 410 - last, 2)

    def test_what_was_corrected_to_nothing_is_worth_the_same_when_it_is_as_much_again(self):
        # 100 sheets at 1.00 were there at that time, whichever way they are valued; those at 3.00 came later.
        for method in ("standard", "average", "fifo"):
            with self.subTest(method=method), self.undone():
                self.sheet.standard_price = 1.0
                self.use("average")
                self.use(method, products=self.sheet)
                self.receive_sheets(100, 1.0, minute=0)
                order = self.new_order(200)
                self.put_in_stock(order, 100, minute=60)
                self.receive_sheets(100, 3.0, minute=120)
                used = self.made(order).valued_component_ids
                used.quantity = 0
                self.assertEqual((used.value, self.made(order).value), (0, 0))

                used.quantity = 100

                self.assertEqual((used.value, self.made(order).value), (100, 100))

    def test_what_a_step_ahead_of_the_last_piece_used_is_in_the_last_part(self):
        self.use("average")
        self.use("average", products=self.sheet)
        self.receive_sheets(100, 3.0, minute=0)
        order = self.new_order(10)
        self.put_in_stock(order, 4, 10)
        part = self.made(order)
        # Four pieces of a sheet of 3.00.
        self.assertAlmostEqual(part.value, 12.0)

        rest = order.move_raw_ids.filtered(lambda move: move.state != "done")
        rest.write({"manual_consumption": True, "quantity": 1, "picked": True})
        self.close(order, minute=20)

        self.assertEqual(self.made(order), part, "no more pieces were made")
        self.assertEqual((rest.state, rest.quantity), ("done", 1))
        self.assertAlmostEqual(part.value, 15.0, msg="it cost what was used for it")

    def test_what_was_made_of_it_follows_through_all_levels(self):
        self.use("fifo")
        self.use("fifo", products=self.sheet)
        assembly = self.env["product.product"].create({"name": "Assembly", "is_storable": True})
        self.use("fifo", products=assembly)
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": assembly.product_tmpl_id.id,
                "bom_line_ids": [Command.create({"product_id": self.product.id, "product_qty": 1.0})],
            }
        )
        self.receive_sheets(100, 1.0, minute=0)
        self.receive_sheets(100, 3.0, minute=10)
        first, second = self.new_order(100), self.new_order(50)
        self.close(first, 100, minute=120)
        above = self.make_order(100, bom=bom)
        self.close(above, 100, minute=180)
        self.assertEqual(self.made(above).value, 100)

        # 50 pieces of minute 60 come to be known: they took the cheap sheets, and the first order 50 dear ones.
        self.close(second, 50, minute=60)

        self.assertEqual(self.made(second).value, 50)
        self.assertEqual(self.made(first).value, 50 + 50 * 3)
        # The assembly took 50 pieces of 1.00 and 50 of 2.00.
        self.assertEqual(self.made(above).value, 50 + 100)
        self.assertEqual(assembly.total_value + self.product.total_value + self.sheet.total_value, 400)

    def test_what_people_delivered_keeps_its_value(self):
        self.use("fifo", products=self.sheet)
        self.use("fifo")
        self.receive_sheets(100, 1.0, minute=0)
        self.receive_sheets(100, 3.0, minute=10)
        delivered = self.deliver(self.sheet, 50, minute=120)
        self.assertEqual(delivered.value, 50)
        order = self.new_order(100)

        self.close(order, 100, minute=60)

        self.assertEqual(delivered.value, 50)
        self.assertEqual(self.made(order).value, 100)

    def test_sheets_whose_receipt_was_entered_late_keep_the_value_that_odoo_took(self):
        self.use("average")
        self.use("average", products=self.sheet)
        self.receive_sheets(100, 2.0, minute=120)
        order = self.new_order(100)

        self.close(order, 100, minute=60)

        self.assertEqual(self.made(order).value, 200)

    def test_a_standard_price_asks_for_no_order(self):
        self.sheet.standard_price, self.product.standard_price = 1.0, 2.0
        order = self.new_order(100)

        self.put_in_stock(order, 40, minute=60)
        self.put_in_stock(order, 80, minute=30)

        self.assertEqual(self.made(order).mapped("value"), [80, 80])

    def test_a_persons_correction_of_a_move_without_machine_time_is_odoos_matter(self):
        self.use("average")
        self.use("average", products=self.sheet)
        self.receive_sheets(100, 2.0, minute=0)
        order = self.new_order(50)
        self.work(order, 0, 50)
        self.close(order, 50)
        self.made(order).quantity = 60

        # 50 pieces of 2.00 with 50 of labour are 3.00 a piece, and Odoo takes that for each piece more.
        self.assertEqual(self.made(order).value, 180)

    def test_entries_say_what_the_moves_are_worth_in_the_end(self):
        self.use("fifo", "real_time")
        self.use("fifo", "real_time", products=self.sheet)
        self.receive_sheets(100, 1.0, minute=0)
        self.receive_sheets(300, 3.0, minute=120)
        order = self.new_order(400)
        self.put_in_stock(order, 100, minute=180)
        self.put_in_stock(order, 200, minute=60)
        self.assertEqual(self.made(order).mapped("value"), [100, 300])

        lines = self.env["account.move.line"].search([("account_id", "=", self.production_account.id)])

        # Sheets for 400 went into production, and brackets for 400 came out of it: 100 and 300 in entries of both.
        self.assertAlmostEqual(sum(lines.mapped("debit")) - sum(lines.mapped("credit")), 0)
        of_sheets = lines.filtered(lambda line: line.product_id == self.sheet)
        self.assertAlmostEqual(sum(of_sheets.mapped("balance")), 400)
