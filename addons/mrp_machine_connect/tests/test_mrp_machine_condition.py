"""Conditions in Odoo: what they find is an event, once, at the machine's own time; counts never wait for them."""

from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..machine_connect.event import microseconds
from ..machine_connect.polling import PollOutcome
from ..machine_connect.reading import Quality, Reading
from ..polling_conditions import look, remember, watches
from ..polling_host import PollingHost
from . import test_mrp_machine_poller
from .test_mrp_machine_alarm import AlarmCommon


class ConditionCommon(AlarmCommon):
    def condition(self, name="Wrong", machine=None, **values):
        return self.env["mrp.machine.condition"].create(
            {"name": name, "machine_id": (machine or self.machine).id, **values}
        )

    def pass_time(self, seconds, machine=None):
        """Let conditions look at a moment of the tests' day."""
        until = microseconds(self.at(seconds))
        self.env["mrp.machine.condition.memory"]._pass_time(machine or self.machine, until)
        self.post()

    def told(self, condition):
        """Return ``[(type, second, second of failure)]`` of what a condition found."""
        events = self.env["mrp.machine.event"].search(
            [("type", "in", ("alarm.raised", "alarm.cleared"))], order="occurred_us, id"
        )
        day = microseconds(self.at(0))
        found = []
        for event in events:
            if (event.data or {}).get("condition_id") == condition.id:
                since = microseconds(datetime.fromisoformat(event.data["since"]))
                found.append((event.type, (event.occurred_us - day) / 1e6, (since - day) / 1e6))
        return found


