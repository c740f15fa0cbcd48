from datetime import datetime, timedelta, timezone

from psycopg2 import IntegrityError

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..machine_connect.drivers import modbus, opcua_settings
from ..machine_connect.mapping import Interpreter
from ..machine_connect.reading import Quality, Reading
from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineConnection(MachineConnectCommon):
    """The form of a connection and what its drivers can do."""

    def choices(self, field):
        return [choice for choice, _label in self.env["mrp.machine.connection"]._fields[field].selection]

    def test_the_form_offers_what_the_drivers_know(self):
        for field, known in (
            ("transport", modbus.CHOICES["transport"]),
            ("parity", modbus.CHOICES["parity"]),
            ("security_policy", opcua_settings.SECURITY_POLICIES),
            ("security_mode", opcua_settings.SECURITY_MODES),
        ):
            with self.subTest(field):
                self.assertCountEqual(self.choices(field), known)

    def test_every_transport_can_be_stored_and_is_asked_for(self):
        for transport in self.choices("transport"):
            with self.subTest(transport):
                connection = self.env["mrp.machine.connection"].create(
                    {
                        "machine_id": self.machine.id,
                        "protocol": "modbus",
                        "transport": transport,
                        "host": "10.0.0.5",
                        "serial_port": "/dev/ttyUSB0",
                    }
                )

                options = connection._driver_options()

                self.assertEqual(options["transport"], transport)
                self.assertEqual("serial_port" in options, transport == "serial")
                self.assertEqual("host" in options, transport != "serial")

    def connect(self, **values):
        return self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "protocol": "modbus", "host": "10.0.0.5", **values}
        )

    def counter(self, connection, **values):
        return self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id,
                "connection_id": connection.id,
                "name": "Good",
                "role": "good",
                "address": "holding:2",
                "data_type": "u16",
                "fastest_cycle": 1.0,
                **values,
            }
        )

    def test_another_device_starts_from_a_baseline(self):
        for change in ({"unit_id": 9}, {"host": "10.0.0.6"}, {"port": 503}):
            with self.subTest(change):
                connection = self.connect()
                signal = self.counter(connection)
                signal.value_id.sudo().memory = {"value": 5, "at": 0, "seen": 0}

                connection.write({"timeout": 4.0})
                self.assertTrue(signal.value_id.memory)
                connection.write(change)

                self.assertFalse(signal.value_id.memory)
                self.assertIn("Good", self.machine.message_ids[:1].body)
                connection.signal_ids.unlink()
                connection.unlink()

    def test_another_protocol_looks_at_the_addresses_again(self):
        connection = self.connect()
        self.counter(connection)

        with self.assertRaisesRegex(ValidationError, "Good: Address"):
            connection.write({"protocol": "opcua", "url": "opc.tcp://10.0.0.5:4840"})

    def test_a_wrong_encoding_is_refused_on_change_as_well(self):
        signal = self.counter(self.connect(), role="value", data_type="string", length=4)

        with self.assertRaisesRegex(ValidationError, "klingon"):
            signal.encoding = "klingon"

    def test_an_interval_is_a_number_of_seconds(self):
        connection = self.connect(polled_by="worker")
        for interval in (0.001, float("nan"), float("inf"), 1e12):
            with (
                self.subTest(interval),
                mute_logger("odoo.sql_db"),
                self.assertRaises(IntegrityError),
                self.cr.savepoint(),
            ):
                connection.interval = interval
                connection.flush_recordset()

    def test_a_counter_rolls_over_in_pieces_not_in_what_the_register_holds(self):
        """A u16 that counts pairs: 65534 and then 3 are five more pairs."""
        signal = self.counter(self.connect(), counter_width="u16", scale=2.0, reset_policy="LIFE")
        interpreter = Interpreter(signal._mapping())
        start = datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)
        memory, events = {}, []
        for seconds, value in ((0, 65534), (60, 3)):
            at = start + timedelta(seconds=seconds)
            result = interpreter.interpret(memory, Reading("Good", value, at, at, Quality.GOOD, "", None, {}))
            memory, events = result.memory, [*events, *result.events]

        self.assertEqual([(event.data["delta"], event.data["cause"]) for event in events], [(10, "rollover")])

    def test_a_counter_that_cannot_roll_over_in_whole_pieces_is_refused(self):
        connection = self.connect()
        for values in ({"scale": 0.1}, {"offset": 5}):
            refused = self.assertRaisesRegex(ValidationError, "rolls over after 65536")
            with self.subTest(values), refused, self.cr.savepoint():
                self.counter(connection, counter_width="u16", **values)

    def test_pieces_since_the_last_reading_need_a_time_that_modbus_has_not(self):
        with self.assertRaisesRegex(ValidationError, "no time of its own"):
            self.counter(self.connect(), counter_kind="delta")
