"""Replay: what waited is tried again, first to see what would happen, then for good."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from .test_mrp_machine_late import LateCase

#: What a replay may touch: all tables of ours, of orders, stock and messages.
TABLES = ("mrp_%", "stock_%", "mail_%", "ir_cron_trigger", "bus_bus", "resource_calendar_leaves")


@tagged("post_install", "-at_install")
class TestReplay(LateCase):
    def click(self, wizard, button):
        """Click a button as the web client does: in a request of its own, with what the form saved before."""
        self.env.flush_all()
        with self.enter_registry_test_mode():
            return getattr(wizard, button)()

    def trace(self):
        """Return ``{table: (rows, digest of their content)}``, the wizard's own tables excepted."""
        self.env.flush_all()
        self.env.cr.execute(
            """SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE ANY(%s)
                  AND relname NOT LIKE '%%mrp_machine_replay%%' ORDER BY relname""",
            [list(TABLES)],
        )
        found = {}
        for (table,) in self.env.cr.fetchall():
            self.env.cr.execute(
                f"""SELECT count(*), md5(coalesce(string_agg(line::text, '|' ORDER BY line::text), ''))
                      FROM {table} line"""
            )
            found[table] = self.env.cr.fetchone()
        self.assertGreater(len(found), 60)
        return found

    def wizard(self, rows=None, **values):
        if rows is not None:
            context = rows.action_replay()["context"]
            return self.env["mrp.machine.replay"].with_context(**context).create({})
        return self.env["mrp.machine.replay"].create({"machine_id": self.machine.id, **values})

    def lines(self, wizard):
        return {(line.name, line.measure): (line.before, line.after) for line in wizard.line_ids}

    def value(self, record, measure):
        """Return what a document says, read from the tables."""
        self.env.flush_all()
        column = {"mrp.workorder": "qty_produced", "mrp.production": "qty_producing"}[record._name]
        if measure == "minutes":
            self.env.cr.execute(
                "SELECT coalesce(sum(duration), 0) FROM mrp_workcenter_productivity WHERE workorder_id = %s",
                [record.id],
            )
        else:
            self.env.cr.execute(f"SELECT {column} FROM {record._table} WHERE id = %s", [record.id])
        return self.env.cr.fetchone()[0]

    def wait_for_order(self):
        """Let counts and a state wait for an order, and load it then."""
        events = self.receive(self.idle_machine, *[self.count(3, 60 + place, before=3 * place) for place in range(5)])
        self.post()
        self.assertEqual(set(self.rows(events).mapped("reason")), {"no_order"})
        self.env["mrp.machine.loading"]._load(self.idle_machine, self.order, self.workorder, self.naive(62))
        return self.rows(events)

    def test_what_is_shown_leaves_no_trace_and_is_what_is_posted(self):
        rows = self.wait_for_order()
        wizard = self.wizard(rows)
        self.assertEqual(wizard.count, 5)
        before = self.trace()

        self.click(wizard, "action_show")

        self.assertEqual(self.trace(), before, "the dry run leaves no trace")
        self.assertEqual(
            self.lines(wizard),
            {(self.order.display_name, "quantity"): (0, 9), (self.workorder.display_name, "quantity"): (0, 9)},
        )
        self.assertIn("3 effects are posted.", wizard.ending_words)
        self.assertIn("2 still wait: No manufacturing order ran", wizard.ending_words)
        self.assertEqual(set(rows.mapped("state")), {"waiting"})

        self.click(wizard, "action_post")

        self.assertEqual(wizard.step, "posted")
        self.assertEqual((self.value(self.order, "quantity"), self.value(self.workorder, "quantity")), (9, 9))
        rows.invalidate_recordset()
        self.assertEqual(sorted(rows.mapped("state")), ["posted"] * 3 + ["waiting"] * 2)

    def test_it_takes_the_events_that_were_chosen_and_no_others(self):
        rows = self.wait_for_order()
        others = self.receive(self.idle_machine, self.count(100, 70, before=15))
        wizard = self.wizard(rows[2:3])
        self.click(wizard, "action_show")
        self.assertEqual(self.lines(wizard)[self.order.display_name, "quantity"], (0, 3))

        self.click(wizard, "action_post")

        self.assertEqual(self.order.qty_producing, 3)
        self.assertEqual(self.rows(others), others.posting_ids, "they wait for the poster, as they did")
        self.assertFalse(others.posting_ids)
        self.post()
        self.assertEqual(self.order.qty_producing, 103)

    def test_by_machine_and_reason(self):
        self.count_and_close()
        late = self.receive(self.machine, self.count(4, 90, before=50))
        unknown = self.receive(self.machine, self.state("unknown", 95, raw="Q7", unmapped="Q7"))
        self.post()
        self.assertEqual(self.rows(late).reason, "order_closed")
        self.machine.late_booking = "correct"
        form = Form(self.env["mrp.machine.replay"].with_context(default_machine_id=self.machine.id))
        form.reason = "order_closed"
        self.assertEqual(form.count, 1)
        wizard = form.save()
        before = self.trace()

        self.click(wizard, "action_show")

        self.assertEqual(self.trace(), before)
        self.assertEqual(self.lines(wizard)[self.order.display_name, "quantity"], (50, 54))
        self.click(wizard, "action_post")
        self.assert_books(self.order, 54)
        self.assertEqual(self.states(unknown, "state_interval"), ["waiting"])

    def test_an_order_of_its_own_is_shown_as_new(self):
        self.count_and_close()
        late = self.receive(self.machine, self.count(4, 90, before=50))
        self.post()
        self.machine.late_booking = "new_order"
        wizard = self.wizard(self.rows(late))
        before = self.trace()

        self.click(wizard, "action_show")

        self.assertEqual(self.trace(), before)
        name = f"{self.order.name}-L1"
        [line] = wizard.line_ids.filtered(lambda line: line.name == name)
        self.assertEqual((line.before, line.after, line.is_new), (0, 4, True))
        self.click(wizard, "action_post")
        self.assertEqual(wizard.step, "posted", wizard.change_words)
        made = self.env["mrp.production"].search([("name", "=", name)])
        self.assertEqual((made.state, made.qty_produced), ("done", 4))

    def test_time_is_shown_as_well(self):
        started = self.receive(
            self.machine, self.state("unknown", 10, raw="Q7", unmapped="Q7"), self.state("idle", 610)
        )
        self.post()
        self.assertEqual(self.rows(started, "state_interval")[0].state, "waiting")
        rows = self.rows(started, "state_interval")[0]
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "Q7", "state": "running"}
        )
        # A code that is mapped lets it be tried again by itself: here it is to be seen first.
        self.env.cr.execute("DELETE FROM mrp_machine_queue")
        self.env.cr.execute(
            "UPDATE mrp_machine_event_posting SET state = 'waiting', reason = 'unknown_code' WHERE id = %s", [rows.id]
        )
        self.env.invalidate_all()
        wizard = self.wizard(rows)
        before = self.trace()

        self.click(wizard, "action_show")

        self.assertEqual(self.trace(), before)
        shown = self.lines(wizard)[self.workorder.display_name, "minutes"]
        self.assertAlmostEqual(shown[1] - shown[0], 10.0, places=2)
        self.click(wizard, "action_post")
        self.assertAlmostEqual(self.value(self.workorder, "minutes"), shown[1], places=2)

    def test_where_something_else_would_happen_by_now_nothing_is_posted(self):
        rows = self.wait_for_order()
        wizard = self.wizard(rows)
        self.click(wizard, "action_show")
        self.receive(self.machine, self.count(7, 200))
        self.post(self.machine)

        self.click(wizard, "action_post")

        self.assertEqual(wizard.step, "shown")
        self.assertIn("Something changed", wizard.change_words)
        self.assertEqual(self.order.qty_producing, 7)
        self.assertEqual(self.lines(wizard)[self.order.display_name, "quantity"], (7, 16))
        self.click(wizard, "action_post")
        self.assertEqual((wizard.step, self.order.qty_producing), ("posted", 16))

    def test_nothing_to_replay_is_said(self):
        with self.assertRaisesRegex(UserError, "Nothing waits here"):
            self.click(self.wizard(), "action_show")

    def test_an_operator_may_not_replay(self):
        rows = self.wait_for_order()
        operator = new_test_user(self.env, "late-op", "mrp_machine_connect.group_operator")
        with self.assertRaises(UserError):
            rows.with_user(operator).action_replay()
        with self.assertRaises(AccessError):
            self.env["mrp.machine.replay"].with_user(operator).create({"machine_id": self.machine.id})

    def test_a_supervisor_may(self):
        rows = self.wait_for_order()
        supervisor = new_test_user(self.env, "late-sup", "mrp_machine_connect.group_supervisor")
        context = rows.with_user(supervisor).action_replay()["context"]
        wizard = self.env["mrp.machine.replay"].with_user(supervisor).with_context(**context).create({})
        self.click(wizard, "action_show")
        self.click(wizard, "action_post")
        self.assertEqual(self.order.qty_producing, 9)
