from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged

from ..models.mrp_machine_reconciliation import CHUNK, LOOK_BACK, OPENING, PIECES, TELLING
from ..moments import microseconds_of
from .common import T0, MachineConnectCommon

START = T0.replace(tzinfo=None)
BERLIN = ZoneInfo("Europe/Berlin")


def utc(day, clock):
    """Return a time of the day in Berlin as Odoo keeps it."""
    return (
        datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=BERLIN).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    )


@tagged("post_install", "-at_install")
class TestMachineStatementDue(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.workcenter.tz = "Europe/Berlin"

    def calendar(self, *blocks, days="01234"):
        return self.env["resource.calendar"].create(
            {
                "name": "Press line",
                "tz": "Europe/Berlin",
                "attendance_ids": [
                    Command.clear(),
                    *(
                        Command.create({"name": "Work", "dayofweek": day, "hour_from": start, "hour_to": end})
                        for day in days
                        for start, end in blocks
                    ),
                ],
            }
        )

    def shifts(self, first, last):
        return self.machine._shifts(first, last)

    # When a shift is

    def test_by_times_of_the_day_also_when_the_clocks_change(self):
        self.machine.write({"statement_shifts": "times", "beat_shifts": "06:00, 14:00, 22:00"})
        # In the night to the 29th the clocks go from 2 to 3: that shift lasts seven hours.
        found = self.shifts(utc("2026-03-28", "22:00"), utc("2026-03-29", "14:00"))

        self.assertEqual(
            found,
            [
                (utc("2026-03-28", "22:00"), utc("2026-03-29", "06:00"), True),
                (utc("2026-03-29", "06:00"), utc("2026-03-29", "14:00"), True),
            ],
        )
        self.assertEqual(found[0][1] - found[0][0], timedelta(hours=7))
        # In autumn the night has nine.
        found = self.shifts(utc("2026-10-24", "22:00"), utc("2026-10-25", "06:00"))
        self.assertEqual(found[0][1] - found[0][0], timedelta(hours=9))

    def test_by_the_calendar_a_pause_is_part_of_a_shift(self):
        self.workcenter.resource_calendar_id = self.calendar((8, 12), (13, 17))
        found = self.shifts(utc("2026-03-27", "08:00"), utc("2026-03-30", "17:00"))

        self.assertEqual(
            found,
            [
                (utc("2026-03-27", "08:00"), utc("2026-03-27", "17:00"), True),
                (utc("2026-03-27", "17:00"), utc("2026-03-30", "08:00"), False),
                (utc("2026-03-30", "08:00"), utc("2026-03-30", "17:00"), True),
            ],
        )

    def test_by_the_calendar_blocks_that_meet_are_shifts_and_midnight_is_none(self):
        self.workcenter.resource_calendar_id = self.calendar((0, 6), (6, 14), (14, 22), (22, 24))
        found = self.shifts(utc("2026-03-03", "14:00"), utc("2026-03-04", "14:00"))

        self.assertEqual(
            found,
            [
                (utc("2026-03-03", "14:00"), utc("2026-03-03", "22:00"), True),
                (utc("2026-03-03", "22:00"), utc("2026-03-04", "06:00"), True),
                (utc("2026-03-04", "06:00"), utc("2026-03-04", "14:00"), True),
            ],
        )

    def test_what_goes_on_day_and_night_has_the_shifts_of_the_setting(self):
        self.machine.beat_shifts = "06:00, 18:00"
        self.workcenter.resource_calendar_id = self.calendar((0, 24), days="0123456")
        found = self.shifts(utc("2026-03-03", "06:00"), utc("2026-03-04", "06:00"))

        self.assertEqual([(start, end) for start, end, _is_shift in found], [
            (utc("2026-03-03", "06:00"), utc("2026-03-03", "18:00")),
            (utc("2026-03-03", "18:00"), utc("2026-03-04", "06:00")),
        ])  # fmt: skip

    # When a statement is made

    def test_made_when_the_shift_is_over_and_once(self):
        self.machine.write({"statement_shifts": "times", "beat_shifts": "06:00, 14:00, 22:00"})
        self.receive(self.machine, self.count(5, 60))  # 07:01 in Berlin
        self.post()
        self.machine.statement_until = utc("2026-03-02", "06:00")

        self.assertFalse(self.machine._make_statements(utc("2026-03-02", "13:59")))
        made = self.machine._make_statements(utc("2026-03-02", "14:00"))
        self.assertEqual((made.date_start, made.date_end, made.good), (
            utc("2026-03-02", "06:00"), utc("2026-03-02", "14:00"), 5,
        ))  # fmt: skip
        self.assertFalse(self.machine._make_statements(utc("2026-03-02", "14:10")))

    def test_a_new_machine_begins_with_the_last_shift(self):
        self.machine.write({"statement_shifts": "times", "beat_shifts": "06:00, 14:00, 22:00"})
        made = self.machine._make_statements(utc("2026-03-02", "15:00"))

        self.assertEqual(made.mapped("date_start"), [utc("2026-03-02", "06:00")])

    def test_a_time_between_shifts_has_one_where_something_was_counted(self):
        self.workcenter.resource_calendar_id = self.calendar((8, 12), (13, 17))
        self.env["mrp.machine.loading"]._unload(self.machine, START + timedelta(hours=1))
        at = (utc("2026-03-03", "03:00") - START).total_seconds()
        self.receive(self.machine, self.count(5, at))
        self.post()
        self.machine.statement_until = utc("2026-03-02", "17:00")
        made = self.machine._make_statements(utc("2026-03-04", "17:00"))

        # Neither the shifts nor the other night: nothing was counted, and no order was loaded.
        self.assertEqual(made.mapped(lambda row: (row.date_start, row.is_shift)), [(utc("2026-03-02", "17:00"), False)])

    def test_the_scheduled_pass_makes_them_and_looks_at_news(self):
        now = fields.Datetime.now()
        self.machine.write({"statement_shifts": "times", "beat_shifts": f"{now.hour:02}:00"})
        self.workcenter.tz = "UTC"
        self.env["mrp.machine"].search([("id", "!=", self.machine.id)]).statement_shifts = "none"
        made_at = (now.replace(minute=0, second=0) - timedelta(minutes=5) - START).total_seconds()
        self.receive(self.machine, self.count(5, made_at, before=0))
        self.post()
        statements = self.env["mrp.machine.statement"]
        list(statements._pass(fields.Datetime.now()))
        made = statements.search([("machine_id", "=", self.machine.id)])
        self.assertEqual((len(made), made.good), (1, 5))

        self.receive(self.machine, self.count(2, made_at + 1, before=5))
        self.post()
        list(statements._pass(fields.Datetime.now()))
        self.assertEqual((made.good, made.state), (7, "open"))

    def test_a_time_that_had_none_has_one_once_something_late_is_known_of_it(self):
        self.machine.write({"statement_shifts": "times", "beat_shifts": "06:00, 14:00, 22:00"})
        self.receive(self.machine, self.count(5, 60, before=0))
        self.post()
        self.env["mrp.machine.loading"]._unload(self.machine, START + timedelta(hours=1))
        self.machine.statement_until = utc("2026-03-02", "06:00")
        self.assertEqual(len(self.machine._make_statements(utc("2026-03-04", "06:00"))), 1)
        late = (utc("2026-03-03", "03:00") - START).total_seconds()
        self.receive(self.machine, self.count(2, late, before=5))
        self.post()

        self.env["mrp.machine.statement"]._with_news(fields.Datetime.now())._fill()

        made = self.env["mrp.machine.statement"].search([("machine_id", "=", self.machine.id)], limit=1)
        self.assertEqual(
            (made.date_start, made.date_end, made.movement),
            (utc("2026-03-02", "22:00"), utc("2026-03-03", "06:00"), 2),
        )

    def test_switched_on_again_it_begins_with_the_last_shift(self):
        self.machine.write({"statement_shifts": "times", "statement_until": START})
        self.machine.statement_shifts = "none"
        self.assertFalse(self.machine._make_statements(START + timedelta(days=5)))
        self.machine.statement_shifts = "times"

        self.assertEqual(len(self.machine._make_statements(START + timedelta(days=5))), 1)

    # What it reads

    def test_a_year_of_events_is_not_read(self):
        """Both statements go by the index on machine and time, and look at no more rows than the shift and its bound."""
        self.receive(self.machine, self.count(5, 60))
        self.post()
        self.env.flush_all()
        # By SQL: a year of the same machine, one event in five minutes.
        self.env.cr.execute(
            """INSERT INTO mrp_machine_event
                      (source_id, stream, uid, type, type_version, machine_id, company_id, occurred, received, occurred_us,
                       received_us, data, disposition)
               SELECT source_id, stream, uid || n, type, type_version, machine_id, company_id, occurred, received,
                      occurred_us - n * 300000000::bigint, received_us, data, disposition
                 FROM mrp_machine_event, generate_series(1, 105000) n WHERE machine_id = %s""",
            [self.machine.id],
        )
        # And another machine that tells of something each second.
        self.env.cr.execute(
            """INSERT INTO mrp_machine_event
                      (source_id, stream, uid, type, type_version, machine_id, company_id, occurred, received, occurred_us,
                       received_us, data, disposition)
               SELECT source_id, 'other', n, type, type_version, %s, company_id, occurred, received,
                      occurred_us + n * 1000000::bigint, received_us, data, disposition
                 FROM (SELECT * FROM mrp_machine_event WHERE machine_id = %s LIMIT 1) one, generate_series(1, 28000) n""",
            [self.idle_machine.id, self.machine.id],
        )
        self.env.cr.execute("ANALYZE mrp_machine_event")
        first = microseconds_of(START)
        values = {
            "machine": self.machine.id,
            "types": TELLING,
            "at": first,
            "after": 0,
            "end": first + 8 * 3_600_000_000,
        }
        for statement, limit, most in ((PIECES, CHUNK, 100), (OPENING, LOOK_BACK, LOOK_BACK)):
            self.env.cr.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", {**values, "limit": limit})
            [(plan,)] = self.env.cr.fetchall()
            nodes = list(self.nodes(plan[0]["Plan"]))
            scans = [node for node in nodes if self.scanned(node) == "mrp_machine_event"]
            self.assertTrue(scans)
            for node in scans:
                self.assertNotEqual(node["Node Type"], "Seq Scan", plan)
                # One more, by which an incremental sort knows that a value is over.
                self.assertLessEqual(node["Actual Rows"] + node.get("Rows Removed by Filter", 0), most + 1, plan)

    def scanned(self, node):
        """Return the table that a node of a plan reads, itself or by an index."""
        if node["Node Type"] == "Bitmap Index Scan":
            self.env.cr.execute("SELECT tablename FROM pg_indexes WHERE indexname = %s", [node["Index Name"]])
            return self.env.cr.fetchone()[0]
        return node.get("Relation Name")

    def nodes(self, plan):
        yield plan
        for below in plan.get("Plans", ()):
            yield from self.nodes(below)
