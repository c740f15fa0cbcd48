"""Which order a count belongs to that came about while nobody could read the machine."""

from odoo.tests import tagged

from ..models.mrp_machine_order import _shares
from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestOrderChangeInAnOutage(MachineConnectCommon):
    """Nothing is loaded; the work orders of the work center say what ran."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["mrp.machine.loading"].search([]).unlink()
        cls.former, cls.latter = cls.make_order(1000), cls.make_order(1000)

    def ran(self, order, start, end=None):
        """Let the work order of an order run from second to second; still when there is no end."""
        values = {"state": "progress", "date_start": self.naive(start)}
        if end is not None:
            values.update(state="done", date_finished=self.naive(end))
        order.workorder_ids.with_context(bypass_duration_calculation=True).write(values)

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def outage(self, pieces, start, end):
        """Return the effect of pieces that were counted between two readings."""
        window = [self.at(start).isoformat(), self.at(end).isoformat()]
        events = self.receive(self.machine, self.count(pieces, seconds=end, window=window))
        self.post()
        return self.rows(events)

    def test_pieces_of_two_orders_wait_with_a_proposed_split(self):
        self.ran(self.former, 0, 4200)
        self.ran(self.latter, 4800)

        row = self.outage(400, 3600, 7200)

        self.assertEqual((row.state, row.reason), ("waiting", "spans_change"))
        former, latter = self.former.workorder_ids.display_name, self.latter.workorder_ids.display_name
        self.assertIn(f"{former} until 2026-03-02 07:10:00 (UTC) (closed by now)", row.message)
        self.assertIn(f"{latter} from 2026-03-02 07:20:00", row.message)
        # 600 s of the one and 2400 s of the other
        self.assertIn(f"Counted in all: 400 pieces; by the time that each ran, 80 pieces on {former}, "
                      f"320 pieces on {latter}.", row.message)  # fmt: skip
        self.assertFalse(self.latter.workorder_ids.qty_produced)

    def test_load_order_proposes_the_time_from_when_nobody_looked(self):
        self.ran(self.latter, 4800)

        action = self.outage(10, 3600, 7200).action_load_order()

        self.assertEqual(action["context"]["default_date_start"], self.naive(3600))

    def test_an_order_that_began_in_the_outage_makes_it_uncertain_too(self):
        self.ran(self.latter, 4800)

        self.assertEqual(self.outage(10, 3600, 7200).reason, "spans_change")

    def test_an_order_that_ended_in_the_outage_makes_it_uncertain_too(self):
        self.ran(self.former, 0, 4200)

        self.assertEqual(self.outage(10, 3600, 7200).reason, "spans_change")

    def test_an_order_that_ran_all_the_time_gets_its_pieces(self):
        self.ran(self.former, 0, 3000)
        self.ran(self.latter, 3300)

        row = self.outage(10, 3600, 7200)

        self.assertEqual((row.state, self.latter.workorder_ids.qty_produced), ("posted", 10))

    def test_an_order_on_another_work_center_is_no_change(self):
        self.ran(self.latter, 0)
        self.former.workorder_ids.workcenter_id = self.idle_machine.workcenter_id
        self.ran(self.former, 4000, 5000)

        self.assertEqual(self.outage(10, 3600, 7200).state, "posted")

    def test_one_that_is_only_planned_is_no_change(self):
        self.ran(self.latter, 0)
        self.former.workorder_ids.with_context(bypass_duration_calculation=True).write(
            {"date_start": self.naive(4000), "date_finished": self.naive(5000)}
        )
        self.assertNotIn(self.former.workorder_ids.state, ("progress", "done"))

        self.assertEqual(self.outage(10, 3600, 7200).state, "posted")

    def test_what_is_loaded_all_the_time_counts_and_no_work_order_beside_it(self):
        self.ran(self.former, 4000, 5000)
        self.env["mrp.machine.loading"]._load(self.machine, self.latter, self.latter.workorder_ids, self.naive(0))

        self.assertEqual((self.outage(10, 3600, 7200).state, self.latter.workorder_ids.qty_produced), ("posted", 10))

    def test_an_order_that_made_them_all_is_loaded_and_gets_them(self):
        self.ran(self.former, 0, 3700)
        self.ran(self.latter, 3900)
        row = self.outage(10, 3600, 7200)
        self.assertIn("load it from 2026-03-02 07:00:00 (UTC) on", row.message)

        wizard = self.env["mrp.machine.load.order"].create(
            {"machine_id": self.machine.id, "production_id": self.latter.id, "date_start": self.naive(3600)}
        )
        wizard.action_load()
        self.post()

        self.assertEqual((row.state, self.latter.workorder_ids.qty_produced), ("posted", 10))

    def test_split_by_hand_each_order_gets_its_part_and_the_row_is_ignored(self):
        self.ran(self.former, 0)
        loadings = self.env["mrp.machine.loading"]
        loadings._load(self.machine, self.former, self.former.workorder_ids, self.naive(0))
        loadings._load(self.machine, self.latter, self.latter.workorder_ids, self.naive(4500))
        row = self.outage(100, 3600, 7200)
        former, latter = self.former.workorder_ids.display_name, self.latter.workorder_ids.display_name
        self.assertIn(f"25 pieces on {former}, 75 pieces on {latter}", row.message)

        self.machine._adjust("good", 25, "Split", at=self.naive(4000))
        self.machine._adjust("good", 75, "Split", at=self.naive(5000))
        row._ignore("Split by hand")
        self.post()

        self.assertEqual(
            (row.state, self.former.workorder_ids.qty_produced, self.latter.workorder_ids.qty_produced),
            ("ignored", 25, 75),
        )

    def test_shares_add_up_to_the_whole(self):
        self.assertEqual(_shares(10, [1, 1, 1]), [4, 3, 3])
        self.assertEqual(_shares(1, [1, 2]), [0, 1])
        self.assertEqual(_shares(2.5, [1, 1]), [1.25, 1.25])
        self.assertEqual(_shares(5, [0, 0]), [3, 2])
