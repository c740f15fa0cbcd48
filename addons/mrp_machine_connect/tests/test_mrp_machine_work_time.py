from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineWorkTime(MachineConnectCommon):
    """A person's own timer and the machine's time on one work order: no minute is counted twice, and none is lost."""

    def extend(self):
        """Let the time grow as the scheduled action does, in the transaction of the test."""
        self.env["mrp.machine.poster"]._extend(self.env.cr, self.machine.id)
        self.env.invalidate_all()

    def timer(self, start, end, login="ben"):
        """Book the own timer of a person on the work order, or let it run."""
        operator = self.env["res.users"].create({"name": login, "login": f"machines-{login}"})
        return self.env["mrp.workcenter.productivity"].create(
            {
                "workcenter_id": self.workcenter.id,
                "workorder_id": self.workorder.id,
                "user_id": operator.id,
                "loss_id": self.env.ref("mrp.block_reason7").id,
                "date_start": self.at(start).replace(tzinfo=None),
                "date_end": end and self.at(end).replace(tzinfo=None),
            }
        )

    def spans(self):
        """Return from when to when the machine's time is booked, in seconds."""
        service = self.env.ref("mrp_machine_connect.user_machine_connect")
        began = self.at(0).replace(tzinfo=None)
        return [
            ((line.date_start - began).total_seconds(), (line.date_end - began).total_seconds())
            for line in self.workcenter.time_ids.filtered(lambda line: line.user_id == service).sorted("date_start")
        ]

    def test_an_operators_short_timer_takes_only_its_own_time_away(self):
        self.timer(60, 120)
        self.receive(self.machine, self.state("running", 0), self.state("off", 7200))

        self.post()

        self.assertEqual(self.spans(), [(0, 60), (120, 7200)])
        self.assertAlmostEqual(self.workorder.duration, 120, places=1)

    def test_several_timers_that_overlap_are_taken_out_once(self):
        self.timer(-60, 60, "ben")
        self.timer(300, 600, "cleo")
        self.timer(400, 500, "dan")
        self.timer(900, 1300, "eve")
        self.receive(self.machine, self.state("running", 0), self.state("off", 1200))

        self.post()

        self.assertEqual(self.spans(), [(60, 300), (600, 900)])

    def test_a_timer_that_is_corrected_long_after_takes_and_gives_back_time(self):
        self.receive(self.machine, self.state("running", 0), self.state("off", 1200))
        self.post()
        self.assertEqual(self.spans(), [(0, 1200)])

        timer = self.timer(300, 600)
        self.env.flush_all()
        self.extend()
        self.assertEqual(self.spans(), [(0, 300), (600, 1200)])

        timer.write({"date_start": self.at(800).replace(tzinfo=None), "date_end": self.at(900).replace(tzinfo=None)})
        self.env.flush_all()
        self.extend()
        self.assertEqual(self.spans(), [(0, 800), (900, 1200)])
        self.assertEqual(self.workorder.duration, 20)

        timer.unlink()
        self.env.flush_all()
        self.extend()
        self.assertEqual(self.spans(), [(0, 1200)])

    def test_time_that_grows_follows_the_timers_that_come_and_go(self):
        self.receive(self.machine, self.state("running", 0))
        self.post()
        heard = self.machine.status_id
        heard.last_seen = self.at(600).replace(tzinfo=None)
        timer = self.timer(300, False)
        self.extend()
        self.assertEqual(self.spans(), [(0, 300)])

        timer.date_end = self.at(400).replace(tzinfo=None)
        self.extend()
        self.assertEqual(self.spans(), [(0, 300), (400, 600)])

        heard.last_seen = self.at(900).replace(tzinfo=None)
        self.extend()
        self.assertEqual(self.spans(), [(0, 300), (400, 900)])

        self.receive(self.machine, self.state("fault", 200))
        self.post()
        self.assertEqual(self.spans()[0], (0, 200))
        self.assertEqual(len(self.workcenter.time_ids.filtered(lambda line: line.loss_id.loss_type == "productive")), 2)

    def test_a_finished_work_order_gets_no_more_time_of_a_machine_that_runs_on(self):
        self.receive(self.machine, self.state("running", 0))
        self.post()
        self.machine.status_id.last_seen = self.at(200).replace(tzinfo=None)
        self.extend()
        self.workorder.write({"state": "done", "date_finished": self.at(300).replace(tzinfo=None)})
        self.machine.status_id.last_seen = self.at(900).replace(tzinfo=None)
        self.extend()
        self.assertEqual(self.spans(), [(0, 300)])

        self.receive(self.machine, self.state("off", 1200))
        self.post()

        self.assertEqual(self.spans(), [(0, 300)])
