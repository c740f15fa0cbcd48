"""When events are booked: the rows of «Booking of Events», and signals that are for the log only."""

from dataclasses import replace
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import Form, TransactionCase, tagged

from ..machine_connect.event import EVENT_TYPES
from ..sync_moments import due
from .common import MachineConnectCommon

moment = fields.Datetime.to_datetime


@tagged("post_install", "-at_install")
class TestSyncMoments(TransactionCase):
    AT = moment("2026-03-02 06:07:30")

    def test_at_once_is_no_moment(self):
        self.assertIsNone(due("immediate", 60, 0, timezone.utc, self.AT))
        self.assertIsNone(due("micro_batch", 0, 0, timezone.utc, self.AT))
        self.assertIsNone(due("window", 0, 0, timezone.utc, self.AT))

    def test_a_window_ends_at_a_multiple_of_its_length_since_midnight(self):
        for seconds, expected in ((60, "06:08"), (900, "06:15"), (3600, "07:00"), (86_400, "00:00")):
            with self.subTest(seconds=seconds):
                self.assertEqual(due("window", seconds, 0, timezone.utc, self.AT).strftime("%H:%M"), expected)
        # Exactly at the end of a window the next one begins.
        end = moment("2026-03-02 06:15:00")
        self.assertEqual(due("window", 900, 0, timezone.utc, end), moment("2026-03-02 06:30:00"))
        # A window that does not divide the day ends with it.
        self.assertEqual(
            due("window", 7 * 3600, 0, timezone.utc, moment("2026-03-02 22:00:00")), moment("2026-03-03 00:00:00")
        )

    def test_once_a_day_by_the_clock_on_the_wall(self):
        berlin = ZoneInfo("Europe/Berlin")
        # 29 March 2026: at 02:00 clocks go to 03:00; 22:00 is 21:00 UTC the day before and 20:00 UTC that day.
        self.assertEqual(due("daily", 0, 22.0, berlin, moment("2026-03-28 12:00:00")), moment("2026-03-28 21:00:00"))
        self.assertEqual(due("daily", 0, 22.0, berlin, moment("2026-03-28 21:00:00")), moment("2026-03-29 20:00:00"))
        # 02:30 is left out that day.
        self.assertEqual(due("daily", 0, 2.5, berlin, moment("2026-03-28 23:00:00")), moment("2026-03-29 01:30:00"))


