from dataclasses import replace

from psycopg2 import IntegrityError

from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineInterval(MachineConnectCommon):
    def timeline(self):
        intervals = self.env["mrp.machine.interval"].search([("machine_id", "=", self.machine.id)], order="start_us")
        began = self.at(0).timestamp()
        return [
            (row.state, row.start_us / 1e6 - began, row.end_us / 1e6 - began if row.end_us else None)
            for row in intervals
        ]

    def lines(self):
        return [
            (line.loss_id.name, (line.date_end - line.date_start).total_seconds(), line.workorder_id == self.workorder)
            for line in self.workcenter.time_ids.sorted("date_start")
        ]

    def test_states_become_a_timeline(self):
        self.receive(self.machine, self.state("running", 0), self.state("fault", 100), self.state("running", 400.25))

        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 100), ("fault", 100, 400.25), ("running", 400.25, None)])

    def test_a_state_that_comes_late_splices_in(self):
        self.receive(self.machine, self.state("running", 0), self.state("fault", 100))
        self.post()
        self.receive(self.machine, self.state("held", 50), self.state("running", 60))
        self.post()

        self.assertEqual(
            self.timeline(), [("running", 0, 50), ("held", 50, 60), ("running", 60, 100), ("fault", 100, None)]
        )

    def test_a_state_before_all_others_ends_where_they_begin(self):
        self.receive(self.machine, self.state("running", 100))
        self.post()
        self.receive(self.machine, self.state("idle", 50))
        self.post()

        self.assertEqual(self.timeline(), [("idle", 50, 100), ("running", 100, None)])

    def test_the_same_state_again_changes_nothing(self):
        self.receive(self.machine, self.state("running", 0))
        self.post()
        again = self.receive(self.machine, self.state("running", 30))
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, None)])
        self.assertEqual(self.states(again, "state_interval"), ["ignored"])

    def test_two_states_at_one_moment_leave_the_later_word(self):
        self.receive(self.machine, self.state("running", 0), self.state("fault", 100), self.state("held", 100))

        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 100), ("held", 100, None)])

    def test_the_database_refuses_two_states_at_once(self):
        self.receive(self.machine, self.state("running", 0), self.state("fault", 100))
        self.post()

        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute(
                """INSERT INTO mrp_machine_interval (machine_id, state, start_us, end_us)
                   SELECT machine_id, 'held', start_us + 1, end_us FROM mrp_machine_interval
                    WHERE machine_id = %s AND state = 'running'""",
                [self.machine.id],
            )
            self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_time_is_booked_with_its_loss_at_the_machines_own_time(self):
        self.receive(
            self.machine,
            self.state("running", 0),
            self.state("fault", 600),
            self.state("running", 1000),
            self.state("held", 1600),
            self.state("running", 1610),
            self.state("starved", 2000),
            self.state("running", 2400),
            self.state("off", 3000),
        )

        self.post()

        self.assertEqual(
            self.lines(),
            [
                ("Fully Productive Time", 600, True),
                ("Equipment Failure", 400, False),
                ("Fully Productive Time", 600, True),
                ("Reduced Speed", 10, True),
                ("Fully Productive Time", 390, True),
                ("Material Availability", 400, False),
                ("Fully Productive Time", 600, True),
            ],
        )
        first = self.workcenter.time_ids.sorted("date_start")[0]
        self.assertEqual(first.date_start, self.at(0).replace(tzinfo=None))
        self.assertAlmostEqual(self.workorder.duration, (600 + 600 + 10 + 390 + 600) / 60, places=1)

    def test_a_late_state_corrects_the_time_lines(self):
        self.receive(self.machine, self.state("running", 0), self.state("off", 1000))
        self.post()
        self.receive(self.machine, self.state("fault", 300), self.state("running", 700))
        self.post()

        self.assertEqual(
            self.lines(),
            [
                ("Fully Productive Time", 300, True),
                ("Equipment Failure", 400, False),
                ("Fully Productive Time", 300, True),
            ],
        )

    def test_a_stop_is_seen_while_it_lasts_and_never_leaves_an_open_line(self):
        self.receive(self.machine, self.state("running", 0), self.state("fault", 100))
        self.post()
        self.machine.status_id.last_seen = self.at(400).replace(tzinfo=None)
        intervals = self.env["mrp.machine.interval"].search([("machine_id", "=", self.machine.id)])

        intervals._project(self.env)

        self.assertEqual(self.lines()[-1], ("Equipment Failure", 300, False))
        self.assertFalse(self.workcenter.time_ids.filtered(lambda line: not line.date_end))

        self.receive(self.machine, self.state("running", 500))
        self.post()
        self.assertEqual(self.lines(), [("Fully Productive Time", 100, True), ("Equipment Failure", 400, False)])

    def test_without_an_order_only_real_stops_are_booked(self):
        idle = self.idle_machine
        self.receive(
            idle, self.state("running", 0), self.state("idle", 100), self.state("fault", 500), self.state("off", 900)
        )

        self.post()

        lines = idle.workcenter_id.time_ids
        self.assertEqual([(line.loss_id.name, line.duration) for line in lines], [("Equipment Failure", 6.67)])

    def test_an_operators_running_timer_is_not_counted_twice(self):
        operator = self.env["res.users"].create({"name": "Ann", "login": "ann"})
        self.env["mrp.workcenter.productivity"].create(
            {
                "workcenter_id": self.workcenter.id,
                "workorder_id": self.workorder.id,
                "user_id": operator.id,
                "loss_id": self.env.ref("mrp.block_reason7").id,
                "date_start": self.at(0).replace(tzinfo=None),
            }
        )
        self.receive(self.machine, self.state("running", 0), self.state("off", 600))

        self.post()

        machine_lines = self.workcenter.time_ids.filtered(lambda line: line.user_id != operator)
        self.assertFalse(machine_lines)

    def test_an_unmapped_state_waits_and_follows_once_it_is_mapped(self):
        events = self.receive(
            self.machine, self.state("running", 0), self.state("unknown", 100, raw="47", unmapped="47")
        )
        self.post()
        self.assertEqual(self.states(events, "state_interval"), ["posted", "waiting"])
        self.assertEqual(self.rows(events[1], "state_interval").reason, "unknown_code")
        self.assertIn("47", self.rows(events[1], "state_interval").message)

        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "47", "state": "setup", "label": "Tool change"}
        )
        self.post()

        self.assertEqual(self.states(events, "state_interval"), ["posted", "posted"])
        self.assertEqual(self.timeline(), [("running", 0, 100), ("setup", 100, None)])

    def map_code(self, code, state, **values):
        return self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": code, "state": state, **values}
        )

    def unmapped_state(self, word, seconds):
        return self.state("unknown", seconds, raw=word, unmapped=word)

    def extend(self):
        """Let the time grow as the scheduled action does, in the transaction of the test."""
        self.env["mrp.machine.poster"]._extend(self.env.cr, self.machine.id)
        self.env.invalidate_all()

    def test_an_unmapped_state_ends_the_former_at_once_and_is_nobodys_time(self):
        event = self.receive(self.machine, self.state("running", 0), self.unmapped_state("42", 600))[1]
        self.post()
        self.machine.status_id.last_seen = self.at(7200).replace(tzinfo=None)
        self.extend()

        self.assertEqual(self.timeline(), [("running", 0, 600), ("unknown", 600, None)])
        self.assertEqual(self.lines(), [("Fully Productive Time", 600, True)])
        self.assertEqual(self.rows(event, "state_interval").state, "waiting")
        self.assertEqual(self.rows(event, "state_interval").detail, "state:42")

        self.rows(event, "state_interval").action_retry()
        self.post()
        self.assertEqual(
            self.timeline(), [("running", 0, 600), ("unknown", 600, None)], "tried again, still not mapped"
        )
        self.assertEqual(self.rows(event, "state_interval").state, "waiting")

    def test_a_code_mapped_later_gives_its_time_a_meaning_and_books_it(self):
        self.receive(
            self.machine,
            self.state("running", 0),
            self.unmapped_state("42", 600),
            self.unmapped_state("43", 900),
            self.state("running", 1800),
        )
        self.post()
        self.assertEqual(
            self.timeline(),
            [("running", 0, 600), ("unknown", 600, 900), ("unknown", 900, 1800), ("running", 1800, None)],
        )

        self.map_code("43", "setup")
        self.map_code("42", "fault", label="Jam")
        self.post()

        self.assertEqual(
            self.timeline(),
            [("running", 0, 600), ("fault", 600, 900), ("setup", 900, 1800), ("running", 1800, None)],
        )
        self.assertEqual(
            self.lines(),
            [
                ("Fully Productive Time", 600, True),
                ("Equipment Failure", 300, False),
                ("Setup and Adjustments", 900, False),
            ],
        )
        self.assertEqual(self.machine.state, "running")

    def test_an_unmapped_state_that_is_ignored_stays_unknown(self):
        event = self.receive(
            self.machine, self.state("running", 0), self.unmapped_state("42", 600), self.state("running", 900)
        )[1]
        self.post()

        self.rows(event, "state_interval")._ignore("a test of the program")
        self.map_code("42", "running")
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 600), ("unknown", 600, 900), ("running", 900, None)])
        self.assertEqual(self.lines(), [("Fully Productive Time", 600, True)])

    def test_an_unmapped_state_that_comes_late_splices_in(self):
        self.receive(self.machine, self.state("running", 0), self.state("running", 120))
        self.post()
        self.receive(self.machine, self.unmapped_state("42", 60))
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 60), ("unknown", 60, 120), ("running", 120, None)])

    def test_what_is_unknown_for_a_reason_is_not_what_a_word_may_come_to_mean(self):
        self.receive(self.machine, self.unmapped_state("42", 0), self.state("unknown", 100))
        self.post()
        self.map_code("42", "fault")
        self.post()

        self.assertEqual(self.timeline(), [("fault", 0, 100), ("unknown", 100, None)])

    def test_an_unmapped_state_keeps_the_orders_that_its_time_was_given_to(self):
        other = self.make_order(100)
        self.receive(self.machine, self.unmapped_state("42", 0))
        self.post()
        self.env["mrp.machine.loading"]._load(
            self.machine, other, other.workorder_ids, self.at(600).replace(tzinfo=None)
        )
        self.map_code("42", "running")
        self.receive(self.machine, self.state("off", 900))
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 600), ("running", 600, 900), ("off", 900, None)])
        lines = self.workcenter.time_ids.sorted("date_start")
        self.assertEqual(
            [(line.workorder_id, line.duration) for line in lines], [(self.workorder, 10), (other.workorder_ids, 5)]
        )

    def test_a_later_word_of_the_same_moment_is_not_overruled_by_a_code_mapped_later(self):
        self.receive(self.machine, self.unmapped_state("42", 100), self.state("running", 100))
        self.post()
        self.map_code("42", "fault")
        self.post()

        self.assertEqual(self.timeline(), [("running", 100, None)])
        self.assertEqual(self.machine.state, "running")

    def test_the_timeline_says_in_words_why_a_state_is_so(self):
        self.receive(
            self.machine,
            self.state("unknown", 0, reason="no_contact"),
            self.state("held", 100, reason="Door open"),
            self.state("running", 200),
        )
        self.post()

        timeline = self.machine.interval_ids.sorted("start_us")
        self.assertEqual(timeline.mapped("reason"), ["no_contact", "Door open", ""])
        said = timeline.mapped("reason_words")
        self.assertNotIn("no_contact", said[0])
        self.assertIn("could not be reached", said[0])
        self.assertEqual(said[1], "Door open")
        self.assertFalse(said[2])

    def hold(self, event):
        """Return an event of the poller as one whose moment is in doubt."""
        return replace(event, held="clock_late")

    def test_a_released_state_shows_on_the_machine(self):
        self.receive(self.machine, self.state("running", 0))
        held = self.receive(self.machine, self.hold(self.state("fault", 100)))
        self.post()
        self.assertEqual(self.machine.status_id.state, "running")

        held.posting_ids.action_release()
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 100), ("fault", 100, None)])
        self.assertEqual(self.machine.status_id.state, "fault")

    def test_a_released_state_does_not_hide_newer_news(self):
        held = self.receive(self.machine, self.hold(self.state("fault", 100)))
        self.receive(self.machine, self.state("running", 200))
        self.post()

        held.posting_ids.action_release()
        self.post()

        self.assertEqual(self.machine.state, "running")

    def test_a_state_is_held_once_and_released_for_all_its_effects(self):
        held = self.receive(self.machine, self.hold(self.state("fault", 0)))
        self.receive(self.machine, self.state("off", 600))
        self.post()
        self.extend()
        self.assertEqual(self.timeline(), [("off", 600, None)])
        self.assertEqual(self.lines(), [])
        self.assertEqual(held.posting_ids.mapped("state"), ["held"])

        held.posting_ids.action_release()
        self.post()

        self.assertEqual(self.timeline(), [("fault", 0, 600), ("off", 600, None)])
        self.assertEqual(self.lines(), [("Equipment Failure", 600, False)])

    def test_a_held_state_that_is_released_is_not_held_again_for_its_time(self):
        held = self.receive(self.machine, self.hold(self.unmapped_state("42", 0)))
        self.receive(self.machine, self.state("off", 600))
        self.post()
        held.posting_ids.action_release()
        self.post()
        self.assertEqual(held.posting_ids.mapped("state"), ["waiting"])

        self.map_code("42", "fault")
        self.post()

        self.assertEqual(set(held.posting_ids.mapped("state")), {"posted"})
        self.assertEqual(self.lines(), [("Equipment Failure", 600, False)])

    def test_time_that_a_person_ignored_is_never_booked(self):
        self.machine.write({"pause_until": "2099-01-01 00:00:00", "pause_reason": "Trial run"})
        events = self.receive(self.machine, self.state("running", 0), self.state("fault", 7200))
        self.post()
        self.assertEqual(self.states(events, "work_time"), ["waiting", "waiting"])
        self.rows(events, "work_time")._ignore("trial run, do not book")
        self.assertFalse(self.machine.interval_ids.filtered("is_due"))

        self.machine.action_resume()
        self.receive(self.machine, self.state("running", 7500), self.state("off", 8100))
        self.post()
        self.extend()

        self.assertEqual(self.timeline()[:2], [("running", 0, 7200), ("fault", 7200, 7500)])
        self.assertEqual(self.lines(), [("Fully Productive Time", 600, True)])
        self.assertFalse(self.machine.interval_ids.filtered("is_due"))

    def test_an_unmapped_state_is_one_exception_and_its_time_is_booked_once_it_is_mapped(self):
        events = self.receive(
            self.machine,
            self.state("running", 0),
            self.state("unknown", 100, raw="47", unmapped="47"),
            self.state("off", 400),
        )
        self.post()
        self.assertEqual(self.machine.exception_count, 1)
        self.assertEqual(events[1].posting_ids.mapped("handler"), ["state_interval"])

        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "47", "state": "setup"}
        )
        self.post()

        self.machine.invalidate_recordset(["exception_count"])
        self.assertEqual(self.machine.exception_count, 0)
        self.assertEqual(set(events.posting_ids.mapped("state")), {"posted"})
        self.assertEqual(events[1].posting_ids.mapped("handler"), ["work_time", "state_interval"])
        self.assertEqual(self.lines(), [("Fully Productive Time", 100, True), ("Setup and Adjustments", 300, False)])

    def state_signal(self, name="Execution", **values):
        connection = self.machine.connection_ids or self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "host": "127.0.0.1"}
        )
        return self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id,
                "connection_id": connection.id,
                "name": name,
                "role": "state",
                "address": f"holding:{len(self.machine.signal_ids)}",
                "data_type": "u16",
                **values,
            }
        )

    def say(self, signal, *events):
        """Store what a signal of the machine said, as its poller would."""
        log = self.env["mrp.machine.event"]
        source = self.env.ref("mrp_machine_connect.source_poller")
        batch = (self.machine, self.machine._stream(), {signal.name: signal.id}, 1, events)
        return log._receive(source, [batch]).sorted("occurred_us")

    def unmapped(self, seconds, word, signal):
        return self.event(
            "machine.state_changed",
            seconds,
            {"state": "unknown", "raw_value": word, "unmapped": str(word), "signal": signal.name},
            signal=signal.name,
        )

    def test_a_state_table_chosen_later_is_told_to_what_waited_for_it(self):
        signal = self.state_signal()
        events = self.say(signal, *(self.unmapped(at, word, signal) for at, word in ((0, 6), (100, 9), (200, 77))))
        self.post()
        rows = self.rows(events, "state_interval")
        self.assertEqual(rows.mapped("reason"), ["unknown_code"] * 3)
        self.assertIn("«Execution» has no State Table", rows[0].message)
        self.assertIn("Choose the State Table", rows[0].remedy)
        self.assertEqual(rows[0].action_signal()["res_id"], signal.id)

        signal.state_table = "packml_opc_30050"
        self.assertEqual(rows.mapped("state"), ["received", "received", "waiting"])
        self.post()

        self.assertEqual(rows.mapped("state"), ["posted", "posted", "waiting"])
        self.assertEqual(self.timeline(), [("running", 0, 100), ("fault", 100, 200), ("unknown", 200, None)])
        self.assertEqual(self.states(events, "work_time"), ["posted", "posted"])
        # No table knows 77: it stays a matter for whoever maps codes.
        self.assertIn("Map the code", rows[2].remedy)

    def test_another_state_table_is_told_to_what_the_former_did_not_know(self):
        signal = self.state_signal(state_table="mtconnect_execution")
        events = self.say(signal, self.unmapped(0, 4, signal))
        self.post()
        self.assertIn("Map the code", self.rows(events, "state_interval").remedy)

        signal.state_table = "packml_tmc_v2"
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, None)])
        self.assertEqual(self.machine.state, "running")

    def test_a_state_table_is_the_meaning_of_its_own_signal_alone(self):
        signal, other = self.state_signal(), self.state_signal("Other")
        events = self.say(other, self.unmapped(0, 6, other))
        self.post()

        signal.state_table = "packml_opc_30050"

        self.assertEqual(self.states(events, "state_interval"), ["waiting"])

    def test_a_code_wins_over_the_state_table(self):
        signal = self.state_signal()
        self.say(signal, self.unmapped(0, 6, signal))
        self.post()
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "6", "state": "trial"}
        )
        signal.state_table = "packml_opc_30050"
        self.post()

        self.assertEqual(self.timeline(), [("trial", 0, None)])

    def test_a_code_is_the_same_word_however_the_machine_writes_it(self):
        signal = self.state_signal()
        events = self.say(signal, self.unmapped(0, 6.0, signal), self.unmapped(60, "JAM", signal))
        self.post()

        self.env["mrp.machine.code"].create(
            [
                {"machine_id": self.machine.id, "kind": "state", "code": code, "state": state}
                for code, state in (("6", "running"), ("jam", "fault"))
            ]
        )
        self.post()

        self.assertEqual(self.states(events, "state_interval"), ["posted", "posted"])
        self.assertEqual(self.timeline(), [("running", 0, 60), ("fault", 60, None)])

    def test_a_state_signal_takes_over_the_table_of_the_machines_type(self):
        template = self.env["mrp.machine.template"].create(
            {
                "name": "Cell",
                "protocol": "modbus",
                "signal_ids": [
                    (0, 0, {"name": "S", "role": "state", "address": "holding:0", "data_type": "u16",
                            "state_table": "packml_tmc_v2"}),
                ],
            }
        )  # fmt: skip
        self.assertFalse(self.state_signal("Before").state_table)
        self.machine.template_id = template

        self.assertEqual(self.state_signal("After").state_table, "packml_tmc_v2")
        self.assertFalse(self.state_signal("By hand", state_table=False).state_table, "a person left it empty")
        template.signal_ids = [
            (0, 0, {"name": "T", "role": "state", "address": "holding:1", "data_type": "u16",
                    "state_table": "stack_light"}),
        ]  # fmt: skip
        self.assertFalse(self.state_signal("Which").state_table, "which of the two nobody can know")

    def test_the_last_value_is_written_as_people_write_it(self):
        signal = self.state_signal()
        for kept, shown, values in (
            ("12.0", "12", {}),
            ("0.30000000000000004", "0.3", {}),
            ("12345678.0", "12345678", {}),
            ("70000", "70000", {}),
            ("True", "True", {}),
            ("O100.0", "O100.0", {}),
            ("12.0", "12.0", {"data_type": "string", "length": 4}),
        ):
            with self.subTest(kept=kept, **values):
                signal.write({"data_type": "u16", **values})
                signal.value_id.value = kept
                self.assertEqual(signal.last_value, shown)
        signal.value_id.value = False
        self.assertFalse(signal.last_value)

    def test_a_code_may_name_its_own_loss(self):
        loss = self.env["mrp.workcenter.productivity.loss"].create(
            {"name": "No operator", "loss_id": self.env.ref("mrp.category_availability").id}
        )
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "12", "state": "held", "loss_id": loss.id}
        )
        self.receive(self.machine, self.state("held", 0, raw="12"), self.state("off", 600, raw="0"))

        self.post()

        self.assertEqual(self.lines(), [("No operator", 600, False)])

    def test_stops_are_classed_by_their_length(self):
        self.receive(
            self.machine,
            self.state("held", 0),
            self.state("running", 59),
            self.state("held", 100),
            self.state("running", 160),
            self.state("held", 200),
            self.state("running", 500),
        )
        self.post()

        stops = self.env["mrp.machine.interval"].search(
            [("machine_id", "=", self.machine.id), ("state", "=", "held")], order="start_us"
        )
        self.assertEqual(stops.mapped("duration_class"), ["micro_stop", "short_stop", "down"])

    def test_microseconds_survive(self):
        self.receive(self.machine, self.state("running", 0.000001), self.state("held", 0.000003))
        self.post()

        first = self.env["mrp.machine.interval"].search(
            [("machine_id", "=", self.machine.id)], order="start_us", limit=1
        )
        self.assertEqual(first.end_us - first.start_us, 2)

    def test_a_late_state_ends_where_the_machine_said_its_old_one_again(self):
        self.receive(self.machine, self.state("running", 0), self.state("running", 120))
        self.post()
        self.receive(self.machine, self.state("fault", 60))
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 60), ("fault", 60, 120), ("running", 120, None)])

    def test_a_state_mapped_later_ends_where_the_machine_said_its_old_one_again(self):
        self.receive(
            self.machine,
            self.state("running", 0),
            self.state("unknown", 60, raw="JAM", unmapped="JAM"),
            self.state("running", 120),
        )
        self.post()
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "JAM", "state": "fault"}
        )
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 60), ("fault", 60, 120), ("running", 120, None)])

    def test_time_goes_to_the_next_order_from_the_moment_it_is_loaded(self):
        other = self.make_order(100)
        self.receive(self.machine, self.state("running", 0))
        self.post()
        self.env["mrp.machine.loading"]._load(
            self.machine, other, other.workorder_ids, self.at(600).replace(tzinfo=None)
        )
        self.receive(self.machine, self.state("off", 900))
        self.post()

        self.assertEqual(self.timeline(), [("running", 0, 600), ("running", 600, 900), ("off", 900, None)])
        self.assertEqual((self.workorder.duration, other.workorder_ids.duration), (10, 5))

    def test_the_machines_time_yields_to_an_operators_timer_and_keeps_what_was_before(self):
        operator = self.env["res.users"].create({"name": "Ann", "login": "ann"})
        self.receive(self.machine, self.state("running", 0))
        self.post()
        self.env["mrp.workcenter.productivity"].create(
            {
                "workcenter_id": self.workcenter.id,
                "workorder_id": self.workorder.id,
                "user_id": operator.id,
                "loss_id": self.env.ref("mrp.block_reason7").id,
                "date_start": self.at(300).replace(tzinfo=None),
            }
        )
        self.receive(self.machine, self.state("off", 900))
        self.post()

        mine = self.workcenter.time_ids.filtered(lambda line: line.user_id != operator)
        self.assertEqual(mine.mapped("duration"), [5])

    def test_time_that_was_only_observed_is_not_booked_afterwards(self):
        self.machine.posting_mode = "observe"
        self.receive(self.machine, self.state("fault", 0))
        self.post()

        self.machine.posting_mode = "automatic"
        self.receive(self.machine, self.state("off", 600))
        self.post()

        self.assertFalse(self.workcenter.time_ids)
