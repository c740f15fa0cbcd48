from datetime import timedelta

from psycopg2 import IntegrityError

from odoo import fields
from odoo.addons.mrp_machine_connect.moments import microseconds_of
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import MaintenanceTriggerCommon


@tagged("post_install", "-at_install")
class TestMaintenanceMachinePlan(MaintenanceTriggerCommon):
    """A service by use or by the calendar, whichever comes first."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.meter = cls.env["mrp.machine.meter"].create(
            {"name": "Strokes", "machine_id": cls.machine.id, "unit": "cycles", "source": "readings"}
        )
        cls.now = fields.Datetime.now()

    def reads(self, days_ago, shows):
        return self.meter._read(microseconds_of(self.now - timedelta(days=days_ago)), shows)

    def plan(self, **values):
        return self.env["maintenance.machine.plan"].create(
            {
                "name": "Grease",
                "equipment_id": self.equipment.id,
                "meter_id": self.meter.id,
                "every": 1000,
                "last_served": self.now - timedelta(days=10),
                **values,
            }
        )

    def look(self):
        self.env.invalidate_all()
        self.env["maintenance.machine.plan"]._cron_plan()

    def test_the_date_is_predicted_from_real_use(self):
        self.reads(10, 5000)
        self.reads(0, 5500)  # 50 a day, 500 of 1,000 are left
        plan = self.plan(lead_days=7)

        self.assertEqual((plan.machine_id, plan.last_use, plan.used), (self.machine, 5000, 500))
        self.assertAlmostEqual(plan.per_day, 50, delta=0.1)
        self.assertAlmostEqual((plan.due - self.now) / timedelta(days=1), 10, delta=0.1)
        self.look()
        self.assertFalse(plan.request_ids, "ten days are more than seven")

        plan.lead_days = 11
        self.look()
        self.look()
        request = plan.request_ids
        self.assertEqual(len(request), 1)
        self.assertEqual((request.maintenance_type, request.equipment_id), ("preventive", self.equipment))
        self.assertEqual((request.maintenance_team_id, request.user_id), (self.team, self.technician))
        self.assertAlmostEqual((request.schedule_date - self.now) / timedelta(days=1), 10, delta=0.1)
        self.assertEqual(plan.open_request_id, request)

    def test_whichever_comes_first(self):
        self.reads(10, 5000)
        self.reads(0, 5500)
        plan = self.plan(repeat_interval=14, repeat_unit="days")
        self.assertEqual(plan.due, self.now + timedelta(days=4))
        plan.repeat_interval = 50
        self.assertAlmostEqual((plan.due - self.now) / timedelta(days=1), 10, delta=0.1)

    def test_an_unused_machine_is_due_by_the_calendar_alone(self):
        plan = self.plan(repeat_interval=1, repeat_unit="weeks")
        self.assertEqual(plan.due, self.now - timedelta(days=3))
        self.look()
        self.assertGreaterEqual(
            plan.request_ids.schedule_date, self.now - timedelta(minutes=1), "late, but not in the past"
        )
        self.assertFalse(self.plan().due, "by use alone nobody knows")

    def test_a_date_moves_with_the_use_unless_a_person_planned_it(self):
        self.reads(10, 5000)
        self.reads(1, 5450)
        plan = self.plan(lead_days=30)
        self.look()
        request = plan.request_ids
        first = request.schedule_date
        self.reads(0, 5800)  # a busy day
        self.look()
        self.assertLess(request.schedule_date, first - timedelta(days=3))

        mine = self.now + timedelta(days=2)
        request.schedule_date = mine
        self.reads(0, 5900)
        self.look()
        self.assertEqual(request.schedule_date, mine)

    def test_closing_the_request_counts_anew(self):
        self.reads(10, 5000)
        self.reads(0, 6100)
        plan = self.plan(lead_days=0)
        self.look()
        self.assertEqual(plan.used, 1100)
        plan.request_ids.with_user(self.technician).stage_id = self.repaired
        self.look()

        self.assertEqual((plan.last_use, plan.used), (6100, 0))
        self.assertEqual(len(plan.request_ids), 1, "no other at once")
        self.assertAlmostEqual(plan.last_served, fields.Datetime.now(), delta=timedelta(minutes=1))

    def test_a_meter_that_was_replaced_loses_nothing(self):
        self.reads(10, 5000)
        self.reads(5, 5600)
        self.meter._read(microseconds_of(self.now - timedelta(days=4)), 0, "replaced", shown_before=5700)
        self.reads(0, 200)
        self.assertEqual(self.plan().used, 900)

    def test_running_hours_of_the_timeline(self):
        meter = self.env["mrp.machine.meter"].create({"name": "Hours", "machine_id": self.machine.id})
        self.raise_and_post(self.state("running", 0), self.state("idle", 7200), self.state("running", 9000))
        self.raise_and_post(self.state("stopped", 12_600))

        self.assertAlmostEqual(meter.value_at(self.naive(20_000)), 3.0, places=6)
        self.assertAlmostEqual(self.equipment.machine_hours, 3.0, places=6)
        plan = self.plan(meter_id=meter.id, every=4, last_served=self.naive(3600))
        self.assertAlmostEqual(plan.used, 2.0, places=6)

    def test_a_plan_needs_a_time_and_equipment_needs_no_machine(self):
        with self.assertRaisesRegex(ValidationError, "say when it is due"):
            self.plan(meter_id=False)
        plan = self.plan(meter_id=False, equipment_id=self.other_equipment.id, repeat_interval=1, repeat_unit="years")
        self.assertFalse(plan.machine_id)
        self.assertEqual(plan.company_id, self.company)

    def test_the_database_refuses_a_second_open_service_of_a_plan(self):
        plan = self.plan(repeat_interval=1, repeat_unit="weeks")
        self.look()
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.env["maintenance.request"].create({"name": "Again", "machine_plan_id": plan.id})
            self.env.flush_all()
