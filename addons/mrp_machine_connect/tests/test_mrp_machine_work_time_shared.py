from odoo.tests import tagged

from .test_mrp_workorder_time import OrderTimeCommon


@tagged("post_install", "-at_install")
class TestSharedWorkcenter(OrderTimeCommon):
    """Several machines on one work center: no minute of it is counted twice, whichever of them speaks first."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = cls.make_machine("t-second", workcenter=cls.workcenter)
        cls.env["mrp.machine.loading"]._load(cls.second, cls.order, cls.workorder, cls.at(cls, 0).replace(tzinfo=None))

    def say(self, machine, *states):
        """Let a machine tell ``(state, second)``, and post it."""
        self.receive(machine, *(self.state(state, seconds) for state, seconds in states))
        self.post(machine)

    def extend(self, *machines):
        for machine in machines:
            self.env["mrp.machine.poster"]._extend(self.env.cr, machine.id)
        self.env.invalidate_all()

    def lines(self):
        """Return ``(loss, from, to, on the work order)`` of all time on the work center, in seconds."""
        self.env.invalidate_all()
        began = self.naive(0)
        return sorted(
            (
                (line.date_start - began).total_seconds(),
                (line.date_end - began).total_seconds(),
                line.loss_id.name,
                line.workorder_id == self.workorder,
            )
            for line in self.workcenter.time_ids
        )

    def timeline(self, machine):
        began = self.at(0).timestamp()
        return [
            (row.state, row.start_us / 1e6 - began, row.end_us / 1e6 - began if row.end_us else None)
            for row in machine.interval_ids.sorted("start_us")
        ]

    def both_ways(self, first, second, expected):
        """Let both machines speak, each once as the first, and compare the time of the work center."""
        for turns in ((0, 1), (1, 0)):
            with self.subTest(first=turns[0]):
                savepoint = self.env.cr.savepoint()
                for turn in turns:
                    self.say(*((self.machine, *first), (self.second, *second))[turn])
                self.assertEqual(self.lines(), expected)
                self.assertEqual(self.timeline(self.machine)[: len(first) - 1], self.spoken(first))
                self.assertEqual(self.timeline(self.second)[: len(second) - 1], self.spoken(second))
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    @staticmethod
    def spoken(states):
        return [(state, at, until) for (state, at), (_next, until) in zip(states, states[1:], strict=False)]

    def test_machines_that_run_at_once_are_one_running_work_center(self):
        self.both_ways(
            [("running", 0), ("off", 600)],
            [("running", 300), ("off", 900)],
            [(0, 600, "Fully Productive Time", True), (600, 900, "Fully Productive Time", True)],
        )

    def test_the_work_order_and_the_work_center_count_a_minute_once(self):
        self.say(self.machine, ("running", 0), ("off", 600))
        self.say(self.second, ("running", 0), ("off", 600))

        self.assertEqual(self.workorder.duration, 10)
        self.assertEqual(self.workorder._cal_cost(), 10)
        self.assertEqual(sum(self.workcenter.time_ids.mapped("duration")), 10)

    def test_a_stop_of_one_machine_while_another_runs_is_no_stop_of_the_work_center(self):
        self.both_ways(
            [("running", 0), ("fault", 300), ("running", 1500), ("off", 2000)],
            [("running", 100), ("off", 1000)],
            [
                (0, 300, "Fully Productive Time", True),
                (100 + 200, 1000, "Fully Productive Time", True),
                (1000, 1500, "Equipment Failure", False),
                (1500, 2000, "Fully Productive Time", True),
            ],
        )

    def test_of_several_stops_the_first_counts(self):
        self.both_ways(
            [("fault", 0), ("off", 600)],
            [("starved", 300), ("off", 900)],
            [(0, 600, "Equipment Failure", False), (600, 900, "Material Availability", False)],
        )

    def test_a_machine_that_runs_within_anothers_stop_divides_it(self):
        self.both_ways(
            [("fault", 0), ("off", 1000)],
            [("running", 300), ("off", 700)],
            [
                (0, 300, "Equipment Failure", False),
                (300, 700, "Fully Productive Time", True),
                (700, 1000, "Equipment Failure", False),
            ],
        )

    def test_a_micro_stop_counts_only_where_no_other_machine_runs(self):
        self.both_ways(
            [("running", 0), ("held", 100), ("running", 110), ("held", 300), ("running", 310), ("off", 400)],
            [("running", 50), ("off", 200)],
            [
                (0, 100, "Fully Productive Time", True),
                (100, 200, "Fully Productive Time", True),
                (200, 300, "Fully Productive Time", True),
                (300, 310, "Reduced Speed", True),
                (310, 400, "Fully Productive Time", True),
            ],
        )

    def test_machines_on_different_work_orders_give_each_its_time(self):
        other = self.make_order(100)
        self.env["mrp.machine.loading"]._load(self.second, other, other.workorder_ids, self.naive(0))
        self.say(self.machine, ("running", 0), ("off", 600))
        self.say(self.second, ("running", 300), ("off", 900))

        self.assertEqual((self.workorder.duration, other.workorder_ids.duration), (10, 10))

    def test_time_that_grows_takes_from_the_other_machine_what_is_its_own(self):
        self.say(self.machine, ("running", 0))
        self.say(self.second, ("fault", 100))
        self.machine.status_id.last_seen = self.naive(400)
        self.second.status_id.last_seen = self.naive(900)
        self.extend(self.second, self.machine)
        self.assertEqual(
            self.lines(), [(0, 400, "Fully Productive Time", True), (400, 900, "Equipment Failure", False)]
        )

        self.machine.status_id.last_seen = self.naive(800)
        self.extend(self.machine)

        self.assertEqual(
            self.lines(), [(0, 800, "Fully Productive Time", True), (800, 900, "Equipment Failure", False)]
        )

    def test_a_state_that_comes_late_gives_the_other_machine_its_stop_back(self):
        self.say(self.machine, ("running", 0), ("off", 1000))
        self.say(self.second, ("fault", 200), ("off", 1200))
        self.assertEqual(
            self.lines(), [(0, 1000, "Fully Productive Time", True), (1000, 1200, "Equipment Failure", False)]
        )

        self.say(self.machine, ("held", 600))

        self.assertEqual(
            self.lines(), [(0, 600, "Fully Productive Time", True), (600, 1200, "Equipment Failure", False)]
        )

    def test_a_machine_that_is_only_observed_hides_no_time_of_another(self):
        self.second.posting_mode = "observe"
        self.say(self.second, ("running", 0), ("off", 600))
        self.say(self.machine, ("fault", 100), ("off", 500))
        self.assertEqual(self.lines(), [(100, 500, "Equipment Failure", False)])

    def test_a_machine_that_was_moved_still_counts_where_it_was(self):
        self.say(self.second, ("running", 0), ("off", 600))
        self.second.workcenter_id = self.idle_machine.workcenter_id

        self.say(self.machine, ("fault", 100), ("off", 900))

        self.assertEqual(
            self.lines(), [(0, 600, "Fully Productive Time", True), (600, 900, "Equipment Failure", False)]
        )

    def test_a_second_writer_who_does_not_see_the_first_is_told_from_it(self):
        self.say(self.machine, ("running", 0), ("off", 600))
        before = self.workcenter.machine_time_guard
        self.say(self.second, ("running", 300), ("off", 900))
        self.env.invalidate_all()
        self.assertGreater(self.workcenter.machine_time_guard, before)

        alone = self.idle_machine.workcenter_id
        self.receive(self.idle_machine, self.state("fault", 0), self.state("off", 600))
        self.post(self.idle_machine)
        self.env.invalidate_all()
        self.assertFalse(alone.machine_time_guard, "a machine alone on its work center waits for nobody")
