import gzip
import json
from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineRetention(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.retention = cls.env["mrp.machine.retention"]
        cls.parameters = cls.env["ir.config_parameter"]
        cls.parameters.set_param("mrp_machine_connect.event_days", 10)

    def age(self, events, days):
        """Let events have been received so long ago; the log itself has no such method."""
        moment = fields.Datetime.now() - timedelta(days=days)
        self.env.cr.execute(
            "UPDATE mrp_machine_event SET received = %s, received_us = %s WHERE id = ANY(%s)",
            [moment, int(moment.timestamp() * 1e6), events.ids],
        )
        events.invalidate_recordset()

    def archived(self, what):
        """Return the rows of the latest archive of a kind."""
        archive = self.env["ir.attachment"].search([("name", "=like", f"machine-{what}-%")], order="id desc", limit=1)
        return [json.loads(line) for line in gzip.decompress(archive.raw).decode().splitlines()]

    def test_old_settled_events_are_archived_and_deleted(self):
        old = self.receive(self.machine, self.count(5), self.count(2, before=5))
        young = self.receive(self.machine, self.count(1, before=7))
        self.post()
        self.age(old, 11)
        uids = set(old.mapped("uid"))

        deleted = self.retention._trim_events()

        self.assertEqual(deleted, 2)
        self.assertFalse(old.exists())
        self.assertTrue(young.exists())
        lines = self.archived("events")
        self.assertEqual({line["uid"] for line in lines}, uids)
        self.assertEqual(lines[0]["data"]["kind"], "good")

    def test_who_decided_and_what_was_done_is_archived_before_it_is_deleted(self):
        posted = self.receive(self.machine, self.count(5))
        waiting = self.receive(self.idle_machine, self.count(3))
        self.post()
        supervisor = self.env["res.users"].create(
            {
                "name": "Sue",
                "login": "sue",
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_supervisor").id])],
            }
        )
        self.rows(waiting).with_user(supervisor)._ignore("a trial run")
        posting = self.rows(posted).posting_id
        effects = (posted | waiting).posting_ids
        self.age(posted | waiting, 11)

        self.assertEqual(self.retention._trim_events(), 2)

        self.assertFalse(effects.exists())
        self.assertFalse(posting.exists())
        lines = {line["id"]: line for line in self.archived("effects")}
        self.assertEqual(lines.keys(), set(effects.ids))
        (ignored,) = [line for line in lines.values() if line["event_id"] == waiting.id and line["release_reason"]]
        self.assertEqual(
            (ignored["state"], ignored["release_reason"], ignored["released_by"]),
            ("ignored", "a trial run", supervisor.id),
        )
        (effect,) = [line for line in lines.values() if line["posting_id"] == posting.id]
        self.assertEqual((effect["event_id"], effect["state"]), (posted.id, "posted"))
        (booked,) = [line for line in self.archived("postings") if line["id"] == posting.id]
        self.assertEqual((booked["quantity"], booked["production_id"]), (5.0, self.order.id))
        self.assertIn("Loaded on the machine", booked["explanation"])

    def test_a_posting_stays_until_the_last_of_its_events_goes(self):
        old = self.receive(self.machine, self.count(5))
        young = self.receive(self.machine, self.count(2, before=5))
        self.post()
        posting = self.rows(old | young).posting_id
        self.assertEqual(len(posting), 1, "they were folded into one")
        self.age(old, 11)

        self.retention._trim_events()

        self.assertTrue(posting.exists())
        self.assertFalse(self.env["ir.attachment"].search([("name", "=like", "machine-postings-%")]))
        self.age(young, 11)
        self.retention._trim_events()
        self.assertFalse(posting.exists())
        self.assertEqual([line["quantity"] for line in self.archived("postings")], [7.0])

    def test_what_waits_or_is_held_or_queued_is_never_touched(self):
        waiting = self.receive(self.idle_machine, self.count(3))
        self.post()
        queued = self.receive(self.machine, self.count(3))
        held = self.receive(self.machine, self.event("production.count", 1, self.count(9).data, held="jump"))
        poster = self.env["mrp.machine.poster"]
        poster._route(held, poster._handlers())
        self.env.cr.execute("DELETE FROM mrp_machine_queue WHERE event_id = %s", [held.id])
        self.age(waiting | queued | held, 99)

        self.assertEqual(self.retention._trim_events(), 0)

    def test_batches_are_bounded(self):
        events = self.receive(self.machine, *[self.count(1, before=n) for n in range(30)])
        self.post()
        self.age(events, 11)

        self.assertEqual(self.retention._trim_events(limit=20), 20)
        self.assertEqual(self.retention._trim_events(limit=20), 10)

    def test_zero_days_keep_everything(self):
        self.parameters.set_param("mrp_machine_connect.event_days", 0)
        events = self.receive(self.machine, self.count(5))
        self.post()
        self.age(events, 9999)

        self.assertEqual(self.retention._trim_events(), 0)

    def test_without_archive_nothing_is_written(self):
        self.parameters.set_param("mrp_machine_connect.archive", "no")
        archives = [("name", "=like", "machine-%.jsonl.gz")]
        before = self.env["ir.attachment"].search_count(archives)
        events = self.receive(self.machine, self.count(5))
        self.post()
        self.age(events, 11)

        self.retention._trim_events()

        self.assertFalse(events.exists())
        self.assertEqual(self.env["ir.attachment"].search_count(archives), before)

    def test_the_timeline_has_its_own_age(self):
        self.parameters.set_param("mrp_machine_connect.interval_days", 1)
        self.receive(self.machine, self.state("running", 0), self.state("held", 60))
        self.post()

        self.assertEqual(self.retention._trim_intervals(), 1)
        self.assertEqual(self.machine.interval_ids.mapped("state"), ["held"])

    def test_time_that_is_not_booked_yet_keeps_its_interval(self):
        self.parameters.set_param("mrp_machine_connect.interval_days", 1)
        self.receive(self.machine, self.state("running", 0), self.state("held", 60))
        self.post()
        self.machine.interval_ids.filtered("end_us").is_due = True

        self.assertEqual(self.retention._trim_intervals(), 0)

    def test_alarms_have_their_own_age_and_one_that_stands_stays(self):
        self.parameters.set_param("mrp_machine_connect.alarm_days", 30)
        alarms = self.env["mrp.machine.alarm"]
        alarms.search([]).unlink()
        self.receive(
            self.machine,
            self.event("alarm.raised", 10, {"code": "OLD", "level": "fault"}),
            self.event("alarm.cleared", 20, {"code": "OLD"}),
            self.event("alarm.raised", 30, {"code": "STANDS", "level": "fault"}),
        )
        self.post()
        self.assertEqual(sorted(alarms.search([]).mapped("code")), ["OLD", "STANDS"])
        age = (fields.Datetime.now() - self.at(20).replace(tzinfo=None)).days

        self.parameters.set_param("mrp_machine_connect.alarm_days", age + 1)
        self.assertEqual(self.retention._trim_alarms(), 0, "it is not so old yet")
        self.parameters.set_param("mrp_machine_connect.alarm_days", max(1, age - 1))

        self.assertEqual(self.retention._trim_alarms(), 1)
        self.assertEqual(alarms.search([]).mapped("code"), ["STANDS"])
        self.assertEqual([line["code"] for line in self.archived("alarms")], ["OLD"])

    def test_workers_that_are_gone_for_long_are_archived_and_forgotten(self):
        self.parameters.set_param("mrp_machine_connect.worker_days", 30)
        now = fields.Datetime.now()
        ancient, told, young = self.env["mrp.machine.worker"].create(
            [
                {"name": f"host:worker:{number}", "kind": "worker", "last_seen": now - timedelta(days=days)}
                for number, days in enumerate((31, 31, 29))
            ]
        )
        told.silence_activity_ids = self.machine.activity_schedule(
            "mrp_machine_connect.activity_type_worker_silent", user_id=self.env.uid
        )
        name = ancient.name

        self.retention._trim_workers(limit=100)

        self.assertFalse(ancient.exists())
        self.assertIn(name, [line["name"] for line in self.archived("workers")])
        self.assertTrue(young.exists())
        self.assertTrue(told.exists(), "somebody is still told to look after it")
        told.silence_activity_ids.action_feedback()
        self.retention._trim_workers(limit=100)
        self.assertFalse(told.exists())

    def test_shadows_go_once_nothing_goes_on_from_them(self):
        self.parameters.set_param("mrp_machine_connect.shadow_days", 30)
        self.machine.posting_mode = "shadow"
        self.receive(self.machine, self.count(5))
        self.post()
        lines = self.env["mrp.machine.shadow"].search([("production_id", "=", self.order.id)])
        memory = self.env["mrp.machine.shadow.memory"].search([("production_id", "=", self.order.id)])
        self.assertTrue(lines and memory)
        self.env.flush_all()
        for table in ("mrp_machine_shadow", "mrp_machine_shadow_memory"):
            self.env.cr.execute(
                f"UPDATE {table} SET create_date = create_date - interval '31 days',"
                " write_date = write_date - interval '31 days'"
            )
        self.env.invalidate_all()

        self.assertEqual(self.retention._trim_shadows(), 0, "the shadow of an open order goes on from them")
        self.receive(self.machine, self.count(7, seconds=90, before=5))
        self.post()
        quantities = self.env["mrp.machine.shadow"].search([("production_id", "=", self.order.id)]).mapped("quantity")
        self.assertEqual(sorted(quantities), [5, 7])
        self.order.action_cancel()
        self.env.flush_all()
        self.env.cr.execute("UPDATE mrp_machine_shadow_memory SET write_date = write_date - interval '31 days'")
        self.env.invalidate_all()

        self.assertEqual(self.retention._trim_shadows(limit=1000), 1 + len(lines))
        self.assertFalse(lines.exists())
        self.assertFalse(memory.exists())
        self.assertEqual({line["id"] for line in self.archived("shadows")}, set(lines.ids))
        left = self.env["mrp.machine.shadow"].search([("production_id", "=", self.order.id)])
        self.assertEqual(left.mapped("quantity"), [7], "what is young stays")

    def test_workers_go_in_bounded_batches(self):
        self.env["mrp.machine.worker"].search([]).unlink()
        long_ago = fields.Datetime.now() - timedelta(days=400)
        self.env["mrp.machine.worker"].create(
            [{"name": f"host:worker:{number}", "kind": "worker", "last_seen": long_ago} for number in range(3)]
        )

        self.assertEqual([self.retention._trim_workers(limit=2) for _pass in range(3)], [2, 1, 0])
