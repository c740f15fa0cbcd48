"""Alarms as IEC 62682 has them: occurrences that are active, acknowledged, shelved; floods that stay few; nothing lost."""

import random
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.mrp_machine_poster import LOOKS_AGAIN
from .common import MachineConnectCommon


class AlarmCommon(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            role: cls.env["res.users"].create(
                {
                    "name": role,
                    "login": f"alarms-{role}",
                    "group_ids": [(6, 0, [cls.env.ref(f"mrp_machine_connect.group_{role}").id])],
                }
            )
            for role in ("operator", "supervisor", "manager")
        }

    def raised(self, code, seconds, **data):
        return self.event("alarm.raised", seconds, {"code": code, **data})

    def cleared(self, code, seconds, **data):
        return self.event("alarm.cleared", seconds, {"code": code, **data})

    def say(self, *events, machine=None):
        """Store events and give them their effects; return their records."""
        stored = self.receive(machine or self.machine, *events)
        self.post()
        return stored

    def alarms(self, code=None, machine=None):
        domain = [("machine_id", "=", (machine or self.machine).id)]
        if code:
            domain.append(("code", "=", code))
        return self.env["mrp.machine.alarm"].search(domain, order="raised_us, id")


@tagged("post_install", "-at_install")
class TestAlarm(AlarmCommon):
    def test_an_alarm_is_raised_acknowledged_and_cleared(self):
        event = self.say(self.raised("270", 10.25, text="TOOL LIFE OVER", severity=700))
        alarm = self.alarms()

        self.assertEqual((alarm.code, alarm.text, alarm.severity, alarm.level), ("270", "TOOL LIFE OVER", 700, "fault"))
        self.assertEqual((alarm.state, alarm.is_active, alarm.repeats), ("unack_active", True, 0))
        self.assertEqual(alarm.raised_us, event.occurred_us)
        self.assertEqual(alarm.raised, event.occurred)
        self.assertEqual(alarm.event_id, event)
        self.assertEqual(self.rows(event, "alarm").posting_id.res_id, alarm.id)
        self.assertEqual(self.machine.alarm_count, 1)

        alarm.with_user(self.users["operator"]).action_acknowledge()
        self.assertEqual((alarm.state, alarm.acknowledged_by_id), ("ack_active", self.users["operator"]))
        cleared = self.say(self.cleared("270", 70.25))
        self.assertEqual((alarm.state, alarm.cleared, alarm.duration), ("normal", cleared.occurred, 60.0))
        self.machine.invalidate_recordset(["alarm_count"])
        self.assertEqual(self.machine.alarm_count, 0)

    def test_what_cleared_before_anybody_knew_of_it_still_wants_to_be_known(self):
        self.say(self.raised("270", 10), self.cleared("270", 20))
        self.assertEqual(self.alarms().state, "rtn_unack")

    def test_sums_have_alarms_that_stand_up_to_now(self):
        self.say(self.raised("270", 10), self.cleared("270", 70), self.raised("284", 100))
        since = self.alarms("284").raised
        domain = [("machine_id", "=", self.machine.id)]

        stood = dict(self.env["mrp.machine.alarm"]._read_group(domain, ["code"], ["duration:sum"]))

        self.assertEqual(stood["270"], 60)
        self.assertAlmostEqual(stood["284"], (self.env.cr.now() - since).total_seconds(), delta=1)

    def test_raised_anew_it_is_another_occurrence(self):
        self.say(self.raised("270", 0), self.cleared("270", 30), self.raised("270", 600))
        first, second = self.alarms("270")
        self.assertEqual((first.state, second.state), ("rtn_unack", "unack_active"))

    def test_raised_again_while_it_stands_it_is_a_repeat(self):
        self.say(self.raised("270", 0), self.raised("270", 100), self.raised("284", 100), self.raised("270", 200))
        alarm = self.alarms("270")
        self.assertEqual((len(alarm), alarm.repeats, alarm.occurrences), (1, 2, 3))
        self.assertEqual(alarm.last_raised, self.at(200).replace(tzinfo=None))
        self.assertEqual(len(self.alarms("284")), 1)

    def test_a_chattering_alarm_becomes_one_occurrence_and_loses_no_time_it_was_raised(self):
        events = []
        for number in range(50):
            events += [self.raised("7", number * 4), self.cleared("7", number * 4 + 2)]
        random.Random(7).shuffle(events)
        self.say(*events)
        alarms = self.alarms("7")
        # Three within a minute are the setting: the fourth and all that follow are counted on the third.
        self.assertEqual(alarms.mapped("occurrences"), [1, 1, 48])
        self.assertEqual(alarms.mapped("is_chattering"), [False, False, True])
        self.assertEqual(alarms[-1].cleared, self.at(49 * 4 + 2).replace(tzinfo=None))

        self.say(self.raised("7", 1000))
        self.assertEqual(len(self.alarms("7")), 4, "a minute of quiet, and it is a new one")

    def test_how_often_is_chattering_is_a_setting(self):
        self.env["ir.config_parameter"].set_param("mrp_machine_connect.alarm_chatter_times", "0")
        events = []
        for number in range(10):
            events += [self.raised("7", number * 4), self.cleared("7", number * 4 + 2)]
        self.say(*events)
        self.assertEqual(len(self.alarms("7")), 10)

    def test_whatever_order_alarms_arrive_in_the_last_word_counts(self):
        """Raised and cleared far apart, told one by one in any order: as many occurrences, none of them left standing."""
        rng = random.Random(20260302)
        told = []
        for number in range(8):
            told += [self.raised("9", number * 500), self.cleared("9", number * 500 + 100)]
        rng.shuffle(told)
        for event in told:
            self.say(event)
        alarms = self.alarms("9")
        self.assertEqual(sum(alarms.mapped("occurrences")), 8)
        self.assertEqual(alarms.filtered("is_active"), alarms.browse())

    def test_cleared_without_a_raise_is_no_alarm(self):
        event = self.say(self.cleared("270", 10))
        row = self.rows(event, "alarm")
        self.assertEqual((row.state, row.reason), ("ignored", "no_alarm"))
        self.assertFalse(self.alarms())

        self.say(self.raised("270", 5))
        self.assertEqual(self.alarms().cleared, event.occurred)
        self.assertEqual(row.state, "posted")

    def test_severity_and_level_of_what_the_machine_does_not_say(self):
        self.say(
            self.raised("a", 1),
            self.raised("b", 2, severity=200),
            self.raised("c", 3, level="WARNING"),
            self.raised("d", 4, level="fault", severity=900),
            self.raised("e", 5, severity="a lot"),
            self.raised("f", 6, severity=10_000),
        )
        self.assertEqual(
            [(alarm.code, alarm.severity, alarm.level) for alarm in self.alarms()],
            [
                ("a", 500, "fault"),
                ("b", 200, "warning"),
                ("c", 300, "warning"),
                ("d", 900, "fault"),
                ("e", 500, "fault"),
                ("f", 1000, "fault"),
            ],
        )

    def test_a_shelved_alarm_stays_out_of_the_way_until_its_end_and_comes_back(self):
        now = fields.Datetime.now()
        day = (now - timedelta(hours=1)).replace(microsecond=0)
        seconds = (day - self.at(0).replace(tzinfo=None)).total_seconds()
        self.say(self.raised("270", seconds), self.cleared("270", seconds + 60))
        alarm = self.alarms()
        wizard = self.env["mrp.machine.alarm.shelve"].with_user(self.users["supervisor"])
        wizard.create(
            {"alarm_ids": alarm.ids, "until": now + timedelta(hours=2), "reason": "Sensor is exchanged"}
        ).action_shelve()
        self.assertEqual((alarm.state, alarm.shelved_by_id), ("shelved", self.users["supervisor"]))

        self.say(self.raised("270", seconds + 600))
        again = self.alarms()[-1]
        self.assertNotEqual(again, alarm)
        self.assertEqual((again.state, again.shelve_reason), ("shelved", "Sensor is exchanged"))
        self.assertTrue(again._is_quiet())

        again.shelved_until = now - timedelta(seconds=1)
        self.env["mrp.machine.alarm"]._unshelve_due()
        self.assertEqual((again.state, again.shelved_by_id.id), ("unack_active", False))
        self.assertEqual(alarm.state, "shelved", "its own end is still to come")

    def test_shelving_needs_an_end(self):
        self.say(self.raised("270", 0))
        with self.assertRaises(UserError):
            self.alarms()._shelve(fields.Datetime.now() - timedelta(minutes=1), "no")

    def test_out_of_service_lasts_over_new_occurrences(self):
        self.say(self.raised("270", 0), self.cleared("270", 10))
        self.alarms().with_user(self.users["manager"]).action_out_of_service()
        self.say(self.raised("270", 600))
        again = self.alarms()[-1]
        self.assertEqual(again.state, "out_of_service")
        again.with_user(self.users["manager"]).action_in_service()
        self.assertEqual(again.state, "unack_active")

    def test_what_the_machine_itself_says_of_its_alarms(self):
        self.say(
            self.raised("270", 0),
            self.event("alarm.acked", 5, {"code": "270"}),
            self.raised("284", 0),
            self.event("alarm.suppressed", 5, {"code": "284"}),
            self.raised("149", 0),
            self.event("alarm.shelved", 5, {"code": "149", "until": "2126-03-02T08:00:00+00:00"}),
        )
        states = {alarm.code: alarm.state for alarm in self.alarms()}
        self.assertEqual(states, {"270": "ack_active", "284": "suppressed", "149": "shelved"})
        self.say(self.event("alarm.unshelved", 9, {"code": "149"}))
        self.assertEqual(self.alarms("149").state, "unack_active")

    def test_who_may_do_what(self):
        self.say(self.raised("270", 0))
        alarm = self.alarms()
        deeds = {
            "action_acknowledge": {"operator", "supervisor", "manager"},
            "action_shelve": {"supervisor", "manager"},
            "action_unshelve": {"supervisor", "manager"},
            "action_out_of_service": {"manager"},
            "action_in_service": {"manager"},
        }
        for deed, allowed in deeds.items():
            for role, user in self.users.items():
                with self.subTest(deed=deed, role=role):
                    if role in allowed:
                        getattr(alarm.with_user(user), deed)()
                    else:
                        with self.assertRaises(UserError):
                            getattr(alarm.with_user(user), deed)()
        stranger = self.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "alarms-stranger",
                "group_ids": [(6, 0, [self.env.ref("base.group_user").id])],
            }
        )
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
            alarm.with_user(stranger).action_acknowledge()
        for user in self.users.values():
            with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
                alarm.with_user(user).write({"severity": 1})

    def test_the_most_frequent_and_the_standing(self):
        now = fields.Datetime.now()
        ago = lambda **age: (now - timedelta(**age) - self.at(0).replace(tzinfo=None)).total_seconds()  # noqa: E731
        events = [self.raised("often", ago(hours=10) + 600 * number) for number in range(6)]
        events += [
            self.raised("long", ago(hours=30)),
            self.raised("old", ago(days=60)),
            self.cleared("old", ago(days=59)),
        ]
        self.say(*events)
        top = self.env["mrp.machine.alarm.top"].search([("machine_id", "=", self.machine.id)])
        self.assertEqual([(row.code, row.occurrences, row.standing) for row in top], [("often", 6, 0), ("long", 1, 1)])
        standing = self.env["mrp.machine.alarm"].search(
            [("is_standing", "=", True), ("machine_id", "=", self.machine.id)]
        )
        self.assertEqual(standing.mapped("code"), ["long"])
        self.assertEqual(self.alarms().filtered("is_standing").mapped("code"), ["long"])

    def test_a_sender_that_names_a_condition_is_not_believed(self):
        condition = self.env["mrp.machine.condition"].create(
            {"name": "Jam", "machine_id": self.machine.id, "kind": "stop_reason", "reason": "jam"}
        )
        self.say(self.raised("270", 0, condition_id=condition.id))
        self.assertFalse(self.alarms().condition_id)

    def test_an_observed_machine_has_alarms_all_the_same(self):
        self.machine.posting_mode = "observe"
        self.say(self.raised("270", 0))
        self.assertTrue(self.alarms())

    def test_another_company_sees_nothing_of_it(self):
        self.say(self.raised("270", 0))
        other = self.env["res.company"].create({"name": "Elsewhere"})
        user = self.env["res.users"].create(
            {
                "name": "Abroad",
                "login": "alarms-abroad",
                "company_id": other.id,
                "company_ids": [(6, 0, other.ids)],
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_manager").id])],
            }
        )
        for model in ("mrp.machine.alarm", "mrp.machine.alarm.top"):
            self.assertFalse(self.env[model].with_user(user).search([("machine_id", "=", self.machine.id)]))


