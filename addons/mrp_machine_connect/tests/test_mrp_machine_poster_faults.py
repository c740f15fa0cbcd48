"""What becomes of events when an effect breaks half-way, when it keeps breaking, and when its document goes away under way?"""

from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.mrp_machine_poster import PAUSES
from .common import MachineConnectCommon

LOGGER = "odoo.addons.mrp_machine_connect.models.mrp_machine_poster"


@tagged("post_install", "-at_install")
class TestPosterFaults(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.handler = type(cls.env["mrp.machine.handler.production_count"])

    def break_after(self, pieces_of_guilty):
        """Let counts of so many pieces break after they were written on the order, as a bug in the middle of an effect would."""
        original = self.handler._write_total

        def write_total(handler, production, workorder, total, kept, began):
            original(handler, production, workorder, total, kept, began)
            if total % 1000 == pieces_of_guilty or total > 1000:
                raise ZeroDivisionError("half-way")

        return patch.object(self.handler, "_write_total", write_total)

    def queue(self, events):
        self.env.cr.execute(
            "SELECT not_before IS NOT NULL FROM mrp_machine_queue WHERE event_id = ANY(%s)", [events.ids]
        )
        return [row[0] for row in self.env.cr.fetchall()]

    def let_time_pass(self):
        self.env.cr.execute("UPDATE mrp_machine_queue SET not_before = NULL")

    @mute_logger(LOGGER)
    def test_an_effect_that_breaks_half_way_leaves_nothing_and_keeps_no_other(self):
        events = self.receive(self.machine, self.count(5, seconds=1), self.count(2000, seconds=2, before=5))
        others = self.receive(self.idle_machine, self.state("running", 1))

        with self.break_after(-1):
            self.post()

        self.assertEqual(self.states(events), ["posted", "received"])
        self.assertEqual(self.states(others, "state_interval"), ["posted"])
        self.assertEqual((self.order.qty_producing, self.workorder.qty_produced), (5, 5))
        self.assertEqual(sum(self.machine.ledger_ids.mapped("good")), 5)
        self.assertEqual(self.order.move_raw_ids.mapped("quantity"), [5, 20])
        self.assertEqual(
            self.queue(events), [True], "what failed is tried again after a pause, and nothing else is left"
        )

    @mute_logger(LOGGER)
    def test_an_effect_that_keeps_breaking_fails_in_words_and_comes_about_once_when_it_is_mended(self):
        events = self.receive(self.machine, self.count(5))
        with self.break_after(5):
            for tries in range(1, len(PAUSES) + 1):
                self.post()
                self.assertEqual((self.states(events), self.rows(events).attempts), (["received"], tries))
                self.post()
                self.assertEqual(self.rows(events).attempts, tries, "its pause is not over")
                self.let_time_pass()
            self.post()
        self.assertEqual(self.rows(events).mapped("state"), ["failed"])
        self.assertIn("half-way", self.rows(events).message)
        self.assertEqual((self.queue(events), self.order.qty_producing), ([], 0))

        self.rows(events).action_retry()
        self.post()
        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.order.qty_producing, 5)

    def test_an_order_that_is_deleted_before_its_pieces_are_booked_keeps_them_waiting(self):
        order = self.make_order(10)
        order.workorder_ids.workcenter_id = self.idle_machine.workcenter_id
        order.workorder_ids.button_start()
        events = self.receive(self.idle_machine, self.count(3))
        order.action_cancel()
        order.unlink()  # which Odoo allows as long as it was not loaded on a machine

        self.post()

        self.assertEqual(self.states(events), ["waiting"])
        self.assertEqual(self.rows(events).reason, "no_order")
        instead = self.make_order(10)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, instead, instead.workorder_ids, self.at(0).replace(tzinfo=None)
        )
        self.rows(events).action_retry()
        self.post()
        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(instead.qty_producing, 3)