@tagged("post_install", "-at_install")
class TestConditionOnEvents(ConditionCommon):
    def test_a_stop_that_lasts_too_long_is_an_alarm_at_the_machine_s_own_time(self):
        condition = self.condition("Stands too long", kind="state_longer", watched_state="stopped", duration=10)
        self.say(self.state("running", 0), self.state("stopped", 100))
        self.pass_time(650)
        self.assertEqual(self.told(condition), [])
        self.pass_time(2000)
        self.assertEqual(self.told(condition), [("alarm.raised", 700.0, 100.0)])
        self.pass_time(3000)
        self.assertEqual(len(self.told(condition)), 1, "once")

        alarm = self.alarms()
        self.assertEqual((alarm.condition_id, alarm.text, alarm.level), (condition, "Stands too long", "fault"))
        self.assertEqual(alarm.code, f"condition:{condition.id}")
        self.assertEqual(condition.raised_count, 1)

        self.say(self.state("running", 4000))
        self.post()
        self.assertEqual(self.told(condition)[1:], [("alarm.cleared", 4000.0, 100.0)])
        self.assertFalse(alarm.is_active)

    def test_what_is_unknown_is_no_stop(self):
        condition = self.condition(kind="state_longer", watched_state="stop", duration=10)
        self.say(self.state("running", 0), self.state("unknown", 100))
        self.pass_time(60_000)
        self.assertEqual(self.told(condition), [])
        with self.assertRaises(ValidationError):
            self.condition(kind="state_longer", watched_state=False)

    def test_a_stop_for_a_reason_and_alarms_by_pattern(self):
        jam = self.condition("Jam", kind="stop_reason", reason="*jam*", level="warning")
        tool = self.condition("Tools", kind="alarm", alarm_code="27?")
        often = self.condition("Often", kind="times_in_window", counted="alarm", alarm_code="9", times=3, window=5)
        self.say(
            self.state("stopped", 10, reason="Infeed jam"),
            self.state("running", 60),
            self.raised("270", 100),
            self.raised("284", 100),
            *(event for n in range(4) for event in (self.raised("9", 200 + n * 70), self.cleared("9", 230 + n * 70))),
        )
        self.post()
        self.assertEqual(self.told(jam), [("alarm.raised", 10.0, 10.0), ("alarm.cleared", 60.0, 10.0)])
        self.assertEqual(self.told(tool), [("alarm.raised", 100.0, 100.0)])
        self.assertEqual(self.told(often)[0], ("alarm.raised", 340.0, 340.0))
        self.assertEqual(self.alarms(f"condition:{jam.id}").level, "warning")
        # The fourth was at 410: the third before it, at 270, is five minutes past at 570.
        self.pass_time(1000)
        self.assertEqual(self.told(often)[1:], [("alarm.cleared", 570.0, 340.0)])

    def test_conditions_do_not_look_at_each_other(self):
        everything = self.condition("Each alarm", kind="alarm", alarm_code="")
        self.condition("Stop", kind="stop_reason", reason="*")
        self.say(self.state("stopped", 10, reason="x"))
        self.post()
        self.assertEqual(self.told(everything), [])

    def test_several_machines_each_by_itself(self):
        condition = self.condition(kind="stop_reason", reason="*", machine_ids=[(6, 0, self.idle_machine.ids)])
        self.say(self.state("stopped", 10, reason="x"))
        self.say(self.state("running", 10), machine=self.idle_machine)
        self.post()
        self.assertEqual({row.machine_id: row.is_raised for row in condition.memory_ids},
                         {self.machine: True, self.idle_machine: False})  # fmt: skip
        self.assertTrue(self.alarms())
        self.assertFalse(self.alarms(machine=self.idle_machine))

    def test_a_machine_without_conditions_has_no_trace_of_them(self):
        events = self.say(self.state("stopped", 10), machine=self.idle_machine)
        self.assertFalse(self.rows(events, "condition"))

    def test_disarmed_it_looks_at_nothing_and_what_was_raised_is_cleared(self):
        condition = self.condition(kind="stop_reason", reason="*")
        self.say(self.state("stopped", 10, reason="x"))
        self.post()
        alarm = self.alarms()
        self.assertTrue(alarm.is_active)
        condition.action_disarm()
        self.post()
        self.assertFalse(alarm.is_active)
        self.assertFalse(condition.memory_ids)
        self.say(self.state("running", 20), self.state("stopped", 30, reason="x"))
        self.post()
        self.assertEqual(len(self.alarms()), 1)

    def test_a_rule_that_cannot_be_used_is_refused_in_words(self):
        for values, words in [
            ({"kind": "threshold", "signal_name": "T"}, "Set an upper limit"),
            ({"kind": "threshold", "has_above": True, "above": 5}, "choose the signal"),
            ({"kind": "stop_reason"}, "Reason of the Stop"),
            ({"kind": "usage", "every": 5}, "choose the meter"),
            ({"kind": "times_in_window", "counted": "alarm", "times": 0}, "between 1 and 100"),
            ({"kind": "alarm", "on_delay": -1}, "0 or more"),
            ({"kind": "alarm", "on_delay": float("nan")}, "must be a number"),
        ]:
            with self.subTest(values=values), self.assertRaisesRegex(ValidationError, words):
                self.condition(**values)

    def test_each_kind_says_itself_in_a_sentence(self):
        condition = self.condition(
            "Hot", kind="threshold", signal_name="Temperature", has_above=True, above=80.0, on_delay=30
        )
        self.assertEqual(condition.words, "Temperature is above 80, for 30 s")

    def test_values_that_senders_tell_are_looked_at_too(self):
        condition = self.condition("Hot", kind="threshold", signal_name="Temperature", has_above=True, above=80.0)
        told = {"unit": "CEL", "signal": "Temperature"}
        start, end = self.at(0).isoformat(), self.at(60).isoformat()
        self.say(
            self.event("meter.reading", 10, {"value": 70.0, **told}),
            self.event(
                "process.summary", 60, {"n": 5, "start": start, "end": end, "min": 60, "max": 85.5, "last": 70, **told}
            ),
            self.event("meter.reading", 90, {"value": 79.0, **told}),
            self.event("meter.reading", 95, {"value": 99.0, "unit": "CEL", "signal": "Another"}),
        )
        self.post()
        self.assertEqual(self.told(condition), [("alarm.raised", 60.0, 60.0), ("alarm.cleared", 90.0, 60.0)])
        self.assertEqual(self.alarms().values[0]["value"], 85.5)

    def test_no_state_waits_for_a_sum_of_readings_that_came_before_it(self):
        self.condition(
            "Hot", kind="threshold", signal_name="Temperature", has_above=True, above=80.0, only_while="making"
        )
        start, end = self.at(0).isoformat(), self.at(60).isoformat()
        data = {"n": 1, "start": start, "end": end, "last": 70, "unit": "CEL", "signal": "Temperature"}
        events = self.say(self.event("process.summary", 60, data), self.state("running", 61))
        self.assertEqual(self.states(events, "state_interval"), ["posted"])
        self.assertEqual(self.states(events, "condition"), ["ignored", "ignored"])
        self.assertFalse(self.env["mrp.machine.queue"].search([("machine_id", "=", self.machine.id)]))

    def test_an_unknown_word_for_a_state_is_no_data(self):
        condition = self.condition(kind="stop_reason", reason="*")
        self.say(self.state("unknown", 10, raw="42", unmapped="42"))
        self.assertEqual(self.told(condition), [])

    def test_the_cron_looks_under_the_machine_s_lock(self):
        now = fields.Datetime.now()
        began = (now - timedelta(hours=2) - self.at(0).replace(tzinfo=None)).total_seconds()
        condition = self.condition(kind="state_longer", watched_state="stop", duration=30)
        self.say(self.state("stopped", began))
        with self.enter_registry_test_mode():
            self.env["mrp.machine.condition.memory"]._cron_look()
        self.post()
        self.assertEqual(len(self.told(condition)), 1)
        self.assertTrue(self.alarms().is_active)
        with self.enter_registry_test_mode():
            self.env["mrp.machine.condition.memory"]._cron_look()
        self.post()
        self.assertEqual(len(self.told(condition)), 1)


