from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .common import MachineConnectCommon


class OrderQuantityCommon(MachineConnectCommon):
    def counted(self, pieces, seconds=60, machine=None):
        self.receive(machine or self.machine, self.count(pieces, seconds=seconds, before=seconds))
        self.post()

    def ledger(self, order):
        return self.env["mrp.machine.ledger"].search([("production_id", "=", order.id)])

    def enter(self, order, quantity):
        """Change *Quantity* on the order as a person does."""
        with Form(order) as form:
            form.qty_producing = quantity

    def order_without_steps(self):
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "bom_line_ids": [Command.create({"product_id": self.component_a.id, "product_qty": 2})],
            }
        )
        order = self.make_order(1000, bom=bom)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, self.env["mrp.workorder"], self.at(0).replace(tzinfo=None)
        )
        return order

    def order_of_two_steps(self):
        """Return an order that the press feeds and a bench packs, and the step of each."""
        bench = self.env["mrp.workcenter"].create({"name": "Bench"})
        bom = self.bom.copy()
        bom.operation_ids = [Command.create({"name": "Pack", "workcenter_id": bench.id, "sequence": 200})]
        order = self.make_order(1000, bom=bom)
        press, pack = order.workorder_ids
        self.env["mrp.machine.loading"]._load(self.machine, order, press, self.at(1).replace(tzinfo=None))
        return order, press, pack


@tagged("post_install", "-at_install")
class TestChangedByHand(OrderQuantityCommon):
    """A quantity that people enter on the order is kept, shown, and counted on from there."""

    def test_a_quantity_entered_on_the_order_is_counted_on_from(self):
        self.counted(10)
        self.enter(self.order, 8)

        self.counted(5, seconds=90)

        self.assertEqual((self.order.qty_producing, self.workorder.qty_produced), (13, 13))
        self.assertEqual(sorted(self.order.move_raw_ids.mapped("quantity")), [13, 52])
        ledger = self.ledger(self.order)
        self.assertEqual((ledger.posted, ledger.by_hand), (15, -2))

        self.counted(1, seconds=120)

        self.assertEqual((self.order.qty_producing, self.ledger(self.order).by_hand), (14, -2))

    def test_a_quantity_entered_before_the_first_count_is_counted_on_from(self):
        self.enter(self.order, 100)

        self.counted(5)

        self.assertEqual(self.order.qty_producing, 105)
        self.assertEqual(self.ledger(self.order).by_hand, 100)

    def test_a_quantity_entered_on_an_order_without_steps_is_counted_on_from(self):
        order = self.order_without_steps()
        self.counted(10, machine=self.idle_machine)
        self.enter(order, 8)

        self.counted(5, seconds=90, machine=self.idle_machine)

        self.assertEqual((order.qty_producing, self.ledger(order).by_hand), (13, -2))

    def test_a_change_of_the_work_order_is_not_taken_for_another_of_the_order(self):
        self.counted(10)
        self.workorder.qty_produced = 8
        self.assertEqual(self.order.qty_producing, 8, "so MRP does")

        self.counted(5, seconds=90)

        self.assertEqual((self.order.qty_producing, self.ledger(self.order).by_hand), (13, -2))

    def test_a_work_order_that_is_set_to_nothing_starts_again(self):
        self.counted(10)
        self.workorder.qty_produced = 0
        self.assertEqual(self.order.qty_producing, 10, "so MRP does")

        self.counted(5, seconds=90)

        self.assertEqual((self.order.qty_producing, self.ledger(self.order).by_hand), (5, -10))

    def test_a_second_machine_counts_on_from_a_work_order_that_is_set_to_nothing(self):
        second = self.make_machine("t-second", workcenter=self.workcenter)
        self.env["mrp.machine.loading"]._load(second, self.order, self.workorder, self.at(0).replace(tzinfo=None))
        self.counted(10)
        self.workorder.qty_produced = 0

        for event in (self.count(1, kind="reject", seconds=90), self.count(4, seconds=91)):
            self.receive(second, event)
            self.post(second)

        self.assertEqual(self.order.qty_producing, 5)

    def test_on_an_order_of_several_steps_it_stays_beside_them(self):
        order, press, pack = self.order_of_two_steps()
        self.counted(12)
        pack.qty_produced = 10
        self.enter(order, 8)

        self.counted(5, seconds=90)
        self.assertEqual((press.qty_produced, pack.qty_produced, order.qty_producing), (17, 10, 8))
        self.assertEqual(self.ledger(order).by_hand, -2)

        self.counted(5, seconds=120)
        self.assertEqual((order.qty_producing, self.ledger(order).by_hand), (8, -2))

        pack.qty_produced = 20
        self.counted(5, seconds=150)
        self.assertEqual((press.qty_produced, order.qty_producing), (27, 20), "the later word counts")
        self.assertEqual(self.ledger(order).by_hand, 0)

    def test_a_second_machine_does_not_take_what_the_first_wrote_for_a_persons_word(self):
        second = self.make_machine("t-second", workcenter=self.workcenter)
        self.env["mrp.machine.loading"]._load(second, self.order, self.workorder, self.at(0).replace(tzinfo=None))
        self.counted(10)
        self.enter(self.order, 8)
        self.receive(second, self.count(2, kind="reject", seconds=90), self.count(4, seconds=91))

        self.post(second)

        self.assertEqual(self.order.qty_producing, 14)
        self.assertEqual(sum(self.ledger(self.order).mapped("by_hand")), -2)

    def test_a_second_machine_that_joins_knows_what_was_entered_on_the_order(self):
        order, press, pack = self.order_of_two_steps()
        second = self.make_machine("t-second", workcenter=self.workcenter)
        self.env["mrp.machine.loading"]._load(second, order, press, self.at(1).replace(tzinfo=None))
        self.counted(12)
        pack.qty_produced = 10
        self.enter(order, 8)
        self.counted(5, seconds=90)

        self.receive(second, self.count(4, seconds=120))
        self.post(second)

        self.assertEqual((press.qty_produced, order.qty_producing), (21, 8))
        self.assertEqual(sum(self.ledger(order).mapped("by_hand")), -2)

    def test_a_full_quantity_from_before_the_machine_counted_is_nobodys_word(self):
        order = self.make_order(200, bom=self.bench_bom())
        order.workorder_ids.button_start()
        self.assertEqual(order.qty_producing, 200, "so MRP does where no machine counts")
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, order.workorder_ids, self.at(0).replace(tzinfo=None)
        )

        self.counted(5, machine=self.idle_machine)

        self.assertEqual((order.qty_producing, self.ledger(order).by_hand), (5, 0))

    def bench_bom(self):
        bench = self.env["mrp.workcenter"].create({"name": "Bench", "resource_calendar_id": False})
        bom = self.bom.copy()
        bom.operation_ids.workcenter_id = bench
        return bom


