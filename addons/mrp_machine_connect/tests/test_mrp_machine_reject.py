from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged

from .common import MachineConnectCommon


class RejectCommon(MachineConnectCommon):
    """What was really moved, by the moves and by the quants, beside what the machine reported."""

    def told(self, *events, machine=None):
        """Receive events, post them, and post what follows from them until nothing does."""
        machine = machine or self.machine
        received = self.receive(machine, *events)
        self.post_all()
        return received

    def post_all(self):
        poster = self.env["mrp.machine.poster"]
        machines = self.env["mrp.machine"].search([])
        while sum(poster._post_machine(machine) for machine in machines):
            pass

    def close(self, order, **context):
        """Close an order as a person does who answers that no more is to be made."""
        order.with_context(skip_backorder=True, skip_consumption=True, **context).button_mark_done()
        self.assertEqual(order.state, "done")
        self.post_all()

    def moved(self, order):
        """Return how much of each product an order really moved: what it took, made and scrapped."""
        found = {}
        scraps = order.scrap_ids.move_ids
        for move in order.move_raw_ids | order.move_finished_ids | scraps:
            if move.state == "done" and move.quantity:
                name = "Scrapped" if move in scraps else move.product_id.name
                found[name] = found.get(name, 0.0) + move.quantity
        return found

    def in_stock(self, product, location=None):
        """Return how much of a product lies in a place and below it; no quant there may be less than nothing."""
        quants = self.env["stock.quant"].search(
            [("product_id", "=", product.id), ("location_id", "child_of", (location or self.location).id)]
        )
        self.assertFalse(quants.filtered(lambda quant: quant.quantity < 0), "there is never less than nothing")
        return sum(quants.mapped("quantity"))

    def ledger(self, order=None):
        return self.env["mrp.machine.ledger"].search([("production_id", "=", (order or self.order).id)])

    def due(self, order=None):
        """Return what became of the decisions that goods of an order enter stock or leave it."""
        rows = self.env["mrp.machine.event.posting"].search([("handler", "=", "stock_beat")], order="id")
        return rows.filtered(lambda row: row.event_id.data["production_id"] == (order or self.order).id)


