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

    # Workers

    def worker(self, name, heard=0, started=60, **values):
        """Return a worker, heard and started so many minutes ago."""
        now = fields.Datetime.now()
        return self.env["mrp.machine.worker"].create(
            {
                "name": name,
                "kind": "worker",
                "started": now - timedelta(minutes=started),
                "last_seen": now - timedelta(minutes=heard),
                **values,
            }
        )

    def test_a_worker_that_was_killed_is_told_and_one_that_stopped_is_not(self):
        self.heard(0)
        worker = self.worker("host:worker:1", heard=3)
        self.worker("host:worker:0", heard=9, stopped=fields.Datetime.now() - timedelta(minutes=9))

        self.look()
        self.look()

        self.assertEqual(self.activities().mapped("summary"), ["No machine worker is running"])
        self.assertIn("host:worker:1", self.activities().note)
        self.assertNotIn("host:worker:0", self.activities().note)
        self.assertEqual(len(self.mails()), 1)
        self.assertTrue(worker.silent_since)

        self.worker("host:worker:2", started=1)
        self.look()
        self.assertFalse(self.activities())
        self.assertEqual(len(self.mails()), 1)

    def test_a_worker_that_dies_while_another_lives_is_told_until_its_host_has_one_again(self):
        self.heard(0)
        other = self.worker("hall-2:worker:7")
        gone = self.worker("hall-1:worker:7", heard=3)

        self.look()
        self.look()

        self.assertEqual(
            self.activities().mapped("summary"),
            ["Worker hall-1:worker:7 is gone; its machines are polled by hall-2:worker:7"],
        )
        self.assertEqual(self.activities().user_id, self.ann)
        self.assertIn("on hall-1", self.activities().note)
        self.assertEqual(self.mails().mapped("subject"), self.activities().mapped("summary"))

        self.worker("hall-2:worker:8", started=1)
        self.look()
        self.assertEqual(len(self.activities()), 1, "one more on the other host is not its host's")
        heir = self.worker("hall-1:worker:9", started=1)
        self.look()
        self.assertFalse(self.activities())
        self.assertEqual(len(self.mails()), 1)
        self.assertFalse(gone.stopped, "it never said goodbye, and the list of workers goes on saying so")
        self.assertTrue(gone.silent_since)
        self.assertEqual(gone.replaced_by_id, heir)
        self.assertFalse(other.silent_since)

    def test_a_neighbour_on_the_same_host_does_not_hide_a_worker_that_is_gone(self):
        self.heard(0)
        self.worker("host:worker:1", started=60)
        self.worker("host:worker:2", started=60, heard=3)
        self.worker("host:worker:3", started=60, heard=3)

        self.look()
        self.assertEqual(len(self.activities()), 2)

        self.worker("host:worker:4", started=1)
        self.look()
        self.assertEqual(len(self.activities()), 1, "one that starts takes the place of one")

    def test_a_worker_that_was_only_held_up_is_heard_again(self):
        self.heard(0)
        self.worker("hall-2:worker:7")
        worker = self.worker("hall-1:worker:7", heard=3)
        self.look()

        worker.last_seen = fields.Datetime.now()
        self.look()
        self.assertFalse(self.activities())
        self.assertFalse(worker.silent_since)

        worker.last_seen -= timedelta(minutes=3)
        self.look()
        self.assertEqual(len(self.activities()), 1, "it may fall silent a second time")
        self.assertEqual(len(self.mails()), 2)

    def test_one_that_was_replaced_before_anybody_missed_it_is_not_told(self):
        self.heard(0)
        self.worker("host:worker:1", heard=2)
        self.worker("host:worker:2", started=1.5)

        self.look()

        self.assertFalse(self.activities())

    def test_when_the_last_is_gone_too_all_are_named_and_the_one_still_missing_afterwards_stays_told(self):
        self.heard(0)
        self.worker("hall-1:worker:1", heard=4)
        self.worker("hall-2:worker:1", heard=3)

        self.look()

        self.assertEqual(self.activities().mapped("summary"), ["No machine worker is running"])
        self.assertIn("hall-1:worker:1, hall-2:worker:1", self.activities().note)

        self.worker("hall-2:worker:2", started=1)
        self.look()
        self.look()
        self.assertEqual(
            self.activities().mapped("summary"),
            ["Worker hall-1:worker:1 is gone; its machines are polled by hall-2:worker:2"],
        )

    def test_an_activity_that_a_person_ticked_off_does_not_come_back(self):
        self.heard(0)
        self.worker("hall-1:worker:1", heard=4)
        self.look()
        self.activities().action_feedback(feedback="That computer was scrapped.")

        self.worker("hall-2:worker:2", started=1)
        self.look()
        self.look()

        self.assertFalse(self.activities())
        self.assertEqual(len(self.mails()), 1)

    def second_machine(self, person, **values):
        machine = self.make_machine("second", responsible_id=person.id, **values)
        self.env["mrp.machine.connection"].create(
            {
                "machine_id": machine.id,
                "protocol": "modbus",
                "host": "127.0.0.2",
                "polled_by": "worker",
                "interval": 1,
            }
        ).status_id.last_ok = fields.Datetime.now()
        return machine

    def test_each_responsible_person_is_told_once_on_a_machine_of_theirs(self):
        company = self.env["res.company"].create({"name": "The other plant"})
        bob = self.ann.copy(
            {
                "name": "Bob",
                "login": "bob",
                "email": "bob@example.com",
                "company_id": company.id,
                "company_ids": [(6, 0, company.ids)],
            }
        )
        theirs = self.second_machine(bob, company_id=company.id)
        self.make_machine("third", responsible_id=self.ann.id).connection_ids = self.connection.copy().ids
        self.heard(0)
        self.worker("host:worker:1", heard=3)

        self.look()
        self.look()

        self.assertEqual(self.machine.activity_ids.user_id, self.ann)
        self.assertEqual(theirs.activity_ids.user_id, bob)
        told = self.env["mail.activity"].search([("summary", "=", "No machine worker is running")])
        self.assertEqual(len(told), 2)
        mails = self.env["mail.mail"].search([("subject", "=", "No machine worker is running")])
        self.assertEqual(
            sorted(mails.mapped(lambda mail: mail.recipient_ids.name)),
            ["Ann", "Bob"],
        )

        self.worker("host:worker:2", started=1)
        self.look()
        self.assertFalse(told.filtered("active"))

    def test_one_who_cannot_be_told_keeps_nobody_else_from_being_told(self):
        # Before Ann's machine in the order of the machines; and without a partner no mail can be made for her.
        bob = self.ann.copy({"name": "Bob", "login": "bob"})
        self.second_machine(bob, sequence=1)
        self.heard(0)
        self.worker("host:worker:1", heard=3)
        tell = type(self.watch)._tell

        def fails(watch, machine, user, *arguments, **options):
            activity = tell(watch, machine, user, *arguments, **options)
            if user == bob:
                raise ValueError("no way to tell")
            return activity

        self.patch(type(self.watch), "_tell", fails)
        with self.assertLogs("odoo.addons.mrp_machine_connect.models.mrp_machine_watch", "ERROR") as log:
            self.watch._watch_workers()
            self.watch._watch_workers()

        self.assertEqual(self.activities().user_id, self.ann)
        self.assertFalse(self.env["mail.activity"].search([("user_id", "=", bob.id)]), "half of it is undone")
        self.assertEqual(len([line for line in log.output if "nobody could be told" in line]), 1)

    def test_where_no_machine_is_polled_by_workers_none_is_missed(self):
        self.heard(0)
        self.worker("hall-2:worker:7")
        self.worker("hall-1:worker:7", heard=3)
        self.look()
        self.assertTrue(self.activities())

        self.connection.write({"polled_by": "cron", "interval": 60})
        self.look()

        self.assertFalse(self.activities())
