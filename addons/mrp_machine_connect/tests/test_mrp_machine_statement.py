from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .common import T0, MachineConnectCommon

START = T0.replace(tzinfo=None)
HOURS = 3600


@tagged("post_install", "-at_install")
class TestMachineStatement(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.write({"statement_shifts": "times", "beat_shifts": "06:00, 14:00, 22:00"})
        cls.workcenter.tz = "UTC"
        cls.supervisor, cls.operator = cls.env["res.users"].create(
            [
                {
                    "name": role.title(),
                    "login": f"statement-{role}",
                    "group_ids": [Command.set([cls.env.ref(f"mrp_machine_connect.group_{role}").id])],
                }
                for role in ("supervisor", "operator")
            ]
        )

    def statement(self, machine=None, hours=8):
        """Return the statement of the tests' first shift, made at its end."""
        machine = machine or self.machine
        machine.statement_until = START
        return machine._make_statements(START + timedelta(hours=hours))

    def figures(self, line):
        return {
            name: line[name]
            for name in ("movement", "good", "reject", "scrap", "waiting", "held", "explained")
            if line[name]
        }

    def causes(self, statement):
        return {difference.cause: difference.amount for difference in statement.difference_ids}

    def sign(self, statement, reason="Seen"):
        action = statement.with_user(self.supervisor).action_sign()
        if isinstance(action, dict):
            self.assertEqual(action["res_model"], "mrp.machine.sign", action)
            form = Form(self.env["mrp.machine.sign"].with_user(self.supervisor).with_context(**action["context"]))
            form.reason = reason
            form.save().action_sign()

    # The equation

    def test_what_the_counter_moved_by_is_what_was_booked(self):
        self.receive(self.machine, self.count(5, 60, before=100), self.count(3, 120, before=105))
        self.receive(self.machine, self.count(2, 130, kind="reject", before=7))
        self.post()
        statement = self.statement()

        self.assertEqual(len(statement.line_ids), 1)
        line = statement.line_ids
        self.assertEqual((line.production_id, line.workorder_id), (self.order, self.workorder))
        self.assertEqual(self.figures(line), {"movement": 10, "good": 8, "reject": 2})
        self.assertFalse(statement.difference_ids)
        self.assertTrue(statement.is_settled)
        self.assertEqual(
            sorted((counter.name, counter.opening, counter.closing) for counter in statement.counter_ids),
            [("good", 100, 108), ("reject", 7, 9)],
        )

    def test_a_shift_takes_what_happened_within_it(self):
        self.receive(
            self.machine,
            self.count(5, 8 * HOURS - 1, before=0),
            self.count(3, 8 * HOURS, before=5),
        )
        self.post()
        self.machine.statement_until = START
        first, second = self.machine._make_statements(START + timedelta(hours=16)).sorted("date_start")

        self.assertEqual((first.good, second.good), (5, 3))
        self.assertEqual(first.date_end, second.date_start)

    def test_a_step_that_no_event_tells_of_is_a_gap(self):
        self.receive(self.machine, self.count(5, 60, before=100), self.count(3, 120, before=109))
        self.post()
        statement = self.statement()

        self.assertEqual(self.figures(statement.line_ids), {"movement": 12, "good": 8, "explained": 4})
        gap = statement.difference_ids
        self.assertEqual((gap.cause, gap.amount, gap.value_from, gap.value_to), ("gap", 4, 105, 109))
        self.assertIn("105", gap.words)

    def test_a_gap_shows_in_the_shift_in_which_it_was_noticed(self):
        self.receive(self.machine, self.count(5, 60, before=100), self.count(3, 9 * HOURS, before=109))
        self.post()
        self.machine.statement_until = START
        first, second = self.machine._make_statements(START + timedelta(hours=16)).sorted("date_start")

        self.assertEqual((first.explained, second.explained), (0, 4))
        self.assertEqual(second.counter_ids.opening, 105)

    def test_a_counter_that_was_set_back(self):
        reset = {"from": 105, "to": 2, "cause": "reset", "counter": "Parts"}
        self.receive(
            self.machine,
            self.count(5, 60, before=100, counter="Parts"),
            self.event("production.counter_reset", 100, reset),
            self.count(2, 100, before=105, total_after=2, cause="reset", counter="Parts"),
            self.event("production.counter_reset", 200, {**reset, "from": 2, "to": 0}),
            self.count(4, 300, before=0, counter="Parts"),
        )
        self.post()
        statement = self.statement()

        self.assertEqual(self.figures(statement.line_ids), {"movement": -96, "good": 11, "explained": -107})
        self.assertEqual(
            statement.difference_ids.mapped(lambda row: (row.cause, row.amount)), [("reset", -105), ("reset", -2)]
        )
        self.assertEqual((statement.counter_ids.opening, statement.counter_ids.closing), (100, 4))

    def test_a_counter_that_began_anew(self):
        self.receive(
            self.machine,
            self.count(5, 60, before=65_530),
            self.count(3, 120, before=65_535, total_after=2, cause="rollover"),
        )
        self.post()

        self.assertEqual(self.causes(self.statement()), {"rollover": -65_536})

    def test_a_jump_is_held_and_its_return_is_named(self):
        self.receive(
            self.machine,
            self.count(5, 60, before=100),
            self.event(
                "production.count", 70,
                {"kind": "good", "delta": 60_000, "total_before": 105, "total_after": 60_105, "cause": "jump"}, held="jump",
            ),
            self.count(2, 80, before=105, cause="returned"),
        )  # fmt: skip
        self.post()
        statement = self.statement()

        self.assertEqual(
            self.figures(statement.line_ids), {"movement": 7, "good": 7, "held": 60_000, "explained": -60_000}
        )
        self.assertEqual(self.causes(statement), {"returned": -60_000})
        self.assertFalse(statement.is_settled)

    def test_pieces_without_an_order_wait_on_a_line_of_their_own(self):
        self.idle_machine.write({"statement_shifts": "times"})
        self.idle_machine.workcenter_id.tz = "UTC"
        self.receive(self.idle_machine, self.count(4, 60, before=0))
        self.post()
        statement = self.statement(self.idle_machine)

        self.assertFalse(statement.line_ids.production_id)
        self.assertEqual(self.figures(statement.line_ids), {"movement": 4, "waiting": 4})
        self.assertEqual(statement.line_ids.display_name, "Without an order")

    def test_what_a_supervisor_ignored_says_why(self):
        self.idle_machine.write({"statement_shifts": "times"})
        self.idle_machine.workcenter_id.tz = "UTC"
        events = self.receive(self.idle_machine, self.count(4, 60, before=0))
        self.post()
        self.rows(events)._ignore("Trial parts")
        statement = self.statement(self.idle_machine)

        self.assertEqual(self.causes(statement), {"ignored": 4})
        self.assertIn("Trial parts", statement.difference_ids.words)

    def test_pieces_by_hand_moved_no_counter(self):
        self.receive(self.machine, self.count(5, 60, before=100))
        wizard = self.env["mrp.machine.adjust"].create(
            {"machine_id": self.machine.id, "quantity": 3, "reason": "Box found", "at": START + timedelta(hours=1)}
        )
        wizard.action_apply()
        self.post()
        statement = self.statement()

        self.assertEqual(self.figures(statement.line_ids), {"movement": 5, "good": 8, "explained": -3})
        self.assertEqual(self.causes(statement), {"by_hand": -3})
        self.assertEqual(self.workorder.qty_produced, 8)

    def test_what_a_person_changes_on_the_order_is_found_with_the_next_count(self):
        self.receive(self.machine, self.count(5, 60, before=100))
        self.post()
        self.workorder.qty_produced = 9
        self.receive(self.machine, self.count(2, 120, before=105))
        self.post()
        statement = self.statement()

        self.assertEqual(self.figures(statement.line_ids), {"movement": 7, "good": 11, "explained": -4})
        self.assertEqual(self.causes(statement), {"order_by_hand": -4})
        self.assertEqual(self.workorder.qty_produced, 11)

    def test_what_a_person_closes_an_order_with_is_found_at_its_end(self):
        self.receive(self.machine, self.count(5, 60, before=100))
        self.post()
        self.order.qty_producing = 7
        self.order._set_qty_producing(False)
        self.order.with_context(skip_consumption=True, skip_backorder=True).button_mark_done()
        self.assertEqual((self.order.state, self.order.qty_produced), ("done", 7))
        self.order.date_finished = START + timedelta(hours=2)
        statement = self.statement()

        self.assertEqual(self.figures(statement.line_ids), {"movement": 5, "good": 7, "explained": -2})

    def test_rejects_that_are_part_of_a_total(self):
        self.machine.counting_role = "total"
        self.receive(
            self.machine, self.count(10, 60, kind="total", before=0), self.count(2, 61, kind="reject", before=0)
        )
        self.post()
        statement = self.statement()

        self.assertEqual(self.figures(statement.line_ids), {"movement": 10, "good": 8, "reject": 2})
        ledger = self.env["mrp.machine.ledger"].search([("machine_id", "=", self.machine.id)])
        self.assertEqual((ledger.good_on_order, ledger.rejects_shown), (8, 2))

    def test_cycles_have_no_counter_and_are_counted_all_the_same(self):
        self.machine.counting_role = "cycle"
        self.receive(self.machine, self.cycle(60), self.cycle(70), self.cycle(80, qty=4))
        self.post()

        self.assertEqual(self.figures(self.statement().line_ids), {"movement": 6, "good": 6})

    def test_a_counter_that_is_only_compared_moves_nothing(self):
        self.receive(self.machine, self.count(5, 60, before=0), self.cycle(60), self.cycle(70))
        self.post()

        self.assertEqual(self.figures(self.statement().line_ids), {"movement": 5, "good": 5})

    def scrap(self, pieces, seconds):
        return self.event("quality.scrap", seconds, {"qty": pieces})

    def test_scrap_that_explains_is_taken_from_the_rejects(self):
        self.receive(
            self.machine, self.count(10, 60, before=0), self.count(3, 70, kind="reject", before=0), self.scrap(2, 80)
        )
        self.post()

        self.assertEqual(self.figures(self.statement().line_ids), {"movement": 13, "good": 10, "reject": 1, "scrap": 2})

    def test_scrap_that_no_counter_has_is_named(self):
        self.machine.scrap_events = "add"
        self.receive(self.machine, self.count(10, 60, before=0), self.scrap(2, 80))
        self.post()
        statement = self.statement()

        self.assertEqual(self.figures(statement.line_ids), {"movement": 10, "good": 10, "scrap": 2, "explained": -2})
        self.assertEqual(self.causes(statement), {"told_scrap": -2})

    # Signing

    def test_signing_names_who_and_why_and_then_nothing_changes(self):
        self.receive(self.machine, self.count(5, 60, before=100), self.count(3, 120, before=109))
        self.post()
        statement = self.statement()
        self.assertEqual(statement.unsigned_count, 1)
        with self.assertRaises(UserError):
            statement.with_user(self.operator).action_sign()

        self.sign(statement, "Agent was down")

        self.assertEqual(
            (statement.state, statement.signed_by_id, statement.unsigned_count), ("signed", self.supervisor, 0)
        )
        self.assertEqual(statement.difference_ids.reason, "Agent was down")
        self.assertEqual(statement.digest, statement._content())
        for record, values in (
            (statement, {"good": 1}),
            (statement.line_ids, {"good": 1}),
            (statement.difference_ids, {"amount": 1}),
            (statement.counter_ids, {"opening": 1}),
        ):
            with self.subTest(model=record._name), self.assertRaises(UserError):
                record.write(values)
            with self.subTest(model=record._name), self.assertRaises(UserError):
                record.unlink()
        for record in (statement, statement.line_ids, statement.difference_ids, statement.counter_ids):
            self.assertFalse(record.with_user(self.supervisor).has_access("write"))

    def test_what_comes_after_it_was_signed_is_a_correction(self):
        self.receive(self.machine, self.count(5, 60, before=100), self.count(3, 120, before=109))
        self.post()
        statement = self.statement()
        self.sign(statement)
        before = statement._content()
        self.receive(self.machine, self.count(4, 90, before=105))
        self.post()

        self.env["mrp.machine.statement"]._with_news(fields.Datetime.now())._fill()

        self.assertEqual(statement._content(), before)
        correction = statement.correction_ids
        self.assertEqual((correction.good, correction.explained, correction.movement), (4, -4, 0))
        self.assertEqual(statement.unsigned_count, 1)
        statement._fill()
        self.assertEqual(statement.correction_ids, correction)
        self.sign(statement, "Came late")
        self.assertEqual((statement.unsigned_count, correction.reason), (0, "Came late"))

    def test_what_waited_when_it_was_signed_is_a_correction_once_it_is_decided(self):
        self.idle_machine.write({"statement_shifts": "times"})
        self.idle_machine.workcenter_id.tz = "UTC"
        events = self.receive(self.idle_machine, self.count(4, 60, before=0))
        self.post()
        statement = self.statement(self.idle_machine)
        self.sign(statement)
        order = self.make_order(50)
        self.env["mrp.machine.loading"]._load(self.idle_machine, order, order.workorder_ids, START)
        self.rows(events).action_retry()
        self.post()

        self.env["mrp.machine.statement"]._with_news(fields.Datetime.now())._fill()

        corrections = statement.correction_ids
        self.assertEqual(
            {row.production_id: (row.movement, row.good, row.waiting) for row in corrections},
            {self.env["mrp.production"]: (-4, 0, -4), order: (4, 4, 0)},
        )

    def test_a_statement_that_changed_meanwhile_is_looked_at_again_before_it_is_signed(self):
        self.receive(self.machine, self.count(5, 60, before=100))
        self.post()
        statement = self.statement()
        self.receive(self.machine, self.count(1, 90, before=105))
        self.post()

        action = statement.with_user(self.supervisor).action_sign()

        self.assertEqual(action["tag"], "display_notification")
        self.assertEqual((statement.state, statement.good), ("open", 6))

    def test_a_difference_that_is_still_the_same_stays_signed(self):
        self.receive(self.machine, self.count(5, 60, before=100), self.count(3, 120, before=109))
        self.post()
        statement = self.statement()
        statement.difference_ids._sign("Known")
        statement._fill()
        self.assertEqual(statement.difference_ids.reason, "Known")
        self.receive(self.machine, self.count(1, 90, before=105))
        self.post()
        statement._fill()

        self.assertEqual((statement.difference_ids.amount, statement.difference_ids.reason), (3, False))

    # The events behind it

    def test_each_figure_opens_its_events(self):
        events = self.receive(
            self.machine,
            self.count(5, 60, before=100),
            self.count(3, 120, before=109),
            self.count(2, 130, kind="reject", before=0),
        )
        self.post()
        line = self.statement().line_ids.with_user(self.operator)

        def opened(figure):
            return self.env["mrp.machine.event"].search(line.with_context(figure=figure).action_events()["domain"])

        self.assertEqual(opened("movement"), events)
        self.assertEqual(opened("good"), events[:2])
        self.assertEqual(opened("reject"), events[2])
        self.assertFalse(opened("held"))
        difference = line.statement_id.difference_ids
        self.assertEqual(self.env["mrp.machine.event"].search(difference.action_events()["domain"]), events[1])

    # The report

    def test_the_report_says_it_all(self):
        self.receive(self.machine, self.count(5, 60, before=100), self.count(3, 120, before=109))
        self.post()
        statement = self.statement()
        self.sign(statement, "Agent was down")

        html, _type = self.env["ir.actions.report"]._render_qweb_html(
            "mrp_machine_connect.report_machine_statement", statement.ids
        )

        text = html.decode()
        for said in ("Agent was down", self.workorder.display_name, statement.digest, "Supervisor", "105"):
            self.assertIn(said, text)
