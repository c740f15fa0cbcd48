"""Does what was armed at one place stay silent at any other?"""

from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import config

from ..arming_place import armings_here, here


@tagged("post_install", "-at_install")
class TestMachineArming(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine = cls.env["mrp.machine"].create({"name": "Press", "code": "arming-press"})
        cls.values = {"machine_id": cls.machine.id, "host": "127.0.0.1", "port": 9}
        cls.connection = cls.env["mrp.machine.connection"].create(cls.values)
        cls.source = cls.env["mrp.machine.source"].create({"name": "Gateway", "kind": "gateway"})

    def elsewhere(self, name):
        """Let this database have been armed at a place that differs in one thing."""
        # By SQL: rows are never edited.
        self.env.cr.execute(f"UPDATE mrp_machine_arming SET {name} = 'other'")
        self.env.invalidate_all()

    def test_what_somebody_makes_is_armed_by_that(self):
        self.assertTrue(self.connection._is_armed())
        self.assertTrue(self.source._is_armed())
        self.assertFalse(self.connection.disarmed_words)
        self.assertIn(self.connection.arming_id.id, armings_here(self.env.cr))

    def test_what_data_brings_is_not(self):
        connection = self.env["mrp.machine.connection"].with_context(install_mode=True).create(self.values)
        self.assertFalse(connection._is_armed())
        self.assertTrue(connection.disarmed_words)

    def test_each_difference_disarms_and_is_told(self):
        for name in here(self.env.cr)._fields:
            with self.subTest(name):
                self.elsewhere(name)
                self.assertFalse(self.connection._is_armed())
                self.assertFalse(self.source._is_armed())
                self.assertTrue(self.machine.disarmed_words)
                with self.assertRaisesRegex(UserError, "Arm the database first"):
                    self.connection.action_test()
                self.env["mrp.machine.arming"]._arm("Moved")
                self.env.invalidate_all()
                self.assertTrue(self.connection._is_armed())

    def test_another_environment_in_the_configuration_disarms(self):
        with patch.dict(config.options, {"machine_connect_environment": "elsewhere"}):
            self.assertFalse(self.connection._is_armed())
            self.assertIn("elsewhere", self.connection.disarmed_words)

    def test_the_named_person_is_told_once(self):
        self.elsewhere("database_oid")
        watch = self.env["mrp.machine.watch"]
        subject = [("subject", "like", "Machines are disarmed")]
        watch._watch_arming()
        watch._watch_arming()
        self.assertEqual(self.env["mail.message"].search_count(subject), 1)

    def test_arming_is_a_managers_and_logged(self):
        supervisor = new_test_user(self.env, "arming-supervisor", groups="mrp_machine_connect.group_supervisor")
        with self.assertRaises(AccessError):
            self.env["mrp.machine.arming"].with_user(supervisor)._arm("I want to")
        manager = new_test_user(self.env, "arming-manager", groups="mrp_machine_connect.group_manager")
        self.env["mrp.machine.arm"].with_user(manager).create({"reason": "New server"}).action_arm()
        self.assertEqual(self.source.arming_id.user_id, manager)
        self.assertIn("New server", self.source.message_ids[0].body)
        with self.assertRaises(UserError):
            self.source.arming_id.write({"reason": "Another"})
        with self.assertRaises(UserError):
            self.connection.with_user(manager).write({"arming_id": False})