@tagged("post_install", "-at_install")
class TestSync(MachineConnectCommon):
    def row(self, event_type, mode, machine=None, **values):
        return self.env["mrp.machine.sync"].create(
            {"event_type": event_type, "mode": mode, "machine_id": machine and machine.id, **values}
        )

    def not_before(self, events):
        """Return when each of the events in the queue is booked, False where at once; None where it is booked."""
        queue = self.env["mrp.machine.queue"]
        queue.invalidate_model()
        entries = {entry.event_id: entry.not_before for entry in queue.search([("event_id", "in", events.ids)])}
        return [entries.get(event) for event in events]

    def let_time_pass(self, events):
        """The moments of these events have come."""
        self.env.cr.execute(
            "UPDATE mrp_machine_queue SET not_before = not_before - interval '2 days' WHERE event_id = ANY(%s)",
            [events.ids],
        )

    def test_without_rows_everything_is_booked_with_the_next_pass(self):
        self.assertFalse(self.env["mrp.machine.sync"]._sets_apart(self.machine))
        events = self.receive(self.machine, self.count(5), self.state("running", 1))
        self.post()
        self.assertEqual(self.not_before(events), [None, None])
        self.assertEqual(self.order.qty_producing, 5)

    def test_a_micro_batch_is_booked_as_one(self):
        self.row("production.count", "micro_batch", seconds=60)
        first = self.receive(self.machine, self.count(5, 60))
        self.post()
        waits = self.not_before(first)[0] - first.received
        self.assertAlmostEqual(waits.total_seconds(), 60, delta=1)
        self.assertEqual(self.order.qty_producing, 0)

        second = self.receive(self.machine, self.count(7, 70, before=5))
        self.post()
        self.assertEqual(self.not_before(second), self.not_before(first), "one batch")

        self.let_time_pass(first | second)
        self.post()
        self.assertEqual(self.order.qty_producing, 12)
        self.assertEqual(len(self.rows(first | second).posting_id), 1)

    def test_a_window_and_a_day(self):
        row = self.row("production.*", "window", seconds=900)
        events = self.receive(self.machine, self.count(5))
        self.post()
        booked = self.not_before(events)[0]
        self.assertEqual((booked.minute % 15, booked.second), (0, 0))
        self.assertTrue(timedelta() < booked - events.received <= timedelta(seconds=900))

        self.company.partner_id.tz = "Asia/Tokyo"
        row.write({"mode": "daily", "time_of_day": 22.5})
        self.assertEqual(self.not_before(events), [False], "it is met anew")
        self.post()
        booked = self.not_before(events)[0]
        self.assertEqual((booked.hour, booked.minute), (13, 30), "22:30 in Tokyo, which has no summer time")
        self.assertTrue(timedelta() < booked - events.received <= timedelta(days=1))

        self.machine.clock_zone = "UTC"
        row.unlink()
        self.assertEqual(self.not_before(events), [False])
        self.post()
        self.assertEqual(self.order.qty_producing, 5)

    def test_the_most_exact_row_wins(self):
        self.row("*", "daily")
        self.row("production.*", "window", seconds=900)
        self.row("production.count", "micro_batch", seconds=30)
        self.row("production.*", "immediate", self.idle_machine)
        rules = self.env["mrp.machine.sync"]._rules
        for machine, name, mode in (
            (self.machine, "alarm.raised", "daily"),
            (self.machine, "production.cycle_completed", "window"),
            (self.machine, "production.count", "micro_batch"),
            (self.idle_machine, "production.count", "immediate"),
            (self.idle_machine, "alarm.raised", "daily"),
        ):
            with self.subTest(machine=machine.name, name=name):
                self.assertEqual(rules(machine.company_id.id, machine.id)[name][0], mode)

    def test_a_row_of_another_company_is_not_ours(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.row("production.count", "daily", company_id=other.id)
        self.assertFalse(self.env["mrp.machine.sync"]._sets_apart(self.machine))

    def test_by_default_each_type_is_booked_as_its_list_says(self):
        rules = self.env["mrp.machine.sync"]._rules(self.company.id, self.machine.id)
        self.assertEqual(set(rules), set(EVENT_TYPES))
        self.assertEqual(rules["machine.state_changed"][0], "immediate")
        self.assertEqual(rules["production.count"], ("micro_batch", 0, 0.0))
        self.assertEqual(rules["material.consumed"][0], "window")
        self.assertEqual(rules["process.summary"][0], "daily")

    def test_none_overtakes_an_earlier_one_of_the_same_handler(self):
        self.row("production.count", "window", seconds=3600)
        count = self.receive(self.machine, self.count(5, 60))
        self.post()
        later = self.machine._adjust("good", -2, "Samples", at=self.at(90).replace(tzinfo=None))
        earlier = self.machine._adjust("good", 3, "Found", at=self.at(30).replace(tzinfo=None))
        state = self.receive(self.machine, self.state("running", 95))
        self.post()

        self.assertEqual(self.not_before(later), self.not_before(count), "corrections go to the same handler")
        self.assertEqual(self.not_before(earlier), [None], "nothing before it waits")
        self.assertEqual(self.not_before(state), [None], "another handler's business")
        self.assertEqual(self.order.qty_producing, 3)
        self.let_time_pass(count | later)
        self.post()
        self.assertEqual(self.order.qty_producing, 6)

    def test_an_order_that_ends_takes_along_what_was_counted_before(self):
        self.row("production.count", "window", seconds=3600)
        counts = self.receive(self.machine, self.count(5, 60), self.count(7, 200, before=5))
        self.post()
        self.assertEqual(self.order.qty_producing, 0)

        self.receive(self.machine, self.event("production.order_completed", 100, {"order": self.order.name}))
        self.post()

        self.assertEqual(self.not_before(counts)[0], None, "before the end: booked")
        self.assertTrue(self.not_before(counts)[1], "after it: as ever")
        self.assertEqual(self.workorder.qty_produced, 5)

    def test_what_a_person_tries_again_does_not_wait_for_its_window(self):
        events = self.receive(self.idle_machine, self.count(5))
        self.post()
        self.assertEqual(self.rows(events).reason, "no_order")
        self.row("production.count", "daily")
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, self.order, self.workorder, self.at(0).replace(tzinfo=None)
        )
        self.rows(events).action_retry()
        self.post()
        self.assertEqual(self.states(events), ["posted"])

    def test_events_without_a_handler_do_not_wait(self):
        self.row("*", "daily")
        events = self.receive(self.machine, self.event("meter.reading", 5, {"value": 3, "unit": "KWH"}))
        self.post()
        self.assertEqual(events.posting_ids.mapped("reason"), ["no_handler"])

    def test_each_row_is_a_sentence(self):
        for event_type, mode, values, expected in (
            ("production.count", "micro_batch", {"seconds": 60}, "Counts are booked together, at most 60 s after"),
            ("production.count", "micro_batch", {"seconds": 0}, "Counts are booked at once, with the next pass."),
            ("material.consumed", "window", {"seconds": 900}, "Consumptions are booked every 15 min"),
            ("production.cycle_completed", "daily", {"time_of_day": 22.5}, "once a day, at 22:30 (UTC)"),
        ):
            with self.subTest(event_type=event_type, mode=mode):
                self.company.partner_id.tz = False
                row = self.env["mrp.machine.sync"].new({"event_type": event_type, "mode": mode, **values})
                row.company_id = self.company
                self.assertIn(expected, row.sentence)

    def test_slow_stops_alarms_and_quality_are_warned_of(self):
        form = Form(self.env["mrp.machine.sync"])
        form.event_type = "alarm.*"
        form.mode = "window"
        form.seconds = 60
        self.assertFalse(form.warning)
        form.seconds = 61
        self.assertIn("61 s late", form.warning)
        form.mode = "daily"
        self.assertIn("a day late", form.warning)
        form.event_type = "production.count"
        self.assertFalse(form.warning)
        self.assertTrue(self.row("*", "daily").warning, "a class that takes in urgent ones")

    def test_what_is_no_type_of_event_is_refused(self):
        for name in ("production.counts", "prod*uction", ""):
            with self.subTest(name=name), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.row(name, "daily")


