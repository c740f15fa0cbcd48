import re
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..machine_connect import clock
from ..polling_host import PollingHost
from .common import T0, MachineConnectCommon


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

    def test_what_is_archived_is_duplicated_too(self):
        for archive in (self.machine, self.connection, self.signal):
            with self.subTest(archive=archive._name):
                archive.active = False
                copy = self.machine.copy()
                copied = copy.with_context(active_test=False)

                self.assertEqual(copied.connection_ids.mapped("port"), [15999])
                self.assertFalse(copied.connection_ids.active)
                self.assertEqual(copied.signal_ids.mapped("name"), ["Good"])
                self.assertEqual(copied.signal_ids.connection_id, copied.connection_ids)
                archive.active = True

    def test_the_company_cannot_change_once_there_is_something_of_it(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        for what, give in (
            ("events", lambda machine: self.receive(machine, self.count(5))),
            ("orders", lambda machine: self.env["mrp.machine.loading"]._load(
                machine, self.order, self.workorder, self.at(0).replace(tzinfo=None))),
        ):  # fmt: skip
            with self.subTest(what=what):
                machine = self.make_machine(f"moving-{what}")
                give(machine)
                with self.assertRaisesRegex(UserError, "The company cannot change any more"):
                    machine.company_id = company
                machine.company_id = self.company

        fresh = self.make_machine("fresh")
        fresh.company_id = company
        self.assertEqual(fresh.company_id, company)

    def test_machines_of_one_code_in_two_companies_share_no_stream(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        other = self.make_machine("t-press", company_id=company.id)
        moment = clock.now()

        with patch.object(clock, "now", lambda: moment):
            events = [
                machine._adjust("good", 1, "Counted by hand", at=self.at(60).replace(tzinfo=None))
                for machine in (self.machine, other)
            ]

        self.assertEqual([len(event) for event in events], [1, 1], "the same said of two machines is two events")
        self.assertNotEqual(events[0].stream, events[1].stream)
        self.assertEqual([event.machine_id for event in events], [self.machine, other])
        streams = self.env["mrp.machine.stream"].search([("name", "in", [event.stream for event in events])])
        self.assertEqual(streams.machine_id, self.machine | other)
        self.assertEqual(streams.mapped("sequence"), [1, 1])

    def test_a_machine_keeps_the_stream_that_it_has(self):
        source = self.env.ref("mrp_machine_connect.source_people")
        former = "urn:mmc:odoo:t-press:people"
        self.env["mrp.machine.stream"].create(
            {"source_id": source.id, "machine_id": self.machine.id, "name": former, "epoch": 1, "sequence": 7}
        )
        other = self.make_machine("t-press", company_id=self.env["res.company"].create({"name": "Elsewhere"}).id)
        self.env.flush_all()

        event = self.machine._adjust("good", 1, "Counted by hand")
        self.assertEqual((event.stream, event.sequence), (former, 8))
        self.assertNotEqual(other._adjust("good", 1, "Counted by hand").stream, former)

    def test_a_state_that_lasts_goes_on_on_the_new_work_center(self):
        self.machine.loading_ids.unlink()
        began = (clock.now() - T0).total_seconds() - 3600
        self.receive(self.machine, self.state("fault", began))
        self.post()
        former, new = self.workcenter, self.idle_machine.workcenter_id

        self.machine.workcenter_id = new
        self.receive(self.machine, self.state("off", began + 7200))
        self.post()

        for workcenter in (former, new):
            self.assertAlmostEqual(sum(workcenter.time_ids.mapped("duration")), 60, delta=1)
            self.assertEqual(len(workcenter.time_ids), 1)

    def test_a_loaded_order_stays_on_a_machine_that_moves_and_another_does_not(self):
        began = (clock.now() - T0).total_seconds() - 3600
        self.receive(self.machine, self.state("running", began))
        self.post()

        self.machine.workcenter_id = self.idle_machine.workcenter_id
        self.assertEqual(self.machine.interval_ids.production_id, self.order)

        self.machine.workcenter_id = self.workcenter
        self.machine.loading_ids.unlink()
        self.machine.workcenter_id = self.idle_machine.workcenter_id
        latest = self.machine.interval_ids.sorted("start_us")[-1]
        self.assertFalse(latest.production_id)
        self.assertEqual(latest.workcenter_id, self.idle_machine.workcenter_id)

    def test_saving_the_same_work_center_cuts_nothing(self):
        self.receive(self.machine, self.state("running", 0))
        self.post()

        self.machine.workcenter_id = self.workcenter

        self.assertEqual(len(self.machine.interval_ids), 1)

    def test_numbers_that_are_none_or_hold_nothing_are_refused_by_the_name_on_the_form(self):
        for name, value, words in (
            ("fastest_cycle", 1e-300, "«Fastest Cycle (s)» lies between 0.001 and"),
            ("fastest_cycle", 0.0009, "«Fastest Cycle (s)» lies between 0.001 and"),
            ("fastest_cycle", 1e300, "«Fastest Cycle (s)» lies between 0.001 and"),
            ("fastest_cycle", float("nan"), "«Fastest Cycle (s)» must be a number"),
            ("fastest_cycle", float("inf"), "«Fastest Cycle (s)» must be a number"),
            ("fastest_cycle", -1, "give the fastest cycle"),
            ("pieces_per_cycle", 1e300, "«Pieces Per Cycle» is 1000000 at most"),
            ("pieces_per_cycle", 0, "pieces per cycle must be more than 0"),
            ("deadband", float("nan"), "«Deadband» must be a number"),
            ("debounce", float("inf"), "«Debounce (s)» must be a number"),
        ):
            with self.subTest(name=name, value=value):
                with self.assertRaisesRegex(ValidationError, re.escape(words)), self.env.cr.savepoint():
                    self.signal[name] = value
                    self.env.flush_all()
        self.signal.fastest_cycle = 0.001

        for name in (
            "micro_stop_limit",
            "short_stop_limit",
            "ideal_cycle",
            "late_window",
            "early_window",
            "silent_after",
        ):
            for value in (float("nan"), float("inf"), -1):
                with self.subTest(name=name, value=value):
                    label = self.machine._fields[name].string
                    with self.assertRaisesRegex(ValidationError, re.escape(f"«{label}» must be a number, 0 or more")):
                        with self.env.cr.savepoint():
                            self.machine[name] = value
                            self.env.flush_all()

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

        self.assertFalse(self.machine.active)

    def test_archiving_switches_no_connection_on_or_off(self):
        copy = self.machine.copy()
        off = copy.with_context(active_test=False).connection_ids
        self.assertFalse(off.active)

        for machine in (self.machine, copy):
            machine.active = False
        self.assertEqual((self.connection.active, off.active), (True, False))
        for machine in (self.machine, copy):
            machine.active = True

        self.assertEqual((self.connection.active, off.active), (True, False))

    def test_an_archived_connection_is_found_on_the_form_and_taken_back_from_there(self):
        copy = self.machine.copy()
        self.assertEqual((self.machine.archived_connection_count, copy.archived_connection_count), (0, 1))

        action = copy.action_archived_connections()
        connection = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(connection.machine_id, copy)
        connection.action_unarchive()

        self.assertEqual(copy.archived_connection_count, 0)
        self.assertEqual(copy.connection_ids, connection)

    def test_an_archived_machine_is_not_polled_and_is_at_once_when_it_is_back(self):
        (self.env["mrp.machine.connection"].search([]) - self.connection).active = False
        status = self.connection.status_id
        self.machine.active = False
        self.env.flush_all()
        self.registry_enter_test_mode()
        host = PollingHost(self.env.registry, "test:archived", "cron")
        self.addCleanup(host.close)

        self.assertFalse(host._claim())
        self.env.cr.execute("UPDATE mrp_machine_connection_status SET next_poll = '2099-01-01'")
        self.env.invalidate_all()
        self.machine.active = True
        self.env.flush_all()

        self.assertFalse(status.next_poll, "due at once")
        self.assertTrue(host._claim(only_due=True))

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
        self.signal.unlink()  # its address is none of the other protocol
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
