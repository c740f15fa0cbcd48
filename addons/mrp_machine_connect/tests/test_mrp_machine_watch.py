from datetime import timedelta

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineWatch(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann = cls.env["res.users"].create(
            {
                "name": "Ann",
                "login": "ann",
                "email": "ann@example.com",
                "group_ids": [(6, 0, [cls.env.ref("mrp_machine_connect.group_manager").id])],
            }
        )
        cls.machine.responsible_id = cls.ann
        cls.connection = cls.env["mrp.machine.connection"].create(
            {
                "machine_id": cls.machine.id,
                "protocol": "modbus",
                "host": "127.0.0.1",
                "polled_by": "worker",
                "interval": 1,
            }
        )
        cls.status = cls.connection.status_id
        cls.watch = cls.env["mrp.machine.watch"]

    def heard(self, minutes_ago, code=False):
        self.status.write({"last_ok": fields.Datetime.now() - timedelta(minutes=minutes_ago), "code": code})
        self.status.flush_recordset()

    def look(self):
        with mute_logger("odoo.addons.mrp_machine_connect.models.mrp_machine_watch"):
            self.watch._cron_watch()

    def activities(self):
        return self.machine.activity_ids

    def mails(self):
        return self.env["mail.mail"].search([("recipient_ids", "in", self.ann.partner_id.ids)])

    def test_a_silent_machine_is_told_once_to_the_named_person(self):
        self.heard(6, code="connection_refused")

        self.look()
        self.look()

        self.assertEqual(len(self.activities()), 1)
        self.assertEqual(self.activities().user_id, self.ann)
        self.assertIn("is silent", self.activities().summary)
        self.assertIn("nothing listens", self.activities().note)
        self.assertEqual(len(self.mails()), 1)
        self.assertEqual(self.machine.health, "silent")

    def test_it_clears_itself(self):
        self.heard(6)
        self.look()
        self.heard(0)

        self.look()

        self.assertFalse(self.activities())
        self.assertEqual(self.machine.health, "ok")
        self.assertFalse(self.status.silent_since)

    def test_a_machine_just_heard_or_never_watched_is_left_alone(self):
        self.heard(4)
        self.look()
        self.assertFalse(self.activities())

        self.heard(400)
        self.machine.silent_after = 0
        self.look()
        self.assertFalse(self.activities())

    def test_a_worker_that_was_killed_is_told_and_one_that_stopped_is_not(self):
        self.heard(0)
        worker = self.env["mrp.machine.worker"].create(
            {"name": "host:1", "kind": "worker", "last_seen": fields.Datetime.now() - timedelta(minutes=3)}
        )
        self.env["mrp.machine.worker"].create(
            {
                "name": "host:0",
                "kind": "worker",
                "last_seen": fields.Datetime.now() - timedelta(minutes=9),
                "stopped": fields.Datetime.now() - timedelta(minutes=9),
            }
        )

        self.look()
        self.look()

        self.assertEqual(self.activities().mapped("summary"), ["No machine worker is running"])
        self.assertTrue(worker.silent_since)

        self.env["mrp.machine.worker"].create({"name": "host:2", "kind": "worker", "last_seen": fields.Datetime.now()})
        self.look()
        self.assertFalse(self.activities())