@tagged("post_install", "-at_install")
class TestRelevance(MachineConnectCommon):
    def signal(self, **values):
        connection = self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "protocol": "modbus", "host": "127.0.0.1", "port": 1}
        )
        return self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id,
                "connection_id": connection.id,
                "name": "Good",
                "role": "good",
                "address": "holding:2",
                "data_type": "u32",
                "fastest_cycle": 1.0,
                **values,
            }
        )

    def told(self, pieces, seconds, before=0):
        return replace(self.count(pieces, seconds, before=before), signal="Good")

    def receive_of(self, signal, *events):
        log = self.env["mrp.machine.event"]
        source = self.env.ref("mrp_machine_connect.source_poller")
        stream = self.machine._stream()
        return log._receive(source, [(self.machine, stream, {signal.name: signal.id}, 1, list(events))])

    def test_a_signal_for_the_log_only_has_no_effect(self):
        signal = self.signal(business_relevance="log")
        events = self.receive_of(signal, self.told(5, 60))
        self.assertEqual(events.signal_id, signal)
        self.post()

        self.assertEqual(
            [(row.handler, row.state, row.reason) for row in events.posting_ids], [("none", "ignored", "not_relevant")]
        )
        self.assertTrue(events.posting_ids.message)
        self.assertEqual(self.order.qty_producing, 0)

    def test_any_other_has(self):
        events = self.receive_of(self.signal(), self.told(5, 60))
        self.post()
        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.order.qty_producing, 5)

    def test_what_had_its_effect_keeps_it(self):
        signal = self.signal()
        events = self.receive_of(signal, self.told(5, 60))
        self.post()
        signal.business_relevance = "log"
        self.receive_of(signal, self.told(5, 80, before=5))
        self.post()
        self.assertEqual(self.order.qty_producing, 5)
        self.assertEqual(self.states(events), ["posted"])
