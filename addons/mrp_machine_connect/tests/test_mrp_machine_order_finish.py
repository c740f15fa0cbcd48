"""An order ends when its quantity is reached or the machine says so, at the machine's time and with what was counted."""

from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .test_mrp_machine_order_context import ToldCase


class FinishCase(ToldCase):
    def completed(self, order, seconds, **data):
        return self.told("production.order_completed", order, seconds, **data)

    def decisions(self):
        """Return the events that rules decided for the machine."""
        source = self.env.ref("mrp_machine_connect.source_rules")
        return self.env["mrp.machine.event"].search(
            [("machine_id", "=", self.idle_machine.id), ("source_id", "=", source.id),
             ("type", "=", "production.order_completed")],
            order="id",
        )  # fmt: skip

    def done(self, order):
        """Return what an order made, by what is in the production location's books: its done finished moves."""
        moves = order.move_finished_ids.filtered(lambda move: move.state == "done")
        return sum(moves.mapped("quantity"))

    def rest_of(self, order):
        return order.production_group_id.production_ids - order

    def waiting(self, handler="production_count"):
        return self.env["mrp.machine.event.posting"].search(
            [("machine_id", "=", self.idle_machine.id), ("state", "=", "waiting"), ("handler", "=", handler)]
        )


@tagged("post_install", "-at_install")
class TestFinishAtQuantity(FinishCase):
    """The piece that completes an order closes it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.idle_machine.order_finish = "quantity"

    def test_it_closes_with_the_piece_that_completes_it_and_at_its_time(self):
        stock = self.product.qty_available
        self.tell(self.started(self.first, 0), self.count(60, seconds=600), self.count(40, seconds=1200, before=60))
        self.assertEqual(self.first.state, "to_close" if not self.first.workorder_ids else self.first.state)
        self.rounds()

        self.assertEqual((self.first.state, self.first.workorder_ids.state), ("done", "done"))
        self.assertEqual((self.done(self.first), self.product.qty_available - stock), (100, 100))
        self.assertEqual(self.first.date_finished, self.naive(1200))
        self.assertEqual(self.first.workorder_ids.date_finished, self.naive(1200))
        moves = self.first.move_finished_ids | self.first.move_raw_ids
        self.assertEqual(set(moves.filtered(lambda move: move.state == "done").mapped("date")), {self.naive(1200)})
        used = {move.product_id: move.quantity for move in self.first.move_raw_ids if move.state == "done"}
        self.assertEqual(used, {self.component_a: 100, self.component_b: 400})
        self.assertEqual(self.spans(), [(self.first, 0, 1200)])
        self.assertFalse(self.idle_machine.production_id)
        row = self.rows(self.decisions(), "order_finish")
        self.assertEqual(row.posting_id.res_id, self.first.id)
        self.assertIn("quantity was reached", row.posting_id.explanation)
        self.assertFalse(self.rest_of(self.first))

    def test_what_entered_stock_before_its_end_keeps_its_own_time(self):
        self.idle_machine.write({"stock_beat": "pieces", "beat_pieces": 30})
        stock = self.product.qty_available
        self.tell(self.started(self.first, 0))
        for number in range(4):
            self.tell(self.count(25, seconds=600 * (number + 1), before=25 * number))
            self.rounds()

        self.assertEqual((self.first.state, self.first.workorder_ids.state), ("done", "done"))
        self.assertEqual((self.done(self.first), self.product.qty_available - stock), (100, 100))
        moved = {}
        for move in self.first.move_finished_ids.filtered(lambda move: move.state == "done"):
            moved[move.date] = moved.get(move.date, 0) + move.quantity
        self.assertEqual(sum(quantity for moment, quantity in moved.items() if moment <= self.naive(1200)), 50)
        self.assertEqual(max(moved), self.naive(2400))
        self.assertEqual(self.first.date_finished, self.naive(2400))
        used = {}
        for move in self.first.move_raw_ids.filtered(lambda move: move.state == "done"):
            used[move.product_id] = used.get(move.product_id, 0) + move.quantity
        self.assertEqual(used, {self.component_a: 100, self.component_b: 400})

    def test_below_its_quantity_it_stays_open(self):
        self.tell(self.started(self.first, 0), self.count(99))
        self.rounds()

        self.assertFalse(self.decisions())
        self.assertEqual(self.first.state, "progress")

    def test_pieces_after_it_are_not_its_own_whether_they_come_together_or_not(self):
        together = [self.count(20, seconds=60 * minute, before=20 * minute) for minute in range(1, 8)]
        for name, batches in {"together": [together], "one by one": [[event] for event in together]}.items():
            with self.subTest(name), self.env.cr.savepoint() as savepoint:
                self.tell(self.started(self.first, 0))
                for batch in batches:
                    self.tell(*batch)
                self.rounds()
                self.assertEqual((self.first.state, self.done(self.first)), ("done", 100))
                self.assertEqual(self.first.date_finished, self.naive(300))
                self.assertEqual(sorted(self.waiting().mapped("reason")), ["no_order", "no_order"])

                self.tell(self.started(self.second, 310))
                self.rounds()
                self.assertEqual(self.made(self.second), [40])
                savepoint.close(rollback=True)
            self.env.invalidate_all()

    def test_one_event_that_goes_beyond_is_booked_whole(self):
        self.tell(self.started(self.first, 0), self.count(95), self.count(8, seconds=120, before=95))
        self.rounds()

        self.assertEqual((self.first.state, self.done(self.first)), ("done", 103))
        self.assertEqual(len(self.decisions()), 1)

    def test_rejects_do_not_complete_it(self):
        self.tell(self.started(self.first, 0), self.count(95), self.count(5, seconds=90, kind="reject"))
        self.rounds()
        self.assertEqual(self.made(self.first), [100])
        self.assertNotEqual(self.first.state, "done")

        self.tell(self.count(5, seconds=120, before=95))
        self.rounds()
        self.assertEqual(self.first.state, "done")
        self.assertEqual(self.done(self.first), 105)

    def test_an_order_without_work_orders(self):
        plain = self.make_order(10, bom=self.bom.copy({"operation_ids": [Command.clear()]}))
        self.tell(self.started(plain, 0), self.count(10))
        self.rounds()

        self.assertEqual((plain.state, self.done(plain)), ("done", 10))
        self.assertEqual(plain.date_finished, self.naive(60))

    def test_of_several_steps_the_last_closes_the_order(self):
        order = self.make_order(10, bom=self.two_steps())
        first, last = order.workorder_ids
        last.workcenter_id = self.workcenter
        self.machine.order_finish = "quantity"
        self.machine.loading_ids.unlink()
        self.tell(self.started(order, 0), self.count(10))
        self.rounds()
        self.assertEqual((first.state, last.state), ("done", last.state))
        self.assertNotEqual(last.state, "done")
        self.assertNotEqual(order.state, "done")
        self.assertEqual(first.date_finished, self.naive(60))

        self.tell(self.started(order, 100), self.count(10, seconds=200), machine=self.machine)
        self.rounds()
        self.assertEqual((last.state, order.state, self.done(order)), ("done", "done", 10))
        self.assertEqual((order.date_finished, first.date_finished), (self.naive(200), self.naive(60)))

    def test_a_cancelled_step_keeps_nothing_open(self):
        order = self.make_order(10, bom=self.two_steps())
        first, last = order.workorder_ids
        last.state = "cancel"
        self.tell(self.started(order, 0), self.count(10))
        self.rounds()

        self.assertEqual((first.state, order.state, self.done(order)), ("done", "done", 10))

    def two_steps(self):
        return self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "operation_ids": [
                    Command.create(
                        {"name": name, "workcenter_id": self.line.id, "time_cycle_manual": 0.1, "sequence": number}
                    )
                    for number, name in enumerate(("Cut", "Bend"))
                ],
                "bom_line_ids": [Command.create({"product_id": self.component_a.id, "product_qty": 1.0})],
            }
        )

    def test_pieces_taken_away_before_it_closes_keep_it_open(self):
        self.tell(self.started(self.first, 0))
        self.receive(self.idle_machine, self.count(100))
        self.env["mrp.machine.poster"]._post_machine(self.idle_machine)
        self.idle_machine._adjust("good", -1, "A sample", at=self.naive(30))
        self.rounds()
        self.assertEqual(self.outcome(self.decisions(), "order_finish"), [("ignored", "not_reached")])
        self.assertNotEqual(self.first.state, "done")

        self.tell(self.count(1, seconds=90, before=100))
        self.rounds()
        self.assertEqual((self.first.state, self.done(self.first)), ("done", 100))

    def test_what_the_machine_says_of_its_end_is_not_asked_for(self):
        told = self.tell(self.started(self.first, 0), self.count(50), self.completed(self.first, 100))
        self.rounds()

        self.assertEqual(self.outcome(told[2], "order_finish"), [("ignored", "finish_policy")])
        self.assertNotEqual(self.first.state, "done")

    def test_what_odoo_asks_a_person_waits_with_words(self):
        self.tell(self.started(self.first, 0), self.count(99))
        asked = {"type": "ir.actions.act_window", "res_model": "mrp.consumption.warning", "name": "Consumption Warning"}
        # The question that the flexible ways of asking leave open, whatever Odoo asks next.
        with patch.object(type(self.first), "button_mark_done", lambda orders: asked):
            self.tell(self.count(1, seconds=120, before=99))
            self.rounds()
        row = self.rows(self.decisions(), "order_finish")
        self.assertEqual((row.state, row.reason), ("waiting", "not_closed"))
        self.assertIn("Consumption Warning", row.message)
        self.assertNotEqual(self.first.workorder_ids.state, "done", "nothing of it happened")

        row.action_retry()
        self.rounds()
        self.assertEqual((self.first.state, self.first.date_finished), ("done", self.naive(120)))

    def test_what_odoo_refuses_waits_with_words(self):
        film = self.env["product.product"].create({"name": "Film", "is_storable": True, "tracking": "lot"})
        bom = self.bom.copy({"bom_line_ids": [Command.create({"product_id": film.id, "product_qty": 1.0})]})
        order = self.make_order(10, bom=bom)
        order.workorder_ids.workcenter_id = self.line
        self.tell(self.started(order, 0), self.count(10))
        self.rounds()
        row = self.rows(self.decisions(), "order_finish")
        self.assertEqual((row.state, row.reason), ("waiting", "not_closed"))
        self.assertRegex(row.message, rf"(?s){order.name} could not be closed: .*Film")
        self.assertEqual((order.workorder_ids.state, self.made(order)), ("progress", [10]))

        lot = self.env["stock.lot"].create({"name": "F1", "product_id": film.id})
        order.move_raw_ids.filtered(lambda move: move.product_id == film).move_line_ids.lot_id = lot
        row.action_retry()
        self.rounds()
        self.assertEqual((order.state, self.done(order), order.date_finished), ("done", 10, self.naive(60)))

    def test_from_outside_a_number_of_an_order_has_no_effect(self):
        self.tell(self.started(self.first, 0), self.count(50))
        told = self.tell(
            self.event("production.order_completed", 100, {"order": "?", "production_id": self.first.id,
                       "workorder_id": self.first.workorder_ids.id, "rule": "quantity"})
        )  # fmt: skip
        self.rounds()

        self.assertEqual(self.outcome(told, "order_finish"), [("ignored", "finish_policy")])
        self.idle_machine.order_finish = "signal"
        told = self.tell(
            self.event(
                "production.order_completed", 110, {"order": "?", "production_id": self.first.id, "rule": "quantity"}
            )
        )
        self.assertEqual(self.outcome(told, "order_finish"), [("waiting", "unknown_order")])
        self.assertNotEqual(self.first.state, "done")


@tagged("post_install", "-at_install")
class TestFinishOnSignal(FinishCase):
    """The machine says that its order is complete, whatever was planned."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.idle_machine.order_finish = "signal"

    def test_below_its_quantity_the_machine_goes_on_with_the_backorder(self):
        told = self.tell(
            self.started(self.first, 0),
            self.count(60),
            self.completed(self.first, 100),
            self.count(7, seconds=160, before=60),
        )
        self.rounds()

        rest = self.rest_of(self.first)
        self.assertEqual(
            (self.first.state, self.done(self.first), self.first.date_finished), ("done", 60, self.naive(100))
        )
        self.assertEqual((len(rest), rest.product_qty, self.made(rest)), (1, 40, [7]))
        self.assertEqual(self.idle_machine.production_id, rest)
        self.assertEqual(self.spans(), [(self.first, 0, 100), (rest, 100, False)])
        self.assertIn(rest.display_name, self.rows(told[2], "order_finish").posting_id.summary)
        self.assertIn("backorder of", self.rows(told[3]).posting_id.explanation)

    def test_or_closes_short(self):
        self.idle_machine.order_remainder = "short"
        self.tell(
            self.started(self.first, 0), self.count(60), self.completed(self.first, 100), self.count(7, 160, before=60)
        )
        self.rounds()

        self.assertEqual((self.first.state, self.done(self.first)), ("done", 60))
        self.assertFalse(self.rest_of(self.first))
        self.assertEqual(self.waiting().mapped("reason"), ["no_order"])

    def test_equal_and_over(self):
        for made in (100, 120):
            with self.subTest(made), self.env.cr.savepoint() as savepoint:
                self.tell(self.started(self.first, 0), self.count(made), self.completed(self.first, 100))
                self.rounds()
                self.assertEqual((self.first.state, self.done(self.first)), ("done", made))
                self.assertFalse(self.rest_of(self.first))
                savepoint.close(rollback=True)
            self.env.invalidate_all()

    def test_with_nothing_made_it_waits_and_no_full_quantity_is_invented(self):
        told = self.tell(self.started(self.first, 0), self.completed(self.first, 100))
        self.rounds()
        row = self.rows(told[1], "order_finish")
        self.assertEqual((row.state, row.reason), ("waiting", "nothing_made"))
        self.assertTrue(row.remedy)
        self.assertEqual(self.done(self.first), 0)

        self.idle_machine._adjust("good", 30, "Counter was off", at=self.naive(50))
        self.rounds()
        self.assertEqual(
            (self.first.state, self.done(self.first), self.first.date_finished), ("done", 30, self.naive(100))
        )

    def test_told_before_its_pieces_arrive_it_ends_with_them(self):
        told = self.tell(self.started(self.first, 0), self.completed(self.first, 100))
        self.rounds()
        self.assertEqual(self.rows(told[1], "order_finish").reason, "nothing_made")

        self.tell(self.count(60, seconds=90))
        self.rounds(3)

        self.assertEqual(self.rows(told[1], "order_finish").state, "posted")
        self.assertEqual(
            (self.first.state, self.done(self.first), self.first.date_finished), ("done", 60, self.naive(100))
        )

    def test_told_in_vain_it_ends_nothing_that_is_made_afterwards(self):
        told = self.tell(self.started(self.first, 0), self.completed(self.first, 100))
        self.rounds()

        self.tell(self.started(self.first, 150), self.count(60, seconds=160))
        self.rounds(3)

        self.assertEqual(self.rows(told[1], "order_finish").reason, "nothing_made")
        self.assertEqual((self.first.state, self.made(self.first)), ("progress", [60]))

    def test_told_late_pieces_made_after_it_leave_it_first(self):
        self.tell(self.started(self.first, 0), self.count(60), self.count(7, seconds=160, before=60))
        self.assertEqual(self.made(self.first), [67])

        self.tell(self.completed(self.first, 100))
        self.rounds(5)

        rest = self.rest_of(self.first)
        self.assertEqual(
            (self.first.state, self.done(self.first), self.first.date_finished), ("done", 60, self.naive(100))
        )
        self.assertEqual(self.made(rest), [7])
        self.assertFalse(self.waiting() | self.waiting("order_finish"))

    def test_told_before_its_pieces_they_follow_the_rule_for_late_ones(self):
        self.tell(self.started(self.first, 0), self.count(50, seconds=50), self.completed(self.first, 100))
        self.rounds()
        late = self.tell(self.count(10, seconds=60, before=50))
        self.assertEqual(self.outcome(late, "production_count"), [("waiting", "order_closed")])
        self.assertEqual(self.done(self.first), 50)

    def test_twice_it_is_one_end(self):
        self.tell(self.started(self.first, 0), self.count(60), self.completed(self.first, 100))
        self.rounds()
        again = self.tell(self.completed(self.first, 130))
        self.rounds()

        self.assertEqual((self.done(self.first), len(self.rest_of(self.first))), (60, 1))
        self.assertEqual(self.outcome(again, "order_finish")[0][0], "ignored")

    def test_another_order_that_is_loaded_goes_on(self):
        self.tell(
            self.started(self.first, 0), self.count(60), self.started(self.second, 100), self.count(5, 160, before=60)
        )
        self.tell(self.completed(self.first, 200))
        self.rounds()

        self.assertEqual((self.first.state, self.done(self.first)), ("done", 60))
        self.assertEqual(self.idle_machine.production_id, self.second)
        self.assertEqual(self.made(self.second), [5])

    def test_a_cancelled_order_is_closed_already(self):
        self.tell(self.started(self.first, 0), self.count(60))
        self.first.action_cancel()
        told = self.tell(self.completed(self.first, 100))

        self.assertEqual(self.outcome(told, "order_finish"), [("ignored", "no_change")])

    def test_by_a_person_its_word_only_unloads(self):
        self.idle_machine.order_finish = "person"
        told = self.tell(self.started(self.first, 0), self.count(60), self.completed(self.first, 100))
        self.rounds()

        self.assertEqual(self.outcome(told[2], "order_finish"), [("ignored", "finish_policy")])
        self.assertEqual((self.first.workorder_ids.state, self.made(self.first)), ("progress", [60]))
        self.assertEqual(self.spans(), [(self.first, 0, 100)])

    def test_no_time_is_invented(self):
        self.tell(self.started(self.first, 0), self.count(60), self.completed(self.first, 100))
        self.rounds()
        self.assertEqual(self.first.state, "done")
        self.assertEqual(self.first.workorder_ids.time_ids.ids, [])

        self.tell(
            self.state("running", 3000), self.started(self.second, 3000), self.count(60, 3100), self.state("off", 3600)
        )
        self.tell(self.completed(self.second, 3600))
        self.rounds()
        self.assertEqual((self.second.state, self.second.workorder_ids.duration), ("done", 10))


