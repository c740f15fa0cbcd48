"""Which order ran when: loading after the fact, orders that are closed or deleted, and what moves with them."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, new_test_user, tagged

from ..machine_connect import clock
from ..machine_connect.event import Event
from .common import T0, MachineConnectCommon


class LoadingCase(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.line = cls.idle_machine.workcenter_id
        cls.first, cls.second = cls.order_here(100), cls.order_here(100)

    @classmethod
    def order_here(cls, quantity):
        """Return an order for the machine that nothing is loaded on."""
        order = cls.make_order(quantity)
        order.workorder_ids.workcenter_id = cls.line
        return order

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def load(self, order, seconds, machine=None):
        """Load an order as a person does, by the dialog."""
        wizard = self.wizard(order, seconds, machine)
        wizard.action_load()
        return wizard

    def wizard(self, order, seconds, machine=None):
        machine = machine or self.idle_machine
        form = Form(self.env["mrp.machine.load.order"].with_context(default_machine_id=machine.id))
        form.production_id = order
        form.date_start = self.naive(seconds)
        return form.save()

    def spans(self, machine=None):
        """Return the loadings of a machine in their order: which order, from second to second."""
        loadings = (machine or self.idle_machine).loading_ids.sorted(lambda loading: (loading.date_start, loading.id))
        return [
            (loading.production_id, *(moment and (moment - self.naive(0)).total_seconds() for moment in moments))
            for loading in loadings
            for moments in [(loading.date_start, loading.date_end)]
        ]

    def made(self, *orders):
        return [order.workorder_ids.qty_produced for order in orders]


@tagged("post_install", "-at_install")
class TestLoadingLater(LoadingCase):
    """Pieces of a time that no order had, or one that is closed by now, get one although a later order is loaded."""

    def test_a_free_time_before_another_order_can_be_given_away(self):
        waiting = self.receive(self.idle_machine, self.count(7, seconds=60))
        late = self.idle_machine._adjust("good", 2, "Found later", at=self.naive(60))
        self.load(self.second, 3600)
        self.post()
        self.assertEqual(self.rows(waiting | late).mapped("reason"), ["no_order", "no_order"])

        wizard = self.wizard(self.first, 0)
        self.assertEqual(wizard.date_end, self.naive(3600))
        wizard.action_load()
        self.post()

        self.assertEqual(self.spans(), [(self.first, 0, 3600), (self.second, 3600, False)])
        self.assertEqual(self.states(waiting | late), ["posted", "posted"])
        self.assertEqual(self.made(self.first, self.second), [9, 0])
        self.assertEqual(self.idle_machine.production_id, self.second, "what runs now is another order")

    def test_time_between_two_orders_goes_to_the_order_and_no_further(self):
        self.receive(self.idle_machine, self.state("running", 0))
        self.post()
        self.load(self.second, 3600)
        self.load(self.first, 600)
        self.receive(self.idle_machine, self.state("off", 7200))
        self.post()

        intervals = self.env["mrp.machine.interval"].search(
            [("machine_id", "=", self.idle_machine.id), ("state", "=", "running")], order="start_us"
        )
        self.assertEqual(
            [(interval.production_id, interval.duration) for interval in intervals],
            [(self.env["mrp.production"], 600), (self.first, 3000), (self.second, 3600)],
        )
        self.assertEqual((self.first.workorder_ids.duration, self.second.workorder_ids.duration), (50, 60))

    def test_what_an_open_order_had_is_not_given_away_unasked(self):
        self.load(self.first, 0)
        self.load(self.second, 3600)

        with self.assertRaisesRegex(UserError, "was loaded from .* to .*Choose a moment that is not within"):
            self.load(self.order_here(5), 1800)

        self.assertEqual(self.spans(), [(self.first, 0, 3600), (self.second, 3600, False)])

    def test_pieces_of_a_closed_order_get_another_one_by_their_own_button(self):
        self.load(self.first, 0)
        self.receive(self.idle_machine, self.count(5, seconds=60))
        self.post()
        self.load(self.second, 3600)
        self.first.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        late = self.receive(self.idle_machine, self.count(4, seconds=3000, before=5))
        self.post()
        row = self.rows(late)
        self.assertEqual(row.reason, "order_closed")

        action = row.action_load_order()
        third = self.order_here(50)
        form = Form(self.env["mrp.machine.load.order"].with_context(**action["context"]))
        form.production_id = third
        form.save().action_load()
        self.post()

        self.assertEqual(row.state, "posted")
        self.assertEqual(self.made(self.first, third, self.second), [5, 4, 0])
        self.assertEqual(self.spans(), [(self.first, 0, 3000), (third, 3000, 3600), (self.second, 3600, False)])

    def test_an_order_loaded_twice_is_loaded_once(self):
        self.load(self.first, 0)
        self.load(self.first, 0)
        self.load(self.first, 600)

        self.assertEqual(self.spans(), [(self.first, 0, False)])

    def test_a_moment_to_come_is_refused(self):
        seconds = (fields.Datetime.now() + timedelta(hours=1) - T0.replace(tzinfo=None)).total_seconds()

        with self.assertRaisesRegex(UserError, "From: this moment is still to come"):
            self.load(self.first, seconds)
        self.assertFalse(self.spans())

        self.load(self.first, 0)
        with self.assertRaisesRegex(UserError, "From: this moment is still to come"):
            self.wizard(self.env["mrp.production"], seconds).action_unload()
        self.assertEqual(self.spans(), [(self.first, 0, False)])
        self.wizard(self.env["mrp.production"], 60).action_unload()
        self.assertEqual(self.spans(), [(self.first, 0, 60)])


@tagged("post_install", "-at_install")
class TestTakeOver(LoadingCase):
    """Loaded from an earlier moment on, an order takes over what was booked on another one since then."""

    def setUp(self):
        super().setUp()
        self.load(self.first, 0)
        self.receive(
            self.idle_machine,
            self.count(20, seconds=100),
            self.count(40, seconds=2000, before=20),
            self.count(3, seconds=2100, kind="reject"),
        )
        self.post()
        self.assertEqual(self.made(self.first, self.second), [63, 0])

    def rejects(self, order):
        return sum(order.machine_ledger_ids.mapped("reject"))

    def test_pieces_made_since_then_are_moved_with_a_reason(self):
        wizard = self.wizard(self.second, 1800)
        self.assertIn("40 pieces good since then on " + self.first.workorder_ids.display_name, wizard.booked_words)
        self.assertIn("3 pieces rejected since then on ", wizard.booked_words)
        self.assertIn("they go over to the order that you load", wizard.booked_words)

        wizard.action_load()
        self.post()

        self.assertEqual(self.made(self.first, self.second), [20, 43])
        self.assertEqual((self.rejects(self.first), self.rejects(self.second)), (0, 3))
        corrections = self.env["mrp.machine.event"].search(
            [("machine_id", "=", self.idle_machine.id), ("type", "=", "correction.adjust")], order="id"
        )
        self.assertEqual(corrections.mapped(lambda event: event.data["delta"]), [-40, 40, -3, 3])
        self.assertEqual(corrections.user_id, self.env.user)
        self.assertIn(self.second.workorder_ids.display_name + " ran from", corrections[0].data["why"])
        self.assertEqual(self.idle_machine.production_id, self.second)
        self.assertEqual(self.idle_machine.good, 40)

    def test_confirmed_twice_they_are_moved_once(self):
        twice = self.wizard(self.second, 1800) | self.wizard(self.second, 1800)
        for wizard in twice:
            wizard.action_load()
        self.post()
        self.assertEqual(self.made(self.first, self.second), [20, 43])

        again = self.wizard(self.second, 1800)
        self.assertFalse(again.booked_words)
        again.action_load()
        self.post()

        self.assertEqual(self.made(self.first, self.second), [20, 43])

    def test_what_was_corrected_meanwhile_is_moved_as_it_stands(self):
        self.idle_machine._adjust("good", -5, "Samples", at=self.naive(2500))
        self.post()

        self.load(self.second, 1800)
        self.post()

        self.assertEqual(self.made(self.first, self.second), [20, 38])

    def test_an_order_that_replaces_another_from_its_beginning_takes_all(self):
        self.load(self.second, 0)
        self.post()

        self.assertEqual(self.made(self.first, self.second), [0, 63])

    def test_they_can_be_moved_on_and_back(self):
        self.load(self.second, 1800)
        self.post()
        self.assertEqual(self.made(self.first, self.second), [20, 43])
        self.load(self.first, 1800)
        self.post()

        self.assertEqual(self.made(self.first, self.second), [63, 0])

    def test_what_ran_without_being_loaded_gives_its_pieces_as_well(self):
        self.idle_machine.loading_ids.unlink()
        self.first.workorder_ids.with_context(bypass_duration_calculation=True).write(
            {"state": "progress", "date_start": self.naive(0)}
        )
        self.receive(self.idle_machine, self.count(7, seconds=2500, before=60))
        self.post()
        self.assertEqual(self.made(self.first), [70])

        self.load(self.second, 2200)
        self.post()

        self.assertEqual(self.made(self.first, self.second), [63, 7])

    def test_of_a_closed_order_they_stay_and_the_dialog_says_so(self):
        self.first.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()

        wizard = self.wizard(self.second, 1800)
        self.assertIn("40 pieces good since then on ", wizard.booked_words)
        self.assertIn("which is closed: they stay there", wizard.booked_words)
        wizard.action_load()
        self.post()

        self.assertEqual((self.first.qty_produced, self.made(self.second)), (63, [0]))
        self.assertFalse(self.env["mrp.machine.event"].search([("type", "=", "correction.adjust"),
                                                               ("machine_id", "=", self.idle_machine.id)]))  # fmt: skip

    def test_from_now_on_there_is_nothing_to_move(self):
        wizard = self.env["mrp.machine.load.order"].create(
            {"machine_id": self.idle_machine.id, "production_id": self.second.id}
        )

        self.assertFalse(wizard.booked_words)

    def test_an_operator_may(self):
        operator = new_test_user(self.env, "op", "mrp_machine_connect.group_operator")
        wizard = self.wizard(self.second, 1800).with_user(operator)

        self.assertIn("40 pieces", wizard.booked_words)
        wizard.action_load()
        self.post()

        self.assertEqual(self.made(self.first, self.second), [20, 43])

    def test_only_a_person_names_an_order(self):
        foreign = Event(
            type="correction.adjust",
            occurred=self.at(100),
            recorded=self.at(100),
            data={"kind": "good", "delta": 9, "why": "?", "production_id": self.second.id,
                  "workorder_id": self.second.workorder_ids.id},
        )  # fmt: skip
        self.receive(self.idle_machine, foreign)
        self.post()

        self.assertEqual(self.made(self.first, self.second), [72, 0])


@tagged("post_install", "-at_install")
class TestClosedOrder(LoadingCase):
    """An order that is closed leaves its machines, and takes neither pieces nor time from then on."""

    def setUp(self):
        super().setUp()
        self.began = fields.Datetime.now() - timedelta(minutes=1)
        self.step = self.first.workorder_ids

    def seconds_of(self, moment):
        return (moment - T0.replace(tzinfo=None)).total_seconds()

    def run_order(self, loaded=True):
        """Let the machine run on the first order for a minute, up to now."""
        at = self.seconds_of(self.began)
        if loaded:
            self.load(self.first, at - 60)
        else:
            self.step.with_context(bypass_duration_calculation=True).write(
                {"state": "progress", "date_start": self.began}
            )
        self.receive(self.idle_machine, self.state("running", at), self.count(40, seconds=at + 10))
        self.post()
        self.assertEqual(self.made(self.first), [40])
        return at

    def close(self, **context):
        self.first.with_context(skip_backorder=True, skip_consumption=True, **context).button_mark_done()
        self.assertEqual(self.first.state, "done")

    def test_time_after_its_end_is_not_its_own(self):
        at = self.run_order()
        self.close()
        self.receive(self.idle_machine, self.state("off", at + 36_000))
        self.post()

        # It ran for one minute before it was closed, and as long as the test takes.
        self.assertAlmostEqual(self.step.duration, 1, delta=0.5)
        self.assertEqual(self.idle_machine.loading_ids.date_end, self.step.date_finished)

    def test_nor_where_it_ran_without_being_loaded(self):
        at = self.run_order(loaded=False)
        self.close()
        self.receive(self.idle_machine, self.state("off", at + 36_000))
        self.post()

        self.assertAlmostEqual(self.step.duration, 1, delta=0.5)
        self.assertFalse(self.idle_machine.production_id)

    def test_the_overview_does_not_show_it_any_more(self):
        self.run_order()
        self.assertEqual((self.idle_machine.production_id, self.idle_machine.good), (self.first, 40))

        self.close()

        machine = self.idle_machine
        self.assertFalse(machine.production_id)
        self.assertEqual((machine.good, machine.target), (0, 0))

    def test_one_that_is_not_the_machines_changes_nothing(self):
        self.run_order()
        other = self.order_here(10)
        other.qty_producing = 10
        other._set_qty_producing()
        other.with_context(skip_consumption=True).button_mark_done()

        self.assertEqual(self.idle_machine.production_id, self.first)
        self.assertFalse(self.idle_machine.loading_ids.date_end)

    def test_a_work_order_that_is_finished_leaves_as_well(self):
        self.run_order()

        self.step.button_finish()

        self.assertFalse(self.idle_machine.production_id)
        self.assertEqual(self.idle_machine.loading_ids.date_end, self.step.date_finished)

    def test_a_cancelled_order_leaves_as_well(self):
        self.load(self.first, self.seconds_of(self.began))
        bom = self.env["mrp.bom"].create({"product_tmpl_id": self.product.product_tmpl_id.id, "bom_line_ids": [
            (0, 0, {"product_id": self.component_a.id, "product_qty": 1})]})  # fmt: skip
        plain = self.make_order(10, bom=bom)
        self.assertFalse(plain.workorder_ids)
        self.load(plain, self.seconds_of(self.began), self.machine)

        (self.first | plain).action_cancel()

        self.assertFalse(self.idle_machine.production_id | self.machine.production_id)
        self.assertTrue(self.idle_machine.loading_ids.date_end)
        self.assertTrue(all(self.machine.loading_ids.mapped("date_end")))

    def test_pieces_after_it_go_to_the_backorder_only_when_that_is_in_progress_alone(self):
        at = self.run_order()
        self.close(mo_ids_to_backorder=self.first.ids)
        backorder = self.first.production_group_id.production_ids - self.first
        self.assertEqual((backorder.product_qty, backorder.workorder_ids.workcenter_id), (60, self.line))
        early = self.receive(self.idle_machine, self.count(5, seconds=at + 120, before=40))
        self.post()
        self.assertEqual(self.rows(early).reason, "no_order")

        backorder.workorder_ids.button_start()
        alone = self.receive(self.idle_machine, self.count(6, seconds=at + 180, before=45))
        self.post()
        self.assertEqual((self.states(alone), self.made(backorder)), (["posted"], [6]))
        self.assertEqual(self.idle_machine.production_id, backorder)

        self.second.workorder_ids.button_start()
        beside = self.receive(self.idle_machine, self.count(7, seconds=at + 240, before=51))
        self.post()
        self.assertEqual(self.rows(beside).reason, "ambiguous")
        self.assertEqual((self.first.qty_produced, self.made(backorder, self.second)), (40, [6, 0]))

    def test_whoever_closes_it_needs_no_right_on_machines(self):
        self.run_order()
        user = new_test_user(self.env, "planner", "mrp.group_mrp_user,stock.group_stock_user")

        self.first.with_user(user).with_context(skip_backorder=True, skip_consumption=True).button_mark_done()

        self.assertFalse(self.idle_machine.production_id)


@tagged("post_install", "-at_install")
class TestDeletedWorkOrder(LoadingCase):
    def test_it_is_not_loaded_any_more_and_its_pieces_wait(self):
        self.load(self.first, 0)
        earlier = self.seconds_before_now(60)
        before = self.count(2, seconds=earlier)
        self.env["mrp.workorder"].create(
            {
                "name": "Deburr",
                "production_id": self.first.id,
                "workcenter_id": self.line.id,
                "product_uom_id": self.first.product_uom_id.id,
            }
        )
        self.first.workorder_ids[0].unlink()
        self.assertEqual(len(self.first.workorder_ids), 1)

        events = self.receive(self.idle_machine, before, self.count(3, seconds=earlier + 600, before=2))
        self.post()

        self.assertEqual(self.rows(events).mapped("reason"), ["ambiguous", "no_order"])
        self.assertIn("which of its work orders is not known", self.rows(events)[0].message)
        self.assertEqual(self.first.qty_producing, 0)
        self.assertFalse(self.env["mrp.machine.ledger"].search([("production_id", "=", self.first.id)]))
        self.assertFalse(self.idle_machine.production_id)

    def seconds_before_now(self, seconds):
        return (clock.now() - T0).total_seconds() - seconds
