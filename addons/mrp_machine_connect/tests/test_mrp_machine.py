from psycopg2 import IntegrityError

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachine(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection = cls.env["mrp.machine.connection"].create(
            {"machine_id": cls.machine.id, "protocol": "modbus", "host": "127.0.0.1", "port": 15999}
        )
        cls.signal = cls.env["mrp.machine.signal"].create(
            {
                "machine_id": cls.machine.id,
                "name": "Good",
                "role": "good",
                "address": "holding:1",
                "data_type": "u32",
                "fastest_cycle": 2.0,
            }
        )

    def versions(self):
        self.env.cr.precommit.run()
        return self.env["mrp.machine.mapping.version"].search([("machine_id", "=", self.machine.id)])

    def test_a_signal_finds_the_only_connection_by_itself(self):
        self.assertEqual(self.signal.connection_id, self.connection)

    def test_each_change_of_the_mapping_is_a_version_with_who_and_what(self):
        first = self.versions()
        self.assertEqual(len(first), 1)

        self.signal.scale = 10
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "9", "state": "fault"}
        )
        versions = self.versions()

        self.assertEqual(versions.mapped("version"), [first.version + 1, first.version])
        self.assertEqual(self.machine.mapping_version, first.version + 1)
        self.assertEqual(versions[0].user_id, self.env.user)
        self.assertIn("Good: scale 1.0 → 10.0", versions[0].changes)
        self.assertIn("9: added", versions[0].changes)

    def test_a_change_that_changes_nothing_is_no_version(self):
        before = self.versions()

        self.signal.name = "Good"

        self.assertEqual(self.versions(), before)

    def test_another_address_starts_from_a_new_baseline_and_says_so(self):
        self.signal.value_id.memory = {"value": 1000}

        self.signal.name = "Good pieces"
        self.assertEqual(self.signal.value_id.memory, {"value": 1000})
        self.signal.address = "holding:3"

        self.assertFalse(self.signal.value_id.memory)
        self.assertIn("counting starts again", self.machine.message_ids[0].body)

    def test_a_counter_needs_its_fastest_cycle(self):
        with self.assertRaisesRegex(ValidationError, "fastest cycle"):
            self.signal.fastest_cycle = 0

    def test_cron_refuses_less_than_a_minute_and_says_why(self):
        with self.assertRaisesRegex(ValidationError, "once a minute"):
            self.connection.interval = 5

        self.connection.write({"polled_by": "worker", "interval": 0.5})

    def test_one_address_is_polled_in_one_way(self):
        other = self.make_machine("other")
        with self.assertRaisesRegex(ValidationError, "in another way"), self.env.cr.savepoint():
            self.env["mrp.machine.connection"].create(
                {
                    "machine_id": other.id,
                    "protocol": "modbus",
                    "host": "127.0.0.1",
                    "port": 15999,
                    "polled_by": "worker",
                }
            )

        shared = self.env["mrp.machine.connection"].create(
            {"machine_id": other.id, "protocol": "modbus", "host": "127.0.0.1", "port": 15999, "unit_id": 2}
        )
        self.assertEqual(shared.status_id.endpoint_id, self.connection.status_id.endpoint_id)

    def test_a_duplicate_has_everything_but_what_was_counted(self):
        self.signal.value_id.write({"memory": {"value": 1000}, "value": "1000"})
        self.receive(self.machine, self.count(5))

        copy = self.machine.copy()

        self.assertNotEqual(copy.code, self.machine.code)
        self.assertEqual(copy.signal_ids.mapped("name"), ["Good"])
        connections = copy.with_context(active_test=False).connection_ids
        self.assertEqual(copy.signal_ids.connection_id, connections)
        self.assertFalse(connections.active, "two machines at one address would count every piece twice")
        self.assertFalse(copy.signal_ids.value_id.memory)
        self.assertFalse(copy.loading_ids)
        self.assertEqual(copy.event_count, 0)
        self.assertNotEqual(copy.status_id, self.machine.status_id)

    def test_codes_are_unique_in_a_company(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.make_machine("t-press")

    def test_a_machine_with_events_is_archived_not_deleted(self):
        self.receive(self.machine, self.count(5))

        with self.assertRaisesRegex(UserError, "Archive"):
            self.machine.unlink()
        with self.assertRaisesRegex(UserError, "identity"):
            self.machine.code = "new"
        self.machine.active = False

        self.assertFalse(self.connection.active)

    def test_a_machine_without_events_leaves_nothing_behind(self):
        machine = self.machine.copy()
        status, values, health = machine.status_id, machine.signal_ids.value_id, machine.connection_ids.status_id

        machine.unlink()

        self.assertFalse(status.exists())
        self.assertFalse(machine.exists())
        self.assertFalse(values.exists())
        self.assertFalse(health.exists())

    def test_a_template_adds_and_never_takes_away(self):
        template = self.env["mrp.machine.template"].create(
            {
                "name": "Press type",
                "signal_ids": [
                    (0, 0, {"name": "Good", "address": "holding:77", "data_type": "u16"}),
                    (0, 0, {"name": "State", "role": "state", "address": "holding:5", "data_type": "u16"}),
                ],
                "code_ids": [(0, 0, {"kind": "state", "code": "1", "state": "running"})],
            }
        )

        template._apply(self.machine, self.connection)
        template._apply(self.machine, self.connection)

        self.assertEqual(sorted(self.machine.signal_ids.mapped("name")), ["Good", "State"])
        self.assertEqual(self.signal.address, "holding:1")
        self.assertEqual(self.machine.code_ids.mapped("code"), ["1"])

    def test_a_template_travels_as_a_file(self):
        template = self.env["mrp.machine.template"].create(
            {
                "name": "Press type",
                "signal_ids": [(0, 0, {"name": "Good", "role": "good", "fastest_cycle": 2, "address": "holding:7"})],
                "code_ids": [(0, 0, {"kind": "alarm", "code": "J1", "label": "Jam", "severity": 700})],
            }
        )

        copy = template._import(template._export())

        self.assertEqual(copy._export(), template._export())
        with self.assertRaisesRegex(UserError, "not a machine template"):
            template._import("{}")

    def test_secrets_are_read_by_nobody(self):
        self.connection.write({"protocol": "opcua", "url": "opc.tcp://127.0.0.1:4840", "user": "u",
                               "allow_plain_password": True, "password": "s3cret"})  # fmt: skip

        self.assertTrue(self.connection.password_set)
        self.assertFalse(self.connection.password)
        self.assertEqual(self.connection._secrets(), {"password": "s3cret"})
        self.assertNotIn("s3cret", str(self.connection.read()) + str(self.connection.export_data(["name", "password"])))
        self.assertNotIn("s3cret", "".join(self.connection.message_ids.mapped("body")))
        self.assertFalse(self.connection.copy({"machine_id": self.idle_machine.id})._secrets())
        self.connection.action_forget_password()
        self.assertFalse(self.connection._secrets())