@tagged("post_install", "-at_install")
class TestOrderStart(FinishCase):
    """A work order begins with its first piece, or when the machine names it."""

    def test_with_its_first_piece(self):
        self.tell(self.started(self.first, 0))
        self.assertEqual(self.first.workorder_ids.state, "ready")

        self.tell(self.count(1, seconds=300))
        self.assertEqual(
            (self.first.workorder_ids.state, self.first.workorder_ids.date_start), ("progress", self.naive(300))
        )

    def test_when_the_machine_says_so(self):
        self.idle_machine.order_start = "signal"
        told = self.tell(self.started(self.first, 0), self.count(1, seconds=300))

        step = self.first.workorder_ids
        self.assertEqual((step.state, step.date_start, step.qty_produced), ("progress", self.naive(0), 1))
        self.assertEqual(self.outcome(told[0], "order_start"), [("posted", "")])

    def test_an_unknown_order_waits_once_and_begins_when_it_is_known(self):
        self.idle_machine.order_start = "signal"
        told = self.tell(self.started("JOB 1", 60))
        self.assertEqual([(row.handler, row.state) for row in told.posting_ids], [("order_loading", "waiting")])

        self.first.origin = "JOB 1"
        self.rounds()
        self.assertEqual(self.outcome(told, "order_start"), [("posted", "")])
        self.assertEqual(self.first.workorder_ids.date_start, self.naive(60))

    def test_nothing_is_begun_while_the_machine_is_only_observed(self):
        self.idle_machine.write({"order_start": "signal", "posting_mode": "observe"})
        self.tell(self.started(self.first, 0))

        self.assertEqual(self.first.workorder_ids.state, "ready")