@tagged("post_install", "-at_install")
class TestFloods(AlarmCommon):
    """Alarms that come many at a time: pieces go before them, and one that cannot be taken in keeps no other."""

    def queued(self):
        self.env.cr.execute("SELECT event_id, is_patient FROM mrp_machine_queue ORDER BY event_id")
        return self.env.cr.fetchall()

    def test_pieces_go_before_alarms_and_alarms_follow(self):
        alarms = self.receive(self.machine, self.raised("270", 10), self.raised("271", 11))
        pieces = self.receive(self.machine, self.count(5))
        poster = self.env["mrp.machine.poster"]

        poster._post_machine(self.machine, only_pressing=True)

        self.assertEqual(self.states(pieces), ["posted"])
        self.assertFalse(self.alarms())
        self.assertEqual(self.queued(), [(event.id, True) for event in alarms.sorted("id")])
        self.assertEqual(poster._post_machine(self.machine, only_pressing=True), 0, "only what can wait is left")

        poster._post_machine(self.machine)

        self.assertEqual(self.alarms().mapped("code"), ["270", "271"])
        self.assertFalse(self.queued())
        self.assertEqual(self.order.qty_producing, 5)

    def test_what_has_patient_effects_alone_is_stored_so_and_keeps_no_poster(self):
        first, piece = self.raised("270", 10), self.count(5)
        self.receive(self.machine, first)
        # The first is stored already: the way of those that arrive with it is another one.
        self.receive(self.machine, first, self.raised("271", 11), piece)

        self.env.cr.execute(
            """SELECT event.type, queue.is_patient FROM mrp_machine_queue queue
                 JOIN mrp_machine_event event ON event.id = queue.event_id ORDER BY event.id"""
        )
        found = self.env.cr.fetchall()
        self.assertEqual(found, [("alarm.raised", True), ("alarm.raised", True), ("production.count", None)])
        work = self.env["mrp.machine.poster"]._due_machines(self.env.cr)
        self.assertEqual([row[:2] for row in work], [(False, self.machine.id)])

        self.env["mrp.machine.poster"]._post_machine(self.machine, only_pressing=True)
        self.assertEqual(
            [row[:2] for row in self.env["mrp.machine.poster"]._due_machines(self.env.cr)], [(True, self.machine.id)]
        )

    def test_beside_pieces_fifty_alarms_are_taken_in_at_once_and_no_more(self):
        self.receive(self.machine, *[self.raised(str(code), 10) for code in range(60)])
        self.receive(self.idle_machine, self.count(1))
        self.env.flush_all()
        # No time at all: of what is patient one portion is taken each time, and what presses is for the next pass.
        with self.enter_registry_test_mode():
            self.env["mrp.machine.poster"]._post_due(self.registry, -1.0)

        self.assertEqual([is_patient for _event_id, is_patient in self.queued()], [True] * 10 + [None])
        self.env.cr.execute("DELETE FROM mrp_machine_queue WHERE is_patient IS NULL")
        self.receive(self.machine, *[self.raised(str(code), 20) for code in range(60, 120)])
        with self.enter_registry_test_mode():
            self.env["mrp.machine.poster"]._post_due(self.registry, -1.0)

        self.assertFalse(self.queued(), "where no piece waits it is all of them")

    def test_who_posts_is_not_woken_by_what_he_decides_but_by_its_time(self):
        poster, triggers = self.env["mrp.machine.poster"], self.env["ir.cron.trigger"]
        posting, before = poster.with_context(**{LOOKS_AGAIN: True}), triggers.search_count([])

        posting._wake()
        self.assertEqual(triggers.search_count([]), before)
        posting._wake(at=self.at(86400 * 36500).replace(tzinfo=None))
        later = triggers.search_count([])
        self.assertGreater(later, before)
        poster._wake()
        self.assertGreater(triggers.search_count([]), later)

    def test_an_event_with_both_kinds_of_effects_has_each_once(self):
        self.env["mrp.machine.condition"].create(
            {
                "name": "Stands still",
                "kind": "state_longer",
                "watched_state": "stopped",
                "duration": 1,
                "machine_ids": [(6, 0, self.machine.ids)],
            }
        )
        event = self.receive(self.machine, self.state("stopped", 10))
        poster = self.env["mrp.machine.poster"]

        poster._post_machine(self.machine, only_pressing=True)
        before = {row.handler: row.write_date for row in event.posting_ids}
        self.assertIn("state_interval", before)
        self.assertNotIn("condition", before)
        poster._post_machine(self.machine)

        handlers = event.posting_ids.mapped("handler")
        self.assertIn("condition", handlers)
        self.assertEqual(len(handlers), len(set(handlers)))
        self.assertFalse(self.queued())

    def test_many_codes_are_taken_in_by_few_statements(self):
        def flood(first, codes):
            raised = [
                self.raised(f"{first}-{number % codes}", first + number, text="Jam", severity=500)
                for number in range(5 * codes)
            ]
            return self.receive(self.machine, *raised)

        poster, counts = self.env["mrp.machine.poster"], []
        flood(1000, 2)
        poster._post_machine(self.machine)
        for first, codes in ((2000, 4), (3000, 40)):
            events = flood(first, codes)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            poster._post_machine(self.machine)
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(set(self.states(events, "alarm")), {"posted"})
            found = self.alarms().filtered(lambda alarm, first=first: alarm.code.startswith(f"{first}-"))
            self.assertEqual((len(found), set(found.mapped("occurrences"))), (codes, {5}))
        self.assertLess(counts[1], counts[0] * 2, "ten times the codes cost about the same number of statements")

    def test_one_that_cannot_be_taken_in_keeps_no_other(self):
        alarm = self.registry["mrp.machine.alarm"]
        said = alarm._said

        def breaks(alarms, machine, code, event):
            if code == "BAD":
                raise ValueError("broken")
            return said(alarms, machine, code, event)

        quiet = mute_logger("odoo.addons.mrp_machine_connect.models.mrp_machine_poster")
        with patch.object(alarm, "_said", breaks), quiet:
            events = self.say(self.raised("270", 10), self.raised("BAD", 11), self.raised("271", 12))

        self.assertEqual(self.alarms().mapped("code"), ["270", "271"])
        self.assertEqual(sorted(self.states(events, "alarm")), ["posted", "posted", "received"])

        self.env.cr.execute("UPDATE mrp_machine_queue SET not_before = NULL")
        self.post()

        self.assertEqual(set(self.states(events, "alarm")), {"posted"})
        self.assertEqual(self.alarms().mapped("occurrences"), [1, 1, 1])
