from odoo.tests import tagged

from .test_mrp_workorder_time import OrderTimeCommon


@tagged("post_install", "-at_install")
class TestSetup(OrderTimeCommon):
    """A setup that the machine tells of explains what it does meanwhile, unless it produces or has a reason of its own."""

    def setup(self, ended, seconds):
        return self.event(f"production.setup_{'ended' if ended else 'started'}", seconds, {})

    def lines(self):
        self.env.flush_all()
        self.env.invalidate_all()
        began = self.naive(0)
        return [
            (line.loss_id.name, (line.date_start - began).total_seconds(), (line.date_end - began).total_seconds())
            for line in self.workcenter.time_ids.sorted("date_start")
        ]

    def told(self, *events):
        stored = self.receive(self.machine, *events)
        self.post()
        return stored

    def test_what_stands_still_within_a_setup_is_setup(self):
        events = self.told(
            self.state("running", 0),
            self.state("held", 300),
            self.setup(False, 360),
            self.state("idle", 500),
            self.setup(True, 600),
            self.state("running", 700),
            self.state("off", 900),
        )

        self.assertEqual(
            self.lines(),
            [
                ("Fully Productive Time", 0, 300),
                ("Machine Stopped", 300, 360),
                ("Setup and Adjustments", 360, 500),
                ("Setup and Adjustments", 500, 600),
                ("Machine Stopped", 600, 700),
                ("Fully Productive Time", 700, 900),
            ],
        )
        posting = self.rows(events[2], "setup").posting_id
        self.assertEqual(posting.summary, "T-Press: setup began")
        self.assertEqual(posting.production_id, self.order)
        self.assertEqual(self.states(events[2], "work_time"), ["posted"])

    def test_what_runs_or_fails_within_a_setup_is_no_setup(self):
        self.told(
            self.setup(False, 0),
            self.state("idle", 1),
            self.state("running", 100),
            self.state("fault", 200),
            self.state("idle", 300),
            self.setup(True, 400),
            self.state("off", 400.5),
        )
        self.assertEqual(
            self.lines(),
            [
                ("Setup and Adjustments", 1, 100),
                ("Fully Productive Time", 100, 200),
                ("Equipment Failure", 200, 300),
                ("Setup and Adjustments", 300, 400),
            ],
        )

    def test_a_setup_whose_end_is_not_told_ends_when_the_machine_runs(self):
        self.told(
            self.setup(False, 0),
            self.state("idle", 1),
            self.state("running", 100),
            self.state("held", 200),
            self.state("off", 400),
        )
        self.assertEqual(
            self.lines(),
            [("Setup and Adjustments", 1, 100), ("Fully Productive Time", 100, 200), ("Machine Stopped", 200, 400)],
        )

        self.told(self.setup(True, 300))
        self.assertEqual(self.lines()[2:], [("Setup and Adjustments", 200, 300), ("Machine Stopped", 300, 400)])

    def test_a_short_setup_is_no_micro_stop(self):
        self.told(
            self.state("running", 0), self.state("setup", 100), self.state("running", 110), self.state("off", 200)
        )
        self.assertEqual(self.lines()[1], ("Setup and Adjustments", 100, 110))

    def test_a_setup_by_the_word_of_a_person_counts_though_the_machine_is_off(self):
        self.told(self.state("off", 0), self.setup(False, 60), self.setup(True, 660), self.state("running", 700))
        self.assertEqual(self.lines()[0], ("Setup and Adjustments", 60, 660))
