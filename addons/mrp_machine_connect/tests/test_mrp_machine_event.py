from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineEvent(MachineConnectCommon):
    def test_the_log_is_written_once(self):
        event = self.receive(self.machine, self.count(5))

        with self.assertRaises(UserError):
            event.write({"reason": "x"})
        with self.assertRaises(UserError):
            event.unlink()
        with self.assertRaises(UserError):
            self.env["mrp.machine.event"].create({"type": "production.count"})

    def test_four_times_are_kept_to_the_microsecond(self):
        event = self.receive(self.machine, self.count(5, seconds=0.123457))

        self.assertEqual(event.occurred_us % 1_000_000, 123_457)
        self.assertTrue(event.recorded_us and event.received_us)

    def test_sequences_of_a_stream_have_no_gap(self):
        first = self.receive(self.machine, self.count(1), self.count(1, before=1))
        second = self.receive(self.machine, self.count(1, before=2))

        self.assertEqual((first | second).sorted("id").mapped("sequence"), [1, 2, 3])

    def test_states_show_on_the_machine_and_older_news_does_not_overwrite(self):
        self.receive(self.machine, self.state("fault", 100, reason="Jam"))
        self.receive(self.machine, self.state("running", 50))

        self.assertEqual(self.machine.state, "fault")
        self.assertEqual(self.machine.status_id.reason, "Jam")
        self.assertEqual(self.machine.state_since, self.at(100).replace(tzinfo=None))

    def test_held_events_change_nothing_on_the_machine(self):
        self.receive(self.machine, self.state("running", 50))
        self.receive(self.machine, self.event("machine.state_changed", 100, {"state": "fault"}, held="clock_early"))

        self.assertEqual(self.machine.state, "running")

    def test_an_event_says_in_words_what_happened(self):
        events = self.receive(
            self.machine,
            self.count(3, before=1086),
            self.state("fault", 70, previous="running", reason="Jam"),
            self.event("alarm.raised", 71, {"code": "J1", "text": "Jam"}),
        ).sorted("id")

        self.assertEqual(events[0].summary, "3 pieces good (1086 → 1089)")
        self.assertEqual(events[1].summary, "Running → Fault (Jam)")
        self.assertEqual(events[2].summary, "Alarm J1 Jam")

    def test_events_are_found_by_what_became_of_them(self):
        waiting = self.receive(self.idle_machine, self.count(3))
        posted = self.receive(self.machine, self.count(3))
        self.post()
        log = self.env["mrp.machine.event"]

        self.assertEqual((waiting.state, posted.state), ("waiting", "posted"))
        self.assertIn(waiting, log.search([("state", "=", "waiting")]))
        self.assertNotIn(posted, log.search([("state", "in", ["waiting", "held"])]))

    def test_storing_a_batch_is_few_statements_however_long(self):
        self.env.flush_all()
        with self.assertQueryCount(__system__=12):
            self.receive(self.machine, *[self.count(1, seconds=n, before=n) for n in range(500)])
