from psycopg2 import IntegrityError

from odoo.addons.mrp_machine_connect.tests.common import MachineConnectCommon
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..hooks import uninstall_hook


@tagged("post_install", "-at_install")
class TestQualityMachineAlert(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.inspector = cls.env["res.users"].create(
            {
                "name": "Ines",
                "login": "machines-inspector",
                "group_ids": [(6, 0, [cls.env.ref("quality_machine_event.group_quality_inspector").id])],
            }
        )
        cls.machine.quality_responsible_id = cls.inspector

    def rejects(self, pieces, seconds, before=0):
        return self.count(pieces, seconds=seconds, kind="reject", before=before)

    def correction(self, pieces, seconds, kind="reject"):
        return self.event("correction.adjust", seconds, {"kind": kind, "delta": pieces, "why": "counted again"})

    def receive_and_post(self, *events, machine=None):
        machine = machine or self.machine
        received = self.receive(machine, *events)
        self.post(machine)
        return received

    def alerts(self, machine=None):
        return self.env["quality.machine.alert"].search([("machine_id", "=", (machine or self.machine).id)], order="id")

    def quality_states(self, events):
        return self.states(events, "quality_alert")

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    # It fits

    def test_a_reject_becomes_an_alert_on_machine_and_order(self):
        events = self.receive_and_post(self.rejects(2, 100))

        alert = self.alerts()
        self.assertEqual(self.quality_states(events), ["posted"])
        self.assertEqual((alert.production_id, alert.workorder_id), (self.order, self.workorder))
        self.assertEqual(alert.product_id, self.product)
        self.assertEqual((alert.reject_count, alert.state, alert.origin), (2, "new", "machine"))
        self.assertEqual((alert.first_occurred, alert.last_occurred), (self.naive(100), self.naive(100)))
        self.assertTrue(alert.name.startswith("MQA/"))
        self.assertEqual(alert.company_id, self.company)
        self.assertEqual(alert.create_uid, self.env.ref("mrp_machine_connect.user_machine_connect"))

    def test_one_reject_is_one_and_numbers_are_written_as_people_write_them(self):
        said = []
        for pieces, seconds in ((1.0, 100), (2.0, 110), (-1.0, 120), (1.5, 130)):
            event = self.rejects(pieces, seconds) if pieces > 0 else self.correction(pieces, seconds)
            said.append(self.rows(self.receive_and_post(event), "quality_alert").message)

        name = self.alerts().name
        self.assertEqual(
            said,
            [
                f"+1 reject on {name}, now 1",
                f"+2 rejects on {name}, now 3",
                f"-1 reject on {name}, now 2",
                f"+1.5 rejects on {name}, now 3.5",
            ],
        )

    def test_correct_takes_rejects_off_the_alert(self):
        event = self.receive_and_post(self.rejects(3, 100))
        action = event.action_correct()
        self.assertEqual(action["context"]["default_quantity"], -3)

        wizard = Form(self.env["mrp.machine.adjust"].with_context(**action["context"]))
        wizard.reason = "They were good after all"
        wizard.save().action_apply()
        self.post(self.machine)

        self.assertEqual((self.alerts().reject_count, self.machine.ledger_ids.reject), (0, 0))

    def test_the_responsible_person_gets_an_activity_that_ends_with_the_alert(self):
        self.receive_and_post(self.rejects(2, 100))
        alert = self.alerts()
        self.assertEqual(alert.responsible_id, self.inspector)
        self.assertEqual(alert.activity_ids.user_id, self.inspector)

        alert.responsible_id = self.env.ref("base.user_admin")
        self.assertEqual(alert.activity_ids.user_id, self.env.ref("base.user_admin"))
        alert.action_done()

        self.assertFalse(alert.activity_ids)
        self.assertTrue(alert.closed)
        alert.action_reopen()
        self.assertEqual(len(alert.activity_ids), 1)
        self.assertFalse(alert.closed)

    def test_without_a_quality_responsible_it_is_the_machines(self):
        self.machine.write({"quality_responsible_id": False, "responsible_id": self.env.ref("base.user_admin").id})

        self.receive_and_post(self.rejects(2, 100))

        self.assertEqual(self.alerts().responsible_id, self.env.ref("base.user_admin"))

    def test_the_alert_and_its_events_lead_to_each_other(self):
        events = self.receive_and_post(self.rejects(2, 100), self.rejects(1, 200, before=2))

        alert = self.alerts()
        posting = self.rows(events, "quality_alert").posting_id
        self.assertEqual((posting.res_model, posting.res_id), ("quality.machine.alert", alert.id))
        self.assertEqual((posting.production_id, posting.quantity), (self.order, 3))
        self.assertEqual(alert.event_count, 2)
        found = self.env["mrp.machine.event"].search(alert.action_events()["domain"])
        self.assertEqual(set(found.ids), set(events.ids))

        # An effect of another kind, as it may well be, has the number of this alert.
        posting = self.rows(events, "quality_alert").posting_id
        other = posting.copy({"res_id": 0})
        self.rows(events[:1], "quality_alert").posting_id = other
        self.rows(events[:1], "production_count").posting_id.res_id = alert.id
        found = self.env["mrp.machine.event"].search(alert.action_events()["domain"])
        self.assertEqual(found, events[1:])

    def test_the_lot_of_the_order_is_taken_over(self):
        self.product.tracking = "lot"
        lot = self.env["stock.lot"].create({"name": "L1", "product_id": self.product.id})
        self.order.lot_producing_ids = lot

        self.receive_and_post(self.rejects(2, 100))

        self.assertEqual(self.alerts().lot_id, lot)

    def test_two_orders_are_two_alerts(self):
        other = self.make_order(100)
        self.env["mrp.machine.loading"]._load(self.machine, other, other.workorder_ids, self.naive(1000))

        self.receive_and_post(self.rejects(2, 100), self.rejects(3, 1500, before=2))

        self.assertEqual(self.alerts().mapped("production_id"), self.order | other)
        self.assertEqual(self.alerts().mapped("reject_count"), [2, 3])

    # It does not fit

    def test_good_pieces_leave_no_trace_here(self):
        events = self.receive_and_post(
            self.count(5), self.cycle(70), self.correction(2, 80, kind="good"), self.count(0, 90, kind="reject")
        )

        self.assertFalse(self.rows(events, "quality_alert"))
        self.assertFalse(self.alerts())

    def test_without_an_order_the_alert_is_the_machines(self):
        events = self.receive_and_post(self.rejects(2, 100), self.rejects(1, 110, before=2), machine=self.idle_machine)

        alert = self.alerts(self.idle_machine)
        self.assertEqual(set(self.quality_states(events)), {"posted"})
        self.assertEqual(set(self.states(events)), {"waiting"})
        self.assertEqual((len(alert), alert.reject_count), (1, 3))
        self.assertFalse(alert.production_id or alert.product_id)

    def load_idle(self, order, seconds):
        self.env["mrp.machine.loading"]._load(self.idle_machine, order, order.workorder_ids, self.naive(seconds))

    def test_an_order_loaded_for_the_past_takes_the_alert_of_the_machine_over(self):
        events = self.receive_and_post(self.rejects(2, 100), self.rejects(1, 110, before=2), machine=self.idle_machine)
        alert = self.alerts(self.idle_machine)
        order = self.make_order(100)

        self.load_idle(order, 90)
        self.receive_and_post(self.rejects(2, 300, before=3), machine=self.idle_machine)

        self.assertEqual(self.alerts(self.idle_machine), alert)
        self.assertEqual((alert.production_id, alert.workorder_id), (order, order.workorder_ids))
        self.assertEqual((alert.product_id, alert.reject_count), (self.product, 5))
        self.assertEqual(self.rows(events, "quality_alert").posting_id.production_id, order)

    def test_an_order_loaded_for_the_past_takes_only_the_rejects_of_its_time(self):
        events = self.receive_and_post(self.rejects(2, 100), self.rejects(3, 200, before=2), machine=self.idle_machine)
        general = self.alerts(self.idle_machine)
        order = self.make_order(100)

        self.load_idle(order, 150)
        self.load_idle(order, 150)

        own = self.alerts(self.idle_machine) - general
        self.assertEqual((general.reject_count, general.state, general.production_id.id), (2, "new", False))
        self.assertEqual((own.production_id, own.reject_count), (order, 3))
        self.assertEqual((own.first_occurred, own.last_occurred), (self.naive(200), self.naive(200)))
        postings = self.rows(events, "quality_alert").mapped("posting_id")
        self.assertEqual(sorted(postings.mapped("quantity")), [2, 3])
        self.assertEqual((general.event_count, own.event_count), (1, 1))

    def test_rejects_join_the_alert_that_the_order_has_already(self):
        order = self.make_order(100)
        self.receive_and_post(self.rejects(3, 100), machine=self.idle_machine)
        general = self.alerts(self.idle_machine)
        self.load_idle(order, 300)
        self.receive_and_post(self.rejects(2, 400, before=3), machine=self.idle_machine)

        self.env["mrp.machine.loading"]._unload(self.idle_machine, self.naive(500))
        self.load_idle(order, 50)

        own = self.alerts(self.idle_machine) - general
        self.assertEqual((own.production_id, own.reject_count, own.first_occurred), (order, 5, self.naive(100)))
        self.assertEqual((general.reject_count, general.state), (0, "done"))

    def test_what_a_person_is_done_with_stays(self):
        self.receive_and_post(self.rejects(2, 100), machine=self.idle_machine)
        alert = self.alerts(self.idle_machine)
        alert.action_done()

        self.load_idle(self.make_order(100), 50)

        self.assertEqual(self.alerts(self.idle_machine), alert)
        self.assertEqual((alert.reject_count, alert.production_id.id), (2, False))

    def test_an_observed_machine_makes_no_alert(self):
        self.machine.posting_mode = "observe"

        events = self.receive_and_post(self.rejects(2, 100))

        self.assertEqual(self.rows(events, "quality_alert").reason, "observe")
        self.assertFalse(self.alerts())

    def test_taking_back_what_no_alert_counted_is_ignored_by_rule(self):
        events = self.receive_and_post(self.correction(-2, 100))

        self.assertEqual(self.rows(events, "quality_alert").reason, "no_alert")

    # Twice

    def test_the_same_event_twice_is_counted_once(self):
        self.receive_and_post(self.rejects(2, 100))
        self.receive_and_post(self.rejects(2, 100))

        self.assertEqual(self.alerts().reject_count, 2)

    def test_more_rejects_are_counted_on_the_open_alert(self):
        self.receive_and_post(self.rejects(2, 100))
        self.alerts().action_start()
        self.receive_and_post(self.rejects(3, 200, before=2), self.rejects(1, 300, before=5))

        alert = self.alerts()
        self.assertEqual((len(alert), alert.reject_count), (1, 6))
        self.assertEqual((alert.first_occurred, alert.last_occurred), (self.naive(100), self.naive(300)))
        self.assertEqual(alert.state, "in_progress")

    def test_after_the_alert_is_done_rejects_make_a_new_one(self):
        self.receive_and_post(self.rejects(2, 100))
        self.alerts().action_done()

        self.receive_and_post(self.rejects(3, 200, before=2))

        self.assertEqual(self.alerts().mapped("reject_count"), [2, 3])

    def test_the_database_refuses_a_second_open_alert_for_machine_and_order(self):
        alert = self.env["quality.machine.alert"]
        for order in (self.order, self.env["mrp.production"]):
            values = {"machine_id": self.machine.id, "production_id": order.id, "origin": "machine"}
            alert.create(values)
            with self.subTest(order=order), mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
                alert.create(values)
                self.env.flush_all()

    def test_people_raise_as_many_alerts_as_they_see_problems(self):
        self.receive_and_post(self.rejects(2, 100))
        for _number in range(2):
            with Form(self.env["quality.machine.alert"].with_user(self.inspector)) as form:
                form.machine_id = self.machine
                form.production_id = self.order
                form.description = "Scratches"
                self.assertEqual(form.product_id, self.product)
        self.env.flush_all()

        self.assertEqual(self.alerts().mapped("origin"), ["machine", "person", "person"])
        self.receive_and_post(self.rejects(1, 200, before=2))
        self.assertEqual(self.alerts().mapped("reject_count"), [3, 0, 0])

    # Out of order, and corrections

    def test_an_older_reject_that_comes_later_moves_the_beginning(self):
        self.receive_and_post(self.rejects(2, 200))
        self.receive_and_post(self.rejects(1, 100, before=7))

        alert = self.alerts()
        self.assertEqual((len(alert), alert.reject_count), (1, 3))
        self.assertEqual((alert.first_occurred, alert.last_occurred), (self.naive(100), self.naive(200)))

    def test_old_news_is_counted_on_the_alert_that_was_done(self):
        self.receive_and_post(self.rejects(2, 200))
        self.alerts().action_done()

        self.receive_and_post(self.rejects(1, 150, before=7))

        self.assertEqual(self.alerts().reject_count, 3)

    def test_a_correction_adds_and_takes_away(self):
        self.receive_and_post(self.rejects(5, 100))
        self.receive_and_post(self.correction(2, 110))
        self.assertEqual(self.alerts().reject_count, 7)
        self.alerts().action_done()

        events = self.receive_and_post(self.correction(-3, 120))

        self.assertEqual(self.quality_states(events), ["posted"])
        self.assertEqual(self.alerts().reject_count, 4)
        self.assertEqual(self.alerts().last_occurred, self.naive(110))

    def test_there_are_never_less_than_no_rejects(self):
        self.receive_and_post(self.rejects(1, 100))
        self.receive_and_post(self.correction(1, 101))
        self.alerts().reject_count = 1
        self.receive_and_post(self.correction(-2, 120))

        self.assertEqual(self.alerts().reject_count, 0)

    def test_folded_counts_are_what_single_ones_would_be(self):
        events = [self.rejects(2, 100), self.correction(-1, 110), self.rejects(3, 120, before=2)]
        self.receive_and_post(*events)
        self.receive_and_post(*events, machine=self.idle_machine)
        for event in [self.rejects(2, 200, before=9), self.correction(-1, 210), self.rejects(3, 220, before=11)]:
            self.receive_and_post(event, machine=self.idle_machine)

        self.assertEqual(self.alerts().reject_count, 4)
        self.assertEqual(self.alerts(self.idle_machine).reject_count, 8)

    def test_a_person_entering_rejects_on_the_machine_makes_an_alert(self):
        self.machine.with_user(self.inspector)._adjust("reject", 4, "dropped", at=self.naive(500))
        self.post(self.machine)

        self.assertEqual(self.alerts().reject_count, 4)

    # Many

    def test_five_hundred_rejects_are_one_write_of_the_alert(self):
        self.receive_and_post(self.rejects(1, 0, before=9999))
        alert = self.alerts()
        events = self.receive(self.machine, *[self.rejects(1, second, before=second) for second in range(1, 501)])
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count

        self.post(self.machine)

        # One write of the order and its components as well, for rejects are quantity: far from one a reject.
        self.assertLess(self.env.cr.sql_log_count - before, 120)
        self.assertEqual((self.alerts(), alert.reject_count), (alert, 501))
        self.assertEqual(len(self.rows(events, "quality_alert").posting_id), 1)

    # Around it

    def test_machine_and_order_count_their_alerts(self):
        self.receive_and_post(self.rejects(2, 100))
        alert = self.alerts()
        self.assertEqual((self.machine.quality_alert_count, self.order.quality_machine_alert_count), (1, 1))
        self.assertEqual(self.order.action_quality_machine_alerts()["res_id"], alert.id)
        action = self.machine.action_quality_alerts()
        self.assertEqual(self.env["quality.machine.alert"].search(action["domain"]), alert)

        alert.action_done()
        (self.machine | self.machine).invalidate_recordset()
        self.order.invalidate_recordset()

        self.assertEqual((self.machine.quality_alert_count, self.order.quality_machine_alert_count), (0, 1))

    def test_uninstalling_ends_what_waits_for_the_addon(self):
        self.machine.write({"pause_until": "2099-01-01 00:00:00", "pause_reason": "audit"})
        events = self.receive_and_post(self.rejects(2, 100))
        self.assertEqual(self.quality_states(events), ["waiting"])

        uninstall_hook(self.env)

        self.assertEqual(self.rows(events, "quality_alert").reason, "uninstalled")
        self.assertEqual(self.states(events), ["waiting"])

    def test_the_desk_has_a_column_for_what_is_below_its_limit_only_while_there_is_some(self):
        alerts = self.env["quality.machine.alert"]
        alerts.search([]).unlink()

        def columns():
            desk = alerts.with_context(read_group_expand=True)
            return [group["state"] for group in desk.formatted_read_group([], ["state"], ["__count"])]

        self.assertEqual(columns(), ["new", "in_progress", "done"])
        alerts.create({"machine_id": self.machine.id, "state": "watch"})
        self.assertEqual(columns(), ["watch", "new", "in_progress", "done"])
