"""Pieces that come to be known after their order was closed, and what people correct."""

from datetime import timedelta

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .common import T0, MachineConnectCommon


class LateCase(MachineConnectCommon):
    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def stock(self, product, location=None):
        """Return what is on hand of a product, by its quants."""
        quants = self.env["stock.quant"].search(
            [("product_id", "=", product.id), ("location_id", "child_of", (location or self.location).id)]
        )
        return sum(quants.mapped("quantity"))

    def close(self, order, **context):
        order.with_context(
            skip_consumption=True, skip_backorder=True, skip_redirection=True, **context
        ).button_mark_done()
        self.assertEqual(order.state, "done")

    def count_and_close(self, pieces=50, seconds=60):
        """Count pieces on the order and close it short."""
        self.receive(self.machine, self.count(pieces, seconds))
        self.post()
        self.close(self.order)
        self.env.flush_all()

    def beat(self, order):
        """Let what was counted enter stock, and leave the order open."""
        order._post_inventory()
        self.env.flush_all()

    def books(self, order):
        """Return ``(finished, consumed of each component)`` by the done moves."""
        done = (order.move_raw_ids | order.move_finished_ids).filtered(lambda move: move.state == "done")
        return tuple(
            sum(done.filtered(lambda move, product=product: move.product_id == product).mapped("quantity"))
            for product in (self.product, self.component_a, self.component_b)
        )

    def assert_books(self, order, pieces):
        """What was finished, consumed and is in stock belongs together; a bracket takes 1 sheet and 4 rivets."""
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(self.books(order), (pieces, pieces, 4 * pieces))
        for product in (self.product, self.component_a, self.component_b):
            for quant in self.env["stock.quant"].search([("product_id", "=", product.id)]):
                if quant.location_id.usage == "internal":
                    self.assertGreaterEqual(quant.quantity, 0, product.name)


