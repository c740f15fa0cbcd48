"""The dialogs: what a person does to machines, orders and events."""

import socket
import struct
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..machine_connect.drivers import DRIVERS, driver_class
from .common import T0, MachineConnectCommon
from .modbus_device import ModbusDevice
from .opcua_device import NAMESPACE, OpcUaDevice


class WizardCase(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(mute_logger("odoo.addons.mrp_machine_connect"))
        cls.device = cls.enterClassContext(ModbusDevice())
        cls.device.registers[0] = 6
        cls.device.set_u32(2, 48_211)

    def click(self, record, button):
        """Click a button as the web client does: in a request of its own, with what the form saved before."""
        self.env.flush_all()
        with self.enter_registry_test_mode():
            return getattr(record, button)()

    def connection(self, **values):
        return self.env["mrp.machine.connection"].create(
            {
                "machine_id": self.machine.id,
                "protocol": "modbus",
                "host": "127.0.0.1",
                "port": self.device.port,
                "timeout": 1.0,
                **values,
            }
        )

    def signal(self, connection, **values):
        return self.env["mrp.machine.signal"].create(
            {
                "machine_id": connection.machine_id.id,
                "connection_id": connection.id,
                "name": "Good",
                "role": "good",
                "address": "holding:2",
                "data_type": "u32",
                "fastest_cycle": 1.0,
                **values,
            }
        )


@tagged("post_install", "-at_install")
class TestConnectWizard(WizardCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.template = cls.env["mrp.machine.template"].create(
            {
                "name": "Press of the tests",
                "protocol": "modbus",
                "default_port": cls.device.port,
                "signal_ids": [
                    Command.create(
                        {
                            "name": "State",
                            "role": "state",
                            "address": "holding:0",
                            "data_type": "u16",
                            "state_table": "packml_opc_30050",
                        }
                    ),
                    Command.create(
                        {
                            "name": "Good",
                            "role": "good",
                            "address": "holding:2",
                            "data_type": "u32",
                            "fastest_cycle": 2.0,
                        }
                    ),
                ],
                "code_ids": [Command.create({"kind": "alarm", "code": "101", "label": "Jam"})],
            }
        )

    def wizard(self, **values):
        form = Form(self.env["mrp.machine.connect.wizard"])
        form.name = "Press 9"
        wizard = form.save()
        wizard.write(values)
        return wizard

    def test_three_steps_make_a_machine_and_show_its_values(self):
        form = Form(self.env["mrp.machine.connect.wizard"])
        form.template_id = self.template
        form.name = "Presse Nº 9"
        self.assertEqual(form.code, "PRESSE-NO-9")
        self.assertEqual(form.port, self.device.port)
        wizard = form.save()

        self.click(wizard, "action_next")
        self.assertEqual((wizard.step, wizard.problem), ("address", False))
        wizard.host = "127.0.0.1"
        self.click(wizard, "action_next")
        self.assertEqual((wizard.step, wizard.problem), ("drives", False))
        self.assertIn("All 2 signals of the template can be read", wizard.answer)
        self.assertEqual(wizard.fastest_cycle, 2.0, "the template's, to be confirmed")
        wizard.write({"workcenter_id": self.workcenter.id, "fastest_cycle": 1.5})
        self.click(wizard, "action_connect")

        machine = wizard.machine_id
        self.assertEqual(wizard.step, "done")
        self.assertEqual(machine.workcenter_id, self.workcenter)
        self.assertEqual(machine.signal_ids.filtered(lambda signal: signal.role == "good").fastest_cycle, 1.5)
        self.assertEqual(machine.code_ids.mapped("code"), ["101"])
        self.assertEqual(machine.template_id, self.template)
        self.assertEqual(wizard.read_line_ids.mapped("understood"), ["Running", "48211"])
        self.assertEqual(wizard.action_open()["res_id"], machine.id)

    def test_what_is_wrong_is_said_on_the_step_and_nothing_is_lost(self):
        dead = socket.socket()
        dead.bind(("127.0.0.1", 0))
        self.addCleanup(dead.close)
        wizard = self.wizard(step="address", host="127.0.0.1", port=dead.getsockname()[1], unit_id=7)

        action = self.click(wizard, "action_next")

        self.assertEqual(wizard.step, "address")
        self.assertIn("Port: 127.0.0.1 answers, but nothing listens", wizard.problem)
        self.assertEqual((wizard.unit_id, wizard.name), (7, "Press 9"))
        self.assertEqual((action["res_id"], action["target"]), (wizard.id, "new"))

        self.click(wizard, "action_skip_test")
        self.assertEqual((wizard.step, wizard.problem), ("drives", False))
        self.click(wizard, "action_back")
        self.assertEqual(wizard.step, "address")

    def test_a_machine_that_is_off_is_connected_all_the_same(self):
        dead = socket.socket()
        dead.bind(("127.0.0.1", 0))
        self.addCleanup(dead.close)
        wizard = self.wizard(
            step="drives", template_id=self.template.id, host="127.0.0.1", port=dead.getsockname()[1], fastest_cycle=1
        )

        self.click(wizard, "action_connect")

        self.assertEqual(wizard.step, "done")
        self.assertTrue(wizard.machine_id)
        self.assertIn("nothing listens", wizard.problem)

        wizard.machine_id.connection_ids.port = self.device.port
        self.click(wizard, "action_read")
        self.assertFalse(wizard.problem)
        self.assertEqual(len(wizard.read_line_ids), 2)

    def test_a_code_that_is_taken_is_said_on_the_first_step(self):
        wizard = self.wizard(code=self.machine.code)

        self.click(wizard, "action_next")

        self.assertEqual(wizard.step, "machine")
        self.assertIn(self.machine.name, wizard.problem)

    def test_settings_that_the_model_refuses_leave_no_half_machine(self):
        wizard = self.wizard(step="drives", host="", code="HALF")

        self.click(wizard, "action_connect")

        self.assertIn("Host: This is needed", wizard.problem)
        self.assertFalse(self.env["mrp.machine"].search([("code", "=", "HALF")]))

    def test_too_often_for_a_scheduled_action(self):
        wizard = self.wizard(step="address", host="127.0.0.1", port=self.device.port, interval=5)

        self.click(wizard, "action_next")

        self.assertIn("choose «Worker»", wizard.problem)

    def test_without_a_template_one_counter_may_be_given(self):
        wizard = self.wizard(step="drives", host="127.0.0.1", port=self.device.port, counter_address="holding:2")
        self.assertTrue(wizard.asks_cycle)

        self.click(wizard, "action_connect")
        self.assertIn("Fastest Cycle (s)", wizard.problem)

        wizard.fastest_cycle = 2
        self.click(wizard, "action_connect")
        self.assertEqual(wizard.read_line_ids.mapped("understood"), ["48211"])

    def test_a_request_that_the_server_repeats_makes_no_second_machine(self):
        wizard = self.wizard(
            step="drives",
            host="127.0.0.1",
            port=self.device.port,
            code="ONCE",
            counter_address="holding:2",
            fastest_cycle=1,
        )
        self.click(wizard, "action_connect")
        made = wizard.machine_id

        self.click(wizard, "action_connect")

        self.assertEqual((wizard.step, wizard.problem, wizard.machine_id), ("done", False, made))
        self.assertEqual(wizard.read_line_ids.mapped("understood"), ["48211"])
        self.assertEqual(self.env["mrp.machine"].search([("code", "=", "ONCE")]), made)

    def test_without_any_signal_it_ends_at_the_machine(self):
        wizard = self.wizard(step="drives", host="127.0.0.1", port=self.device.port)

        self.click(wizard, "action_connect")

        self.assertEqual((wizard.step, wizard.problem), ("done", False))
        self.assertFalse(wizard.read_line_ids)

    def test_a_password_does_not_stay_in_the_wizard(self):
        with OpcUaDevice(users={"operator": "a secret"}) as server:
            wizard = self.wizard(
                step="drives",
                protocol="opcua",
                url=server.url,
                user="operator",
                password="a secret",
                allow_plain_password=True,
            )
            self.click(wizard, "action_connect")

        self.assertFalse(wizard.password)
        self.assertEqual(wizard.machine_id.connection_ids._secrets(), {"password": "a secret"})

    def address_step(self, **values):
        """The form of the second step; a field that it does not show cannot be set on it."""
        return Form(self.wizard(step="address", **values))

    def test_the_address_step_asks_what_the_driver_takes(self):
        form = self.address_step()
        form.host, form.port, form.unit_id = "10.0.0.5", 1502, 7
        for hidden in ("serial_port", "url"):
            with self.subTest(hidden=hidden), self.assertRaisesRegex(AssertionError, "invisible"):
                form[hidden] = "somewhere"

        form.transport = "serial"
        form.serial_port, form.unit_id = "/dev/ttyUSB0", 8
        with self.assertRaisesRegex(AssertionError, "invisible"):
            form.host = "10.0.0.6"

        form.protocol = "opcua"
        form.url, form.user, form.password = "opc.tcp://10.0.0.5:4840", "operator", "a secret"
        for hidden, value in (("unit_id", 1), ("security_mode", "sign")):
            with self.subTest(hidden=hidden), self.assertRaisesRegex(AssertionError, "invisible"):
                form[hidden] = value
        form.security_policy = "Basic256Sha256"
        form.security_mode = "sign"

    def test_whatever_driver_there_is_what_it_cannot_do_without_is_asked(self):
        protocols = [protocol for protocol, _label in self.env["mrp.machine.connection"]._fields["protocol"].selection]
        self.assertEqual(set(protocols), set(DRIVERS))
        for protocol in protocols:
            with self.subTest(protocol=protocol):
                wizard = self.wizard(protocol=protocol)
                needed = {problem.field for problem in driver_class(protocol).check_options({})}

                self.assertTrue(needed)
                self.assertLessEqual(needed, set(wizard.asked_settings))
                self.assertLessEqual(needed, set(wizard._connection_values()))

    def test_what_was_typed_for_the_connection_is_what_it_gets(self):
        wizard = self.wizard(
            step="drives",
            protocol="modbus",
            host="127.0.0.1",
            port=self.device.port,
            unit_id=1,
            interval=90,
            code="ALL",
        )

        self.click(wizard, "action_connect")

        connection = wizard.machine_id.connection_ids
        for name in wizard._connection_fields():
            self.assertEqual(connection[name], wizard[name], name)

    def test_browse_is_spoken_of_where_there_is_something_to_browse(self):
        self.assertFalse(self.wizard(protocol="modbus").can_browse)
        self.assertTrue(self.wizard(protocol="opcua").can_browse)

    def test_host_and_port_in_one_are_taken_apart(self):
        form = Form(self.env["mrp.machine.connect.wizard"].create({"name": "P", "step": "address"}))

        form.host = "10.0.0.5:1502"

        self.assertEqual((form.host, form.port), ("10.0.0.5", 1502))


@tagged("post_install", "-at_install")
class TestLoadOrder(WizardCase):
    def wizard(self, machine, order, at=T0 + timedelta(hours=1)):
        form = Form(self.env["mrp.machine.load.order"].with_context(default_machine_id=machine.id))
        form.production_id = order
        form.date_start = at.replace(tzinfo=None)
        return form.save()

    def test_the_work_order_of_the_machines_work_center_is_proposed(self):
        order = self.make_order(50)
        wizard = self.wizard(self.machine, order)
        self.assertEqual(wizard.workorder_id, order.workorder_ids)
        self.assertEqual(wizard.current_name, self.workorder.display_name)
        self.assertEqual(wizard.remaining, 50)

        wizard.action_load()

        self.assertEqual(self.machine.production_id, order)
        self.assertEqual(self.machine.loading_ids[0].workorder_id, order.workorder_ids)
        self.assertEqual(self.machine.loading_ids[1].date_end, wizard.date_start)

    def test_only_open_orders_that_pass_here_are_offered(self):
        elsewhere = self.make_order(5, bom=self.bom.copy())
        elsewhere.workorder_ids.workcenter_id = self.idle_machine.workcenter_id
        wizard = self.env["mrp.machine.load.order"].create({"machine_id": self.machine.id})

        offered = self.env["mrp.production"].search(wizard.production_domain)

        self.assertIn(self.order, offered)
        self.assertNotIn(elsewhere, offered)

    def test_what_waited_for_the_order_is_posted(self):
        waiting = self.receive(self.idle_machine, self.count(3, seconds=60))
        self.post()
        self.assertEqual(self.states(waiting), ["waiting"])
        order = self.make_order(10)
        order.workorder_ids.workcenter_id = self.idle_machine.workcenter_id

        self.wizard(self.idle_machine, order, at=T0).action_load()
        self.post()

        self.assertEqual(self.states(waiting), ["posted"])
        self.assertEqual(order.workorder_ids.qty_produced, 3)

    def test_from_an_exception_the_order_is_loaded_from_the_event_on(self):
        event = self.receive(self.idle_machine, self.count(3, seconds=90))
        self.post()

        action = event.posting_ids.filtered(lambda row: row.handler == "production_count").action_load_order()

        self.assertEqual(action["context"]["default_machine_id"], self.idle_machine.id)
        self.assertEqual(action["context"]["default_date_start"], self.at(90).replace(tzinfo=None))

    def test_unload(self):
        wizard = self.env["mrp.machine.load.order"].create({"machine_id": self.machine.id})

        wizard.action_unload()

        self.assertFalse(self.machine.production_id)
        self.assertTrue(self.machine.loading_ids.date_end)

    def test_an_operator_may_load(self):
        operator = new_test_user(self.env, "op", "mrp_machine_connect.group_operator")
        wizard = (
            self.env["mrp.machine.load.order"]
            .with_user(operator)
            .create({"machine_id": self.machine.id, "production_id": self.make_order(5).id})
        )

        wizard.action_load()

        self.assertEqual(self.machine.loading_ids[0].user_id, operator)


@tagged("post_install", "-at_install")
class TestAdjustPauseIgnore(WizardCase):
    def adjust(self, **values):
        return self.env["mrp.machine.adjust"].create(
            {
                "machine_id": self.machine.id,
                "reason": "Counter was off",
                "at": self.at(60).replace(tzinfo=None),
                **values,
            }
        )

    def test_pieces_are_added_and_taken_away_with_a_reason(self):
        self.adjust(quantity=5).action_apply()
        self.adjust(quantity=-2, reason="Two were samples").action_apply()
        self.post()

        self.assertEqual(self.workorder.qty_produced, 3)
        last = self.env["mrp.machine.event"].search([("machine_id", "=", self.machine.id)], order="id desc", limit=1)
        self.assertEqual((last.user_id, last.data["why"]), (self.env.user, "Two were samples"))

    def test_the_dialog_says_where_the_pieces_go(self):
        self.assertIn(self.workorder.display_name, self.adjust(quantity=1).order_words)
        self.machine.loading_ids.unlink()
        self.machine.workcenter_id = False
        self.assertIn("will wait in Exceptions", self.adjust(quantity=1).order_words)

    def test_nothing_and_the_future_are_refused(self):
        with self.assertRaisesRegex(UserError, "Quantity: "):
            self.adjust(quantity=0).action_apply()
        with self.assertRaisesRegex(UserError, "When: "):
            self.adjust(quantity=1, at=fields.Datetime.now() + timedelta(hours=1)).action_apply()

    def test_an_event_is_corrected_by_another_that_refers_to_it(self):
        event = self.receive(self.machine, self.count(7))
        self.post()
        context = event.action_correct()["context"]

        form = Form(self.env["mrp.machine.adjust"].with_context(**context))
        form.reason = "Trial run"
        form.save().action_apply()
        self.post()

        self.assertEqual(self.workorder.qty_produced, 0)
        correction = self.env["mrp.machine.event"].search([("type", "=", "correction.adjust")], limit=1)
        self.assertEqual(correction.correlation, event.uid)

    def test_a_pause_has_an_end_and_a_reason(self):
        pause = self.env["mrp.machine.pause"].create({"machine_id": self.machine.id, "reason": "Stock-taking"})
        self.assertGreater(pause.until, fields.Datetime.now())
        pause.action_pause()
        self.assertTrue(self.machine.is_paused)
        self.assertEqual(self.machine.pause_reason, "Stock-taking")
        self.machine.action_resume()
        self.assertFalse(self.machine.is_paused)

        pause.until = fields.Datetime.now() - timedelta(minutes=1)
        with self.assertRaisesRegex(UserError, "Until: "):
            pause.action_pause()

    def test_exceptions_are_ignored_with_a_reason(self):
        event = self.receive(self.idle_machine, self.count(3))
        self.post()
        rows = self.rows(event)
        action = rows.action_ignore()

        wizard = self.env["mrp.machine.ignore"].with_context(**action["context"]).create({"reason": "Trial parts"})
        self.assertEqual(wizard.count, 1)
        wizard.action_ignore()

        self.assertEqual((rows.state, rows.message, rows.released_by), ("ignored", "Trial parts", self.env.user))

    def test_an_operator_may_adjust_but_neither_pause_nor_connect(self):
        operator = new_test_user(self.env, "op", "mrp_machine_connect.group_operator")
        self.adjust(quantity=2).with_user(operator)
        self.env["mrp.machine.adjust"].with_user(operator).create(
            {
                "machine_id": self.machine.id,
                "quantity": 2,
                "reason": "Found two",
                "at": self.at(60).replace(tzinfo=None),
            }
        ).action_apply()
        self.post()
        self.assertEqual(self.workorder.qty_produced, 2)

        for model in ("mrp.machine.pause", "mrp.machine.connect.wizard", "mrp.machine.signal.import"):
            with self.subTest(model=model), self.assertRaises(AccessError):
                self.env[model].with_user(operator).create({})


@tagged("post_install", "-at_install")
class TestReadNow(WizardCase):
    def test_each_signal_as_read_as_decoded_and_as_understood(self):
        connection = self.connection()
        self.signal(connection)
        self.signal(
            connection, name="State", role="state", address="holding:0", data_type="u16", state_table="packml_opc_30050"
        )
        self.signal(connection, name="Weight", role="value", address="40001", data_type="u16", scale=0.5, unit="KGM")

        action = self.click(connection, "action_read_now")

        good, state, weight = self.env["mrp.machine.read.now"].browse(action["res_id"]).line_ids
        self.assertEqual(good.address, "holding register 2 (manual: 40003), unit 1")
        self.assertEqual((good.raw, good.decoded, good.quality), ("0x0000 0xBC53 (0 48211)", "48211", "good"))
        self.assertEqual((state.decoded, state.understood), ("6", "Running"))
        self.assertEqual((weight.decoded, weight.understood), ("6", "3 kg"))
        self.assertLess(good.age, 5)

    def test_opc_ua_shows_the_data_value(self):
        with OpcUaDevice() as server:
            connection = self.connection(protocol="opcua", url=server.url)
            self.signal(connection, address=f"nsu={NAMESPACE};s=Good", data_type=False)
            action = self.click(connection, "action_read_now")

        line = self.env["mrp.machine.read.now"].browse(action["res_id"]).line_ids
        self.assertEqual(line.understood, "48211")
        self.assertIn("UInt32 48211, Good", line.raw)


@tagged("post_install", "-at_install")
class TestTry(WizardCase):
    def setUp(self):
        super().setUp()
        self.line = self.connection(polled_by="worker", interval=1)

    def box(self, signal, **values):
        return self.env["mrp.machine.try"].create({"machine_id": self.machine.id, "signal_id": signal.id, **values})

    def test_registers_are_decoded_as_the_driver_does(self):
        signal = self.signal(self.line)
        for registers in ("0x0001 0x86A0", "1 34464", "0x0001, 0x86a0", " 1;34464 "):
            self.assertEqual(self.box(signal, registers=registers).decoded, "100000")
        signal.word_order = "little"
        self.assertEqual(self.box(signal, registers="0x86A0 0x0001").decoded, "100000")
        coil = self.signal(self.line, name="Door", role="value", address="coil:1", data_type=False)
        self.assertEqual(self.box(coil, registers="1").decoded, "True")

    def test_a_value_before_makes_events(self):
        signal = self.signal(self.line)

        first = self.box(signal, value="1089")
        self.assertIn("where counting begins", first.events)
        counted = self.box(signal, value="1092", previous="1089", seconds=60)
        self.assertEqual(counted.events, "production.count: 3 pieces good (1089 → 1092)")
        jumped = self.box(signal, value="4000", previous="1089", seconds=1)
        self.assertIn("held for a person", jumped.events)
        self.assertIn("Plausibility: held", jumped.rules)
        same = self.box(signal, value="1089", previous="1089")
        self.assertIn("nothing happened", same.events)

    def test_a_state_and_an_unknown_code(self):
        signal = self.signal(
            self.line, name="State", role="state", address="holding:0", data_type="u16", state_table="packml_opc_30050"
        )

        self.assertEqual(self.box(signal, registers="6").understood, "Running")
        unknown = self.box(signal, value="42")
        self.assertEqual(unknown.understood, "Unknown")
        self.assertIn("Map it on the page «Codes»", unknown.problem)

    def registers(self, data_type, value, word_order="big", byte_order="big"):
        """Write a value as a device of these orders sends it: by the words of the manuals, not by our driver."""
        code, words = {
            "u16": ("H", 1), "i16": ("h", 1), "u32": ("I", 2), "i32": ("i", 2), "u64": ("Q", 4), "i64": ("q", 4),
            "f32": ("f", 2), "f64": ("d", 4), "bcd16": (None, 1), "bcd32": (None, 2),
        }[data_type]  # fmt: skip
        digits = f"{value:0{4 * words}d}" if code is None else struct.pack(f">{code}", value).hex()
        found = [digits[start : start + 4] for start in range(0, 4 * words, 4)]
        if word_order == "little":
            found.reverse()
        if byte_order == "little":
            found = [word[2:] + word[:2] for word in found]
        return " ".join(f"0x{word.upper()}" for word in found)

    def test_before_and_now_are_both_decoded_from_registers(self):
        signal = self.signal(self.line, fastest_cycle=0.001, counter_width=False)
        values = {
            "u16": (40_000, 40_007), "i16": (30_000, 30_007), "u32": (70_000, 70_007), "i32": (2_000_000, 2_000_007),
            "u64": (2**40, 2**40 + 7), "i64": (2**40, 2**40 + 7), "f32": (70_000.0, 70_007.0),
            "f64": (70_000.0, 70_007.0), "bcd16": (9_001, 9_008), "bcd32": (99_990_001, 99_990_008),
        }  # fmt: skip
        for data_type, (before, now) in values.items():
            for word_order in ("big", "little"):
                for byte_order in ("big", "little"):
                    with self.subTest(data_type=data_type, word_order=word_order, byte_order=byte_order):
                        orders = {"word_order": word_order, "byte_order": byte_order}
                        signal.write({"data_type": data_type, **orders})
                        box = self.box(
                            signal,
                            registers=self.registers(data_type, now, **orders),
                            previous=self.registers(data_type, before, **orders),
                        )

                        self.assertFalse(box.problem)
                        self.assertEqual((float(box.decoded_before), float(box.decoded)), (before, now))
                        self.assertEqual(box.events, f"production.count: 7 pieces good ({before:.0f} → {now:.0f})")

    def test_a_counter_that_rolls_over_between_the_two(self):
        signal = self.signal(self.line)
        for data_type, width, before in (
            ("u16", "u16", 2**16 - 2),
            ("u32", "u32", 2**32 - 2),
            ("u64", "u64", 2**64 - 2),
            ("bcd16", "bcd4", 9_998),
            ("bcd32", "bcd8", 99_999_998),
        ):
            with self.subTest(data_type=data_type):
                signal.write({"data_type": data_type, "counter_width": width})
                box = self.box(
                    signal,
                    registers=self.registers(data_type, 3),
                    previous=self.registers(data_type, before),
                    seconds=60,
                )

                self.assertEqual((box.decoded_before, box.decoded), (str(before), "3"))
                self.assertEqual(box.events, f"production.count: 5 pieces good ({before} → 3)")
                self.assertIn("Plausibility: passed", box.rules)

                in_no_time = self.box(signal, registers=box.registers, previous=box.previous, seconds=1)
                self.assertIn("held for a person", in_no_time.events, "a piece takes a second")

    def test_a_counter_that_went_back_without_a_rollover_is_advised_on(self):
        signal = self.signal(self.line)

        back = self.box(signal, registers="0 3", previous="0xFFFF 0xFFFE")
        self.assertIn("«Rolls Over After»", back.problem)
        self.assertIn("Counter set back from 4294967294 to 3", back.events)
        self.assertFalse(self.box(signal, registers="0 3", previous="0 2").problem)
        signal.counter_width = "u32"
        self.assertFalse(self.box(signal, registers="0 3", previous="0xFFFF 0xFFFE").problem)

    def test_an_own_modulus_and_a_single_bit_roll_over_too(self):
        signal = self.signal(self.line, data_type="u16", counter_width="custom", counter_modulus=10_000)
        self.assertIn("5 pieces good (9998 → 3)", self.box(signal, registers="3", previous="9998").events)

        coil = self.signal(
            self.line, name="Pulse", address="coil:1", data_type=False, counter_kind="pulse", counter_width=False
        )
        box = self.box(coil, registers="1", previous="0")
        self.assertEqual((box.decoded_before, box.decoded), ("False", "True"))
        self.assertIn("1 piece", box.events)

    def test_an_unmapped_state_is_said_in_words_also_from_registers(self):
        signal = self.signal(
            self.line, name="State", role="state", address="holding:0", data_type="u16", state_table="packml_opc_30050"
        )

        box = self.box(signal, registers="0x002A", previous="0x0006")

        self.assertEqual((box.decoded_before, box.decoded, box.understood), ("6", "42", "Unknown"))
        self.assertEqual(box.problem, "No code and no state table knows «42». Map it on the page «Codes».")
        self.assertEqual(box.events, "machine.state_changed: Running → Unknown")
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "42", "state": "setup"}
        )
        mapped = self.box(signal, registers="0x002A", previous="0x0006")
        self.assertFalse(mapped.problem)
        self.assertEqual(mapped.events, "machine.state_changed: Running → Setup")

    def test_a_value_that_must_stand_is_shown_as_if_it_had_stood(self):
        signal = self.signal(
            self.line,
            name="State",
            role="state",
            address="holding:0",
            data_type="u16",
            state_table="packml_opc_30050",
            debounce=90,
        )

        box = self.box(signal, registers="9", previous="6", seconds=60)

        self.assertEqual((box.understood, box.problem), ("Fault", ""))
        self.assertEqual(box.events, "machine.state_changed: Running → Fault")
        self.assertIn("Debounce: passed – seconds 90", box.rules)

    def test_what_is_wrong_with_the_registers_before_is_said_of_them(self):
        signal = self.signal(self.line)
        for registers, words in (
            ("1", "Registers Before: This signal covers 2 registers, and 1 are given"),
            ("one two", "Registers Before: «one two» are no numbers"),
            ("1 -1", "Registers Before: Each register lies between 0 and 65535"),
        ):
            with self.subTest(registers=registers):
                box = self.box(signal, registers="1 34464", previous=registers)
                self.assertIn(words, box.problem)
                self.assertEqual(box.decoded, "100000", "what is right is shown all the same")
        signal.data_type = "bcd32"
        self.assertIn("Registers Before: ", self.box(signal, registers="0 1", previous="0 10").problem)

    def test_registers_are_for_modbus_only(self):
        server = self.connection(protocol="opcua", url="opc.tcp://127.0.0.1:4840")
        signal = self.signal(server, address="nsu=urn:x;s=Good", data_type=False)

        box = self.box(signal, registers="1 2", value="1092", previous="1089")

        self.assertEqual(box.events, "production.count: 3 pieces good (1089 → 1092)")

    def test_what_cannot_be_a_reading_is_said(self):
        signal = self.signal(self.line)
        for values, words in (
            ({"registers": "one two"}, "are no numbers"),
            ({"registers": "1"}, "Registers: This signal covers 2 registers, and 1 are given"),
            ({"registers": "1 70000"}, "between 0 and 65535"),
            ({"value": "many"}, "is no number"),
        ):
            with self.subTest(**values):
                self.assertIn(words, self.box(signal, **values).problem)

    def test_the_box_begins_with_a_signal_that_speaks(self):
        self.signal(self.line, name="Speed", role="value", address="holding:8")
        good = self.signal(self.line)

        form = Form(self.env["mrp.machine.try"].with_context(default_machine_id=self.machine.id))

        self.assertEqual(form.signal_id, good)
        self.assertEqual(form.seconds, 1)
