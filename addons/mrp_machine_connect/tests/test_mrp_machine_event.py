from itertools import combinations, product

from odoo.exceptions import UserError
from odoo.tests import Form, tagged
from odoo.tools import SQL

from ..models.mrp_machine_event import OUTCOMES
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

    def test_one_piece_is_one_piece_and_numbers_are_written_as_people_do(self):
        events = self.receive(
            self.machine,
            self.count(1.0, seconds=1, before=12_345_677.0),
            self.count(2.5, seconds=2, kind="reject", total_before=None, total_after=None),
            self.cycle(3, qty=1.0),
            self.cycle(4, qty=4.0),
            self.event("production.counter_reset", 5, {"from": 812.0, "to": 0.0, "cause": "reset"}),
            self.event("correction.adjust", 6, {"kind": "reject", "delta": -1.0, "why": "Miscounted"}),
            self.event("meter.reading", 7, {"value": 0.1 + 0.2}),
            self.state("unknown", 8, previous="running", reason="no_contact"),
        )

        self.assertEqual(
            events.sorted("occurred_us").mapped("summary"),
            [
                "1 piece good (12345677 → 12345678)",
                "2.5 pieces rejected",
                "Cycle completed, 1 piece",
                "Cycle completed, 4 pieces",
                "Counter set back from 812 to 0",
                "-1 piece rejected by hand: Miscounted",
                "value: 0.3",
                "Running → Unknown (the machine could not be reached)",
            ],
        )

    def test_events_are_found_by_what_became_of_them(self):
        waiting = self.receive(self.idle_machine, self.count(3))
        posted = self.receive(self.machine, self.count(3))
        self.post()
        log = self.env["mrp.machine.event"]

        self.assertEqual((waiting.state, posted.state), ("waiting", "posted"))
        self.assertIn(waiting, log.search([("state", "=", "waiting")]))
        self.assertNotIn(posted, log.search([("state", "in", ["waiting", "held"])]))

    def test_the_search_for_a_state_finds_exactly_the_events_that_show_it(self):
        effects = [(), *((state,) for state in OUTCOMES), *product(OUTCOMES, repeat=2)]
        events = self.receive(
            self.idle_machine, *[self.count(1, seconds=number, before=number) for number in range(len(effects))]
        )
        self.env["mrp.machine.event.posting"].create(
            [
                {
                    "event_id": event.id,
                    "machine_id": event.machine_id.id,
                    "company_id": event.company_id.id,
                    "handler": f"handler_{number}",
                    "state": state,
                }
                for event, states in zip(events, effects, strict=True)
                for number, state in enumerate(states)
            ]
        )
        log = self.env["mrp.machine.event"]
        mine = [("machine_id", "=", self.idle_machine.id)]
        self.assertEqual(events.mapped("state")[:7], ["received", *OUTCOMES])

        for size in range(len(OUTCOMES) + 1):
            for states in combinations(OUTCOMES, size):
                with self.subTest(states=states):
                    shown = events.filtered(lambda event, states=states: event.state in states)
                    self.assertEqual(log.search([*mine, ("state", "in", states)]), shown.sorted("occurred_us", True))
                    self.assertEqual(
                        log.search([*mine, ("state", "not in", states)]), (events - shown).sorted("occurred_us", True)
                    )
        self.assertFalse(log.search([*mine, ("state", "=", False)]))

    def test_the_search_for_a_state_agrees_on_a_log_as_machines_fill_it(self):
        self.receive(
            self.machine,
            self.count(5, seconds=1),
            self.event("production.count", 2, {"kind": "good", "delta": 3763}, held="jump"),
            self.state("running", 3),
            self.state("running", 4),
            self.state("unknown", 5, raw="47", unmapped="47"),
            self.event("meter.reading", 6, {"value": 3}),
        )
        self.receive(self.idle_machine, self.count(3, seconds=7))
        self.post()
        self.receive(self.machine, self.count(1, seconds=8, before=5))
        log = self.env["mrp.machine.event"].search([("machine_id", "in", (self.machine | self.idle_machine).ids)])
        self.assertEqual(set(log.mapped("state")), {"posted", "held", "waiting", "received", "ignored"})

        for state in OUTCOMES:
            with self.subTest(state=state):
                found = log.search([("id", "in", log.ids), ("state", "=", state)])
                self.assertEqual(found, log.filtered(lambda event, state=state: event.state == state))

    def test_the_search_for_what_is_open_begins_at_the_open_effects(self):
        self.receive(self.idle_machine, self.count(3))
        self.post()
        # PostgreSQL chooses by how much there is: many events whose effects are done.
        done = self.receive(self.machine, self.count(3))
        self.post()
        numbers = "SELECT generate_series(1000001, 1005000) AS n"
        self._copy_row("mrp_machine_event", done.id, numbers, uid="uid || '-' || n", sequence="n")
        ids = "SELECT id AS n FROM mrp_machine_event WHERE sequence > 1000000"
        self._copy_row("mrp_machine_event_posting", self.rows(done).id, ids, event_id="n")

        for states in (("failed", "held", "waiting"), ("received",), ("waiting",)):
            with self.subTest(states=states):
                query = self.env["mrp.machine.event"]._search([("state", "in", states)])
                self.env.cr.execute(SQL("EXPLAIN %s", query.select()))
                plan = "\n".join(line for (line,) in self.env.cr.fetchall())
                self.assertRegex(plan, "Index Scan (using|on) mrp_machine_event_posting_(open|exceptions)")

    def _copy_row(self, table, row_id, numbers, **changed):
        """Copy a row of a table once for each ``n`` of a query, and let PostgreSQL know how many there are now."""
        self.env.cr.execute(
            """SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
                WHERE table_name = %s AND column_name <> ALL(%s)""",
            [table, ["id", *changed]],
        )
        (columns,) = self.env.cr.fetchone()
        self.env.cr.execute(
            f"""INSERT INTO {table} ({columns}, {", ".join(changed)})
                SELECT {columns}, {", ".join(changed.values())} FROM {table}, ({numbers}) numbers
                 WHERE {table}.id = {row_id}"""
        )
        self.env.cr.execute(f"ANALYZE {table}")

    def correct(self, event, **changes):
        """Press *Correct* on an event, change what is proposed, and let it be posted."""
        action = event.action_correct()
        with Form(self.env["mrp.machine.adjust"].with_context(**action["context"])) as form:
            form.reason = "Test pieces"
            for name, value in changes.items():
                setattr(form, name, value)
        form.save().action_apply()
        self.post()

    def test_correct_takes_back_what_was_booked_and_no_more(self):
        event = self.receive(self.machine, self.count(10))
        self.post()

        self.correct(event, quantity=-3)
        self.assertEqual(self.order.qty_producing, 7)
        self.correct(event)
        self.assertEqual(self.order.qty_producing, 0)

        with self.assertRaisesRegex(UserError, "taken back already"):
            event.action_correct()

    def test_correct_counts_a_correction_that_was_ignored_for_nothing(self):
        event = self.receive(self.machine, self.count(2))
        self.post()
        self.correct(event, quantity=-3)
        correction = self.env["mrp.machine.event"].search([("correlation", "=", event.uid)])
        self.assertEqual(self.rows(correction).reason, "below_zero")
        self.rows(correction)._ignore("A typing error")

        self.assertEqual(event.action_correct()["context"]["default_quantity"], -2)

    def test_correct_of_a_cycle_takes_good_pieces_back(self):
        self.machine.counting_role = "cycle"
        event = self.receive(self.machine, self.cycle(60, qty=4))
        self.post()

        self.correct(event)

        self.assertEqual((self.order.qty_producing, self.machine.ledger_ids.adjusted), (0, -4))

    def test_correct_of_a_reject_takes_the_reject_back(self):
        event = self.receive(self.machine, self.count(5, seconds=30), self.count(2, kind="reject"))[1]
        self.post()

        self.correct(event)

        self.assertEqual((self.order.qty_producing, self.machine.ledger_ids.reject), (5, 0))

    def test_what_is_written_down_by_hand_is_confirmed_in_one_piece_or_several(self):
        said = []
        for quantity in (1, 3, -1):
            wizard = self.env["mrp.machine.adjust"].create(
                {"machine_id": self.machine.id, "quantity": quantity, "reason": "Counted by hand"}
            )
            said.append(wizard.action_apply()["params"]["message"])

        self.assertEqual(
            said,
            [
                "+1 piece is written down for T-Press and posted in a moment.",
                "+3 pieces are written down for T-Press and posted in a moment.",
                "-1 piece is written down for T-Press and posted in a moment.",
            ],
        )

    def test_of_a_count_that_is_only_compared_there_is_nothing_to_take_back(self):
        self.machine.counting_role = "cycle"
        with_order = self.receive(self.machine, self.count(5))
        self.idle_machine.counting_role = "cycle"
        without_order = self.receive(self.idle_machine, self.count(5))
        self.post()
        self.assertEqual((self.states(with_order), self.rows(with_order).posting_id.kind), (["posted"], "compared"))
        self.assertEqual(self.rows(without_order).reason, "compared")

        # What fed the order then decides, not what feeds it now.
        self.machine.counting_role = "good"
        with self.assertRaisesRegex(UserError, "only compared"):
            with_order.action_correct()
        with self.assertRaisesRegex(UserError, "Another counter feeds the order"):
            without_order.action_correct()

    def test_of_a_count_that_waits_there_is_nothing_to_take_back_yet(self):
        waiting = self.receive(self.idle_machine, self.count(3))
        with self.assertRaisesRegex(UserError, "yet"):
            waiting.action_correct()
        self.post()

        with self.assertRaisesRegex(UserError, "yet"):
            waiting.action_correct()

    def test_storing_a_batch_is_few_statements_however_long(self):
        self.env.flush_all()
        with self.assertQueryCount(__system__=12):
            self.receive(self.machine, *[self.count(1, seconds=n, before=n) for n in range(500)])
