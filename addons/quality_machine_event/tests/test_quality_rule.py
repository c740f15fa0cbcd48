"""When checks and alerts are due: by pieces, minutes, first pieces, stops, scrap, events; each once."""

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import QualityCommon


@tagged("post_install", "-at_install")
class TestQualityRule(QualityCommon):
    def rule(self, trigger, **values):
        return self.env["quality.machine.rule"].create({"name": "Look", "trigger": trigger, "gate": "none", **values})

    def checks(self, rule):
        return self.env["quality.machine.check"].search([("rule_id", "=", rule.id)], order="id")

    def alerts(self, rule):
        return self.env["quality.machine.alert"].search([("topic", "=", f"rule:{rule.id}")])

    def make(self, pieces, seconds, before, kind="good", machine=None):
        """Count pieces and give them and what follows from them their effect."""
        events = self.receive(machine or self.machine, self.count(pieces, seconds=seconds, before=before, kind=kind))
        self.post(machine or self.machine)  # the counts, and what they decided
        self.post(machine or self.machine)
        return events

    def decided(self, rule=None):
        events = self.env["mrp.machine.event"].search([("type", "=", "quality.check_due")], order="id")
        return events.filtered(lambda event: not rule or event.data["rule_id"] == rule.id)

    # Pieces and minutes

    def test_every_so_many_pieces(self):
        rule = self.rule("pieces", every_pieces=50)
        made = 0
        for second, pieces in enumerate((30, 19, 1, 49, 1, 100), start=1):
            self.make(pieces, second, made)
            made += pieces
        # At 50, at 100 and, of 200 that were caught up at once, the last.
        self.assertEqual([event.data["pieces"] for event in self.decided(rule)], [50, 100, 200])
        self.assertEqual(len(self.checks(rule)), 3)
        check = self.checks(rule)[0]
        self.assertEqual(
            (check.production_id, check.workorder_id, check.product_id), (self.order, self.workorder, self.product)
        )
        self.assertIn("50 pieces", check.why)
        self.assertEqual(check.event_id, self.decided(rule)[0])

    def test_rejects_are_pieces_as_well(self):
        rule = self.rule("pieces", every_pieces=10)
        self.make(6, 1, 0)
        self.make(4, 2, 0, kind="reject")
        self.assertEqual(len(self.checks(rule)), 1)

    def test_pieces_that_are_taken_back_are_not_checked_twice(self):
        rule = self.rule("pieces", every_pieces=10)
        self.make(10, 1, 0)
        self.receive(
            self.machine, self.event("correction.adjust", 2, {"kind": "good", "delta": -5, "why": "counted twice"})
        )
        self.post()
        self.make(5, 3, 10)
        self.assertEqual(len(self.checks(rule)), 1)

    def test_the_same_count_twice_is_one_check(self):
        rule = self.rule("pieces", every_pieces=10)
        for _twice in range(2):
            self.make(10, 1, 0)
        self.assertEqual((len(self.checks(rule)), len(self.decided(rule))), (1, 1))

    def test_a_decision_that_is_refused_takes_no_count_with_it(self):
        rule = self.rule("pieces", every_pieces=10)
        self.receive(self.machine, self.count(10, seconds=1))
        self.env["mrp.machine.poster"]._post_machine(self.machine)
        rule.unlink()
        self.post()
        self.assertEqual(self.order.qty_producing, 10)
        self.assertEqual(self.rows(self.decided(), "quality_due").mapped("reason"), ["no_rule"])

    def test_every_so_many_minutes_of_making_pieces(self):
        rule = self.rule("minutes", every_minutes=10)
        for number, minute in enumerate((0, 5, 9.9, 10, 15, 21, 100)):
            self.make(1, 60 * minute + 1, number)
        # From the first piece on: after 10, 21 and 100 minutes.
        self.assertEqual(
            [event.occurred for event in self.decided(rule)],
            [self.at(60 * minute + 1).replace(tzinfo=None) for minute in (10, 21, 100)],
        )

    # First pieces

    def test_the_first_piece_of_an_order(self):
        rule = self.rule("start")
        self.make(1, 1, 0)
        self.make(1, 2, 1)
        other = self.make_order(100)
        self.env["mrp.machine.loading"]._load(
            self.machine, other, other.workorder_ids, self.at(100).replace(tzinfo=None)
        )
        self.make(1, 101, 2)
        self.assertEqual(self.checks(rule).mapped("production_id"), self.order | other)
        self.assertEqual(len(self.checks(rule)), 2)

    def states_and_counts(self, *steps):
        made = 0
        for second, state in steps:
            if isinstance(state, str):
                self.receive(self.machine, self.state(state, second))
                self.post(self.machine)
            else:
                self.make(state, second, made)
                made += state

    def test_the_first_piece_after_a_stop(self):
        rule = self.rule("stop", stop_minutes=15)
        self.states_and_counts(
            (0, "running"), (10, 1), (60, "stopped"), (60 + 14 * 60, "running"), (1000, 1),
            (1100, "stopped"), (1100 + 15 * 60, "running"), (2100, 1), (2200, 1),
        )  # fmt: skip
        self.assertEqual([event.occurred for event in self.decided(rule)], [self.at(2100).replace(tzinfo=None)])
        self.assertIn("stop of 15 min", self.checks(rule).why)

    def test_the_first_piece_after_a_setup(self):
        rule = self.rule("setup")
        self.states_and_counts((0, "running"), (10, 1))
        self.receive(
            self.machine,
            self.event("production.setup_started", 100, {}),
            self.state("stopped", 110),
            self.state("running", 190),
            self.event("production.setup_ended", 200, {}),
        )
        self.post(self.machine)
        self.make(1, 300, 1)
        self.make(1, 301, 2)
        self.assertEqual([event.occurred for event in self.decided(rule)], [self.at(300).replace(tzinfo=None)])

    def test_the_first_piece_of_a_lot(self):
        self.product.tracking = "lot"
        rule = self.rule("lot")
        for number, (lot, second) in enumerate((("A", 1), ("A", 2), ("B", 3), ("B", 4))):
            self.receive(self.machine, self.count(1, seconds=second, before=number, lot=lot))
            self.post(self.machine)
            self.post(self.machine)
        self.assertEqual(self.checks(rule).mapped("lot_id.name"), ["A", "B"])

    # Scrap

    def test_the_scrap_rate_in_a_window(self):
        rule = self.rule("scrap_rate", scrap_percent=10, window_minutes=10, least_pieces=20, action="alert")
        self.make(10, 1, 0)
        self.make(5, 2, 0, kind="reject")
        self.assertFalse(self.alerts(rule), "15 pieces say nothing yet")
        self.make(40, 3, 10)
        self.make(1, 4, 5, kind="reject")
        self.assertEqual(len(self.alerts(rule)), 1, "6 of 56")
        self.assertIn("6 of 56", self.alerts(rule).description)
        self.make(3, 5, 6, kind="reject")
        self.assertEqual(len(self.decided(rule)), 1, "once in its window")

    def test_the_window_forgets(self):
        rule = self.rule("scrap_rate", scrap_percent=10, window_minutes=10, least_pieces=20, action="alert")
        self.make(5, 1, 0, kind="reject")
        self.make(100, 700, 0)
        self.make(1, 701, 5, kind="reject")
        self.assertFalse(self.alerts(rule))

    def test_more_rejects_than(self):
        rule = self.rule("rejects", reject_limit=5, action="alert", priority="2")
        self.make(5, 1, 0, kind="reject")
        self.assertFalse(self.alerts(rule))
        self.make(1, 2, 5, kind="reject")
        self.make(1, 3, 6, kind="reject")
        self.assertEqual((len(self.alerts(rule)), self.alerts(rule).priority), (1, "2"))

    # Events

    def test_an_event_of_the_machine(self):
        rule = self.rule("event", event_type="alarm.raised")
        events = self.receive(self.machine, self.event("alarm.raised", 1, {"code": "270", "text": "logic"}))
        self.env.cr.execute("SELECT is_patient FROM mrp_machine_queue WHERE event_id = %s", [events.id])
        self.assertIsNone(self.env.cr.fetchone()[0], "what may stop a lot does not wait as alarms else do")
        self.post(self.machine)
        self.post(self.machine)
        check = self.checks(rule)
        self.assertEqual((len(check), check.production_id), (1, self.order))
        self.assertIn("Alarm 270 logic", check.why)

    def test_an_event_that_no_rule_is_about_is_not_taken(self):
        self.rule("event", event_type="alarm.raised")
        events = self.receive(self.machine, self.event("alarm.cleared", 1, {"code": "270"}))
        self.post(self.machine)
        self.assertFalse(self.rows(events, "quality_event"))

    def test_decisions_from_outside_are_none(self):
        rule = self.rule("pieces")
        events = self.receive(
            self.machine,
            self.event("quality.check_due", 1, {"rule": "pieces", "rule_id": rule.id, "production_id": self.order.id}),
        )
        self.post(self.machine)
        self.assertEqual(self.rows(events, "quality_due").reason, "not_ours")
        self.assertFalse(self.checks(rule))

    # Whom a rule is about

    def test_machine_product_and_operation(self):
        others = {
            "machine_id": self.idle_machine.id,
            "product_id": self.component_a.id,
            "operation_id": self.bom.operation_ids.copy({"bom_id": self.bom.copy().id}).id,
        }
        wrong = [self.rule("start", **{name: value}) for name, value in others.items()]
        right = self.rule(
            "start",
            machine_id=self.machine.id,
            product_id=self.product.id,
            operation_id=self.bom.operation_ids.id,
        )
        self.make(1, 1, 0)
        self.assertEqual([len(self.checks(rule)) for rule in (*wrong, right)], [0, 0, 0, 1])

    def test_an_archived_rule_decides_nothing(self):
        rule = self.rule("start")
        rule.active = False
        self.make(1, 1, 0)
        self.assertFalse(self.decided())

    def test_an_observed_machine_asks_for_nothing(self):
        self.rule("start")
        self.machine.posting_mode = "observe"
        self.make(1, 1, 0)
        self.assertFalse(self.decided())

    def test_what_a_rule_asks_for_is_on_the_check(self):
        rule = self.rule(
            "start", kind="measure", characteristic="BORE", has_lower=True, lower=3.9, has_upper=True, upper=4.1,
            unit="mm", due_minutes=30, gate="until", responsible_id=self.users["operator"].id, instruction="With the gauge",
        )  # fmt: skip
        self.make(1, 1, 0)
        check = self.checks(rule)
        self.assertEqual((check.limits, check.instruction), ("3.9 to 4.1 mm", "With the gauge"))
        self.assertFalse(check.note, "what was seen is still to be entered")
        self.assertEqual(check.activity_ids.user_id, self.users["operator"])
        self.assertTrue(check.due and check.due > check.create_date)
        self.assertEqual(check.hold_ids.production_id, self.order)

    def test_rules_that_cannot_be(self):
        for values in (
            {"trigger": "pieces", "every_pieces": 0},
            {"trigger": "pieces", "every_pieces": float("nan")},
            {"trigger": "minutes", "every_minutes": -1},
            {"trigger": "event", "event_type": "no.such"},
            {"trigger": "event", "event_type": "quality.check_due"},
            {"trigger": "event", "event_type": "production.count"},
            {"trigger": "value", "characteristic": "BORE"},
            {"trigger": "value", "has_upper": True, "upper": 1},
            {"trigger": "start", "has_upper": True, "upper": 1, "has_lower": True, "lower": 2},
        ):
            with self.subTest(values=values), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.rule(**values)

    # Variance of scrap

    def test_a_review_is_raised_once_when_scrap_passes_the_plan(self):
        self.order.planned_scrap_rate = 2.0
        self.product.standard_price = 3.0
        self.machine.write({"quality_review_ratio": 1.5, "quality_review_rejects": 4})
        self.make(96, 1, 0)
        self.make(3, 2, 0, kind="reject")
        reviews = self.env["quality.machine.review"]
        self.assertFalse(reviews.search([]), "3 rejects say nothing yet")
        self.make(1, 3, 3, kind="reject")
        self.make(1, 4, 4, kind="reject")
        review = reviews.search([])
        self.assertEqual((len(review), review.production_id, review.machine_id), (1, self.order, self.machine))
        # 4 of 100 against 2 planned.
        self.assertAlmostEqual(review.ratio_then, 2.0, places=2)
        self.assertEqual((review.rejected, review.cost), (5, 15.0))
        self.assertAlmostEqual(review.excess_cost, 3.0 * (5 - 101 * 0.02))

    def test_a_plan_that_holds_is_not_reviewed(self):
        self.order.planned_scrap_rate = 10.0
        self.make(90, 1, 0)
        self.make(10, 2, 0, kind="reject")
        self.assertFalse(self.env["quality.machine.review"].search([]))
