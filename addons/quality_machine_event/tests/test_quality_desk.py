"""The desk: limits, classification, reviews, the ladder of escalation, and who may do what."""

from datetime import timedelta

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..hooks import HANDLERS, uninstall_hook
from .common import QualityCommon

#: Each action, and who may do it.
ACTIONS = {
    "do a check": {"operator", "inspector", "supervisor", "manager"},
    "make a check": {"inspector", "supervisor", "manager"},
    "move a limit": {"inspector", "supervisor", "manager"},
    "cancel a check": {"inspector", "supervisor", "manager"},
    "reopen a check": {"inspector"},
    "raise an alert": {"inspector", "supervisor", "manager"},
    "finish an alert": {"inspector", "supervisor", "manager"},
    "hold a lot": {"inspector", "supervisor", "manager"},
    "release a hold": {"inspector", "manager"},
    "write a hold": set(),
    "make a rule": {"manager"},
    "make a team": {"manager"},
    "make a cause": {"inspector", "manager"},
    "enter the cause of a review": {"inspector", "supervisor", "manager"},
    "decide a review": {"supervisor", "manager"},
    "trace a recall": {"inspector", "supervisor", "manager"},
    "upload measurements": {"inspector", "supervisor", "manager"},
}


@tagged("post_install", "-at_install")
class TestQualityDesk(QualityCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cause = cls.env.ref("quality_machine_event.cause_tool")

    def alert(self, **values):
        return self.env["quality.machine.alert"].create({"machine_id": self.machine.id, **values})

    def rejects(self, pieces, seconds, before=0, **data):
        events = self.receive(self.machine, self.count(pieces, seconds=seconds, kind="reject", before=before, **data))
        self.post(self.machine)
        return events

    def alerts(self):
        return self.env["quality.machine.alert"].search([("machine_id", "=", self.machine.id)], order="id")

    def review(self):
        return self.env["quality.machine.review"].create(
            {"production_id": self.order.id, "machine_id": self.machine.id, "limit": 1.5, "ratio_then": 2}
        )

    # Limits and classification

    def test_up_to_the_limit_nobody_is_called(self):
        self.machine.write({"quality_alert_above": 5, "quality_responsible_id": self.users["inspector"].id})
        self.rejects(5, 1)
        alert = self.alerts()
        self.assertEqual((alert.state, alert.reject_count, len(alert.activity_ids)), ("watch", 5, 0))
        self.rejects(1, 2, before=5)
        self.assertEqual((self.alerts(), alert.state, alert.reject_count), (alert, "new", 6))
        self.assertEqual(alert.activity_ids.user_id, self.users["inspector"])

    def tag(self, word, name, **values):
        tag = self.env["stock.scrap.reason.tag"].create({"name": name})
        self.env["mrp.machine.code"].create(
            {"kind": "scrap_reason", "code": word, "machine_id": self.machine.id, "scrap_tag_id": tag.id, **values}
        )
        return tag

    def scrap(self, seconds, qty=1, **data):
        events = self.receive(self.machine, self.event("quality.scrap", seconds, {"qty": qty, **data}))
        self.post(self.machine)
        return events

    def test_the_reason_of_scrap_classifies_the_alert(self):
        burr, dent = self.tag("B", "Burr"), self.tag("D", "Dent")
        self.rejects(3, 1)
        self.scrap(2, reason="B")
        self.scrap(3, reason="D")
        self.scrap(4, reason="B")
        self.assertEqual(self.alerts().tag_ids, burr | dent)
        self.assertEqual(self.alerts().reject_count, 3, "they are the rejects that were counted")

    def test_a_reason_that_is_told_before_its_rejects_are_counted(self):
        burr = self.tag("B", "Burr")
        events = self.scrap(1, reason="B")
        self.assertEqual(self.rows(events, "quality_defect").reason, "no_alert")
        self.rejects(1, 2)
        self.assertEqual(self.alerts().tag_ids, burr)

    def test_told_scrap_that_is_rejects_of_its_own_is_counted(self):
        self.machine.scrap_events = "add"
        self.tag("B", "Burr")
        self.scrap(1, qty=2, reason="B")
        self.scrap(2, qty=3, reason="B")
        self.assertEqual(self.alerts().mapped("reject_count"), [5])

    def test_what_is_weighed_counts_as_so_many_pieces_as_the_product_weighs(self):
        self.machine.scrap_events = "add"
        self.product.weight = 0.25
        self.tag("B", "Burr")
        self.scrap(1, qty=510, reason="B", unit="GRM")
        self.scrap(2, qty=0.24, reason="B", unit="KGM")
        self.assertEqual(self.alerts().mapped("reject_count"), [3])

    def test_what_is_weighed_waits_until_it_is_known_what_it_is_of(self):
        self.machine.scrap_events = "add"
        self.tag("B", "Burr")
        weighed = self.scrap(1, qty=510, reason="B", unit="GRM")  # of a product without a weight
        before = self.scrap(-90_000, qty=510, reason="B", unit="GRM")  # of no order
        self.assertEqual(self.rows(weighed, "quality_defect").mapped("reason"), ["unit"])
        self.assertEqual(self.rows(before, "quality_defect").mapped("reason"), ["no_order"])
        self.scrap(-89_000, qty=2, reason="B")
        self.assertEqual(self.alerts().mapped("reject_count"), [2], "pieces need no order")

    def test_a_defect_is_an_alert_about_its_characteristic(self):
        for second, characteristic in ((1, "burr"), (2, "burr"), (3, "dent")):
            self.receive(
                self.machine, self.event("quality.defect", second, {"characteristic": characteristic, "qty": 2})
            )
        self.post(self.machine)
        self.assertEqual(
            [(alert.title, alert.reject_count, alert.production_id) for alert in self.alerts()],
            [("burr", 4, self.order), ("dent", 2, self.order)],
        )

    # Reviews

    def test_a_review_is_decided_with_cause_and_reason(self):
        review = self.review().with_user(self.users["supervisor"])
        with self.assertRaises(UserError):
            review.action_decide()
        with Form(review) as form:
            form.cause_id = self.cause
            form.cause = "The die was worn"
            form.decision = "action"
            form.decision_reason = "Die is changed"
        review.action_decide()
        self.assertEqual((review.state, review.approver_id), ("decided", self.users["supervisor"]))
        self.assertIn("Die is changed", self.order.message_ids[0].body)
        with self.assertRaises(UserError):
            review.decision = "accept"
        with self.assertRaises(UserError):
            review.action_decide()

    def test_the_state_of_a_review_is_its_buttons(self):
        with self.assertRaises(UserError):
            self.review().with_user(self.users["manager"]).write({"state": "decided"})

    # The ladder

    def ladder(self):
        return self.env["quality.machine.team"].create(
            {
                "name": "Press shop",
                "step_ids": [
                    Command.create({"delay": 1, "role": "Shift leader", "user_id": self.users["supervisor"].id}),
                    Command.create(
                        {"delay": 4, "role": "Plant manager", "user_id": self.users["manager"].id, "by_mail": True}
                    ),
                    Command.create(
                        {"delay": 0, "role": "On call", "user_id": self.users["operator"].id, "least_priority": "3"}
                    ),
                ],
            }
        )

    def escalation_activities(self, alert):
        kind = self.env.ref("quality_machine_event.activity_type_escalation")
        return alert.activity_ids.filtered(lambda activity: activity.activity_type_id == kind)

    def test_step_by_step_each_once(self):
        team = self.ladder()
        alert = self.alert(team_id=team.id, production_id=self.order.id)
        now = fields.Datetime.now()
        for hours, called in ((0.5, []), (1, ["supervisor"]), (2, ["supervisor"]), (5, ["supervisor", "manager"])):
            alert.raised = now - timedelta(hours=hours)
            alert._cron_escalate()
            alert._cron_escalate()
            self.assertEqual(
                self.escalation_activities(alert).user_id,
                self.env["res.users"].union(*(self.users[role] for role in called)),
            )
        self.assertEqual(len(self.escalation_activities(alert)), 2)
        self.assertIn("Plant manager", alert.escalation_words)
        self.assertIn("Shift leader", self.order.quality_machine_words)
        self.assertTrue(self.order.message_ids.filtered(lambda message: "Plant manager" in (message.body or "")))
        mailed = alert.message_ids.filtered(lambda message: self.users["manager"].partner_id in message.partner_ids)
        self.assertEqual(len(mailed), 1)

    def test_severity_calls_others(self):
        alert = self.alert(team_id=self.ladder().id, priority="3")
        alert._cron_escalate()
        self.assertEqual(self.escalation_activities(alert).user_id, self.users["operator"])

    def test_what_is_done_or_below_its_limit_calls_nobody(self):
        team, past = self.ladder(), fields.Datetime.now() - timedelta(days=2)
        alerts = self.alert(team_id=team.id, raised=past) | self.alert(team_id=team.id, raised=past, state="watch")
        alerts[0].action_done()
        alerts._cron_escalate()
        self.assertFalse(self.escalation_activities(alerts))

    def test_the_team_of_the_machine(self):
        team = self.ladder()
        self.machine.quality_team_id = team
        self.rejects(1, 1)
        self.assertEqual(self.alerts().team_id, team)

    # Who may do what

    def doers(self):
        """Return what each action is, done by a user."""
        lot = iter(range(1000))

        def check(**values):
            return self.env["quality.machine.check"].create(
                {"title": "x", "machine_id": self.machine.id, "gate": "none", **values}
            )

        def held():
            return self.hold(self.make_lot(f"R{next(lot)}", 1))

        def decide(user):
            review = self.review()
            review.write({"cause_id": self.cause.id, "decision": "accept", "decision_reason": "x"})
            review.with_user(user).action_decide()
            review.unlink()

        def enter_cause(user):
            review = self.review()
            review.with_user(user).write({"cause": "x"})
            review.unlink()

        def reopen(user):
            done = check()
            done.action_pass()
            done.with_user(user).action_reopen()

        return {
            "do a check": lambda user: check().with_user(user).action_pass(),
            "make a check": lambda user: self.env["quality.machine.check"].with_user(user).create({"title": "x"}),
            "move a limit": lambda user: check().with_user(user).write({"upper": 5}),
            "cancel a check": lambda user: check().with_user(user).action_cancel(),
            "reopen a check": reopen,
            "raise an alert": lambda user: (
                self.env["quality.machine.alert"].with_user(user).create({"machine_id": self.machine.id})
            ),
            "finish an alert": lambda user: self.alert().with_user(user).action_done(),
            "hold a lot": lambda user: (
                self.env["quality.machine.hold"].with_user(user)._place("x", lot=self.make_lot(f"H{next(lot)}", 1))
            ),
            "release a hold": lambda user: held().with_user(user)._release("x"),
            "write a hold": lambda user: held().with_user(user).write({"state": "released"}),
            "make a rule": lambda user: self.env["quality.machine.rule"].with_user(user).create({"name": "x"}),
            "make a team": lambda user: self.env["quality.machine.team"].with_user(user).create({"name": "x"}),
            "make a cause": lambda user: (
                self.env["quality.machine.cause"].with_user(user).create({"name": f"cause {user.login}"})
            ),
            "enter the cause of a review": enter_cause,
            "decide a review": decide,
            "trace a recall": lambda user: (
                self.env["quality.machine.recall"].with_user(user).create({"lot_id": self.lot.id}).action_trace()
            ),
            "upload measurements": lambda user: (
                self.env["quality.machine.measurement.upload"]
                .with_user(user)
                .create({"machine_id": self.machine.id, "file": "eA=="})
            ),
        }

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_each_role_and_each_action(self):
        doers = self.doers()
        self.assertEqual(set(doers), set(ACTIONS))
        for action, allowed in ACTIONS.items():
            for role in ("operator", "inspector", "supervisor", "manager"):
                with self.subTest(action=action, role=role):
                    try:
                        with self.env.cr.savepoint():
                            doers[action](self.users[role])
                            self.env.flush_all()
                        may = True
                    except AccessError:
                        may = False
                    self.assertEqual(may, role in allowed)

    # The end

    def test_uninstalling_lets_go_on_what_waited(self):
        check = self.env["quality.machine.check"].create({"title": "x", "production_id": self.order.id})
        check.action_fail()
        events = self.receive(self.machine, self.count(5, seconds=1), self.count(1, seconds=2, kind="reject"))
        self.post(self.machine)
        self.assertEqual(set(self.states(events)), {"waiting"})
        uninstall_hook(self.env)
        self.assertEqual(set(self.states(events)), {"received"})

    def test_every_handler_of_ours_is_known_to_the_uninstallation(self):
        ours = {
            handler._handler_name()
            for handler in self.env["mrp.machine.poster"]._handlers()
            if handler._original_module == "quality_machine_event"
        }
        self.assertEqual(ours, set(HANDLERS))
