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
        archive = self.env["ir.attachment"].search([("name", "like", "machine-events-")], order="id desc", limit=1)
        lines = [json.loads(line) for line in gzip.decompress(archive.raw).decode().splitlines()]
        self.assertEqual({line["uid"] for line in lines}, uids)
        self.assertEqual(lines[0]["data"]["kind"], "good")

    def test_what_waits_or_is_held_or_queued_is_never_touched(self):
        waiting = self.receive(self.idle_machine, self.count(3))
        self.post()
        queued = self.receive(self.machine, self.count(3))
        held = self.receive(self.machine, self.event("production.count", 1, self.count(9).data, held="jump"))
        self.env["mrp.machine.poster"]._route(held)
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
        before = self.env["ir.attachment"].search_count([("name", "like", "machine-events-")])
        events = self.receive(self.machine, self.count(5))
        self.post()
        self.age(events, 11)

        self.retention._trim_events()

        self.assertEqual(self.env["ir.attachment"].search_count([("name", "like", "machine-events-")]), before)

    def test_the_timeline_has_its_own_age(self):
        self.parameters.set_param("mrp_machine_connect.interval_days", 1)
        self.receive(self.machine, self.state("running", 0), self.state("held", 60))
        self.post()

        self.assertEqual(self.retention._trim_intervals(), 1)
        self.assertEqual(self.machine.interval_ids.mapped("state"), ["held"])
