"""Meters: how much a machine was used, whatever becomes of the meter."""

import random

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from ..machine_connect.event import microseconds
from .test_mrp_machine_condition import ConditionCommon

HOUR = 3600


@tagged("post_install", "-at_install")
class TestMeter(ConditionCommon):
    def meter(self, **values):
        return self.env["mrp.machine.meter"].create(
            {"name": "Operating hours", "machine_id": self.machine.id, **values}
        )

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def enter(self, meter, seconds, shows, **values):
        user = self.users["supervisor"]
        wizard = self.env["mrp.machine.meter.enter"].with_user(user)
        wizard.create({"meter_id": meter.id, "at": self.naive(seconds), "shows": shows, **values}).action_enter()

    def test_running_time_is_what_the_timeline_says(self):
        meter = self.meter()
        self.say(
            self.state("running", 0),
            self.state("stopped", 2 * HOUR),
            self.state("transient", 3 * HOUR),
            self.state("running", 3.5 * HOUR),
            self.state("unknown", 4 * HOUR),
            self.state("running", 9 * HOUR),
            self.state("idle", 10 * HOUR),
        )
        for hour, expected in [(-1, 0), (0, 0), (1, 1), (2.5, 2), (3.75, 2.75), (8, 3), (9.5, 3.5), (100, 4)]:
            self.assertAlmostEqual(meter.value_at(self.naive(hour * HOUR)), expected, 6, hour)
        self.assertAlmostEqual(meter.value, 4, 6)

    def test_running_time_goes_on_from_a_reading(self):
        meter = self.meter()
        self.say(self.state("running", 0), self.state("idle", 10 * HOUR))
        self.enter(meter, 4 * HOUR, 12_000.0)
        self.assertAlmostEqual(meter.value, 12_006.0, 3)
        self.assertAlmostEqual(meter.value_at(self.naive(2 * HOUR)), 2.0, 3)

    def test_a_signal_that_counts(self):
        connection = self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "name": "T", "protocol": "modbus", "host": "127.0.0.1"}
        )
        signal = self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id, "connection_id": connection.id, "name": "Good", "role": "good",
                "address": "holding:1", "data_type": "u16", "fastest_cycle": 0.1,
            }
        )  # fmt: skip
        meter = self.meter(name="Strokes", unit="pieces", source="signal", signal_id=signal.id)
        events = [self.count(5, 60, signal="Good"), self.count(7, 120, before=5, signal="Good")]
        log = self.env["mrp.machine.event"]
        log._receive(
            self.env.ref("mrp_machine_connect.source_poller"),
            [(self.machine, self.machine._stream(), {"": signal.id}, 1, events)],
        )
        self.assertEqual(meter.value, 12)
        self.assertEqual(meter.value_at(self.naive(100)), 5)
        self.assertEqual(meter.read_at, self.naive(120))

    def test_readings_go_on_when_the_meter_is_set_back_or_replaced(self):
        meter = self.meter(unit="kWh", source="readings", name="Energy")
        self.say(
            self.event("meter.reading", 0, {"value": 1000.0, "unit": "KWH", "signal": "Energy"}),
            self.event("meter.reading", HOUR, {"value": 1010.0, "unit": "KWH", "signal": "Energy"}),
            self.event("meter.reading", 2 * HOUR, {"value": 4.0, "unit": "KWH", "signal": "Energy"}),
            self.event("meter.reading", 3 * HOUR, {"value": 9.0, "unit": "KWH", "signal": "Energy"}),
            self.event("meter.reading", 3 * HOUR, {"value": 99.0, "unit": "KWH", "signal": "Another"}),
        )
        self.assertEqual(meter.value, 1010 + 9)
        self.assertEqual(meter.reading_ids.sorted("at_us").mapped("kind"), ["reading", "reading", "reset", "reading"])
        # Another meter, which has run elsewhere before.
        self.enter(meter, 4 * HOUR, 70_000.0, is_replaced=True, shown_before=11.0)
        self.assertEqual(meter.value, 1010 + 11)
        self.say(self.event("meter.reading", 5 * HOUR, {"value": 70_005.0, "unit": "KWH", "signal": "Energy"}))
        self.assertEqual(meter.value, 1010 + 16)
        self.assertEqual(meter.value_at(self.naive(1.5 * HOUR)), 1010)

    def test_hours_since_a_reset_are_no_more_than_have_passed(self):
        meter = self.meter(source="readings")
        self.enter(meter, 0, 500.0)
        self.enter(meter, 10 * HOUR, 8.0)
        self.assertEqual(meter.value, 508.0)
        self.enter(meter, 20 * HOUR, 3.0)
        self.assertEqual(meter.value, 511.0)
        # 2.5 hours cannot have been run within one: another meter, until somebody says what it is.
        self.enter(meter, 21 * HOUR, 2.5)
        self.assertEqual(meter.value, 511.0)

    def test_of_one_moment_there_is_one_reading(self):
        meter = self.meter(unit="kWh", source="readings", name="Energy")
        for value in (5.0, 6.0):
            self.say(self.event("meter.reading", 0, {"value": value, "unit": "KWH", "signal": "Energy"}))
        self.assertEqual(meter.reading_ids.mapped("shows"), [5.0])

    def test_whatever_is_read_in_order_the_sum_is_what_was_used(self):
        rng = random.Random(5)
        meter = self.meter(unit="cycles", source="readings", name="Cycles")
        shown = used = 0
        for number in range(60):
            step = rng.randrange(50)
            if rng.random() < 0.2:
                # Set back to 0, and used a little since; less than it showed, else nobody could tell.
                step = rng.randrange(shown) if shown else 0
                shown, used = step, used + step
            else:
                shown, used = shown + step, used + step
            meter._read(microseconds(self.at(number * 60)), shown)
        self.assertEqual(meter.value, used)

    def test_service_is_due_after_so_much_use(self):
        meter = self.meter()
        condition = self.condition("Service", kind="usage", meter_id=meter.id, every=5.0, level="warning")
        self.say(self.state("running", 0), self.state("idle", 4 * HOUR), self.state("running", 10 * HOUR))
        self.pass_time(5 * HOUR)
        self.assertEqual(self.told(condition), [])
        self.say(self.state("idle", 20 * HOUR))
        self.pass_time(21 * HOUR)
        # Four hours by the fourth, the fifth by the eleventh.
        self.assertEqual([kind for kind, _at, _since in self.told(condition)], ["alarm.raised"])
        self.assertEqual(self.alarms().level, "warning")
        condition._serviced(self.machine)
        self.post()
        self.assertEqual([kind for kind, _at, _since in self.told(condition)], ["alarm.raised", "alarm.cleared"])

    def test_who_may_enter_what(self):
        meter = self.meter(source="readings")
        wizard = self.env["mrp.machine.meter.enter"]
        with self.assertRaises(UserError):
            wizard.create({"meter_id": meter.id, "shows": 5, "at": "2226-01-01 00:00:00"}).action_enter()
        with self.assertRaises(UserError):
            wizard.create({"meter_id": meter.id, "shows": -5}).action_enter()
        self.assertFalse(wizard.with_user(self.users["operator"]).has_access("create"))
        self.enter(meter, 0, 5)
        self.assertEqual(meter.reading_ids.user_id, self.users["supervisor"])
        with self.assertRaises(UserError):
            meter.unlink()

    def test_what_a_meter_cannot_be(self):
        for values in ({"unit": "km"}, {"source": "signal"}):
            with self.subTest(values=values), self.assertRaises(ValidationError):
                self.meter(**values)

    def test_the_sum_outlives_the_timeline_that_it_was_made_of(self):
        now = fields.Datetime.now()
        day = lambda days: (now - fields.Datetime.to_datetime(self.naive(0))).total_seconds() - days * 24 * HOUR  # noqa: E731
        meter = self.meter()
        self.say(
            self.state("running", day(1200)),
            self.state("idle", day(1200) + 10 * HOUR),
            self.state("running", day(10)),
            self.state("idle", day(10) + 5 * HOUR),
            self.state("running", day(0)),
        )
        self.assertAlmostEqual(meter.value, 15.0, 2)
        retention = self.env["mrp.machine.retention"]
        self.machine.interval_ids.is_due = False
        retention._keep_sums()
        self.assertEqual(
            retention._trim_intervals(), 1, "the running of 1,200 days ago; the standing after it ended later"
        )
        meter.invalidate_recordset()
        self.assertAlmostEqual(meter.value, 15.0, 2)
        retention._keep_sums()
        self.assertEqual(meter.reading_ids.mapped("kind"), ["kept"])

    def test_now_is_up_to_now(self):
        meter = self.meter()
        began = fields.Datetime.now() - fields.Datetime.to_datetime(self.naive(0))
        self.say(self.state("running", began.total_seconds() - HOUR))
        self.assertAlmostEqual(meter.value, 1.0, 2)
