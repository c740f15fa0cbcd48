from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..postings.outcome import LocksNeeded
from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachinePoster(MachineConnectCommon):
    def test_a_count_becomes_quantity_of_the_loaded_order(self):
        events = self.receive(self.machine, self.count(5))

        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.order.qty_producing, 5)
        self.assertEqual(self.workorder.qty_produced, 5)
        self.assertEqual(self.workorder.state, "progress")
        self.assertEqual(self.order.state, "progress")
        picked = self.order.move_raw_ids.mapped("quantity")
        self.assertEqual(sorted(picked), [5, 20])

    def test_a_count_without_an_order_waits_and_holds_up_no_other(self):
        lost = self.receive(self.idle_machine, self.count(3))
        good = self.receive(self.machine, self.count(5))

        self.post()

        self.assertEqual(self.states(lost), ["waiting"])
        self.assertEqual(self.rows(lost).reason, "no_order")
        self.assertTrue(self.rows(lost).message)
        self.assertTrue(self.rows(lost).remedy)
        self.assertEqual(self.states(good), ["posted"])

    def test_an_event_received_twice_has_its_effect_once(self):
        first = self.receive(self.machine, self.count(5))
        again = self.receive(self.machine, self.count(5))
        self.post()
        self.receive(self.machine, self.count(5))
        self.post()

        self.assertEqual(len(first), 1)
        self.assertFalse(again)
        self.assertEqual(self.order.qty_producing, 5)

    def test_counts_out_of_order_add_up_to_the_same(self):
        self.receive(self.machine, self.count(5, seconds=120, before=10))
        self.post()
        self.receive(self.machine, self.count(7, seconds=60, before=3))
        self.post()

        self.assertEqual(self.order.qty_producing, 12)

    def test_two_hundred_counts_are_one_write_of_the_order(self):
        self.receive(self.machine, *[self.count(1, seconds=second, before=second) for second in range(200)])

        self.post()

        self.assertEqual(self.order.qty_producing, 200)
        postings = self.env["mrp.machine.posting"].search([("production_id", "=", self.order.id)])
        self.assertEqual(len(postings), 1)
        self.assertEqual(len(postings.event_posting_ids), 200)

    def test_what_a_person_entered_on_the_order_is_kept_and_shown(self):
        self.receive(self.machine, self.count(10))
        self.post()
        self.workorder.qty_produced = 8

        self.receive(self.machine, self.count(5, seconds=90, before=10))
        self.post()

        self.assertEqual(self.order.qty_producing, 13)
        ledger = self.env["mrp.machine.ledger"].search([("production_id", "=", self.order.id)])
        self.assertEqual((ledger.good, ledger.posted, ledger.by_hand), (15, 15, -2))

    def test_several_machines_on_one_work_order_add_up(self):
        second = self.make_machine("press2", workcenter=self.workcenter)
        self.env["mrp.machine.loading"]._load(second, self.order, self.workorder, self.at(0).replace(tzinfo=None))
        self.receive(self.machine, self.count(10))
        self.receive(second, self.count(4))

        self.post(self.machine, second)
        self.receive(second, self.count(1, seconds=90))
        self.post(self.machine, second)

        self.assertEqual(self.order.qty_producing, 15)

    def test_an_order_without_work_orders_counts_when_it_is_loaded(self):
        bom = self.env["mrp.bom"].create(
            {"product_tmpl_id": self.product.product_tmpl_id.id, "bom_line_ids": [
                (0, 0, {"product_id": self.component_a.id, "product_qty": 2})]}
        )  # fmt: skip
        order = self.make_order(50, bom=bom)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, self.env["mrp.workorder"], self.at(0).replace(tzinfo=None)
        )
        self.receive(self.idle_machine, self.count(7))

        self.post()

        self.assertEqual(order.qty_producing, 7)
        self.assertEqual(order.move_raw_ids.quantity, 14)

    def test_without_loading_the_single_work_order_in_progress_is_meant(self):
        self.env["mrp.machine.loading"]._unload(self.machine, self.at(1).replace(tzinfo=None))
        self.workorder.with_context(bypass_duration_calculation=True).write(
            {"state": "progress", "date_start": self.at(2).replace(tzinfo=None)}
        )
        events = self.receive(self.machine, self.count(3))
        self.post()
        self.assertEqual(self.order.qty_producing, 3)

        other = self.make_order(10).workorder_ids
        other.with_context(bypass_duration_calculation=True).write(
            {"state": "progress", "date_start": self.at(2).replace(tzinfo=None)}
        )
        ambiguous = self.receive(self.machine, self.count(4, seconds=90))
        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.rows(ambiguous).reason, "ambiguous")
        self.assertEqual(self.order.qty_producing, 3)

    def test_an_event_goes_to_the_order_that_was_loaded_at_its_own_time(self):
        other = self.make_order(100)
        self.env["mrp.machine.loading"]._load(
            self.machine, other, other.workorder_ids, self.at(1000).replace(tzinfo=None)
        )
        self.receive(self.machine, self.count(4, seconds=1500), self.count(3, seconds=500))

        self.post()

        self.assertEqual((self.order.qty_producing, other.qty_producing), (3, 4))

    def test_a_count_that_spans_a_change_of_order_waits(self):
        other = self.make_order(100)
        self.env["mrp.machine.loading"]._load(
            self.machine, other, other.workorder_ids, self.at(1000).replace(tzinfo=None)
        )
        window = [self.at(900).isoformat(), self.at(1100).isoformat()]
        events = self.receive(self.machine, self.count(9, seconds=1100, window=window))

        self.post()

        self.assertEqual(self.rows(events).reason, "spans_change")

    def test_a_closed_order_takes_nothing_more(self):
        self.receive(self.machine, self.count(5))
        self.post()
        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        self.assertEqual(self.order.state, "done")
        events = self.receive(self.machine, self.count(2, seconds=90, before=5))

        self.post()

        self.assertEqual(self.rows(events).reason, "order_closed")
        self.assertEqual(self.order.qty_produced, 5)
        self.assertEqual(sum(self.order.move_finished_ids.filtered(lambda m: m.state == "done").mapped("quantity")), 5)

    def test_a_dozen_is_counted_as_a_total_not_piece_by_piece(self):
        order = self.make_order(10, product_uom_id=self.env.ref("uom.product_uom_dozen").id)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, order.workorder_ids, self.at(0).replace(tzinfo=None)
        )
        for piece in range(24):
            self.receive(self.idle_machine, self.count(1, seconds=piece, before=piece))
            self.post()

        self.assertEqual(order.qty_producing, 2)

    def test_a_unit_that_has_nothing_to_do_with_pieces_waits(self):
        self.product.uom_id = self.env.ref("uom.product_uom_kgm")
        order = self.make_order(10, product_uom_id=self.env.ref("uom.product_uom_kgm").id)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, order.workorder_ids, self.at(0).replace(tzinfo=None)
        )
        events = self.receive(self.idle_machine, self.count(1))

        self.post()

        self.assertEqual(self.rows(events).reason, "unit")

    def test_cycles_feed_the_order_and_the_counter_is_compared(self):
        self.machine.counting_role = "cycle"
        self.receive(self.machine, *[self.cycle(100 * n) for n in range(1, 21)])
        self.receive(self.machine, *[self.count(1, seconds=100 * n, before=1088 + n) for n in range(2, 21)])

        self.post()

        self.assertEqual(self.order.qty_producing, 20)
        ledger = self.env["mrp.machine.ledger"].search([("production_id", "=", self.order.id)])
        self.assertEqual((ledger.cycle, ledger.good, ledger.difference), (20, 19, 1))
        self.assertEqual(self.order.machine_difference, 1)

    def test_rejects_are_quantity_beside_the_good_pieces(self):
        self.receive(self.machine, self.count(5), self.count(2, kind="reject"))

        self.post()

        self.assertEqual(self.order.qty_producing, 7)
        self.assertEqual((self.machine.good, self.machine.reject), (5, 2))

    def test_a_correction_needs_a_reason_and_goes_through_the_log(self):
        self.receive(self.machine, self.count(10))
        self.post()

        event = self.machine._adjust("good", -3, "Three fell off the belt", at=self.at(100).replace(tzinfo=None))
        self.post()

        self.assertEqual(self.order.qty_producing, 7)
        self.assertEqual(self.states(event), ["posted"])
        self.assertEqual(event.user_id, self.env.user)
        ledger = self.env["mrp.machine.ledger"].search([("production_id", "=", self.order.id)])
        self.assertEqual((ledger.good, ledger.adjusted, ledger.posted), (10, -3, 7))

    def test_more_cannot_be_taken_away_than_there_is(self):
        self.receive(self.machine, self.count(2))
        self.post()
        event = self.machine._adjust("good", -3, "Miscounted", at=self.at(100).replace(tzinfo=None))

        self.post()

        self.assertEqual(self.rows(event).reason, "below_zero")
        self.assertEqual(self.order.qty_producing, 2)

    def test_all_pieces_can_be_taken_back(self):
        self.receive(self.machine, self.count(2))
        self.post()
        self.machine._adjust("good", -2, "Test pieces", at=self.at(100).replace(tzinfo=None))

        self.post()

        self.assertEqual((self.order.qty_producing, self.workorder.qty_produced), (0, 0))
        self.assertEqual(sum(self.order.move_raw_ids.mapped("quantity")), 0)

    def test_held_events_wait_for_a_person_and_then_count(self):
        events = self.receive(
            self.machine,
            self.event(
                "production.count",
                60,
                {"kind": "good", "delta": 3763, "total_before": 0, "total_after": 3763, "unit": "C62"},
                held="jump",
            ),
        )
        self.post()
        self.assertEqual(self.states(events), ["held"])
        self.assertTrue(self.rows(events).message)
        self.assertEqual(self.order.qty_producing, 0)

        self.rows(events).action_retry()
        self.post()
        self.assertEqual(self.states(events), ["held"], "retry is not release")

        self.rows(events).action_release()
        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.order.qty_producing, 3763)
        self.assertEqual(self.rows(events).released_by, self.env.user)

    def test_pause_keeps_events_and_posts_them_afterwards(self):
        self.machine.write({"pause_until": "2099-01-01 00:00:00", "pause_reason": "Stocktaking"})
        events = self.receive(self.machine, self.count(5))
        self.post()
        self.assertEqual(self.rows(events).reason, "paused")
        self.assertIn("Stocktaking", self.rows(events).message)

        self.machine.action_resume()
        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.order.qty_producing, 5)

    def test_an_observed_machine_touches_no_order(self):
        self.machine.posting_mode = "observe"
        events = self.receive(self.machine, self.count(5), self.state("running", 10))

        self.post()

        self.assertEqual(self.rows(events).mapped("reason"), ["observe"])
        self.assertEqual(self.order.qty_producing, 0)
        self.assertEqual(self.machine.state, "running")
        self.assertEqual(self.env["mrp.machine.interval"].search_count([("machine_id", "=", self.machine.id)]), 1)
        self.assertFalse(self.workcenter.time_ids)

    def test_loading_an_order_lets_retry_succeed(self):
        events = self.receive(self.idle_machine, self.count(3))
        self.post()
        order = self.make_order(10)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, order.workorder_ids, self.at(0).replace(tzinfo=None)
        )

        self.rows(events).action_retry()
        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(order.qty_producing, 3)

    def test_one_guilty_event_of_a_group_does_not_keep_the_others(self):
        good = self.receive(self.machine, self.count(1, seconds=1), self.count(1, seconds=2, before=1))
        bad = self.machine._adjust("reject", -5, "Typing error", at=self.at(3).replace(tzinfo=None))
        also = self.receive(self.machine, self.count(2, kind="reject", seconds=4))

        self.post()

        self.assertEqual(self.states(good), ["posted", "posted"])
        self.assertEqual(self.states(also), ["posted"])
        self.assertEqual(self.states(bad), ["waiting"])

    def test_a_group_that_falls_apart_beside_an_unmapped_state_needs_no_rights_that_the_poster_lacks(self):
        events = self.receive(
            self.machine,
            self.state("unknown", 0, raw="47", unmapped="47"),
            self.count(4, seconds=1),
            self.count(1, seconds=2, kind="reject", before=0),
            self.event("correction.adjust", 3, {"kind": "reject", "delta": -5, "why": "Typing error"}),
            self.count(2, seconds=4, kind="reject", before=1),
            self.count(3, seconds=5, before=4),
        )
        self.env.flush_all()
        self.env.invalidate_all()

        with self.assertNoLogs("odoo.addons.mrp_machine_connect", "WARNING"):
            self.post()

        self.assertEqual(self.states(events), ["posted", "posted", "waiting", "posted", "posted"])
        self.assertEqual(self.states(events, "state_interval"), ["waiting"])
        self.assertEqual((self.order.qty_producing, self.machine.ledger_ids.reject), (10, 3))

    def test_the_service_user_finds_in_the_queue_what_is_to_be_posted(self):
        """Also when nothing of it is in the cache any more: a savepoint that was rolled back leaves it empty."""
        self.receive(self.machine, self.state("running", 0), self.count(4, seconds=1))
        service = self.env["mrp.machine.poster"]._service(self.machine)
        entries = service.env["mrp.machine.queue"].search([("machine_id", "=", self.machine.id)])
        self.env.flush_all()

        for handler in self.env["mrp.machine.poster"]._handlers():
            self.env.invalidate_all()
            mine = entries.filtered(lambda entry, handler=handler: handler._takes(entry.event_id))
            if not mine:
                continue
            self.env.invalidate_all()
            groups, refused = handler.with_env(service.env)._groups(mine)
            self.assertFalse(refused, handler)
            for group, ids in groups.items():
                self.env.invalidate_all()
                self.assertTrue(handler.with_env(service.env)._post(group, entries.browse(ids)))
        self.assertEqual(self.order.qty_producing, 4)

    def test_postings_say_what_pieces_were_booked_as_and_one_piece_as_one(self):
        self.machine.counting_role = "cycle"
        self.receive(
            self.machine,
            self.cycle(1),
            self.count(2, seconds=2),
            self.count(1, seconds=3, kind="reject"),
            self.count(3, seconds=4, kind="rework"),
        )

        self.post()

        postings = self.env["mrp.machine.posting"].search(
            [("production_id", "=", self.order.id), ("handler", "=", "production_count")]
        )
        order, workorder = self.order.display_name, self.workorder.display_name
        self.assertEqual(
            sorted(postings.mapped(lambda posting: (posting.kind, posting.summary))),
            [
                ("compared", f"2 pieces good compared on {order}"),
                ("good", f"+1 piece on {workorder}, now 1"),
                ("reject", f"1 piece rejected noted on {order}"),
                ("rework", f"3 pieces to rework noted on {order}"),
            ],
        )

    def test_every_event_is_explained_by_exactly_one_row_a_handler(self):
        self.receive(
            self.machine, self.count(5), self.state("running", 1), self.event("meter.reading", 5, {"value": 3})
        )
        self.post()
        self.post()

        self.env.cr.execute(
            """SELECT event.id FROM mrp_machine_event event
                 LEFT JOIN mrp_machine_event_posting row ON row.event_id = event.id
                WHERE event.machine_id = %s GROUP BY event.id
               HAVING count(row.id) = 0 OR count(row.id) != count(DISTINCT row.handler)""",
            [self.machine.id],
        )
        self.assertFalse(self.env.cr.fetchall())

    def test_only_a_supervisor_decides_on_exceptions(self):
        events = self.receive(self.idle_machine, self.count(3))
        self.post()
        operator = self.env["res.users"].create(
            {
                "name": "Operator",
                "login": "operator",
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_operator").id])],
            }
        )

        with self.assertRaises(UserError):
            self.rows(events).with_user(operator).action_retry()

    def test_all_locks_that_a_batch_needs_are_told_at_once(self):
        orders = self.make_order(10) | self.make_order(
            10, bom=self.bom.copy({"product_tmpl_id": self.second_product()})
        )
        for number, order in enumerate(orders):
            self.env["mrp.machine.loading"]._load(
                self.idle_machine, order, order.workorder_ids, self.at(100 * number).replace(tzinfo=None)
            )
            self.receive(self.idle_machine, self.count(1, seconds=100 * number + 50))

        with self.assertRaises(LocksNeeded) as needed:
            self.env["mrp.machine.poster"]._post_machine(self.idle_machine, set())

        self.assertLessEqual(set(orders.product_id.ids), needed.exception.product_ids)

    def second_product(self):
        return self.env["product.product"].create({"name": "Other", "is_storable": True}).product_tmpl_id.id

    def test_an_event_that_nobody_expected_costs_only_itself(self):
        good = self.receive(self.machine, self.count(5))
        strange = self.receive(self.machine, self.count(1, seconds=61, kind="scrap"))

        with mute_logger("odoo.addons.mrp_machine_connect.models.mrp_machine_poster"):
            self.post()

        self.assertEqual(self.states(good), ["posted"])
        self.assertEqual(self.states(strange), ["received"])
        self.assertIn("scrap", self.rows(strange).message)

    def test_an_effect_that_is_due_is_queued_again_whatever_happened(self):
        events = self.receive(self.idle_machine, self.count(3))
        self.post()
        self.rows(events)._requeue()
        self.env.cr.execute("DELETE FROM mrp_machine_queue WHERE event_id = %s", [events.id])

        with patch.object(type(self.env["ir.cron"]), "_commit_progress", lambda *arguments, **options: 0):
            self.env["mrp.machine.poster"]._release_paused()
        self.post()

        self.assertEqual(self.states(events), ["waiting"])

    def test_a_pause_that_ended_unseen_is_found(self):
        self.machine.write({"pause_until": "2099-01-01 00:00:00", "pause_reason": "Stocktaking"})
        events = self.receive(self.machine, self.count(5))
        self.post()
        self.env.cr.execute("UPDATE mrp_machine SET pause_until = NULL WHERE id = %s", [self.machine.id])
        self.machine.invalidate_recordset()

        with patch.object(type(self.env["ir.cron"]), "_commit_progress", lambda *arguments, **options: 0):
            self.env["mrp.machine.poster"]._release_paused()
        self.post()

        self.assertEqual(self.states(events), ["posted"])

    def test_an_order_unloaded_while_nobody_looked_is_a_change_too(self):
        self.env["mrp.machine.loading"]._unload(self.machine, self.at(600).replace(tzinfo=None))
        window = [self.at(300).isoformat(), self.at(900).isoformat()]
        events = self.receive(self.machine, self.count(40, seconds=900, window=window))

        self.post()

        self.assertEqual(self.rows(events).reason, "spans_change")