@tagged("post_install", "-at_install")
class TestChangedTarget(OrderQuantityCommon):
    """A new quantity to produce changes what is wanted, never what was made."""

    def change_target(self, order, quantity):
        self.env["change.production.qty"].create({"mo_id": order.id, "product_qty": quantity}).change_prod_qty()

    def test_what_was_counted_stays_and_the_machine_shows_the_new_target(self):
        self.counted(5)

        self.change_target(self.order, 500)

        self.assertEqual((self.order.product_qty, self.order.qty_producing), (500, 5))
        self.assertEqual(sorted(self.order.move_raw_ids.mapped("product_uom_qty")), [500, 2000])
        self.assertEqual(sorted(self.order.move_raw_ids.mapped("quantity")), [5, 20])
        self.assertEqual((self.machine.good, self.machine.target), (5, 500))

        self.counted(2, seconds=90)
        self.assertEqual((self.order.qty_producing, self.ledger(self.order).by_hand), (7, 0))

    def test_closing_after_it_books_what_was_counted(self):
        self.counted(5)
        self.change_target(self.order, 500)

        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()

        self.assertEqual((self.order.state, self.order.qty_produced), ("done", 5))

    def test_on_an_order_without_steps_too(self):
        order = self.order_without_steps()
        order.move_raw_ids.manual_consumption = True
        self.counted(5, machine=self.idle_machine)

        self.change_target(order, 500)
        self.assertEqual((order.qty_producing, self.idle_machine.target), (5, 500))

        self.counted(2, seconds=90, machine=self.idle_machine)
        self.assertEqual((order.qty_producing, order.move_raw_ids.quantity), (7, 14), "components follow further on")

    def test_on_an_order_of_two_steps_too(self):
        order, _press, _pack = self.order_of_two_steps()
        self.counted(5)

        self.change_target(order, 1500)

        self.assertEqual((order.qty_producing, self.machine.target), (5, 1500))

    def test_elsewhere_it_is_as_in_odoo(self):
        bench = self.env["mrp.workcenter"].create({"name": "Bench", "resource_calendar_id": False})
        bom = self.bom.copy()
        bom.operation_ids.workcenter_id = bench
        order = self.make_order(1000, bom=bom)
        order.workorder_ids.button_start()

        self.change_target(order, 500)

        self.assertEqual((order.product_qty, order.qty_producing), (500, 500))


@tagged("post_install", "-at_install")
class TestDeletedOrder(OrderQuantityCommon):
    """What a machine counted is kept, and so is what it was counted on."""

    def test_an_order_that_a_machine_counted_on_is_kept(self):
        self.counted(5)
        self.order.action_cancel()

        with self.assertRaisesRegex(UserError, rf"{self.order.name}.* cannot be deleted: T-Press counted on it"):
            self.order.unlink()

    def test_an_order_without_steps_that_a_machine_counted_on_is_kept(self):
        order = self.order_without_steps()
        self.counted(5, machine=self.idle_machine)
        order.action_cancel()

        with self.assertRaisesRegex(UserError, rf"{order.name} cannot be deleted: it ran on T-Idle"):
            order.unlink()

    def test_an_order_that_only_was_loaded_is_kept_with_its_history(self):
        self.env["mrp.machine.loading"]._unload(self.machine, self.at(600).replace(tzinfo=None))
        self.order.action_cancel()

        with self.assertRaisesRegex(UserError, "cannot be deleted: it ran on T-Press"):
            self.order.unlink()

    def test_a_step_that_a_machine_counted_on_is_kept(self):
        self.counted(5)

        with self.assertRaisesRegex(UserError, "cannot be deleted: T-Press counted on it"):
            self.workorder.unlink()

    def test_any_other_order_can_be_deleted(self):
        order = self.make_order(10)
        order.action_cancel()

        order.unlink()

        self.assertFalse(order.exists())