@tagged("post_install", "-at_install")
class TestConditionOnReadings(ConditionCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection = cls.env["mrp.machine.connection"].create(
            {
                "machine_id": cls.machine.id,
                "name": "T",
                "protocol": "modbus",
                "host": "127.0.0.1",
                "polled_by": "worker",
            }
        )
        cls.signal = cls.env["mrp.machine.signal"].create(
            {
                "machine_id": cls.machine.id,
                "connection_id": cls.connection.id,
                "name": "Temperature",
                "role": "condition",
                "address": "holding:1",
                "data_type": "f32",
                "unit": "CEL",
                "summary_window": 1,
            }
        )

    def hot(self, **values):
        return self.condition(
            "Spindle too hot",
            **{
                "kind": "threshold",
                "signal_id": self.signal.id,
                "has_above": True,
                "above": 80.0,
                "hysteresis": 5.0,
                **values,
            },
        )

    def look(self, *heard):
        """Let the poller's conditions look at values: ``(second, value)``."""
        self.env.flush_all()
        watching = watches(self.connection)[self.signal.id]
        for second, value in heard:
            learned, _events = look(self.env, [(self.machine.id, watching, microseconds(self.at(second)), value)])
            remember(learned)
        self.env.invalidate_all()
        self.post()

    def test_a_value_beyond_its_limit(self):
        condition = self.hot()
        self.assertEqual(condition.signal_name, "Temperature")
        self.look((0, 70.0), (10, 81.0), (20, 79.0), (30, 90.0), (40, 75.0), (50, None))
        self.assertEqual(self.told(condition), [("alarm.raised", 10.0, 10.0), ("alarm.cleared", 40.0, 10.0)])
        alarm = self.alarms()
        self.assertEqual((alarm.raised, alarm.cleared), tuple(self.at(s).replace(tzinfo=None) for s in (10, 40)))
        self.assertEqual(alarm.values_text, "Temperature: 81 CEL, Limit: 80 CEL")

    def test_what_is_remembered_survives_and_nothing_is_told_twice(self):
        condition = self.hot(on_delay=20)
        self.look((0, 90.0), (10, 91.0))
        self.assertEqual(self.told(condition), [])
        self.look((25, 92.0), (30, 93.0))  # each time as another process would
        self.look((40, 94.0))
        self.assertEqual(self.told(condition), [("alarm.raised", 20.0, 0.0)])
        self.assertEqual(condition.memory_ids.failed, self.at(0).replace(tzinfo=None))

    def test_only_while_the_machine_runs(self):
        condition = self.hot(only_while="making")
        self.receive(self.machine, self.state("stopped", -100))
        self.look((0, 90.0))
        self.assertEqual(self.told(condition), [])
        self.receive(self.machine, self.state("running", 5))
        self.look((10, 91.0))
        self.assertEqual(self.told(condition), [("alarm.raised", 5.0, 5.0)])

    def test_a_further_machine_has_a_signal_of_that_name_or_is_not_looked_at(self):
        self.hot(machine_ids=[(6, 0, self.idle_machine.ids)])
        other = self.connection.copy({"machine_id": self.idle_machine.id, "host": "127.0.0.2"})
        self.assertEqual(watches(other), {})
        self.assertTrue(watches(self.connection))

    def test_a_change_of_rules_reaches_the_poller_by_a_new_version(self):
        self.env.flush_all()
        self.env.cr.precommit.run()
        before = self.machine.mapping_version
        condition = self.hot()
        self.env.cr.precommit.run()
        self.assertEqual(self.machine.mapping_version, before + 1)
        condition.above = 85
        self.env.cr.precommit.run()
        self.assertEqual(self.machine.mapping_version, before + 2)
        self.assertIn("above", self.machine.mapping_version_ids[0].changes.lower())

    def test_the_poller_s_host_looks_stores_and_never_loses_a_reading(self):
        """Through the host itself: readings to events, summaries and alarms, and a defect of a rule costs no reading."""
        condition = self.hot()
        host, plan = self.host()
        at = [self.at(second) for second in (0, 30, 61)]
        for moment, value in zip(at, (70.0, 85.0, 95.0), strict=True):
            self.read_once(host, plan, moment, value)
        self.post()
        self.assertEqual(self.told(condition), [("alarm.raised", 30.0, 30.0)])
        summary = self.env["mrp.machine.event"].search([("type", "=", "process.summary")])
        self.assertEqual((summary.data["n"], summary.data["max"], summary.data["avg"]), (2, 85.0, 77.5))
        # A summary of what the poller read is no news to its conditions.
        self.assertFalse(self.rows(summary, "condition"))

        with (
            patch("odoo.addons.mrp_machine_connect.polling_conditions.Evaluation", side_effect=ZeroDivisionError),
            mute_logger("odoo.addons.mrp_machine_connect.polling_host"),
        ):
            self.read_once(host, plan, self.at(130), 60.0)
        self.assertEqual(self.env["mrp.machine.event"].search_count([("type", "=", "process.summary")]), 2)
        self.assertEqual(len(self.told(condition)), 1)
        # What was not looked at then is looked at with the next reading.
        self.read_once(host, plan, self.at(140), 60.0)
        self.assertEqual(self.told(condition)[1:], [("alarm.cleared", 140.0, 30.0)])

    def host(self):
        host = PollingHost(self.env.registry, "test", "worker")
        plan = host._plan(self.connection, (self.connection.id, 0, self.machine.id, 1, None, None, False, 0, 0), ())
        host.plans[self.connection.id] = plan
        return host, plan

    def read_once(self, host, plan, moment, value):
        reading = Reading(str(self.signal.id), value, moment, moment, Quality.GOOD)
        outcome = PollOutcome(plan.job, [reading], "", {}, moment, 0.01)
        working, learned = {}, []
        with patch.object(host, "_still_ours", lambda cr, outcomes: {plan.connection_id}):
            host._store_in(self.env.cr, [outcome], working, {}, [], learned)
        for signal, memory, said, quality, _written in working.values():
            signal.memory, signal.value, signal.quality = memory, said, quality
        remember(learned)
        self.env.invalidate_all()


@tagged("post_install", "-at_install")
class TestConditionOfPolledValues(test_mrp_machine_poller.PollerCommon):
    """A limit on a register of a real Modbus device, over a silence and the end of the process that looks."""

    def test_a_register_beyond_its_limit(self):
        signal = self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id,
                "name": "Pressure",
                "role": "condition",
                "address": "holding:4",
                "data_type": "u16",
            }
        )
        condition = self.env["mrp.machine.condition"].create(
            {
                "name": "Pressure low", "machine_id": self.machine.id, "kind": "threshold", "signal_id": signal.id,
                "has_below": True, "below": 40.0, "hysteresis": 5.0,
            }
        )  # fmt: skip
        self.env.cr.precommit.run()
        self.env.flush_all()

        def raised():
            return condition.memory_ids.filtered("is_raised")

        def alarms():
            return self.env["mrp.machine.alarm"].search([("condition_id", "=", condition.id)])

        host = self.host()
        self.device.registers[4] = 60
        self.until(host, lambda: signal.last_value == "60")
        self.assertFalse(raised())
        self.device.registers[4] = 39
        self.until(host, raised)
        self.post()
        self.assertEqual((len(alarms()), alarms().is_active), (1, True))
        self.assertEqual(alarms().values[0], {"signal": "Pressure", "value": 39, "unit": None})

        # Nobody answers: that neither clears nor raises; and another process goes on where this one ended.
        self.device.__exit__()
        self.until(host, lambda: self.machine.health == "failing")
        self.assertTrue(raised())
        self.kill(host)
        self.device_returns()
        self.device.registers[4] = 41
        other = self.host(holder="test:2")
        self.until(other, lambda: signal.last_value == "41", 30)
        self.post()
        self.assertEqual((len(alarms()), alarms().is_active), (1, True), "41 is within the hysteresis")
        self.device.registers[4] = 45
        self.until(other, lambda: not raised())
        self.post()
        self.assertEqual((len(alarms()), alarms().is_active), (1, False))