@tagged("post_install", "-at_install")
class TestLate(LateCase):
    def late(self, pieces=3, seconds=100, **data):
        events = self.receive(self.machine, self.count(pieces, seconds, before=50, **data))
        self.post()
        return self.rows(events)

    def test_by_default_it_waits_once_and_books_nothing(self):
        self.count_and_close()
        row = self.late()

        self.assertEqual((row.state, row.reason), ("waiting", "order_closed"))
        self.assertTrue(row.remedy)
        self.assert_books(self.order, 50)
        self.post()
        self.assertEqual(row.state, "waiting", "it is not tried again by itself")
        self.assertFalse(self.env["mrp.machine.queue"].search([("event_id", "=", row.event_id.id)]))

    def test_the_closed_order_is_corrected(self):
        self.machine.late_booking = "correct"
        self.count_and_close()
        done = (self.order.move_raw_ids | self.order.move_finished_ids).filtered(lambda move: move.state == "done")
        dates = {move: move.date for move in done}

        row = self.late()

        self.assertEqual(row.state, "posted", row.message)
        self.assert_books(self.order, 53)
        self.assertEqual(self.stock(self.product), 53)
        self.assertEqual(self.stock(self.component_b), 10_000 - 4 * 53)
        self.assertEqual({move: move.date for move in done}, dates, "what was moved keeps its date")
        self.assertEqual(self.workorder.qty_produced, 53)
        self.assertEqual((self.order.state, self.workorder.state), ("done", "done"))
        posting = row.posting_id
        self.assertEqual((posting.quantity_before, posting.quantity_after, posting.is_late), (50, 53, True))
        self.assertIn("Booked late", self.order.message_ids[:1].body)
        self.assertEqual(self.order.machine_ledger_ids.posted, 53)
        self.assertFalse(self.machine.progress_id.production_id, "a closed order does not come back on the machine")

    def test_the_same_again_changes_nothing(self):
        self.machine.late_booking = "correct"
        self.count_and_close()
        self.late()
        again = self.late()

        self.assertFalse(again, "delivered twice is stored once")
        self.assert_books(self.order, 53)

    def test_an_order_of_its_own(self):
        self.machine.late_booking = "new_order"
        self.count_and_close()

        row = self.late()

        self.assertEqual(row.state, "posted", row.message)
        self.assert_books(self.order, 50)
        late = self.env["mrp.production"].search([("machine_late_of_id", "=", self.order.id)])
        self.assertEqual(len(late), 1)
        self.assertEqual(late.name, f"{self.order.name}-L1")
        self.assertEqual((late.state, late.product_qty, late.qty_produced), ("done", 3, 3))
        self.assert_books(late, 3)
        self.assertEqual((late.date_start, late.workorder_ids.date_start), (self.naive(100), self.naive(100)))
        self.assertEqual((late.date_finished, late.workorder_ids.date_finished), (self.naive(100), self.naive(100)))
        self.assertEqual(set(late.move_finished_ids.mapped("date")), {self.naive(100)})
        self.assertEqual(late.workorder_ids.state, "done")
        self.assertEqual(row.posting_id.production_id, late)
        self.assertIn(late.name, self.order.message_ids[:1].body)

        self.assertFalse(self.late(), "delivered twice is stored once")
        self.late(2, 101)
        self.assertEqual(
            sorted(self.env["mrp.production"].search([("machine_late_of_id", "=", self.order.id)]).mapped("name")),
            [f"{self.order.name}-L1", f"{self.order.name}-L2"],
        )

    def test_a_negative_correction_of_a_closed_order_by_a_person_whatever_the_policy(self):
        for policy in ("wait", "correct", "new_order"):
            with self.subTest(policy), self.env.cr.savepoint() as savepoint:
                self.machine.late_booking = policy
                self.count_and_close()
                event = self.machine._adjust(
                    "good", -4, "Counted twice", at=self.naive(61), order=(self.order, self.workorder)
                )
                self.post()
                row = self.rows(event)

                self.assertEqual(row.state, "posted", row.message)
                self.assert_books(self.order, 46)
                self.assertEqual(self.stock(self.product), 46)
                posting = row.posting_id
                self.assertEqual((posting.quantity_before, posting.quantity_after), (50, 46))
                self.assertEqual(posting.corrected_words, f"{self.env.user.name}: Counted twice")
                self.assertIn("Counted twice", self.order.message_ids[:1].body)
                savepoint.rollback()

    def outside_correction(self, delta):
        """A correction that a middleware sends: no person of Odoo's stands behind it."""
        event = self.event("correction.adjust", 100, {"kind": "good", "delta": delta, "why": "upstream"})
        events = self.receive(self.machine, event)
        self.post()
        return self.rows(events)

    def test_a_negative_correction_from_outside_follows_the_policy(self):
        for policy, state, reason, made in (
            ("wait", "waiting", "order_closed", 50),
            ("correct", "posted", False, 48),
            ("new_order", "waiting", "order_closed", 50),
        ):
            with self.subTest(policy), self.env.cr.savepoint() as savepoint:
                self.machine.late_booking = policy
                self.count_and_close()
                row = self.outside_correction(-2)
                self.assertEqual((row.state, row.reason), (state, reason), row.message)
                self.assert_books(self.order, made)
                savepoint.rollback()

    def test_never_more_is_taken_away_than_is_there(self):
        self.machine.late_booking = "correct"
        self.count_and_close()
        self.env["stock.quant"]._update_available_quantity(self.product, self.location, -48)

        row = self.outside_correction(-3)

        self.assertEqual((row.state, row.reason), ("waiting", "no_stock"))
        self.assertIn("1 missing", row.message)
        self.assertTrue(row.remedy)
        self.assertEqual(self.books(self.order), (50, 50, 200))
        self.assertEqual(self.workorder.qty_produced, 50)
        self.assertEqual(self.order.machine_ledger_ids.posted, 50)

    def test_components_that_are_not_there_are_waited_for(self):
        self.machine.late_booking = "correct"
        self.count_and_close()
        self.env["stock.quant"]._update_available_quantity(self.component_b, self.location, 5 - 9_800)

        row = self.late()

        self.assertEqual((row.state, row.reason), ("waiting", "no_stock"))
        self.assertIn(self.component_b.name, row.message)
        self.assertEqual(self.books(self.order), (50, 50, 200))

        self.env["stock.quant"]._update_available_quantity(self.component_b, self.location, 100)
        row.action_retry()
        self.post()
        self.assertEqual(row.state, "posted")
        self.assert_books(self.order, 53)

    def test_lots_wait_with_words(self):
        self.machine.late_booking = "correct"
        self.count_and_close()
        self.component_a.tracking = "lot"

        row = self.late()

        self.assertEqual((row.state, row.reason), ("waiting", "late_tracked"))
        self.assertIn(self.component_a.name, row.message)
        self.assertTrue(row.remedy)

    def test_after_beats_the_part_is_changed_that_covers_the_time(self):
        self.machine.late_booking = "correct"
        for pieces, seconds, before in ((20, 60, 0), (30, 160, 20)):
            self.receive(self.machine, self.count(pieces, seconds, before=before))
            self.post()
            self.beat(self.order)
            moves = (self.order.move_raw_ids | self.order.move_finished_ids).filtered(
                lambda move: move.state == "done" and not move.is_machine_dated
            )
            moves._date_at(self.naive(seconds))
        self.receive(self.machine, self.count(10, 260, before=50))
        self.post()
        self.close(self.order)
        finished = self.order.move_finished_ids.filtered(lambda move: move.state == "done").sorted("id")
        finished[2]._date_at(self.naive(300))
        self.assertEqual(finished.mapped("quantity"), [20, 30, 10])

        self.late(3, 100)

        self.assertEqual(finished.mapped("quantity"), [20, 33, 10], "made between the first and the second part")
        raw = self.order.move_raw_ids.filtered(
            lambda move: move.state == "done" and move.product_id == self.component_a
        )
        self.assertEqual({move.date: move.quantity for move in raw}[self.naive(160)], 33)
        self.assert_books(self.order, 63)

        self.late(2, 5000)
        self.assertEqual(finished.mapped("quantity"), [20, 33, 12], "later than all of them: the last")
        self.assert_books(self.order, 65)

    def test_more_is_taken_away_than_one_part_has(self):
        self.receive(self.machine, self.count(20, 60))
        self.post()
        self.beat(self.order)
        self.receive(self.machine, self.count(30, 160, before=20))
        self.post()
        self.close(self.order)

        self.machine._adjust("good", -35, "Wrong sheet", at=self.naive(161), order=(self.order, self.workorder))
        self.post()

        self.assert_books(self.order, 15)
        self.assertEqual(self.stock(self.product), 15)

    def test_a_cancelled_order_is_never_booked_on(self):
        self.order.action_cancel()
        for policy, reason in (("wait", "order_closed"), ("correct", "order_cancelled")):
            self.machine.late_booking = policy
            event = self.receive(self.machine, self.count(3, 100, before=len(policy)))
            self.post()
            row = self.rows(event)
            self.assertEqual((row.state, row.reason), ("waiting", reason))
            self.assertTrue(row.remedy)
        self.machine.late_booking = "new_order"
        row = self.late()
        self.assertEqual(row.state, "posted", row.message)
        late = row.posting_id.production_id
        self.assertEqual((late.machine_late_of_id, late.state), (self.order, "done"))
        self.assert_books(late, 3)
        self.assertEqual(self.order.state, "cancel")

    def test_a_person_cannot_book_on_a_cancelled_order_either(self):
        self.order.action_cancel()
        event = self.machine._adjust("good", 4, "Found", at=self.naive(61), order=(self.order, self.workorder))
        self.post()
        row = self.rows(event)
        self.assertEqual((row.state, row.reason), ("waiting", "order_cancelled"))

    def test_a_done_work_order_of_an_open_order(self):
        for policy, quantity in (("wait", 50), ("correct", 53), ("new_order", 53)):
            with self.subTest(policy), self.env.cr.savepoint() as savepoint:
                self.machine.late_booking = policy
                self.receive(self.machine, self.count(50))
                self.post()
                self.workorder.button_finish()
                self.assertEqual((self.workorder.state, self.order.state), ("done", "to_close"))
                finished = self.workorder.date_finished

                row = self.late()

                self.assertEqual(row.state, "posted" if quantity == 53 else "waiting", row.message)
                self.assertEqual((self.workorder.qty_produced, self.order.qty_producing), (quantity, quantity))
                self.assertEqual((self.workorder.state, self.workorder.date_finished), ("done", finished))
                self.assertFalse(self.order.machine_ledger_ids.by_hand)
                self.close(self.order)
                self.assert_books(self.order, quantity)
                savepoint.rollback()

    def test_an_order_without_work_orders(self):
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "product_qty": 1.0,
                "bom_line_ids": [
                    Command.create({"product_id": self.component_a.id, "product_qty": 1.0}),
                    Command.create({"product_id": self.component_b.id, "product_qty": 4.0}),
                ],
            }
        )
        for policy in ("correct", "new_order"):
            with self.subTest(policy), self.env.cr.savepoint() as savepoint:
                order = self.make_order(20, bom)
                self.env["mrp.machine.loading"]._load(
                    self.idle_machine, order, self.env["mrp.workorder"], T0.replace(tzinfo=None)
                )
                self.idle_machine.late_booking = policy
                self.receive(self.idle_machine, self.count(12))
                self.post()
                self.close(order)
                events = self.receive(self.idle_machine, self.count(5, 90, before=12))
                self.post()
                self.assertEqual(self.states(events), ["posted"], self.rows(events).message)
                if policy == "correct":
                    self.assert_books(order, 17)
                else:
                    self.assert_books(order, 12)
                    self.assert_books(self.rows(events).posting_id.production_id, 5)
                self.assertEqual(self.stock(self.product), 17)
                savepoint.rollback()

    def test_a_third_of_a_component_each_stays_right_over_many_corrections(self):
        self.bom.bom_line_ids[0].product_qty = 1 / 3
        order = self.make_order(1000)
        rounded = order.bom_id.bom_line_ids[0].product_qty
        self.env["mrp.machine.loading"]._load(
            self.machine, order, order.workorder_ids, (T0 + timedelta(seconds=30)).replace(tzinfo=None)
        )
        self.machine.late_booking = "correct"
        self.receive(self.machine, self.count(10))
        self.post()
        self.close(order)

        for place in range(20):
            self.late(1, 100 + place)

        made = order.move_raw_ids.filtered(lambda move: move.product_id == self.component_a and move.state == "done")
        self.assertAlmostEqual(sum(made.mapped("quantity")), 30 * rounded, delta=0.011)

    def test_counts_of_a_late_delivery_are_folded(self):
        self.machine.late_booking = "correct"
        self.count_and_close()
        events = self.receive(self.machine, *[self.count(1, 100 + place, before=place) for place in range(40)])
        self.post()

        self.assertEqual(set(self.states(events)), {"posted"})
        self.assertEqual(len(self.rows(events).posting_id), 1)
        self.assert_books(self.order, 90)


