from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..hooks import uninstall_hook
from .common import MaintenanceTriggerCommon


@tagged("post_install", "-at_install")
class TestMaintenanceRequest(MaintenanceTriggerCommon):
    # It fits

    def test_an_alarm_becomes_a_request_on_the_machines_equipment(self):
        events = self.raise_and_post(self.alarm(100, raw_value=7))

        request = self.requests()
        self.assertEqual(self.maintenance_states(events), ["posted"])
        self.assertEqual(request.equipment_id, self.equipment)
        self.assertEqual((request.maintenance_team_id, request.user_id), (self.team, self.technician))
        self.assertEqual((request.maintenance_type, request.priority), ("corrective", "2"))
        self.assertEqual((request.machine_fault_key, request.machine_occurrences), ("J01", 1))
        self.assertEqual(request.machine_first_occurred, self.naive(100))
        self.assertEqual(request.request_date, self.naive(100).date())
        self.assertEqual(request.machine_event_id, events)
        self.assertEqual(request.name, f"{self.machine.name}: Jam (J01)")
        self.assertIn("raw_value: 7", request.description)
        self.assertIn("03/02/2026 06:01:40 AM (UTC)", request.description)
        self.assertEqual(request.create_uid, self.env.ref("mrp_machine_connect.user_machine_connect"))
        self.assertTrue(request.machine_fault_open)

    def test_the_request_and_its_events_lead_to_each_other(self):
        events = self.raise_and_post(self.alarm(100), self.clear(130))

        request = self.requests()
        posting = self.rows(events, "maintenance_request").posting_id
        self.assertEqual((posting.res_model, posting.res_id), ("maintenance.request", request.id))
        self.assertEqual(request.machine_event_count, 2)
        found = self.env["mrp.machine.event"].search(request.action_machine_events()["domain"])
        self.assertEqual(found, events.sorted(lambda event: -event.occurred_us))

    def test_events_whose_other_effects_have_its_number_are_not_its_own(self):
        first = self.raise_and_post(self.alarm(100), self.clear(130))
        self.requests().stage_id = self.repaired
        second = self.raise_and_post(self.alarm(200, code="J02"), self.clear(230, code="J02"))
        request = self.requests()[-1]
        # The first alarm, as it may well be, has the number of the second request.
        self.rows(first, "alarm").posting_id.res_id = request.id

        found = self.env["mrp.machine.event"].search(request.action_machine_events()["domain"])
        self.assertEqual(set(found.ids), set(second.ids))

    def test_a_fault_that_cleared_before_its_raise_was_heard_of_does_not_stand_for_ever(self):
        cleared = self.raise_and_post(self.clear(200), self.clear(50), self.clear(210, code="J02"))
        self.assertEqual(self.maintenance_states(cleared), ["ignored"] * 3)

        raised = self.raise_and_post(self.alarm(100))

        request = self.requests()
        self.assertEqual(request.machine_cleared, self.naive(200))
        rows = self.rows(cleared, "maintenance_request")
        # In the order in which they occurred: the first is of an occurrence before, the last of another fault.
        self.assertEqual(rows.mapped("state"), ["ignored", "posted", "ignored"])
        self.assertEqual(rows[1].posting_id, self.rows(raised, "maintenance_request").posting_id)
        self.assertEqual(request.machine_event_count, 2)

        self.raise_and_post(self.alarm(300))
        self.assertFalse(request.machine_cleared, "raised again, it stands")

    def test_what_cleared_in_between_does_not_clear_what_was_raised_since(self):
        self.raise_and_post(self.clear(200))
        self.raise_and_post(self.alarm(300))
        self.raise_and_post(self.alarm(100))

        request = self.requests()
        self.assertEqual((request.machine_occurrences, request.machine_cleared), (2, False))

    def test_a_late_raise_of_a_request_that_is_closed_is_cleared_there(self):
        self.raise_and_post(self.alarm(300))
        request = self.requests()
        request.stage_id = self.repaired
        self.raise_and_post(self.clear(400))
        self.raise_and_post(self.alarm(100))

        self.assertEqual(self.requests(), request)
        self.assertEqual((request.machine_occurrences, request.machine_cleared), (2, self.naive(400)))

    def test_two_faults_are_two_requests(self):
        self.raise_and_post(self.alarm(100), self.alarm(110, code="J02", text="Oil low"))

        self.assertEqual(self.requests().mapped("machine_fault_key"), ["J01", "J02"])

    def test_severity_becomes_priority(self):
        self.machine.maintenance_warnings = True
        for number, (severity, priority) in enumerate(
            [(1, "1"), (333, "1"), (334, "2"), (666, "2"), (667, "3"), (1000, "3"), ("nonsense", "2")]
        ):
            with self.subTest(severity=severity):
                self.raise_and_post(self.alarm(number, code=f"S{number}", severity=severity))
                self.assertEqual(self.requests()[-1].priority, priority)

    def test_what_the_machine_says_is_escaped(self):
        self.raise_and_post(self.alarm(100, text="<script>alert(1)</script>"))

        self.assertNotIn("<script>", self.requests().description)

    def test_the_request_speaks_the_language_and_the_time_of_its_technician(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.technician.write({"tz": "Asia/Tokyo", "lang": "fr_FR"})
        late = 15 * 3600  # 21:00 UTC is the next day in Tokyo

        self.raise_and_post(self.alarm(late), self.clear(late + 60))

        request = self.requests()
        self.assertIn("03/03/2026 06:00:00 (Asia/Tokyo)", request.description, "without AM and PM, as French has it")
        self.assertIn("03/03/2026 06:01:00 (Asia/Tokyo)", request.message_ids[0].body)
        self.assertEqual(str(request.request_date), "2026-03-03")

    def test_without_a_technician_it_is_the_companys_language_and_time(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.equipment.technician_user_id = False
        self.company.partner_id.write({"tz": "Europe/Berlin", "lang": "de_DE"})

        self.raise_and_post(self.alarm(100))

        self.assertIn("02.03.2026 07:01:40 (Europe/Berlin)", self.requests().description)

    def test_whoever_reads_what_the_machine_says_reads_it_in_the_own_time(self):
        self.raise_and_post(self.alarm(100))
        request = self.requests()

        for zone, words in (("America/New_York", "03/02/2026 01:01:40 AM"), ("Asia/Tokyo", "03/02/2026 03:01:40 PM")):
            with self.subTest(zone=zone):
                said = request.with_context(tz=zone, lang="en_US").machine_fault_summary
                self.assertEqual(said, f"Raised at {words} and standing since.")

    def test_numbers_are_written_as_people_write_them(self):
        self.raise_and_post(self.alarm(100, raw_value=12.0, temperature=0.1 + 0.2))

        self.assertEqual(self.requests().machine_values, "raw_value: 12, temperature: 0.3")

    # It does not fit

    def test_without_equipment_the_alarm_waits_and_is_posted_once_it_is_chosen(self):
        events = self.raise_and_post(self.alarm(100), self.clear(200), machine=self.idle_machine)

        rows = self.rows(events, "maintenance_request")
        self.assertEqual(rows.mapped("state"), ["waiting", "waiting"])
        self.assertEqual(set(rows.mapped("reason")), {"no_equipment"})
        self.assertIn("Idle", rows[0].message)
        self.assertIn("equipment", rows[0].remedy)
        self.assertFalse(self.requests(self.idle_machine))

        self.idle_machine.equipment_id = self.other_equipment
        self.assertEqual(set(rows.mapped("state")), {"received"})
        self.post(self.idle_machine)

        request = self.requests(self.idle_machine)
        self.assertEqual(rows.mapped("state"), ["posted", "posted"])
        self.assertEqual((request.equipment_id, request.machine_cleared), (self.other_equipment, self.naive(200)))

    def test_an_alarm_that_waits_holds_up_no_count(self):
        events = self.raise_and_post(self.alarm(100), self.count(5), machine=self.idle_machine)
        self.raise_and_post(self.count(5, seconds=150))

        self.assertEqual(self.maintenance_states(events), ["waiting"])
        self.assertEqual(self.order.qty_producing, 5)

    def test_without_a_team_the_alarm_waits_until_there_is_one(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.env["maintenance.team"].search([("company_id", "=", False)]).company_id = self.company
        machine = self.make_machine("far", company_id=elsewhere.id)
        machine.equipment_id = self.env["maintenance.equipment"].create({"name": "Far", "company_id": elsewhere.id})
        events = self.raise_and_post(self.alarm(100), self.alarm(110), machine=machine)
        self.assertEqual(set(self.rows(events, "maintenance_request").mapped("reason")), {"no_team"})

        team = self.env["maintenance.team"].create({"name": "Far mechanics", "company_id": elsewhere.id})
        self.post(machine)

        self.assertEqual(self.requests(machine).maintenance_team_id, team)
        self.assertEqual(self.requests(machine).company_id, elsewhere)
        self.assertEqual(self.requests(machine).machine_occurrences, 2)

    def test_what_is_less_severe_than_the_machine_asks_for_is_ignored_by_that_rule(self):
        self.machine.maintenance_min_severity = 600

        events = self.raise_and_post(self.alarm(100, severity=599), self.alarm(110, code="J02", severity=600))

        rows = self.rows(events, "maintenance_request")
        self.assertEqual(rows.mapped("state"), ["ignored", "posted"])
        self.assertEqual(rows[0].reason, "below_severity")
        self.assertTrue(rows[0].message)
        self.assertEqual(self.requests().machine_fault_key, "J02")

    def test_an_observed_machine_makes_no_request(self):
        self.machine.posting_mode = "observe"

        events = self.raise_and_post(self.alarm(100))

        self.assertEqual(self.rows(events, "maintenance_request").reason, "observe")
        self.assertFalse(self.requests())

    def test_a_clear_without_a_request_is_ignored_by_rule(self):
        events = self.raise_and_post(self.clear(100), self.clear(110))

        self.assertEqual(set(self.rows(events, "maintenance_request").mapped("reason")), {"no_request"})

    def test_an_alarm_without_a_code_is_a_fault_all_the_same(self):
        self.raise_and_post(self.event("alarm.raised", 100, {"severity": 800}))

        self.assertEqual(self.requests().machine_fault_key, "alarm")

    def test_the_limit_of_severity_has_a_range(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            self.machine.maintenance_min_severity = 0
            self.env.flush_all()

    # Twice

    def test_the_same_event_twice_is_one_occurrence(self):
        self.raise_and_post(self.alarm(100))
        self.raise_and_post(self.alarm(100))

        self.assertEqual(self.requests().machine_occurrences, 1)

    def test_the_same_fault_again_is_counted_on_the_open_request(self):
        self.raise_and_post(self.alarm(100, raw_value=7))
        self.raise_and_post(self.alarm(200, raw_value=8), self.alarm(300, raw_value=9))

        request = self.requests()
        self.assertEqual(len(request), 1)
        self.assertEqual(request.machine_occurrences, 3)
        self.assertEqual(request.machine_first_occurred, self.naive(100))
        self.assertEqual(request.machine_last_occurred, self.naive(300))
        self.assertEqual(request.machine_values, "raw_value: 9")
        self.assertIn("Raised 3 times", request.machine_fault_summary)

    def test_after_the_request_is_closed_and_the_fault_cleared_it_makes_a_new_one(self):
        self.raise_and_post(self.alarm(100), self.clear(150))
        self.requests().stage_id = self.repaired
        self.assertFalse(self.requests().machine_fault_open)

        self.raise_and_post(self.alarm(200))

        first, second = self.requests()
        self.assertEqual((first.machine_occurrences, second.machine_occurrences), (1, 1))
        self.assertTrue(second.machine_fault_open)

    def test_after_the_request_is_cancelled_the_fault_makes_a_new_one(self):
        self.raise_and_post(self.alarm(100), self.clear(150))
        self.requests().archive_equipment_request()

        self.raise_and_post(self.alarm(200))

        self.assertEqual(len(self.requests()), 2)

    def test_a_request_that_a_technician_took_over_is_still_found(self):
        self.raise_and_post(self.alarm(100))
        self.requests().write({"owner_user_id": self.technician.id, "user_id": False, "message_partner_ids": [(5,)]})

        events = self.raise_and_post(self.alarm(200))

        self.assertEqual(self.maintenance_states(events), ["posted"])
        self.assertEqual(self.requests().machine_occurrences, 2)

    def test_the_database_refuses_a_second_open_request_for_the_same_fault(self):
        self.raise_and_post(self.alarm(100))
        values = {
            "name": "Second",
            "machine_id": self.machine.id,
            "machine_asset_id": self.equipment.id,
            "machine_fault_key": "J01",
        }

        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.env["maintenance.request"].create(values)
            self.env.flush_all()
        self.env["maintenance.request"].create({**values, "machine_fault_key": "J02"})
        self.env["maintenance.request"].create([{**values, "machine_fault_key": False}] * 2)
        self.env.flush_all()

    def test_a_poster_that_does_not_see_the_open_request_yet_counts_on_it_at_the_next_try(self):
        self.raise_and_post(self.alarm(100))
        stale = patch.object(
            self.registry["maintenance.request"],
            "_fault_requests",
            lambda requests, _machine, occurred: dict.fromkeys(occurred, requests.browse()),
        )

        with stale, mute_logger("odoo.sql_db", "odoo.addons.mrp_machine_connect.models.mrp_machine_poster"):
            events = self.raise_and_post(self.alarm(200))
        self.assertEqual(self.maintenance_states(events), ["received"])
        self.env.cr.execute("UPDATE mrp_machine_queue SET not_before = NULL")
        self.post(self.machine)

        self.assertEqual(self.maintenance_states(events), ["posted"])
        self.assertEqual(self.requests().machine_occurrences, 2)

    def test_a_closed_request_cannot_be_reopened_beside_an_open_one(self):
        self.raise_and_post(self.alarm(100), self.clear(150))
        first = self.requests()
        first.stage_id = self.repaired
        self.raise_and_post(self.alarm(200))

        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), self.env.cr.savepoint():
            first.stage_id = self.env.ref("maintenance.stage_0")
            self.env.flush_all()

    def test_a_copy_of_a_request_is_a_persons(self):
        self.raise_and_post(self.alarm(100))

        copy = self.requests().copy()

        self.assertFalse(copy.machine_fault_key or copy.machine_occurrences or copy.machine_event_id)
        self.assertEqual(copy.machine_id, self.machine)

    # Out of order, and what happens meanwhile

    def test_an_older_occurrence_that_comes_later_moves_the_beginning(self):
        self.raise_and_post(self.alarm(200, raw_value=8))
        self.raise_and_post(self.alarm(100, raw_value=7))

        request = self.requests()
        self.assertEqual(request.machine_occurrences, 2)
        self.assertEqual(request.machine_first_occurred, self.naive(100))
        self.assertEqual(request.machine_last_occurred, self.naive(200))
        self.assertEqual(request.machine_values, "raw_value: 8")

    def test_old_news_of_a_repaired_fault_makes_no_new_request(self):
        self.raise_and_post(self.alarm(200))
        self.requests().stage_id = self.repaired

        self.raise_and_post(self.alarm(150))

        self.assertEqual(self.requests().machine_occurrences, 2)

    def test_clearing_is_noted_and_closes_nothing(self):
        self.raise_and_post(self.alarm(100))
        request = self.requests()
        self.assertIn("standing", request.machine_fault_summary)

        events = self.raise_and_post(self.clear(160))

        self.assertEqual(self.maintenance_states(events), ["posted"])
        self.assertEqual(request.machine_cleared, self.naive(160))
        self.assertIn("cleared at 03/02/2026 06:02:40 AM (UTC)", request.message_ids[0].body)
        self.assertEqual(request.message_ids[0].author_id, self.env.ref("mrp_machine_connect.partner_machine_connect"))
        self.assertTrue(request.machine_fault_open)

    def test_a_fault_that_comes_again_stands_again(self):
        self.raise_and_post(self.alarm(100), self.clear(160), self.alarm(170))

        self.assertFalse(self.requests().machine_cleared)

    def test_a_clear_that_comes_late_does_not_clear_what_was_raised_since(self):
        self.raise_and_post(self.alarm(100), self.alarm(170))
        self.raise_and_post(self.clear(160))

        self.assertFalse(self.requests().machine_cleared)

    def test_a_chattering_alarm_does_not_fill_the_chatter(self):
        self.raise_and_post(self.alarm(0))
        before = len(self.requests().message_ids)
        for second in range(10, 600, 20):
            self.raise_and_post(self.clear(second), self.alarm(second + 5))
            self.raise_and_post(self.clear(second + 10))

        self.assertEqual(self.requests().machine_occurrences, 31)
        self.assertLessEqual(len(self.requests().message_ids) - before, 2)

    def test_priority_rises_with_severity_and_a_persons_choice_stays(self):
        self.machine.maintenance_warnings = True
        self.raise_and_post(self.alarm(100, severity=300))
        request = self.requests()
        self.raise_and_post(self.alarm(200, severity=900))
        self.assertEqual((request.priority, request.machine_severity), ("3", 900))

        request.priority = "0"
        self.raise_and_post(self.alarm(300, severity=900))
        self.assertEqual(request.priority, "0")

    # Many

    def test_a_thousand_alarms_of_one_code_are_one_request_in_few_queries(self):
        self.raise_and_post(self.alarm(0, code="warm"))
        events = self.receive(self.machine, *[self.alarm(second, raw_value=second) for second in range(1000)])
        self.env.flush_all()
        self.env.invalidate_all()
        queries = self.queries_of_requests()

        request = self.requests() - self.requests().filtered(lambda request: request.machine_fault_key == "warm")
        self.assertEqual((len(request), request.machine_occurrences), (1, 1000))
        self.assertEqual(set(self.maintenance_states(events)), {"posted"})
        self.assertEqual(len(self.rows(events, "maintenance_request").posting_id), 1)
        self.assertLess(queries, 80)

    def test_a_thousand_repeats_are_one_write_in_few_queries(self):
        self.raise_and_post(self.alarm(0))
        self.receive(
            self.machine, *[event for at in range(1, 1001, 2) for event in (self.clear(at), self.alarm(at + 1))]
        )
        self.env.flush_all()
        self.env.invalidate_all()
        queries = self.queries_of_requests()

        self.assertEqual(self.requests().machine_occurrences, 501)
        self.assertLess(queries, 50)

    def queries_of_requests(self):
        """Post what is queued to the handler of requests alone, and return how many statements that took."""
        poster = self.env["mrp.machine.poster"]
        ours = [handler for handler in poster._handlers() if handler._handler_name() == "maintenance_request"]
        before = self.env.cr.sql_log_count
        with patch.object(self.registry["mrp.machine.poster"], "_handlers", lambda _poster: ours):
            self.post(self.machine)
        return self.env.cr.sql_log_count - before

    # Around it

    def test_the_log_may_be_trimmed_below_an_open_request(self):
        events = self.raise_and_post(self.alarm(100))
        request = self.requests()

        events.posting_ids.unlink()
        events.with_context(machine_connect_retention=True).unlink()
        request.invalidate_recordset()

        self.assertTrue(request.exists())
        self.assertFalse(request.machine_event_id)
        self.assertEqual(request.machine_event_count, 0)

    def test_uninstalling_ends_what_waits_for_the_addon(self):
        events = self.raise_and_post(self.alarm(100), machine=self.idle_machine)

        uninstall_hook(self.env)

        row = self.rows(events, "maintenance_request")
        self.assertEqual((row.state, row.reason), ("ignored", "uninstalled"))

    def test_uninstalling_leaves_equipment_that_has_requests(self):
        names = self.env["ir.model.data"].create(
            [
                {
                    "module": "maintenance_machine_trigger",
                    "name": f"test_{equipment.id}",
                    "model": equipment._name,
                    "res_id": equipment.id,
                }
                for equipment in (self.equipment, self.other_equipment)
            ]
        )
        self.raise_and_post(self.alarm(100))

        uninstall_hook(self.env)

        self.assertEqual(names.exists().res_id, self.other_equipment.id)

    def test_equipment_of_another_company_is_refused(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        equipment = self.env["maintenance.equipment"].create({"name": "Far", "company_id": elsewhere.id})

        with self.assertRaises(UserError):
            self.machine.equipment_id = equipment