@tagged("post_install", "-at_install")
class TestOverProduction(FinishCase):
    """Pieces beyond the quantity are booked, or wait for a person."""

    def over(self, policy, **values):
        self.idle_machine.write({"over_production": policy, **values})
        return self.tell(
            self.started(self.first, 0),
            *(self.count(30, seconds=60 * number, before=30 * number) for number in range(1, 6)),
        )[1:]

    def test_allowed_all_are_booked(self):
        told = self.over("allow")

        self.assertEqual((self.made(self.first), self.states(told)), ([150], ["posted"] * 5))

    def test_to_a_tolerance(self):
        told = self.over("tolerance", over_tolerance=20)

        self.assertEqual((self.made(self.first), self.states(told)), ([120], ["posted"] * 4 + ["waiting"]))

    def test_what_fits_is_booked_and_what_does_not_waits(self):
        told = self.over("wait")

        self.assertEqual((self.made(self.first), self.states(told)), ([90], ["posted"] * 3 + ["waiting"] * 2))
        row = self.rows(told)[3]
        self.assertEqual(row.reason, "over_production")
        self.assertIn("is to make 100 and has 90", row.message)
        self.assertTrue(row.remedy)
        self.assertEqual(row.action_document()["res_id"], self.first.id)
        self.assertEqual(self.made(self.first), [90], "tried again in vain it stays so")

        fits = self.tell(self.count(10, seconds=1000, before=200))
        self.assertEqual((self.states(fits), self.made(self.first)), (["posted"], [100]))

    def test_once_the_quantity_is_raised_they_go_on_by_themselves(self):
        told = self.over("wait")
        wizard = self.env["change.production.qty"].create({"mo_id": self.first.id, "product_qty": 150})
        wizard.change_prod_qty()
        self.rounds()

        self.assertEqual((self.made(self.first), self.states(told)), ([150], ["posted"] * 5))

    def test_a_supervisor_releases_them_one_by_one(self):
        told = self.over("wait")
        rows = self.rows(told)
        rows[4].action_release()
        self.rounds()

        self.assertEqual((self.made(self.first), self.states(told)), ([120], ["posted"] * 3 + ["waiting", "posted"]))
        self.assertEqual(rows[4].released_by, self.env.user)

    def test_an_order_without_work_orders(self):
        self.idle_machine.over_production = "wait"
        plain = self.make_order(10, bom=self.bom.copy({"operation_ids": [Command.clear()]}))
        told = self.tell(
            self.started(plain, 0), self.count(8), self.count(4, 90, before=8), self.count(2, 120, before=12)
        )

        self.assertEqual((plain.qty_producing, self.states(told)), (10, ["posted", "waiting", "posted"]))

    def test_pieces_taken_away_make_room(self):
        told = self.over("wait")
        self.idle_machine._adjust("good", -30, "Not ours", at=self.naive(100))
        self.rounds()
        self.rows(told)[3].action_retry()
        self.rounds()

        self.assertEqual((self.made(self.first), self.states(told)), ([90], ["posted"] * 4 + ["waiting"]))

    def test_a_tolerance_is_a_share(self):
        for tolerance in (-1, 1001):
            with self.subTest(tolerance), self.assertRaisesRegex(UserError, "between 0 and 1000"):
                self.idle_machine.over_tolerance = tolerance

    def test_rejects_are_no_pieces_too_many(self):
        self.idle_machine.over_production = "wait"
        told = self.tell(
            self.started(self.first, 0),
            self.count(95),
            self.count(5, seconds=90, kind="reject"),
            self.count(5, seconds=120, before=95),
        )

        self.assertEqual(self.states(told), ["posted"] * 3)
        self.assertEqual(self.made(self.first), [105])


