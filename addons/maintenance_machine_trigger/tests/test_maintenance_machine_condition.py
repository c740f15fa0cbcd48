import base64
from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from .common import MaintenanceTriggerCommon


@tagged("post_install", "-at_install")
class TestMaintenanceMachineCondition(MaintenanceTriggerCommon):
    """A condition raises, a request is made, and what a person finds tunes the rule."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.condition = cls.env["mrp.machine.condition"].create(
            {
                "name": "Spindle too hot",
                "machine_id": cls.machine.id,
                "kind": "threshold",
                "signal_name": "Temperature",
                "has_above": True,
                "above": 90,
                "hysteresis": 5,
                "on_delay": 60,
            }
        )

    def temperature(self, *values):
        """Let the press tell its temperature each minute, and everything have its effect."""
        readings = [
            self.event("meter.reading", 60 * minute, {"value": value, "unit": "CEL", "signal": "Temperature"})
            for minute, value in values
        ]
        self.receive(self.machine, *readings)
        # What the condition finds is an event of its own; readings are named, for they are booked once in a while.
        queue = self.env["mrp.machine.queue"]
        while queued := queue.search([("machine_id", "=", self.machine.id)]).event_id:
            self.env["mrp.machine.poster"]._post_machine(self.machine, only=queued.ids)

    def test_a_value_beyond_its_limit_is_a_request_with_the_moment_of_failure(self):
        self.temperature((0, 80), (1, 92), (2, 93), (3, 94), (4, 80), (5, 80))

        request = self.requests()
        self.assertEqual(request.name, f"{self.machine.name}: Spindle too hot")
        self.assertEqual(request.machine_condition_id, self.condition)
        self.assertEqual(request.machine_first_occurred, self.naive(60), "it was wrong from then on")
        self.assertEqual(request.machine_last_occurred, self.naive(120), "and certain a minute later")
        self.assertEqual(request.machine_cleared, self.naive(240))
        self.assertEqual(request.machine_values, "limit: 90, value: 92")
        self.assertEqual(request.equipment_id, self.equipment)

    def test_a_warning_of_a_condition_makes_none(self):
        self.condition.level = "warning"
        self.temperature((0, 92), (1, 93), (2, 94))

        self.assertFalse(self.requests())
        self.assertTrue(self.env["mrp.machine.alarm"].search([("condition_id", "=", self.condition.id)]))

    def test_a_template_for_a_condition_takes_no_alarm_of_the_machine(self):
        self.env["maintenance.machine.template"].create(
            {
                "name": "Hot",
                "company_id": self.company.id,
                "condition_ids": [(6, 0, self.condition.ids)],
                "title": "Hot: {value}",
            }
        )
        self.temperature((0, 92), (1, 93), (2, 94))
        self.raise_and_post(self.alarm(500))

        self.assertEqual(self.requests().mapped("name"), ["Hot: 92", f"{self.machine.name}: Jam (J01)"])

    def wizard(self, request):
        return Form(self.env["maintenance.machine.not.fault"].with_context(**request.action_not_fault()["context"]))

    def test_not_a_fault_suggests_the_limit_that_spares_it_and_keeps_the_real_ones(self):
        self.temperature((0, 97), (1, 98), (2, 80))  # a real one
        self.requests().stage_id = self.repaired
        self.temperature((10, 91), (11, 91.5), (12, 80))
        request = self.requests()[-1]
        self.assertEqual(len(self.requests()), 2)

        form = self.wizard(request)
        self.assertIn("upper limit to 91.5", form.words)
        self.assertIn("Of the 1 real faults that it found, 1 would still be", form.words)
        form.reason, form.apply = "Warm room", True
        form.save().action_not_fault()

        self.assertEqual(self.condition.above, 91.5)
        self.temperature((20, 91.5), (21, 91.5), (22, 80), (30, 97), (31, 98), (32, 80))
        self.assertEqual(self.requests()[2:].mapped("machine_occurrences"), [1], "only the hotter one")

    def test_where_a_limit_would_lose_the_real_ones_it_suggests_the_delay(self):
        self.temperature((0, 91), (1, 92), (2, 92), (3, 92), (4, 92), (5, 92), (6, 80))  # lasts
        self.requests().stage_id = self.repaired
        self.temperature((20, 97), (21, 98), (22, 80))  # short
        request = self.requests()[-1]

        form = self.wizard(request)
        self.assertIn("only after 121 s", form.words)
        form.reason, form.apply = "A peak at the start", True
        form.save().action_not_fault()

        self.assertEqual((self.condition.on_delay, self.condition.above), (121, 90))
        self.temperature((30, 97), (31, 98), (32, 80))
        self.assertEqual(len(self.requests()), 2)

    def test_only_a_manager_of_the_machines_changes_the_rule(self):
        self.temperature((10, 91), (11, 91.5), (12, 80))
        request = self.requests().with_user(self.technician)
        wizard = (
            self.env["maintenance.machine.not.fault"]
            .with_user(self.technician)
            .create({"request_ids": [(6, 0, request.ids)], "reason": "Warm room", "apply": True})
        )
        self.assertFalse(wizard.can_apply)
        with self.assertRaises(UserError):
            wizard.action_not_fault()
        wizard.apply = False
        wizard.action_not_fault()

        self.assertEqual((request.machine_verdict, self.condition.above), ("not_fault", 90))

    # Back-test

    def backtest(self, **values):
        return self.env["maintenance.machine.backtest"].create({"condition_id": self.condition.id, **values})

    def test_what_would_have_been_is_found_in_the_log_without_raising_anything(self):
        self.condition.armed = False
        self.temperature(
            (0, 80), (1, 92), (2, 93), (3, 80), (100, 95), (101, 95), (102, 80), (3000, 95), (3001, 96), (3002, 80)
        )
        repaired = self.env["maintenance.request"].create(
            {"name": "Bearing", "equipment_id": self.equipment.id, "request_date": "2026-03-02"}
        )
        repaired.stage_id = self.repaired
        repaired.close_date = "2026-03-02"
        wizard = self.backtest(horizon_hours=0)
        wizard.action_run()

        self.assertEqual((wizard.requests, wizard.right), (2, 1), "one of two times at once, one two days later")
        self.assertEqual((wizard.breakdown_count, wizard.found), (1, 1))
        self.assertEqual((wizard.precision, wizard.recall), (0.5, 1))
        # From 06:02 on to the end of the day on which it was closed.
        self.assertAlmostEqual(wizard.lead_hours, 18 - 2 / 60, places=3)
        first = wizard.line_ids.filtered(lambda line: line.kind == "request")[0]
        self.assertEqual((first.at, first.since, first.repeats), (self.naive(120), self.naive(60), 1))
        self.assertFalse(self.requests() - repaired)
        self.assertFalse(self.env["mrp.machine.alarm"].search([("condition_id", "=", self.condition.id)]))
        wizard.action_arm()
        self.assertTrue(self.condition.armed)

    def test_a_file_of_values_is_tried_and_a_bad_one_is_said_in_words(self):
        rows = ["timestamp,value"] + [
            f"2026-03-02 {hour:02}:00:00,{95 if hour in (8, 9, 10) else 80}" for hour in range(24)
        ]
        wizard = self.backtest(
            source="file",
            file=base64.b64encode("\n".join(rows).encode()),
            breakdowns="text",
            windows="2026-03-02 08:30, 2026-03-02 12:00\n2026-03-02 20:00, 2026-03-02 21:00",
            horizon_hours=1,
        )
        self.env.user.tz = False
        self.machine.clock_zone = False
        wizard.action_run()
        self.assertEqual((wizard.requests, wizard.right, wizard.breakdown_count, wizard.found), (1, 1, 2, 1))
        self.assertAlmostEqual(wizard.lead_hours, 4 - 1 / 60, places=3)

        for text, words in (
            ("", "is empty"),
            ("a,b,c\n1,2,3", "a time and a value are needed"),
            ("timestamp,value\nyesterday,5", "Line 2: «yesterday» is no time"),
            ("timestamp,value\n2026-03-02,hot", "Line 2: «hot» is no number"),
        ):
            wizard.file = base64.b64encode(text.encode()) or False
            with self.subTest(text=text), self.assertRaisesRegex(UserError, words if text else "empty|Choose the file"):
                wizard.action_run()
        wizard.write({"file": base64.b64encode("\n".join(rows).encode()), "windows": "2026-03-02 08:30"})
        with self.assertRaisesRegex(UserError, "Line 1"):
            wizard.action_run()

    def test_limits_are_chosen_by_what_was_before_and_judged_by_what_came_after(self):
        start = fields.Datetime.to_datetime("2026-01-01 00:00:00")
        # Normal: 80 to 84. Before each breakdown it is 97 for six hours. Once it is 91 for one reading, and nothing breaks.
        rows, breaks = ["timestamp,value"], (100, 300, 500)
        for hour in range(600):
            at = start + timedelta(hours=hour)
            value = (
                97 if any(0 <= hour - begun < 6 for begun in breaks) else 91 if hour in (200, 400) else 80 + hour % 5
            )
            rows.append(f"{at},{value}")
        windows = [f"{start + timedelta(hours=begun)}, {start + timedelta(hours=begun + 12)}" for begun in breaks]
        self.env.user.tz = False
        wizard = self.backtest(
            source="file",
            file=base64.b64encode("\n".join(rows).encode()),
            breakdowns="text",
            windows="\n".join(windows),
            horizon_hours=0,
            judged_from=start + timedelta(hours=350),
        )
        wizard.action_choose()

        self.assertEqual((wizard.requests, wizard.right, wizard.breakdown_count, wizard.found), (1, 1, 1, 1))
        self.assertIn("2 of 2 breakdowns", wizard.better_words)
        wizard.action_apply()
        self.assertTrue(84 <= self.condition.above < 97)

    def test_a_state_and_an_alarm_are_tried_over_the_log_too(self):
        self.raise_and_post(self.state("running", 0), self.state("fault", 100), self.state("running", 4000))
        self.raise_and_post(*(self.alarm(at, code="A") for at in (10, 20, 30)), self.clear(40, code="A"))
        for values, made in (
            ({"kind": "state_longer", "watched_state": "fault", "duration": 30}, 1),
            ({"kind": "state_longer", "watched_state": "fault", "duration": 80}, 0),
            ({"kind": "alarm", "alarm_code": "A"}, 1),
            ({"kind": "alarm", "alarm_code": "B"}, 0),
        ):
            with self.subTest(**values):
                self.condition.write({**values, "armed": False, "on_delay": 0})
                wizard = self.backtest(breakdowns="faults")
                wizard.action_run()
                self.assertEqual(wizard.requests, made)
                self.assertEqual(wizard.breakdown_count, 1 if values["kind"] == "state_longer" else 0)
