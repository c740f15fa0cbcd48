"""What a machine's events may do is decided by a manager, from a moment on, and kept."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from .test_mrp_machine_reject import RejectCommon


@tagged("post_install", "-at_install")
class TestMode(RejectCommon):
    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def test_it_counts_when_an_event_occurred(self):
        self.machine._change_mode("observe", self.naive(0), "People book by hand")
        self.machine._change_mode("automatic", self.naive(100), "Shift change")
        events = self.told(self.count(5, seconds=99), self.count(7, seconds=100, before=5))

        self.assertEqual(self.states(events), ["ignored", "posted"])
        self.assertEqual(self.order.qty_producing, 7)
        self.assertEqual(self.machine.posting_mode, "automatic")

    def test_a_moment_that_is_to_come_is_kept_until_then(self):
        soon = fields.Datetime.now() + timedelta(hours=2)
        self.machine._change_mode("observe", soon, "Rebuild")
        self.assertEqual(
            (self.machine.posting_mode, self.machine.mode_until), ("automatic", soon.replace(microsecond=0))
        )
        self.assertEqual(self.states(self.told(self.count(5))), ["posted"])

        self.machine.mode_until = fields.Datetime.now()
        self.machine.mode_change_ids.moment = fields.Datetime.now()
        self.env["mrp.machine"]._begin_planned()

        self.assertEqual((self.machine.posting_mode, self.machine.mode_until), ("observe", False))
        self.assertEqual(self.states(self.told(self.count(6, seconds=90))), ["posted"], "it was made before")

    def test_who_and_why_is_kept_and_told(self):
        manager = new_test_user(self.env, "m", groups="mrp_machine_connect.group_manager")
        self.machine.with_user(manager)._change_mode("observe", self.naive(0), "People book by hand")

        change = self.machine.mode_change_ids
        self.assertEqual((change.mode_before, change.mode, change.user_id), ("automatic", "observe", manager))
        self.assertIn("People book by hand", self.machine.message_ids[:1].body)

    def test_only_a_manager_may(self):
        supervisor = new_test_user(self.env, "s", groups="mrp_machine_connect.group_supervisor")
        machine = self.machine.with_user(supervisor)
        with self.assertRaisesRegex(UserError, "Only a manager"):
            machine._change_mode("shadow", self.naive(0), "I want")
        with self.assertRaises(AccessError):
            machine.posting_mode = "shadow"

    def test_set_at_once_it_is_for_all_that_comes(self):
        self.machine._change_mode("observe", self.naive(100), "Later")
        self.machine.posting_mode = "automatic"
        self.assertEqual(self.states(self.told(self.count(5, seconds=150))), ["posted"])
        self.assertEqual(self.machine.mode_change_ids.sorted("id").mapped("mode"), ["observe", "automatic"])

    def test_what_was_kept_is_posted_only_from_a_moment_that_has_passed(self):
        with self.assertRaisesRegex(UserError, "has passed"):
            self.machine._change_mode("automatic", fields.Datetime.now() + timedelta(hours=1), "x", takes_over=True)

    def test_what_was_only_observed_is_posted_as_well(self):
        self.machine._change_mode("observe", self.naive(0), "First look")
        events = self.told(self.count(5), self.state("running", 10))
        wizard = Form(self.env["mrp.machine.change.mode"].with_context(default_machine_id=self.machine.id))
        wizard.mode = "automatic"
        wizard.when = "kept"
        wizard.reason = "Nobody booked it"
        wizard = wizard.save()
        self.assertEqual((wizard.moment, wizard.kept_count), (self.naive(0), 2))
        wizard.action_change()
        self.post_all()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.order.qty_producing, 5)

    def test_the_wizard_refuses_what_changes_nothing(self):
        wizard = self.env["mrp.machine.change.mode"].create(
            {"machine_id": self.machine.id, "mode": "automatic", "reason": "x"}
        )
        with self.assertRaisesRegex(UserError, "already"):
            wizard.action_change()