@tagged("post_install", "-at_install")
class TestWithoutOrder(FinishCase):
    """Pieces without an order wait, or an order is drafted for them."""

    def draft(self):
        return self.env["mrp.production"].search([("missing_machine_id", "=", self.idle_machine.id)])

    def drafting(self):
        bom = self.bom.copy()
        bom.operation_ids.workcenter_id = self.line
        product = self.env["product.product"].create({"name": "Plate", "is_storable": True})
        bom.product_tmpl_id = product.product_tmpl_id
        self.idle_machine.write({"missing_product_id": product.id, "order_missing": "draft"})
        return product

    def test_they_wait(self):
        told = self.tell(self.count(5))

        self.assertEqual(self.outcome(told, "production_count"), [("waiting", "no_order")])
        self.assertFalse(self.draft())

    def test_a_draft_grows_with_them_and_takes_them_once_confirmed(self):
        product = self.drafting()
        told = self.tell(self.count(5), self.count(3, seconds=90, before=5))
        draft = self.draft()
        self.assertEqual((draft.state, draft.product_id, draft.product_qty), ("draft", product, 8))
        self.assertEqual(self.outcome(told, "production_count"), [("waiting", "draft_order")] * 2)
        row = self.rows(told)[0]
        self.assertIn(draft.display_name, row.message)
        self.assertEqual(row.action_document()["res_id"], draft.id)

        more = self.tell(self.count(2, seconds=120, before=8))
        self.assertEqual((self.draft(), draft.product_qty), (draft, 10))
        row.action_retry()
        self.rounds()
        self.assertEqual((self.draft(), draft.product_qty), (draft, 10), "tried again they are no more pieces")

        draft.action_confirm()
        self.rounds()
        self.assertEqual(self.states(told | more), ["posted"] * 3)
        self.assertEqual(draft.workorder_ids.qty_produced, 10)
        self.assertEqual(draft.workorder_ids.date_start, self.naive(60))
        self.assertIn("Drafted for pieces", self.rows(told)[0].posting_id.explanation)
        self.tell(self.count(1, seconds=150, before=10))
        self.assertEqual(draft.workorder_ids.qty_produced, 11, "it is loaded by now")

    def test_pieces_before_and_after_another_order_are_both_the_drafts(self):
        self.drafting()
        self.load(self.first, 100)
        self.wizard(self.env["mrp.production"], 200).action_unload()
        self.tell(self.count(5), self.count(7, seconds=150, before=5), self.count(3, seconds=250, before=12))
        draft = self.draft()
        self.assertEqual(draft.product_qty, 8)

        # The first order is in progress; what a person unloaded is a person's to say.
        self.rounds()
        draft.action_confirm()
        self.rounds()
        self.assertEqual((self.made(self.first), draft.workorder_ids.qty_produced), ([7], 8))

    def test_another_order_loaded_instead_takes_them(self):
        self.drafting()
        told = self.tell(self.count(5))
        self.load(self.second, 0)
        self.rounds()

        self.assertEqual((self.states(told), self.made(self.second)), (["posted"], [5]))
        self.assertEqual(self.draft().qty_producing, 0)

    def test_an_order_that_the_machine_names_and_nobody_knows_is_not_drafted(self):
        self.drafting()
        told = self.tell(self.started("JOB 9", 0), self.count(5))

        self.assertEqual(self.outcome(told[1], "production_count"), [("waiting", "order_untold")])
        self.assertFalse(self.draft())

    def test_a_product_that_is_not_made_here_is_not_drafted(self):
        self.idle_machine.write({"missing_product_id": self.product.id, "order_missing": "draft"})
        told = self.tell(self.count(5))
        row = self.rows(told)

        self.assertEqual((row.state, row.reason), ("waiting", "no_order"))
        self.assertIn(self.line.name, row.message)
        self.assertFalse(self.draft())

    def test_a_product_is_needed(self):
        with self.assertRaisesRegex(UserError, "choose the product"):
            self.idle_machine.order_missing = "draft"

    def test_nothing_is_drafted_while_the_machine_is_only_observed(self):
        self.drafting()
        self.idle_machine.posting_mode = "observe"
        self.tell(self.count(5))

        self.assertFalse(self.draft())


@tagged("post_install", "-at_install")
class TestSettings(FinishCase):
    def test_the_form_shows_what_belongs_to_the_choice(self):
        with Form(self.idle_machine) as form:
            form.order_finish = "quantity"
            form.over_production = "tolerance"
            form.over_tolerance = 5
            form.order_missing = "draft"
            form.missing_product_id = self.product
        machine = self.idle_machine
        self.assertEqual(
            (machine.order_finish, machine.over_tolerance, machine.missing_product_id), ("quantity", 5, self.product)
        )

    def test_by_default_nothing_is_as_it_was_not(self):
        machine = self.make_machine("t-new")
        fields = ("over_production", "order_start", "order_finish", "order_remainder", "order_missing")
        self.assertEqual([machine[name] for name in fields], ["allow", "first_piece", "person", "backorder", "wait"])
