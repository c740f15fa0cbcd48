from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from ..hooks import uninstall_hook
from .common import MaintenanceTriggerCommon


@tagged("post_install", "-at_install")
class TestMaintenanceRequestCare(MaintenanceTriggerCommon):
    """What a fault makes, what becomes of its request, and when the next one is due."""

    def template(self, **values):
        return self.env["maintenance.machine.template"].create(
            {"name": "Template", "company_id": self.company.id, **values}
        )

    def care(self):
        self.env["maintenance.request"]._cron_care()

    def grow_old(self, request, hours):
        """Let a request be made so many hours ago."""
        self.env.flush_all()
        # By SQL: nobody writes when a record was created.
        self.env.cr.execute(
            "UPDATE maintenance_request SET create_date = create_date - %s * interval '1 hour' WHERE id = %s",
            [hours, request.id],
        )
        request.invalidate_recordset()

    # Faults and warnings

    def test_a_fault_makes_a_request_and_a_warning_stays_an_alarm(self):
        events = self.raise_and_post(
            self.alarm(100, code="F", level="fault"),
            self.alarm(101, code="W", level="warning"),
            self.alarm(102, code="L", severity=200),
        )

        self.assertEqual(self.requests().mapped("machine_fault_key"), ["F"])
        rows = self.rows(events, "maintenance_request")
        self.assertEqual(rows.mapped("reason"), [False, "warning", "warning"])
        alarms = self.env["mrp.machine.alarm"].search([("machine_id", "=", self.machine.id)])
        self.assertEqual({alarm.code: alarm.level for alarm in alarms}, {"F": "fault", "W": "warning", "L": "warning"})

    def test_warnings_make_requests_where_the_machine_or_a_template_says_so(self):
        self.machine.maintenance_warnings = True
        self.raise_and_post(self.alarm(100, code="W1", level="warning"))
        self.machine.maintenance_warnings = False
        self.template(level="warning", alarm_code="w2*")
        self.raise_and_post(self.alarm(110, code="W2x", level="warning"), self.alarm(111, code="W3", level="warning"))

        self.assertEqual(self.requests().mapped("machine_fault_key"), ["W1", "W2x"])

    # Templates

    def test_the_first_template_that_fits_says_what_the_request_looks_like(self):
        team = self.env["maintenance.team"].create({"name": "Electricians", "company_id": self.company.id})
        self.template(alarm_code="X*", title="never", sequence=1)
        template = self.template(
            alarm_code="J0?",
            sequence=2,
            maintenance_type="preventive",
            maintenance_team_id=team.id,
            priority_by="fixed",
            priority="3",
            title="{equipment}: {text} ({code})",
            text="At {value} {unit}, limit {limit}.\nLook at <b>{machine}</b>.",
            is_scheduled=True,
            schedule_hours=2,
        )
        self.template(title="too late", sequence=3)

        self.raise_and_post(self.alarm(100, value=92.5, unit="CEL", limit=90, text="<i>Hot</i>"))

        request = self.requests()
        self.assertEqual(request.name, "Press: <i>Hot</i> (J01)")
        self.assertEqual((request.maintenance_type, request.maintenance_team_id), ("preventive", team))
        self.assertEqual((request.priority, request.machine_template_id), ("3", template))
        self.assertIn("At 92.5 CEL, limit 90.", request.description)
        self.assertIn(f"Look at &lt;b&gt;{self.machine.name}&lt;/b&gt;.", request.description)
        self.assertEqual(request.schedule_date, (self.naive(100) + timedelta(hours=2)).replace(second=0))
        self.assertTrue(request.activity_ids, "a date has an activity")

    def test_a_text_holds_names_and_nothing_else(self):
        for text in ("{machine.env}", "{0}", "{unknown}", "{__class__}"):
            refused = self.assertRaisesRegex(ValidationError, "nothing is known by the name")
            with self.subTest(text=text), refused, self.env.cr.savepoint():
                self.template(text=text)
        template = self.template(title="{text} {{code}", text="100 % {code}")
        self.raise_and_post(self.alarm(100, text="{order} {machine.env}"))
        self.assertEqual(self.requests().name, "{order} {machine.env} {J01")
        self.assertEqual(self.requests().machine_template_id, template)

    def test_a_template_may_make_no_request(self):
        self.template(alarm_code="J01", makes="nothing")

        events = self.raise_and_post(self.alarm(100))

        self.assertFalse(self.requests())
        self.assertEqual(self.rows(events, "maintenance_request").reason, "by_template")

    def test_priorities_follow_the_templates_severities(self):
        self.template(normal_from=100, high_from=500)
        self.machine.maintenance_warnings = True
        self.raise_and_post(
            *(self.alarm(at, code=f"S{severity}", severity=severity) for at, severity in enumerate((99, 100, 499, 500)))
        )

        self.assertEqual(self.requests().mapped("priority"), ["1", "2", "2", "3"])

    # Parts

    def test_an_alarm_of_the_spindle_goes_to_the_spindle(self):
        spindle, door = self.env["maintenance.equipment"].create(
            [{"name": name, "company_id": self.company.id} for name in ("Spindle", "Door")]
        )
        signal = self.signal("spindle_alarm", "alarm")
        self.machine.maintenance_asset_ids = [
            (0, 0, {"signal_id": signal.id, "equipment_id": spindle.id}),
            (0, 0, {"alarm_code": "DOOR*", "equipment_id": door.id}),
        ]

        self.raise_and_post(
            self.alarm(100, code="284", signal="spindle_alarm"),
            self.alarm(110, code="door open"),
            self.alarm(120, code="284"),
        )

        found = {(request.equipment_id.name, request.machine_fault_key) for request in self.requests()}
        self.assertEqual(found, {("Spindle", "284"), ("Door", "door open"), ("Press", "284")})
        self.assertEqual(spindle.machine_count, 1)
        self.assertEqual(spindle.action_machines()["res_id"], self.machine.id)
        self.raise_and_post(self.alarm(130, code="284", signal="spindle_alarm"), self.clear(140, code="284"))
        spindles = self.requests().filtered(lambda request: request.equipment_id == spindle)
        self.assertEqual((spindles.machine_occurrences, spindles.machine_cleared), (2, False))

    def test_a_part_lets_what_waited_for_its_equipment_be_posted(self):
        events = self.raise_and_post(self.alarm(100), machine=self.idle_machine)
        self.env["maintenance.machine.asset"].create(
            {"machine_id": self.idle_machine.id, "alarm_code": "J*", "equipment_id": self.other_equipment.id}
        )
        self.post(self.idle_machine)

        self.assertEqual(self.maintenance_states(events), ["posted"])
        with self.assertRaisesRegex(ValidationError, "a signal, a condition or a code"):
            self.env["maintenance.machine.asset"].create(
                {"machine_id": self.idle_machine.id, "equipment_id": self.other_equipment.id}
            )

    def test_a_person_may_move_a_request_and_the_fault_is_still_counted_there(self):
        self.raise_and_post(self.alarm(100))
        self.requests().equipment_id = self.other_equipment
        self.raise_and_post(self.alarm(200))

        self.assertEqual(self.requests().machine_occurrences, 2)

    # The next one

    def test_while_the_fault_stands_closing_makes_no_second_request(self):
        self.raise_and_post(self.alarm(100))
        first = self.requests()
        first.stage_id = self.repaired
        self.raise_and_post(self.alarm(800))

        self.assertEqual(self.requests(), first)
        self.assertEqual(first.machine_occurrences, 2)
        self.assertFalse(first.machine_fault_open, "nothing is opened in silence")
        self.assertIn("although this request is closed", first.message_ids[0].body)

        self.raise_and_post(self.clear(900))
        self.assertEqual(first.machine_cleared, self.naive(900))
        self.raise_and_post(self.alarm(1000))
        self.assertEqual(len(self.requests()), 2)

    def test_a_machine_that_never_clears_makes_the_next_one_once_it_is_closed(self):
        self.template(rearm="close")
        self.raise_and_post(self.alarm(100))
        self.requests().stage_id = self.repaired
        self.raise_and_post(self.alarm(200))

        self.assertEqual(self.requests().mapped("machine_occurrences"), [1, 1])

    # Flood, chatter, standing

    def test_more_than_ten_in_ten_minutes_are_folded(self):
        self.raise_and_post(*(event for at in range(0, 540, 60) for event in (self.alarm(at), self.clear(at + 30))))
        request = self.requests()
        self.assertFalse(request.machine_is_flood, "nine")
        self.raise_and_post(self.alarm(550), self.alarm(560))
        self.assertTrue(request.machine_is_flood, "eleven")
        notes = len(request.message_ids)
        self.raise_and_post(*(self.alarm(at) for at in range(570, 870, 10)))
        self.raise_and_post(self.clear(1300))
        self.assertEqual(len(request.message_ids), notes, "folded in silence")
        self.assertEqual(request.machine_occurrences, 41)

        self.raise_and_post(self.alarm(9000))
        self.assertFalse(request.machine_is_flood, "over")

    def test_ten_in_ten_minutes_are_none(self):
        self.raise_and_post(*(self.alarm(at) for at in range(0, 600, 60)))
        self.assertFalse(self.requests().machine_is_flood)

    def test_an_alarm_that_comes_and_goes_chatters(self):
        self.raise_and_post(self.alarm(0), self.clear(5), self.alarm(20), self.clear(25))
        self.assertFalse(self.requests().machine_is_chattering)
        self.raise_and_post(self.alarm(40))
        self.assertTrue(self.requests().machine_is_chattering)

    def test_what_stands_for_a_day_is_said_once_and_to_the_technician_if_it_was_closed(self):
        self.raise_and_post(self.alarm(100), self.alarm(110, code="J02"))
        first, second = self.requests()
        second.stage_id = self.repaired

        self.care()
        self.care()

        self.assertEqual((first | second).mapped("machine_is_standing"), [True, True])
        self.assertEqual(len(first.message_ids.filtered(lambda note: "It stands since" in (note.body or ""))), 1)
        self.assertFalse(first.activity_ids)
        self.assertEqual(second.activity_ids.user_id, self.technician)
        self.raise_and_post(self.clear(200))
        self.assertFalse(first.machine_is_standing)

    # Many at once

    def test_a_flood_of_alarms_makes_as_many_requests_as_there_are_faults_and_loses_none(self):
        machines = self.machine | self.idle_machine
        self.idle_machine.equipment_id = self.other_equipment
        faults = {self.machine: 3, self.idle_machine: 5}
        received = self.env["mrp.machine.event"]
        for machine in machines:
            # 300 alarms in a minute.
            received |= self.receive(
                machine, *(self.alarm(number * 0.2, code=f"C{number % faults[machine]}") for number in range(300))
            )
        self.post(self.machine, self.idle_machine)

        for machine in machines:
            found = self.requests(machine)
            self.assertEqual(len(found), faults[machine])
            self.assertEqual(sum(found.mapped("machine_occurrences")), 300)
            self.assertTrue(all(found.mapped("machine_is_flood")))
            self.assertFalse(any("flood" in (note.body or "") for note in found.message_ids), "one write, no note")
        self.assertEqual(self.maintenance_states(received), ["posted"] * 600)

    # Snooze

    def test_a_snoozed_request_is_silent_until_it_wakes_by_itself(self):
        template = self.template(escalation_ids=[(0, 0, {"hours": 1, "raise_priority": True})])
        self.raise_and_post(self.alarm(100))
        request = self.requests()
        self.assertEqual(request.machine_template_id, template)
        until = fields.Datetime.now() + timedelta(hours=3)
        wizard = Form(self.env["maintenance.machine.snooze"].with_context(**request.action_snooze()["context"]))
        wizard.until, wizard.reason = until, "The part comes on Friday"
        wizard.save().action_snooze()
        self.grow_old(request, 5)
        self.care()

        self.assertTrue(request.machine_is_snoozed)
        self.assertEqual((request.machine_escalations, request.machine_is_standing), (0, False))
        self.assertIn(request, self.env["maintenance.request"].search([("machine_is_snoozed", "=", True)]))
        self.assertNotIn(request, self.env["maintenance.request"].search([("machine_is_snoozed", "=", False)]))

        request.machine_snoozed_until = fields.Datetime.now() - timedelta(seconds=1)
        self.care()
        self.assertFalse(request.machine_snoozed_until)
        self.assertEqual((request.machine_escalations, request.priority), (1, "3"))

    def test_what_comes_while_a_closed_request_is_snoozed_makes_no_other(self):
        self.raise_and_post(self.alarm(100), self.clear(200))
        request = self.requests()
        request._snooze(fields.Datetime.now() + timedelta(days=1), "Known")
        request.stage_id = self.repaired
        self.raise_and_post(self.alarm(300))

        self.assertEqual((self.requests(), request.machine_occurrences), (request, 2))
        with self.assertRaisesRegex(UserError, "still to come"):
            request._snooze(fields.Datetime.now() - timedelta(hours=1), "Late")

    # Escalation

    def test_what_waits_climbs_the_ladder_step_by_step_and_each_step_once(self):
        boss, second = self.env["res.users"].create(
            [
                {"name": name, "login": f"care-{name}", "group_ids": [(6, 0, [self.env.ref("base.group_user").id])]}
                for name in ("boss", "second")
            ]
        )
        team = self.env["maintenance.team"].create(
            {"name": "Second line", "company_id": self.company.id, "member_ids": [(6, 0, second.ids)]}
        )
        role = self.env["res.groups"].create({"name": "Bosses", "user_ids": [(6, 0, boss.ids)]})
        self.template(
            escalation_ids=[
                (0, 0, {"hours": 4, "maintenance_team_id": team.id, "by": "mail"}),
                (0, 0, {"hours": 8, "group_id": role.id, "raise_priority": True}),
            ]
        )
        self.raise_and_post(self.alarm(100))
        request = self.requests()
        self.care()
        self.assertEqual(request.machine_escalations, 0)

        self.grow_old(request, 5)
        self.care()
        self.care()
        self.assertEqual((request.machine_escalations, request.maintenance_team_id), (1, team))
        self.assertIn(second.partner_id, request.message_ids.notified_partner_ids)
        self.assertFalse(request.activity_ids)

        self.grow_old(request, 4)
        self.care()
        self.care()
        self.assertEqual((request.machine_escalations, request.priority), (2, "3"))
        self.assertEqual(request.activity_ids.user_id, boss)
        self.assertIn("Still open after 8 h", request.activity_ids.note)

    def test_a_closed_request_climbs_no_ladder(self):
        self.template(escalation_ids=[(0, 0, {"hours": 0, "raise_priority": True})])
        self.raise_and_post(self.alarm(100))
        self.requests().stage_id = self.repaired
        self.care()

        self.assertEqual(self.requests().machine_escalations, 0)
        with self.assertRaisesRegex(ValidationError, "needs a team"):
            self.template(escalation_ids=[(0, 0, {"hours": 1})])

    # Block

    def test_the_work_center_is_blocked_until_the_request_is_closed(self):
        self.template(block_workcenter=True)
        self.raise_and_post(self.alarm(100))
        request = self.requests()

        self.assertEqual(self.workcenter.working_state, "blocked")
        self.assertEqual(request.machine_block_id.date_start, self.naive(100))
        self.assertTrue(request.machine_blocks)
        with self.assertRaises(UserError):
            self.workorder.button_start()
        self.raise_and_post(self.count(5, seconds=200))
        self.assertEqual(self.order.qty_producing, 5, "what the machine counts is counted all the same")

        request.with_user(self.technician).stage_id = self.repaired
        self.assertEqual(self.workcenter.working_state, "normal")
        self.assertTrue(request.machine_block_id.date_end)

        request.stage_id = self.env.ref("maintenance.stage_0")
        self.assertEqual(self.workcenter.working_state, "blocked", "reopened")
        request.archive_equipment_request()
        self.assertEqual(self.workcenter.working_state, "normal")

    def test_where_the_machine_tells_its_states_the_block_books_no_time_of_its_own(self):
        self.template(block_workcenter=True)
        self.raise_and_post(self.state("fault", 90), self.alarm(100), self.state("running", 500))
        request = self.requests()
        block = request.machine_block_id
        request.stage_id = self.repaired

        self.assertFalse(block.exists())
        self.assertEqual(self.workcenter.working_state, "normal")

    def test_uninstalling_leaves_no_work_center_blocked(self):
        self.template(block_workcenter=True)
        self.raise_and_post(self.alarm(100))
        self.assertEqual(self.workcenter.working_state, "blocked")

        uninstall_hook(self.env)

        self.assertEqual(self.workcenter.working_state, "normal")

    # Not a fault

    def test_not_a_fault_makes_no_request_of_a_code_again_when_a_manager_wants_that(self):
        self.raise_and_post(self.alarm(100, code="J[1]"), self.clear(110, code="J[1]"))
        request = self.requests()
        wizard = Form(self.env["maintenance.machine.not.fault"].with_context(**request.action_not_fault()["context"]))
        self.assertIn("Make no requests of the alarm J[1]", wizard.words)
        wizard.reason, wizard.apply = "Only the start-up", True
        wizard.save().action_not_fault()

        self.assertEqual((request.machine_verdict, request.archive), ("not_fault", True))
        events = self.raise_and_post(self.alarm(200, code="J[1]"), self.alarm(210, code="J1"))
        self.assertEqual(self.rows(events, "maintenance_request").mapped("reason"), ["by_template", False])

    def test_the_history_shows_the_alarms_with_their_values(self):
        self.raise_and_post(self.alarm(100, value=91, signal="Temp", text="<b>Hot</b>"), self.clear(160))
        self.raise_and_post(self.alarm(400, value=95, signal="Temp"))

        history = self.requests().with_user(self.technician).machine_history
        self.assertIn("Temp: 95", history)
        self.assertIn("Temp: 91", history)
        self.assertIn("&lt;b&gt;Hot", history)
