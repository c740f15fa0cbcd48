from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from odoo.fields import Command
from odoo.tests import tagged

from .test_mrp_workorder_time import OrderTimeCommon

UTC = timezone.utc


@tagged("post_install", "-at_install")
class TestWorkingHours(OrderTimeCommon):
    """Stops count within the working hours of the work center; the minutes are counted here one by one."""

    def hours(self, zone, spans):
        """Give the work center working hours.

        :param spans: ``{weekday: [(from, to)]}`` in hours of the local clock
        """
        calendar = self.env["resource.calendar"].create(
            {
                "name": zone,
                "tz": zone,
                "attendance_ids": [
                    Command.create({"name": "Work", "dayofweek": str(day), "hour_from": start, "hour_to": end})
                    for day, times in spans.items()
                    for start, end in times
                ],
            }
        )
        self.workcenter.write({"resource_calendar_id": calendar.id, "tz": zone})

    @staticmethod
    def minutes(zone, spans, start, end):
        """Count the minutes from a moment to another that are working time, by looking at each on the wall clock."""
        counted = 0
        while start < end:
            local = start.astimezone(ZoneInfo(zone))
            hour = local.hour + local.minute / 60
            counted += any(begin <= hour < until for begin, until in spans.get(local.weekday(), ()))
            start += timedelta(minutes=1)
        return counted

    def tell(self, *states):
        """Let the machine tell ``(state, aware moment)``, and post it."""
        began = self.at(0)
        self.receive(self.machine, *(self.state(state, (moment - began).total_seconds()) for state, moment in states))
        self.post()
        self.env.invalidate_all()

    def booked(self, loss_type="availability"):
        lines = self.workcenter.time_ids.filtered(lambda line: line.loss_type == loss_type)
        return sum(lines.mapped("duration")), lines.sorted("date_start")

    def assert_honest(self, lines):
        """Each line lasts as long as it counts."""
        for line in lines:
            self.assertAlmostEqual(line.duration, (line.date_end - line.date_start).total_seconds() / 60, places=2)

    def test_trap_13_a_stop_outside_the_hours_is_planned_and_no_loss(self):
        week = {day: [(6, 10), (10.5, 14)] for day in range(5)}
        self.hours("Europe/Berlin", week)
        # From Friday, 13:00 in Berlin, to Monday, 07:30.
        start, end = datetime(2026, 3, 6, 12, tzinfo=UTC), datetime(2026, 3, 9, 6, 30, tzinfo=UTC)

        self.tell(("fault", start), ("off", end))

        minutes, lines = self.booked()
        self.assertEqual(minutes, self.minutes("Europe/Berlin", week, start, end))
        self.assertEqual(minutes, 60 + 90)
        self.assert_honest(lines)
        self.assertEqual(len(lines), 2)
        self.assertEqual(
            self.machine.interval_ids.sorted("start_us")[0].duration, (end - start).total_seconds(), "what happened"
        )

    def test_trap_13_a_pause_of_the_hours_is_planned(self):
        week = {day: [(6, 10), (10.5, 14)] for day in range(5)}
        self.hours("Europe/Berlin", week)
        start = datetime(2026, 3, 2, 8, 50, tzinfo=UTC)  # 09:50 in Berlin
        self.tell(("held", start), ("off", start + timedelta(minutes=50)))

        minutes, lines = self.booked()
        self.assertEqual(minutes, 20)
        self.assertEqual(
            [(line.date_start.strftime("%H:%M"), line.date_end.strftime("%H:%M")) for line in lines],
            [("08:50", "09:00"), ("09:30", "09:40")],
        )

    def test_a_stop_wholly_outside_is_no_line(self):
        self.hours("Europe/Berlin", {0: [(6, 14)]})
        start = datetime(2026, 3, 3, 8, tzinfo=UTC)
        self.tell(("fault", start), ("off", start + timedelta(hours=5)))
        self.assertFalse(self.workcenter.time_ids)

    def test_what_runs_outside_the_hours_was_made_all_the_same(self):
        self.hours("Europe/Berlin", {0: [(6, 14)]})
        start = datetime(2026, 3, 3, 8, tzinfo=UTC)
        self.tell(("running", start), ("held", start + timedelta(minutes=60)),
                  ("running", start + timedelta(minutes=60, seconds=30)), ("off", start + timedelta(minutes=90)))  # fmt: skip

        self.assertEqual(self.booked("productive")[0], 60 + 29.5)
        self.assertFalse(self.booked("performance")[1], "a micro stop outside the hours is no loss either")
        self.assertEqual(self.workorder.duration, 89.5)

    def test_a_leave_of_the_work_center_is_planned(self):
        week = {day: [(0, 24)] for day in range(7)}
        self.hours("UTC", week)
        self.env["resource.calendar.leaves"].create(
            {
                "name": "Overhaul",
                "calendar_id": self.workcenter.resource_calendar_id.id,
                "resource_id": self.workcenter.resource_id.id,
                "date_from": datetime(2026, 3, 3, 8, tzinfo=UTC).replace(tzinfo=None),
                "date_to": datetime(2026, 3, 3, 10, tzinfo=UTC).replace(tzinfo=None),
                "time_type": "leave",
            }
        )
        self.tell(("fault", datetime(2026, 3, 3, 7, tzinfo=UTC)), ("off", datetime(2026, 3, 3, 11, tzinfo=UTC)))
        minutes, lines = self.booked()
        self.assertEqual((minutes, len(lines)), (120, 2))

    def test_around_the_clock_needs_no_hours_or_hours_of_24(self):
        start = datetime(2026, 3, 6, 12, tzinfo=UTC)
        end = start + timedelta(days=3)
        self.hours("Europe/Berlin", {day: [(0, 24)] for day in range(7)})
        savepoint = self.env.cr.savepoint()
        self.tell(("fault", start), ("off", end))
        minutes, lines = self.booked()
        self.assertAlmostEqual(minutes, 3 * 24 * 60, places=1)
        self.assertEqual(len(lines), 1, "midnight is no end of work")
        savepoint.close(rollback=True)
        self.env.invalidate_all()

        self.workcenter.resource_calendar_id = False
        self.tell(("fault", start), ("off", end))
        minutes, lines = self.booked()
        self.assertEqual((minutes, len(lines)), (3 * 24 * 60, 1))

    def test_a_stop_that_goes_on_grows_by_its_working_hours(self):
        self.hours("Europe/Berlin", {0: [(6, 10), (10.5, 14)]})
        start = datetime(2026, 3, 2, 8, tzinfo=UTC)
        self.tell(("fault", start))
        for heard, minutes in ((30, 30), (75, 60), (100, 70)):
            self.machine.status_id.last_seen = (start + timedelta(minutes=heard)).replace(tzinfo=None)
            self.env["mrp.machine.poster"]._extend(self.env.cr, self.machine.id)
            self.env.invalidate_all()
            booked, lines = self.booked()
            self.assertEqual(booked, minutes)
            self.assertFalse(lines.filtered(lambda line: not line.date_end))

    def test_both_changes_of_the_clock_in_two_zones(self):
        night = {6: [(0, 8)], 5: [(22, 24)]}
        for zone, sunday, worked in (
            ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), 7),
            ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC), 9),
            ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC), 7),
            ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC), 9),
        ):
            with self.subTest(zone=zone, day=sunday):
                savepoint = self.env.cr.savepoint()
                self.hours(zone, night)
                local = sunday.replace(tzinfo=ZoneInfo(zone))
                start = (local - timedelta(hours=6)).astimezone(UTC)
                end = (local + timedelta(hours=12)).astimezone(UTC)

                self.tell(("fault", start), ("off", end))

                minutes, lines = self.booked()
                self.assertEqual(minutes, self.minutes(zone, night, start, end))
                self.assertEqual(minutes, (2 + worked) * 60)
                self.assert_honest(lines)
                interval = self.machine.interval_ids.sorted("start_us")[0]
                self.assertEqual(interval.duration, (end - start).total_seconds())
                savepoint.close(rollback=True)
                self.env.invalidate_all()

    def test_running_over_a_change_of_the_clock_takes_as_long_as_it_takes(self):
        for zone, sunday in (
            ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
            ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
            ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
            ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
        ):
            with self.subTest(zone=zone, day=sunday):
                savepoint = self.env.cr.savepoint()
                self.hours(zone, {6: [(0, 8)]})
                start = sunday.replace(hour=0, minute=30, tzinfo=ZoneInfo(zone)).astimezone(UTC)
                # A minute each before, within and after the hour that is missing or comes twice.
                moments = [start + timedelta(minutes=45 * step) for step in range(6)]
                states = ["running", "fault", "running", "fault", "running", "off"]
                self.tell(*zip(states, moments, strict=True))

                self.assertEqual(self.booked("productive")[0], 3 * 45)
                self.assertEqual(self.booked()[0], 2 * 45)
                self.assertEqual(
                    self.workcenter.time_ids.sorted("date_start").mapped("date_start"),
                    [moment.replace(tzinfo=None) for moment in moments[:-1]],
                )
                savepoint.close(rollback=True)
                self.env.invalidate_all()
