"""Checks: what comes of them, what they hold, and whom they let go on."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..models.stock_quant import LotHeld
from .common import QualityCommon


@tagged("post_install", "-at_install")
class TestQualityCheck(QualityCommon):
    def check(self, **values):
        return self.env["quality.machine.check"].create(
            {
                "title": "Outer diameter",
                "machine_id": self.machine.id,
                "product_id": self.tracked.id,
                "lot_id": self.lot.id,
                **values,
            }
        )

    def measure(self, **values):
        limits = {"has_lower": True, "lower": 3.9, "has_upper": True, "upper": 4.1, "unit": "mm"}
        return self.check(kind="measure", **{**limits, **values})

    def done(self, check, user="operator", **values):
        check = check.with_user(self.users[user])
        check.write(values)
        check.action_done()

    # A measure

    def test_a_measure_within_its_limits_passes(self):
        for value in (3.9, 4.0, 4.1):
            check = self.measure()
            self.done(check, value=value)
            self.assertEqual((check.state, check.done_by), ("passed", self.users["operator"]))
            self.assertFalse(self.lot.quality_held or check.alert_id)

    def test_a_measure_beyond_its_limits_fails_holds_and_alerts(self):
        for value in (3.899, 4.101):
            with self.subTest(value=value):
                check = self.measure()
                self.done(check, value=value)
                self.assertEqual(check.state, "failed")
                self.assertTrue(self.lot.quality_held)
        alert = check.alert_id
        self.assertEqual((alert.title, alert.origin, alert.check_count), ("Outer diameter", "check", 2))
        self.assertEqual(alert.machine_id, self.machine)
        self.assertIn("3.899", self.lot.quality_hold_ids.sorted("id")[0].reason)
        self.assertIn("3.9 to 4.1 mm", self.lot.quality_hold_ids.sorted("id")[0].reason)

    def test_one_sided_limits(self):
        check = self.measure(has_lower=False)
        self.assertEqual(check.limits, "at most 4.1 mm")
        self.done(check, value=-100)
        self.assertEqual(check.state, "passed")

    def test_a_count(self):
        for found, state in ((2, "passed"), (3, "failed")):
            check = self.check(kind="count", most=2)
            self.done(check, count=found)
            self.assertEqual(check.state, state)

    def test_pass_and_fail_by_word(self):
        good, bad = self.check(), self.check(gate="none")
        good.with_user(self.users["operator"]).action_pass()
        bad.with_user(self.users["operator"]).action_fail()
        self.assertEqual((good.state, bad.state, self.lot.quality_held), ("passed", "failed", False))

    def test_the_wrong_button_is_refused(self):
        with self.assertRaises(UserError):
            self.measure().action_pass()
        with self.assertRaises(UserError):
            self.check().action_done()

    def test_what_is_done_is_done(self):
        check = self.measure()
        self.done(check, value=5)
        with self.assertRaises(UserError):
            self.done(check)
        with self.assertRaises(UserError):
            check.with_user(self.users["operator"]).write({"value": 4})
        check.with_user(self.users["inspector"]).action_reopen()
        self.done(check, value=4)
        self.assertEqual(
            (check.state, self.lot.quality_held), ("passed", True), "what failed once is released by a person"
        )

    def test_limits_that_cannot_be(self):
        with self.assertRaises(ValidationError):
            self.measure(lower=5)

    def test_an_operator_does_not_move_the_limits(self):
        check = self.measure()
        for values in ({"upper": 100}, {"state": "passed"}, {"gate": "none"}, {"lot_id": self.other_lot.id}):
            with self.subTest(values=values), self.assertRaises(AccessError):
                check.with_user(self.users["operator"]).write(values)

    def test_an_operator_does_it_on_the_form(self):
        check = self.measure()
        with Form(check.with_user(self.users["operator"])) as form:
            form.value = 4.05
            form.note = "a little rough"
        check.with_user(self.users["operator"]).action_done()
        self.assertEqual((check.state, check.note), ("passed", "a little rough"))

    # The gate

    def test_a_missing_check_holds_and_doing_it_lets_go(self):
        check = self.check(due=fields.Datetime.now() - timedelta(minutes=1))
        self.assertTrue(check.is_late)
        self.assertIn(check, check.search([("is_late", "=", True)]))
        check._cron_missing()
        check._cron_missing()
        self.assertEqual((len(check.hold_ids), self.lot.quality_held), (1, True))
        self.assertIn("missing", check.hold_ids.reason)
        check.with_user(self.users["operator"]).action_pass()
        self.assertFalse(self.lot.quality_held)

    def test_a_missing_check_that_then_fails_stays_held(self):
        check = self.check(due=fields.Datetime.now() - timedelta(minutes=1))
        check._cron_missing()
        check.action_fail()
        self.assertEqual((len(check.hold_ids), check.hold_ids.until_passed, self.lot.quality_held), (1, False, True))

    def test_a_check_in_time_holds_nothing(self):
        check = self.check(due=fields.Datetime.now() + timedelta(minutes=1))
        (
            check | self.check(due=False) | self.check(due=fields.Datetime.now() - timedelta(1), gate="none")
        )._cron_missing()
        self.assertFalse(self.lot.quality_held)

    def test_held_until_it_passes(self):
        check = self.check(gate="until")
        self.assertTrue(self.lot.quality_held)
        check.action_pass()
        self.assertFalse(self.lot.quality_held)

    def test_a_cancelled_check_lets_nothing_go_by_itself(self):
        check = self.check(gate="until")
        check.with_user(self.users["supervisor"]).action_cancel()
        self.assertEqual((check.state, self.lot.quality_held), ("cancelled", True))

    def test_an_order_whose_lot_is_not_known_waits_and_then_its_lot_does(self):
        self.product.tracking = "lot"
        check = self.check(product_id=False, lot_id=False, production_id=self.order.id)
        check.action_fail()
        hold = check.hold_ids
        self.assertEqual((hold.lot_id.id, hold.production_id, hold.blocks_order), (False, self.order, True))
        events = self.receive(self.machine, self.count(5, seconds=100))
        self.post()
        self.assertEqual(self.rows(events).mapped("reason"), ["lot"], "nobody said of which lot: that comes first")
        lot = self.env["stock.lot"].create({"name": "NEW", "product_id": self.product.id})
        self.order.lot_producing_ids = lot
        self.assertEqual((hold.lot_id, lot.quality_held), (lot, True))

    def test_an_order_that_quality_holds_waits_with_words_and_goes_on_when_released(self):
        check = self.check(product_id=False, lot_id=False, production_id=self.order.id)
        self.receive(self.machine, self.count(5, seconds=50))
        self.post()
        self.assertEqual(self.order.qty_producing, 5)
        check.action_fail()
        events = self.receive(self.machine, self.count(7, seconds=100, before=5))
        self.post()
        row = self.rows(events)
        self.assertEqual((row.state, row.reason, self.order.qty_producing), ("waiting", "order_held", 5))
        self.assertIn("waits for quality", row.message)
        self.assertIn("Quality", row.remedy)
        self.assertIn("waits for quality", self.order.quality_machine_words)
        check.hold_ids.with_user(self.users["inspector"])._release("measured again")
        self.post()
        self.assertEqual((row.state, self.order.qty_producing), ("posted", 12))
        self.order.invalidate_recordset(["quality_machine_words"])
        self.assertFalse(self.order.quality_machine_words)

    def test_a_lot_is_held_and_its_order_goes_on_where_nobody_said_otherwise(self):
        self.product.tracking = "lot"
        lot = self.env["stock.lot"].create({"name": "RUN", "product_id": self.product.id})
        self.order.lot_producing_ids = lot
        check = self.check(product_id=False, lot_id=False, production_id=self.order.id)
        check.action_fail()
        self.assertEqual(check.hold_ids.lot_id, lot)
        events = self.receive(self.machine, self.count(7, seconds=100))
        self.post()
        self.assertEqual((self.states(events), self.order.qty_producing), (["posted"], 7))

    def test_people_book_no_more_on_an_order_that_waits_either(self):
        check = self.check(product_id=False, lot_id=False, production_id=self.order.id)
        check.action_fail()
        self.order.qty_producing = 5
        self.order._set_qty_producing(False)
        with self.assertRaisesRegex(UserError, "waits for quality"), self.env.cr.savepoint():
            self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        self.assertEqual(self.order.qty_produced, 0)
        check.hold_ids.with_user(self.users["inspector"])._release("good")
        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        self.assertEqual((self.order.state, self.order.qty_produced), ("done", 5))

    def test_a_held_lot_that_is_loaded_on_a_machine_is_refused_with_words(self):
        self.assertIsNone(self.lot._machine_refusal(fields.Datetime.now(), used=True))
        self.hold()
        self.assertIsNone(self.lot._machine_refusal(fields.Datetime.now()), "what is made of it is held with it")
        reason, words = self.lot._machine_refusal(fields.Datetime.now(), used=True)
        self.assertEqual(reason, "lot_held")
        self.assertIn("scratches", words)

    def test_stock_of_an_order_that_waits_does_not_enter(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 5})
        check = self.check(product_id=False, lot_id=False, production_id=self.order.id)
        self.receive(self.machine, self.count(4, seconds=50))
        self.post()
        self.receive(self.machine, self.count(4, seconds=60, before=4))
        self.env["mrp.machine.poster"]._post_machine(self.machine)
        check.action_fail()
        self.post()
        due = self.env["mrp.machine.event"].search(
            [("type", "=", "production.stock_due"), ("machine_id", "=", self.machine.id)]
        )
        self.assertEqual((self.states(due, "stock_beat"), self.order.qty_produced), (["waiting"], 0))
        check.hold_ids._release("good")
        self.post()
        self.assertEqual((self.states(due, "stock_beat"), self.order.qty_produced), (["posted"], 8))

    def test_a_component_that_is_held_keeps_goods_from_entering_stock(self):
        """What was laid out of it before waits at the last door, with the lot's own words, and goes on by itself."""
        self.component_a.tracking = "lot"
        part = self.make_lot("PART", 500, product=self.component_a)
        order = self.make_order(100)
        order.action_assign()
        self.env["mrp.machine.loading"]._load(
            self.machine, order, order.workorder_ids, self.at(200).replace(tzinfo=None)
        )
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 5})
        self.receive(self.machine, self.count(8, seconds=300))
        self.post(self.machine)
        self.hold(part)
        self.post(self.machine)
        due = self.env["mrp.machine.event"].search(
            [("type", "=", "production.stock_due"), ("machine_id", "=", self.machine.id)]
        )
        row = self.rows(due, "stock_beat")
        self.assertEqual((row.state, row.reason, order.qty_produced), ("waiting", "lot_held", 0))
        self.assertIn("scratches", row.message)
        part.quality_hold_ids.with_user(self.users["inspector"])._release("good")
        self.post(self.machine)
        self.assertEqual((row.state, order.qty_produced), ("posted", 8))

    # Around it

    def test_my_open_checks_are_mine_or_my_teams(self):
        operator = self.users["operator"]
        team = self.env["quality.machine.team"].create({"name": "Press shop", "member_ids": [(4, operator.id)]})
        mine, ours = self.check(responsible_id=operator.id), self.check(team_id=team.id)
        self.check(responsible_id=self.users["inspector"].id)
        view = self.env.ref("quality_machine_event.quality_machine_check_view_search")
        domain = (
            self.env["quality.machine.check"]
            .with_user(operator)
            .search(
                [
                    "|",
                    ("responsible_id", "=", operator.id),
                    "&",
                    ("responsible_id", "=", False),
                    ("team_id.member_ids", "in", operator.id),
                ]
            )
        )
        self.assertEqual(domain, mine | ours)
        self.assertIn("team_id.member_ids", view.arch)

    # Containment

    def word(self, lot, seconds, order=None):
        self.env["mrp.machine.lot"].sudo()._begin(
            self.machine,
            order or self.order,
            lot,
            lot.name,
            self.at(seconds).replace(tzinfo=None),
            "machine",
            self.env["mrp.machine.event"],
        )

    def test_containment_proposes_what_was_made_since_the_last_good_check(self):
        self.product.tracking = "lot"
        lots = self.env["stock.lot"].create([{"name": f"C{n}", "product_id": self.product.id} for n in range(5)])
        for number, lot in enumerate(lots):
            self.word(lot, 1000 * (number + 1))
        values = {"production_id": self.order.id, "product_id": self.product.id, "lot_id": False}
        moments = [self.at(seconds).replace(tzinfo=None) for seconds in (1500, 2500, 4500)]
        good_early, good, bad = (self.check(occurred=moment, **values) for moment in moments)
        for check in (good_early, good):
            check.action_pass()
        bad.action_fail()
        action = bad.with_user(self.users["inspector"]).action_contain()
        wizard = self.env["quality.machine.contain"].with_user(self.users["inspector"]).browse(action["res_id"])
        self.assertEqual(wizard.last_good_id, good)
        # The second was being made when it was still good, and goes on to 3000; the fourth is the failed check's own.
        self.assertEqual(wizard.line_ids.lot_id, lots[1:5])
        self.assertEqual(wizard.line_ids.filtered("quality_held").lot_id, lots[3])
        wizard.line_ids.filtered(lambda line: line.lot_id == lots[4]).is_chosen = False
        wizard.action_hold()
        self.assertEqual([lot.quality_held for lot in lots], [False, True, True, True, False])

    def test_containment_knows_single_pieces(self):
        self.product.tracking = "serial"
        pieces = self.env["stock.lot"].create([{"name": f"S{n}", "product_id": self.product.id} for n in range(3)])
        rows = self.env["mrp.machine.lot"].sudo()
        for number, piece in enumerate(pieces):
            moment = self.at(100 * (number + 1)).replace(tzinfo=None)
            rows.create(
                {
                    "machine_id": self.machine.id,
                    "production_id": self.order.id,
                    "lot_id": piece.id,
                    "told": piece.name,
                    "date_start": moment,
                    "date_end": moment,
                    "source": "machine",
                    "quantity": 1,
                }
            )
        values = {"production_id": self.order.id, "product_id": self.product.id, "lot_id": False}
        self.check(occurred=self.at(150).replace(tzinfo=None), **values).action_pass()
        bad = self.check(occurred=self.at(350).replace(tzinfo=None), gate="none", **values)
        bad.action_fail()
        wizard = self.env["quality.machine.contain"].browse(bad.action_contain()["res_id"])
        self.assertEqual(wizard.line_ids.lot_id, pieces[1:])

    @mute_logger("odoo.addons.base.models.ir_model")
    def test_who_does_not_hold_does_not_contain(self):
        self.check(gate="none").action_fail()
        with self.assertRaises(AccessError):
            self.hold(user="operator")
        with self.assertRaises(LotHeld), self.env.cr.savepoint():
            self.hold(user="supervisor")
            self.env["stock.quant"]._update_available_quantity(self.tracked, self.location, -1, lot_id=self.lot)