@tagged("post_install", "-at_install")
class TestReject(RejectCommon):
    """Rejects are quantity of the order, for they took its components, and leave stock as scrap."""

    def test_the_quantity_is_good_and_rejected_and_the_rejects_are_scrapped_at_the_close(self):
        self.told(self.count(5), self.count(2, kind="reject"))
        self.assertEqual((self.order.qty_producing, self.workorder.qty_produced), (7, 7))
        self.assertEqual((self.machine.good, self.machine.reject, self.machine.progress), (5, 2, 0.5))

        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 7, "Rivet": 28, "Bracket": 7, "Scrapped": 2})
        self.assertEqual(self.in_stock(self.product), 5)
        self.assertEqual(len(self.order.scrap_ids), 1)

    def test_the_scrap_says_what_made_it_and_bears_the_time_of_the_goods(self):
        self.told(self.count(5, seconds=60), self.count(2, kind="reject", seconds=70))
        self.close(self.order)

        scrap, posting = self.order.scrap_ids, self.due().posting_id
        self.assertEqual((scrap.state, scrap.scrap_qty, scrap.production_id), ("done", 2, self.order))
        self.assertEqual(scrap.move_ids.machine_posting_id, posting)
        self.assertEqual((posting.res_model, posting.res_id), ("stock.scrap", scrap.id))
        finished = self.order.move_finished_ids.filtered(lambda move: move.state == "done")
        self.assertEqual((scrap.date_done, scrap.move_ids.date), (finished.date, finished.date))

    def test_rejects_that_come_twice_are_scrapped_once(self):
        events = (self.count(5), self.count(2, kind="reject"))
        self.told(*events)
        self.assertFalse(self.told(*events))
        self.close(self.order)
        self.order._decide_scrap()
        self.machine._decide_stock(self.order, self.at(500).replace(tzinfo=None), "close")
        self.post_all()

        self.assertEqual(self.moved(self.order)["Scrapped"], 2)
        self.assertEqual(self.due().mapped("state"), ["posted", "ignored"])

    def test_rejects_alone_are_quantity_too(self):
        self.told(self.count(3, kind="reject"))
        self.assertEqual((self.order.qty_producing, self.machine.good), (3, 0))

        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 3, "Rivet": 12, "Bracket": 3, "Scrapped": 3})
        self.assertEqual(self.in_stock(self.product), 0)

    def test_only_noted_they_take_nothing(self):
        self.machine.reject_booking = "noted"
        self.told(self.count(5), self.count(2, kind="reject"))
        self.assertEqual((self.order.qty_producing, self.machine.good, self.machine.reject), (5, 5, 2))

        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 5, "Rivet": 20, "Bracket": 5})
        self.assertFalse(self.due())

    def test_an_order_that_began_one_way_ends_that_way(self):
        self.told(self.count(5), self.count(2, kind="reject"))
        self.machine.reject_booking = "noted"
        self.told(self.count(1, seconds=90, kind="reject", before=2))

        self.assertEqual((self.order.qty_producing, self.ledger().rejected), (8, 3))

    def test_a_total_counter_has_the_rejects_already(self):
        self.machine.counting_role = "total"
        self.told(self.count(9, kind="total"), self.count(2, kind="reject"))
        self.assertEqual((self.order.qty_producing, self.machine.good, self.machine.reject), (9, 7, 2))

        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 9, "Rivet": 36, "Bracket": 9, "Scrapped": 2})

    def test_cycles_times_cavities_have_the_rejects_already(self):
        self.machine.write({"counting_role": "cycle", "cavities": 4})
        self.told(*[self.cycle(60 + number) for number in range(3)], self.count(1, kind="reject"))

        self.assertEqual((self.order.qty_producing, self.machine.good, self.machine.reject), (12, 11, 1))
        self.assertEqual(self.ledger().cycle, 12)

    def test_where_only_total_and_good_are_read_the_rest_are_rejects(self):
        for role in ("good", "total"):
            with self.subTest(role):
                order = self.make_order(1000)
                self.env["mrp.machine.loading"]._load(
                    self.machine,
                    order,
                    order.workorder_ids,
                    self.at(1000 if role == "good" else 2000).replace(tzinfo=None),
                )
                self.machine.counting_role = role
                start = 1100 if role == "good" else 2100
                self.told(self.count(10, seconds=start, kind="total"), self.count(9, seconds=start, before=start))
                self.assertEqual((order.qty_producing, self.machine.good, self.machine.reject), (10, 9, 1))
                self.told(self.count(1, seconds=start + 60, before=start + 9))
                self.assertEqual((order.qty_producing, self.machine.good, self.machine.reject), (10, 10, 0))
                self.told(self.count(5, seconds=start + 90, kind="total", before=10))
                self.told(self.count(3, seconds=start + 90, before=start + 10))
                self.close(order)
                self.assertEqual(self.moved(order), {"Sheet": 15, "Rivet": 60, "Bracket": 15, "Scrapped": 2})

    def test_a_correction_of_rejects_is_quantity_too(self):
        self.told(self.count(5), self.count(2, kind="reject"))

        self.machine._adjust("reject", -1, "It was good enough", at=self.at(90).replace(tzinfo=None))
        self.machine._adjust("good", 1, "It was good enough", at=self.at(90).replace(tzinfo=None))
        self.post_all()

        self.assertEqual((self.order.qty_producing, self.machine.good, self.machine.reject), (7, 6, 1))

    def test_parts_that_passed_are_good_and_those_that_failed_are_rejects(self):
        self.machine.counting_role = "part"
        parts = [
            self.event("production.part_completed", 60 + number, {"serial": f"S{number}", "status": status})
            for number, status in enumerate(("PASS", "PASS", "FAIL", "PASS"))
        ]
        self.told(*parts, self.count(3), self.count(1, kind="reject"))

        self.assertEqual((self.order.qty_producing, self.machine.good, self.machine.reject), (4, 3, 1))
        self.assertEqual((self.ledger().part, self.ledger().failed, self.ledger().good), (3, 1, 3))

        self.close(self.order)
        self.assertEqual(self.moved(self.order), {"Sheet": 4, "Rivet": 16, "Bracket": 4, "Scrapped": 1})

    def test_parts_of_another_role_are_only_compared(self):
        part = self.event("production.part_completed", 60, {"serial": "S1", "status": "FAIL"})
        self.told(part, self.count(3))

        self.assertEqual((self.order.qty_producing, self.ledger().failed, self.machine.reject), (3, 1, 0))

    def test_rework_is_no_quantity(self):
        self.told(self.count(5), self.count(2, kind="rework"))

        self.assertEqual((self.order.qty_producing, self.ledger().rework), (5, 2))

    def test_what_a_person_scraps_is_a_persons_own(self):
        self.told(self.count(5), self.count(2, kind="reject"))
        self.close(self.order)
        scrap = self.env["stock.scrap"].create(
            {"product_id": self.product.id, "scrap_qty": 1, "production_id": self.order.id}
        )
        scrap.action_validate()
        self.assertEqual(scrap.state, "done")

        self.order._decide_scrap()
        self.post_all()

        self.assertEqual((self.moved(self.order)["Scrapped"], self.order._machine_scrapped()), (3, 2))
        self.assertEqual(self.in_stock(self.product), 4)

    def test_trap_17_a_question_is_no_scrap_and_true_is_no_close(self):
        self.told(self.count(5), self.count(2, kind="reject"))
        asked = self.order.with_context(skip_consumption=True).button_mark_done()
        self.assertEqual((asked["res_model"], self.order.state), ("mrp.production.backorder", "progress"))
        self.post_all()
        self.assertFalse(self.order.scrap_ids, "a question closed nothing, so nothing is scrapped")

        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        self.env["stock.quant"]._update_available_quantity(self.product, self.order.location_dest_id, -6)
        self.post_all()

        self.assertEqual((self.due().state, self.due().reason), ("waiting", "scrap_missing"))
        self.assertIn("are no longer in", self.due().message)
        self.assertFalse(self.order.scrap_ids, "the draft that Odoo asked about is gone")

        self.env["stock.quant"]._update_available_quantity(self.product, self.order.location_dest_id, 6)
        self.due().action_retry()
        self.post_all()
        self.assertEqual((self.due().state, self.moved(self.order)["Scrapped"]), ("posted", 2))

    def test_rejects_of_an_earlier_step_are_in_the_orders_quantity(self):
        bom = self.bom.copy()
        bom.operation_ids = [Command.create({"name": "Drill", "workcenter_id": self.idle_machine.workcenter_id.id})]
        order = self.make_order(1000, bom=bom)
        press, drill = order.workorder_ids
        for machine, step in ((self.machine, press), (self.idle_machine, drill)):
            self.env["mrp.machine.loading"]._load(machine, order, step, self.at(1000).replace(tzinfo=None))

        self.told(self.count(12, seconds=1100), self.count(2, seconds=1100, kind="reject"))
        self.told(self.count(5, seconds=1200), machine=self.idle_machine)
        self.assertEqual((press.qty_produced, drill.qty_produced, order.qty_producing), (14, 5, 7))
        self.told(
            self.count(6, seconds=1300, before=5), self.count(1, seconds=1300, kind="reject"), machine=self.idle_machine
        )
        self.assertEqual((press.qty_produced, drill.qty_produced, order.qty_producing), (14, 12, 14))
        self.assertEqual(sum(self.ledger(order).mapped("by_hand")), 0)

        self.close(order)

        self.assertEqual(self.moved(order), {"Sheet": 14, "Rivet": 56, "Bracket": 14, "Scrapped": 3})

    def test_a_reject_in_a_total_is_known_to_the_steps_that_follow(self):
        self.machine.counting_role = "total"
        bom = self.bom.copy()
        bom.operation_ids = [Command.create({"name": "Drill", "workcenter_id": self.idle_machine.workcenter_id.id})]
        order = self.make_order(1000, bom=bom)
        for machine, step in zip(self.machine | self.idle_machine, order.workorder_ids, strict=True):
            self.env["mrp.machine.loading"]._load(machine, order, step, self.at(1000).replace(tzinfo=None))

        self.told(self.count(14, seconds=1100, kind="total"))
        self.told(self.count(12, seconds=1200), machine=self.idle_machine)
        self.assertEqual(order.qty_producing, 12)
        self.told(self.count(2, seconds=1300, kind="reject"))

        self.assertEqual((order.qty_producing, order.workorder_ids.mapped("qty_produced")), (14, [14, 12]))

    def test_trap_9_a_cancelled_step_does_not_freeze_the_order(self):
        bom = self.bom.copy()
        bom.operation_ids = [Command.create({"name": "Drill", "workcenter_id": self.idle_machine.workcenter_id.id})]
        order = self.make_order(1000, bom=bom)
        press, drill = order.workorder_ids
        self.env["mrp.machine.loading"]._load(self.machine, order, press, self.at(1000).replace(tzinfo=None))
        drill.action_cancel()

        self.told(self.count(12, seconds=1100), self.count(1, seconds=1100, kind="reject"))

        self.assertEqual(order.qty_producing, 13)

    def test_trap_1_a_count_after_the_close_multiplies_no_stock(self):
        self.told(self.count(5))
        self.close(self.order)
        before = self.moved(self.order)

        late = self.told(self.count(3, seconds=90, before=5), self.count(1, seconds=90, kind="reject"))

        self.assertEqual(self.states(late), ["waiting", "waiting"])
        self.assertEqual(set(self.rows(late).mapped("reason")), {"order_closed"})
        self.assertEqual(self.moved(self.order), before)

    def test_a_person_may_not_close_with_less_than_is_in_stock(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 5})
        self.told(self.count(10))
        self.assertEqual(self.order.qty_produced, 10)

        with self.assertRaisesRegex(UserError, "10 of .* are in stock already"):
            self.order.qty_producing = 4
            self.order.button_mark_done()