@tagged("post_install", "-at_install")
class TestLateSteps(LateCase):
    """An order of two steps, each fed by a machine of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        second = cls.env["mrp.workcenter"].create({"name": "Paint line", "resource_calendar_id": False})
        cls.bom.operation_ids = [
            Command.create({"name": "Paint", "workcenter_id": second.id, "time_cycle_manual": 0.1})
        ]
        cls.painter = cls.make_machine("t-paint", workcenter=second)
        cls.order = cls.make_order(100)
        cls.first, cls.second = cls.order.workorder_ids
        loading = cls.env["mrp.machine.loading"]
        loading._load(cls.machine, cls.order, cls.first, T0.replace(tzinfo=None))
        loading._load(cls.painter, cls.order, cls.second, T0.replace(tzinfo=None))

    def test_the_order_changes_by_what_went_through_both(self):
        self.machine.late_booking = self.painter.late_booking = "correct"
        self.receive(self.machine, self.count(50))
        self.receive(self.painter, self.count(50))
        self.post(self.machine, self.painter)
        self.close(self.order)
        self.assert_books(self.order, 50)

        self.receive(self.machine, self.count(4, 100, before=50))
        self.post(self.machine, self.painter)
        self.assertEqual((self.first.qty_produced, self.second.qty_produced), (54, 50))
        self.assert_books(self.order, 50)

        self.receive(self.painter, self.count(3, 110, before=50))
        self.post(self.machine, self.painter)
        self.assertEqual((self.first.qty_produced, self.second.qty_produced), (54, 53))
        self.assert_books(self.order, 53)

    def test_a_reject_of_the_first_step_never_reached_the_second(self):
        self.machine.late_booking = self.painter.late_booking = "correct"
        self.machine.reject_booking = self.painter.reject_booking = "gross"
        self.receive(self.machine, self.count(50), self.count(2, 61, kind="reject"))
        self.receive(self.painter, self.count(50))
        self.post(self.machine, self.painter)
        self.close(self.order)
        self.post(self.machine, self.painter)
        self.assert_books(self.order, 52)
        self.assertEqual(self.stock(self.product), 50)

        self.receive(self.machine, self.count(3, 100, kind="reject", before=2))
        self.post(self.machine, self.painter)
        self.post(self.machine, self.painter)
        self.assert_books(self.order, 55)
        self.assertEqual(self.stock(self.product), 50, "three more were made, and scrapped")


@tagged("post_install", "-at_install")
class TestLateTransfers(LateCase):
    """An order whose components are brought, and whose product is stored, by transfers."""

    def setUp(self):
        super().setUp()
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", self.company.id)], limit=1)
        warehouse.manufacture_steps = "pbm_sam"
        self.order = self.make_order(20)
        self.bring = self.order.picking_ids.filtered(lambda transfer: transfer.location_id == self.location)
        self.assertTrue(self.bring, "the components are to be brought")
        self.transfer(self.bring)
        self.machine.late_booking = "correct"
        self.env["mrp.machine.loading"]._load(self.machine, self.order, self.order.workorder_ids, self.naive(30))
        self.receive(self.machine, self.count(10))
        self.post()
        self.close(self.order)

    def transfer(self, transfers):
        transfers.action_assign()
        for move in transfers.move_ids:
            move.write({"quantity": move.product_uom_qty, "picked": True})
        transfers._action_done()
        self.assertEqual(set(transfers.mapped("state")), {"done"})

    def store(self):
        return self.order.picking_ids.filtered(
            lambda transfer: transfer.location_dest_id == self.location and transfer.state not in ("done", "cancel")
        )

    def late(self, pieces):
        events = self.receive(self.machine, self.count(pieces, 100, before=10))
        self.post()
        self.assertEqual(self.states(events), ["posted"], self.rows(events).message)

    def test_late_pieces_are_stored_with_the_others(self):
        self.assertEqual(self.store().move_ids.product_uom_qty, 10)
        self.late(2)
        self.assert_books(self.order, 12)
        self.assertEqual(self.store().move_ids.product_uom_qty, 12)
        self.transfer(self.store())
        self.assertEqual(self.stock(self.product), 12)

    def test_late_pieces_of_an_order_that_is_stored_have_a_transfer_of_their_own(self):
        self.transfer(self.store())
        self.assertEqual(self.stock(self.product), 10)
        self.late(2)
        self.assert_books(self.order, 12)
        late = self.env["stock.move"].search(
            [
                ("product_id", "=", self.product.id),
                ("location_dest_id", "=", self.location.id),
                ("production_id", "=", False),
                ("state", "!=", "done"),
            ]
        )
        self.assertEqual((late.product_uom_qty, late.state, bool(late.picking_id)), (2, "assigned", True))
        self.transfer(late.picking_id)
        self.assertEqual(self.stock(self.product), 12)

    def test_what_is_stored_already_is_not_taken_back_behind_a_persons_back(self):
        self.transfer(self.store())
        event = self.machine._adjust(
            "good", -3, "Miscounted", at=self.naive(61), order=(self.order, self.order.workorder_ids)
        )
        self.post()
        self.assertEqual((self.rows(event).state, self.rows(event).reason), ("waiting", "no_stock"))
        self.assert_books(self.order, 10)


@tagged("post_install", "-at_install")
class TestLateRejects(LateCase):
    """Rejects booked gross: made, and scrapped when the order is closed."""

    def close_with_rejects(self):
        self.machine.reject_booking = "gross"
        self.receive(self.machine, self.count(50), self.count(4, 61, kind="reject"))
        self.post()
        self.close(self.order)
        self.post()
        self.assert_books(self.order, 54)
        self.assertEqual((self.stock(self.product), self.scrapped()), (50, 4))

    def scrapped(self):
        return sum(self.order.scrap_ids.filtered(lambda scrap: scrap.state == "done").mapped("scrap_qty"))

    def test_late_rejects_are_made_and_scrapped(self):
        self.machine.late_booking = "correct"
        self.close_with_rejects()
        events = self.receive(self.machine, self.count(3, 100, kind="reject", before=4))
        self.post()
        self.post()
        self.assertEqual(self.states(events), ["posted"], self.rows(events).message)
        self.assert_books(self.order, 57)
        self.assertEqual((self.stock(self.product), self.scrapped()), (50, 7))

    def test_late_rejects_with_an_order_of_their_own(self):
        self.machine.late_booking = "new_order"
        self.close_with_rejects()
        events = self.receive(self.machine, self.count(3, 100, kind="reject", before=4))
        self.post()
        self.post()
        self.assertEqual(self.states(events), ["posted"], self.rows(events).message)
        self.assert_books(self.order, 54)
        late = self.rows(events).posting_id.production_id
        self.assert_books(late, 3)
        self.assertEqual((self.stock(self.product), sum(late.scrap_ids.mapped("scrap_qty"))), (50, 3))

    def test_a_person_takes_rejects_back_that_are_scrapped(self):
        self.close_with_rejects()
        reject = self.machine._adjust(
            "reject", -3, "They were good", at=self.naive(62), order=(self.order, self.workorder)
        )
        good = self.machine._adjust("good", 3, "They were good", at=self.naive(62), order=(self.order, self.workorder))
        self.post()
        self.post()
        self.assertEqual(self.states(reject | good), ["posted", "posted"], self.rows(reject | good).mapped("message"))
        self.assert_books(self.order, 54)
        self.assertEqual((self.stock(self.product), self.scrapped()), (53, 1))
        self.assertIn("They were good", "".join(self.order.message_ids.mapped("body")))

    def test_a_machine_takes_no_scrap_back(self):
        self.close_with_rejects()
        event = self.event("correction.adjust", 100, {"kind": "reject", "delta": -3, "why": "upstream"})
        self.machine.late_booking = "wait"
        events = self.receive(self.machine, event)
        self.post()
        self.assertEqual(self.states(events), ["waiting"])
        self.assertEqual((self.stock(self.product), self.scrapped()), (50, 4))


@tagged("post_install", "-at_install")
class TestTakenBackFromStock(LateCase):
    """What a beat brought into stock, taken back while the order is open."""

    def test_what_is_in_stock_is_taken_back_by_its_moves(self):
        self.receive(self.machine, self.count(40))
        self.post()
        self.beat(self.order)
        self.receive(self.machine, self.count(10, 100, before=40))
        self.post()
        self.assertEqual((self.order.qty_producing, self.stock(self.product)), (50, 40))

        event = self.machine._adjust("good", -15, "Samples", at=self.naive(120))
        self.post()

        self.assertEqual(self.states(event), ["posted"], self.rows(event).message)
        self.assertEqual((self.order.qty_producing, self.order.qty_produced, self.stock(self.product)), (35, 35, 35))
        self.receive(self.machine, self.count(5, 130, before=50))
        self.post()
        self.close(self.order)
        self.assert_books(self.order, 40)
        self.assertEqual(self.stock(self.product), 40)

    def test_a_machine_alone_takes_nothing_out_of_stock(self):
        self.receive(self.machine, self.count(40))
        self.post()
        self.beat(self.order)
        event = self.event("correction.adjust", 100, {"kind": "good", "delta": -15, "why": "upstream"})
        events = self.receive(self.machine, event)
        self.post()
        self.assertEqual((self.rows(events).state, self.rows(events).reason), ("waiting", "in_stock"))
        self.assertEqual((self.order.qty_producing, self.stock(self.product)), (40, 40))


@tagged("post_install", "-at_install")
class TestCorrect(LateCase):
    """The button *Correct*: who, why, before and after; of the order that the event was booked on."""

    def correct(self, event, **changes):
        action = event.action_correct()
        with Form(self.env["mrp.machine.adjust"].with_context(**action["context"])) as form:
            form.reason = "Test pieces"
            for name, value in changes.items():
                setattr(form, name, value)
            self.said = form.change_words, form.warning_words
        wizard = form.save()
        wizard.action_apply()
        self.post()
        return wizard, self.env["mrp.machine.event"].search([("correlation", "=", event.uid)], limit=1)

    def test_before_and_after_stand_in_the_dialog_and_on_the_posting(self):
        event = self.receive(self.machine, self.count(10))
        self.post()

        _wizard, correction = self.correct(event, quantity=-3)

        self.assertEqual(self.said, ("10 → 7", False))
        posting = self.rows(correction).posting_id
        self.assertEqual((posting.quantity_before, posting.quantity_after), (10, 7))
        self.assertEqual(posting.corrected_words, f"{self.env.user.name}: Test pieces")
        body = self.order.message_ids[:1].body
        for said in ("10 → 7", self.env.user.name, "Test pieces"):
            self.assertIn(said, body)
        self.assertEqual(correction.data["who"], self.env.user.login)

    def test_the_order_is_that_of_the_event_though_another_runs_by_now(self):
        event = self.receive(self.machine, self.count(10))
        self.post()
        other = self.make_order(100)
        self.env["mrp.machine.loading"]._load(self.machine, other, other.workorder_ids, self.naive(100))

        wizard, correction = self.correct(event, at=self.naive(200))

        self.assertEqual((wizard.production_id, wizard.workorder_id), (self.order, self.workorder))
        self.assertEqual(correction.data["production_id"], self.order.id)
        self.assertEqual((self.order.qty_producing, other.qty_producing), (0, 0))
        self.assertEqual(self.rows(correction).posting_id.production_id, self.order)

    def test_of_a_closed_order_and_the_dialog_says_so(self):
        event = self.receive(self.machine, self.count(50))
        self.post()
        self.close(self.order)

        _wizard, correction = self.correct(event, quantity=-8)

        self.assertEqual(self.said[0], "50 → 42")
        self.assertIn("is closed", self.said[1])
        self.assertEqual(self.states(correction), ["posted"], self.rows(correction).message)
        self.assert_books(self.order, 42)
        self.assertEqual(self.stock(self.product), 42)

    def test_of_what_is_in_stock_and_the_dialog_says_so(self):
        event = self.receive(self.machine, self.count(40))
        self.post()
        self.beat(self.order)

        self.correct(event, quantity=-15)

        self.assertIn("40 are in stock already", self.said[1])
        self.assertEqual((self.order.qty_producing, self.order.qty_produced, self.stock(self.product)), (25, 25, 25))

    def test_pieces_may_be_added_to_any_order(self):
        self.receive(self.machine, self.count(5))
        self.post()
        self.close(self.order)
        with Form(self.env["mrp.machine.adjust"].with_context(default_machine_id=self.machine.id)) as form:
            form.production_id = self.order
            form.quantity = 2
            form.reason = "Found in the box"
            form.at = self.naive(70)
            self.assertEqual(form.workorder_id, self.workorder)
        form.save().action_apply()
        self.post()
        self.assert_books(self.order, 7)

    def test_a_step_must_be_chosen_where_there_are_several(self):
        second = self.env["mrp.workcenter"].create({"name": "Paint line", "resource_calendar_id": False})
        self.bom.operation_ids = [Command.create({"name": "Paint", "workcenter_id": second.id})]
        order = self.make_order(100)
        wizard = self.env["mrp.machine.adjust"].create(
            {
                "machine_id": self.idle_machine.id,
                "production_id": order.id,
                "quantity": 2,
                "reason": "Found",
                "at": self.naive(60),
            }
        )
        self.assertFalse(wizard.workorder_id)
        with self.assertRaisesRegex(UserError, "Work Order: choose"):
            wizard.action_apply()
